"""A review as a PDF of A4 pages: decision, figures, equity, tables, questions with their answers, comments (P-30).

The same review in the same state gives the same bytes: nothing of now is in it. Why ReportLab: docs/decisions/0035.
It is imported here only when a document is asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

from positions.market.calendar import new_york
from riskengine.models import Review, ReviewState
from riskengine.services.review.periods import period_name
from riskengine.services.review.section import Figure, Section, Table
from riskengine.services.review.sheet import sheet

FONTS = Path(__file__).parent / "fonts"
PLAIN, BOLD = "betsizing", "betsizing-bold"
INK, MUTED, HAIRLINE, LINE, WELL = "#16191d", "#59616b", "#dcdfe2", "#1d4f91", "#f3f4f3"
MARGIN = 48.0  # points; A4 is 595 x 842
LONGEST_CELL = 400  # a cell cannot be parted between pages
PICTURE_HIGH = 132.0
KEPT_TOGETHER = 12  # rows of a table that stays with its caption
LEAST_LEFT = 96.0  # points of a page under which a heading begins overleaf


def document(review: Review) -> bytes:
    """The PDF. Its answers and comments are read here: two statements."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import SimpleDocTemplate

    _fonts()
    out = BytesIO()
    name = f"{review.get_kind_display()} review of {review.snapshot['account']['name']}"
    made = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=f"{name}, {period_name(review.kind, review.period_start)}",
        author="betsizing",
        subject="A review with its decision",
        creator="betsizing",
        invariant=1,  # no date of now, no random id
    )
    foot = f"{name}, {period_name(review.kind, review.period_start)}"
    made.build(list(_story(review, made.width)), onFirstPage=_foot(foot), onLaterPages=_foot(foot))
    return out.getvalue()


def file_name(review: Review) -> str:
    return f"review-{review.portfolio.slug}-{review.kind}-{review.period_start}.pdf"


@cache
def _fonts() -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    pdfmetrics.registerFont(TTFont(PLAIN, FONTS / "DejaVuSansCondensed.ttf"))
    pdfmetrics.registerFont(TTFont(BOLD, FONTS / "DejaVuSansCondensed-Bold.ttf"))


def _foot(text: str) -> Any:
    def draw(canvas: Any, page: Any) -> None:
        canvas.saveState()
        canvas.setFont(PLAIN, 8)
        canvas.setFillColor(MUTED)
        canvas.drawString(MARGIN, MARGIN / 2, text[:110])
        canvas.drawRightString(page.pagesize[0] - MARGIN, MARGIN / 2, f"Page {page.page}")
        canvas.restoreState()

    return draw


# ---- What it says ----


def _story(review: Review, width: float) -> Iterator[Any]:
    from reportlab.platypus import Spacer

    sections = sheet(review.snapshot)
    account = review.snapshot["account"]
    yield _text(f"{review.get_kind_display()} review", "title")
    yield _text(f"{account['name']}, {period_name(review.kind, review.period_start)}", "head")
    yield _text(
        f"{review.period_start} to {review.period_end}. Made {_ny(review.made_at)} New York, market time, and kept as "
        f"it was made.{' A demo: none of this money is real.' if account['is_demo'] else ''}",
        "muted",
    )
    yield from _decision(review)
    for section in sections.values():
        yield from _section(section, width)
        if section.key == "equity":
            yield from _picture(review.snapshot["equity"], width)
    yield _text("Questions", "head")
    answers = {each.code: each.text for each in review.answers.all()}
    for question in review.questions:
        yield _text(question["text"], "bold")
        yield _text(answers.get(question["code"], "Not answered yet."), "body" if answers else "muted")
    comments = list(review.comments.order_by("id"))
    if comments:
        yield _text("Comments", "head")
    for each in comments:
        yield _text(f"{each.author_name}, {_ny(each.written_at)} New York", "muted")
        yield _text(each.text, "body")
    yield Spacer(1, 8)


def _decision(review: Review) -> Iterator[Any]:
    if review.state != ReviewState.DECIDED:
        yield _text("Not decided yet.", "bold")
        return
    yield _text(f"Decision: {review.get_decision_display()}", "bold")
    yield _text(review.reason, "body")
    named = ""
    if review.revision is not None:
        named = f" It led to revision {review.revision.number}: {review.revision.reason}"
    elif review.awaits_revision:
        named = " The revision is still to follow."
    yield _text(f"{review.decided_by_name}, {_ny(review.decided_at)} New York.{named}", "muted")


def _section(section: Section, width: float) -> Iterator[Any]:
    """A long table begins where it stands and goes on overleaf: kept together with its caption it would leave the rest
    of a page empty."""
    from reportlab.platypus import CondPageBreak

    yield CondPageBreak(LEAST_LEFT)
    yield _text(section.title, "head")
    if section.lead:
        yield _text(section.lead, "body")
    if section.figures:
        yield _figures(section.figures, width)
    for place, table in enumerate(section.tables):
        is_long = len(table.rows) > KEPT_TOGETHER
        if is_long and (place or section.lead or section.figures):  # else its heading stands before it
            yield CondPageBreak(LEAST_LEFT)
        yield _text(table.caption, "caption" if is_long else "bold")
        yield _table(table, width)


def _figures(figures: Sequence[Figure], width: float) -> Any:
    from reportlab.platypus import Table as Grid

    rows = [
        [_text(each.name, "cell"), _text(each.value, "bold cell"), _text(each.note, "muted cell")] for each in figures
    ]
    return Grid(rows, colWidths=[width * share for share in (0.28, 0.24, 0.48)], style=_lines(), hAlign="LEFT")


def _table(table: Table, width: float) -> Any:
    from reportlab.platypus import Table as Grid

    def cells(row: Sequence[str], style: str) -> list[Any]:
        return [_text(cell, f"{style} right" if place in table.right else style) for place, cell in enumerate(row)]

    rows = [cells(table.head, "muted cell"), *(cells(row, "cell") for row in table.rows)]
    return Grid(rows, colWidths=_widths(table, width), style=_lines(), repeatRows=1, hAlign="LEFT")


def _widths(table: Table, width: float) -> list[float]:
    """By the longest word and by how much there is in each column: no word of an amount is broken."""
    columns = list(zip(table.head, *table.rows, strict=True))
    least = [max(_wide(word) for cell in column for word in (cell.split() or [""])) + 10 for column in columns]
    asked = [min(max(_wide(cell) for cell in column), 260.0) + 10 for column in columns]
    left = width - sum(least)
    if left <= 0:
        return [width * each / sum(least) for each in least]
    more = [max(wanted - need, 0.0) for wanted, need in zip(asked, least, strict=True)]
    share = min(left / sum(more), 1.0) if sum(more) else 0.0
    return [need + share * extra for need, extra in zip(least, more, strict=True)]


def _wide(text: str) -> float:
    from reportlab.pdfbase.pdfmetrics import stringWidth

    return min(float(stringWidth(text[:LONGEST_CELL], BOLD, 8)), 180.0 if " " not in text else 10_000.0)


def _lines() -> list[Any]:
    return [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.5, HAIRLINE),
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 6),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ]


def _picture(equity: Mapping[str, Any], width: float) -> Iterator[Any]:
    """Equity at the end of each day, from the start of the first: a line with its lowest and highest amount."""
    from reportlab.graphics.shapes import Drawing, Line, PolyLine, String

    days = [each for each in equity["days"] if each["end"] is not None]
    if not days:
        return
    values = [days[0]["start"], *(each["end"] for each in days)]
    low, high = min(values), max(values)
    span = (high - low) or max(abs(high) * 0.01, 1.0)
    left, base, tall, wide = 64.0, 18.0, PICTURE_HIGH - 34.0, width - 72.0
    drawing = Drawing(width, PICTURE_HIGH)

    def up(value: float) -> float:
        return base + tall * (value - low) / span

    for value in sorted({low, high}):
        drawing.add(Line(left, up(value), left + wide, up(value), strokeColor=_colour(HAIRLINE), strokeWidth=0.5))
        drawing.add(_letters(String, left - 6, up(value) - 3, _dollars(value), "end"))
    points = [number for place, value in enumerate(values) for number in (left + wide * place / len(days), up(value))]
    drawing.add(PolyLine(points, strokeColor=_colour(LINE), strokeWidth=1.4))
    for place, (day, anchor) in {0: (days[0]["day"], "start"), len(days): (days[-1]["day"], "end")}.items():
        drawing.add(_letters(String, left + wide * place / len(days), 4, day, anchor))
    yield _text("Equity at the end of each session, marked to the bid", "bold")
    yield drawing


def _letters(kind: Any, x: float, y: float, text: str, anchor: str) -> Any:
    return kind(x, y, text, fontName=PLAIN, fontSize=7.5, fillColor=_colour(MUTED), textAnchor=anchor)


def _dollars(value: float) -> str:
    return f"${value:,.0f}".replace("$-", "−$")


def _colour(code: str) -> Any:
    from reportlab.lib.colors import HexColor

    return HexColor(code)


# ---- Letters ----


@cache
def _style(name: str) -> Any:
    from reportlab.lib.styles import ParagraphStyle

    words = set(name.split())
    small = "cell" in words
    size = 17.0 if "title" in words else 12.0 if "head" in words else 8.0 if small else 9.5
    return ParagraphStyle(
        name,
        fontName=BOLD if words & {"title", "head", "bold", "caption"} else PLAIN,
        fontSize=size,
        leading=size * 1.3,
        textColor=MUTED if "muted" in words else INK,
        alignment=2 if "right" in words else 0,
        spaceBefore=0 if small else 14 if "head" in words else 4,
        spaceAfter=0 if small else 4,
        keepWithNext=int(bool(words & {"head", "bold"}) and not small),
        splitLongWords=1,
    )


def _text(text: str, style: str) -> Any:
    """A paragraph. What people wrote is text and never markup: it is escaped. A cell has no lines of its own: four
    hundred would be higher than a page."""
    from reportlab.platypus import Paragraph

    if "cell" in style:
        text = " ".join(text.split())
        if len(text) > LONGEST_CELL:
            text = f"{text[: LONGEST_CELL - 1]}…"
    plain = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text.replace("\r\n", "\n"))
    return Paragraph(escape(plain, quote=False).replace("\n", "<br/>"), _style(style))


def _ny(at: Any) -> str:
    return "" if at is None else f"{new_york(at):%Y-%m-%d %H:%M}"
