"""A review as a PDF: what it says, in every letter, on numbered pages, and the same bytes each time."""

from io import BytesIO

import pytest
from pypdf import PdfReader

from riskengine.models import Review
from riskengine.services.review.deciding import comment
from riskengine.services.review.document import document, file_name
from riskengine.services.watch.kill import kill
from tests.riskengine.review.reviewing import ANSWER, answers, at, decided, look, reviewed, trouble, week

pytestmark = pytest.mark.django_db


def text_of(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages).split())


def test_it_says_what_was_seen_answered_and_decided() -> None:
    desk = week()
    trouble(desk)
    review = decided(reviewed(desk), reason="Costs are what we assumed × 1.25.")
    comment(review=review, text="Look again\nin a month.", actor=review.portfolio.owner, now=review.created_at)
    pdf = document(review)
    said = text_of(pdf)
    assert pdf.startswith(b"%PDF-")
    for words in (
        "Weekly review", f"{desk.portfolio.name}, week of 4 Jan 2021", "2021-01-04 to 2021-01-08",
        "Made 2021-01-08 17:00 New York", "Decision: Keep: nothing changes", "Costs are what we assumed × 1.25.",
        "2 closed trades: this record cannot be told from luck.", "1 of 2, 50.0%", "+$1,000", "−$1,000",
        "MAX_VIX", "L2: daily loss limit: tripped", "Equity at the end of each session",
        "Can the record be told from luck?", ANSWER, "Look again in a month.", "Page 1", "Page 2",
    ):  # fmt: skip
        assert words in said, words
    reader = PdfReader(BytesIO(pdf))
    assert reader.metadata is not None
    assert reader.metadata.title == f"Weekly review of {desk.portfolio.name}, week of 4 Jan 2021"
    assert [round(float(each)) for each in reader.pages[0].mediabox[2:]] == [595, 842]
    assert file_name(review) == f"review-{desk.portfolio.slug}-weekly-2021-01-04.pdf"


def test_the_same_review_gives_the_same_bytes() -> None:
    review = decided(reviewed(week()))
    assert document(review) == document(Review.objects.get(pk=review.pk))


def test_what_people_write_is_text_and_never_markup() -> None:
    hostile = "<font color='red'>a & b</font> <img src=\"file:///etc/passwd\"/> &lt; ≤ Ω Ж → − \u0007 " + "w" * 500
    review = reviewed(week())
    review = decided(review, answers=answers(review, hostile), reason=hostile * 5)
    said = text_of(document(review))
    assert "<font color='red'>a & b</font>" in said
    assert '<img src="file:///etc/passwd"/> &lt; ≤ Ω Ж → −' in said


def test_an_account_without_a_trade_and_one_not_decided() -> None:
    desk = week()
    look(desk, "17:00", desk.day.replace(day=15))
    review = Review.objects.get(period_start="2021-01-11")
    said = text_of(document(review))
    assert "Not decided yet." in said
    assert "No trade was closed in this period." in said
    assert "No session of this period is on record." in said


def test_answers_as_long_as_they_may_be_flow_over_pages() -> None:
    review = reviewed(week())
    review = decided(review, answers=answers(review, "long words " * 360), reason="line\n" * 790)
    assert len(PdfReader(BytesIO(document(review))).pages) > 8


def test_a_reason_of_many_lines_in_a_table_is_no_row_higher_than_a_page() -> None:
    desk = week()
    now = desk.bet.wall(at("12:00"))
    kill(portfolios=[desk.portfolio], reason="line\n" * 190, now=now, actor=desk.portfolio.owner)
    assert "ACTIVE → REDUCING" in text_of(document(reviewed(desk)))
