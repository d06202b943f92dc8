"""The report of a day as plain text, for a mail and for whoever reads it without a browser: 78 characters wide.

No address of this product and no secret is in it: who finds the mail learns of the account what it says, and no more.
"""

import textwrap
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from riskengine.calculators import wording

WIDE = 78
MOST = 40  # rows of a table
UNKNOWN = "not known"


def headline(contents: Mapping[str, Any]) -> str:
    """ "Mon 4 Jan 2021: +$1,240 (+2.1%), 2 bets approved, 3 refused"."""
    equity = contents["equity"]
    if equity["profit"] is None:
        result = "profit not known"
    else:
        share = "" if equity["return"] is None else f" ({_signed_percent(equity['return'])})"
        result = f"{_signed(equity['profit'])}{share}"
    return f"{_day(contents['session'])}: {result}, {contents['approved']} approved, {contents['refused']} refused"


def text_of(contents: Mapping[str, Any]) -> str:
    parts = [
        _head(contents),
        _money(contents["equity"]),
        _decisions(contents),
        _fills(contents["fills"], contents["session"]),
        _closed(contents["closed"], contents["session"]),
        _events(contents["events"], contents["session"]),
        _alerts(contents["alerts"], contents["session"]),
        _held(contents["held"]),
        _foot(contents),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(contents: Mapping[str, Any]) -> str:
    lines = [f"{contents['name']}, {_day(contents['session'])}", f"{contents['system']}, {contents['mode_label']}"]
    if contents["is_demo"]:
        lines.insert(0, "DEMO: none of this money is real.")
    if contents["clock"] != "live":
        lines.append(textwrap.fill(f"Market: {contents['clock_label']}", WIDE))
    if contents["closes_early"]:
        lines.append(f"A half day: the session closed at {_time(contents['closes_at'])}.")
    return "\n".join(lines)


def _money(equity: Mapping[str, Any]) -> str:
    until = "to the next open" if equity["to_next_open"] else "as last read"
    rows = [
        ("Equity at the start", _usd(equity["start"])),
        (f"Equity, {until}", _usd(equity["end"])),
        ("Paid in or out", _signed(equity["deposits"])),
        ("Profit or loss", f"{_signed(equity['profit'])}{_of(equity['return'])}"),
    ]
    return _title("The account, marked to the market") + _pairs(rows)


def _of(share: float | None) -> str:
    return "" if share is None else f" ({_signed_percent(share)})"


def _decisions(contents: Mapping[str, Any]) -> str:
    rows, day = contents["decisions"], contents["session"]
    head = f"Decided: {contents['approved']} approved, {contents['refused']} refused"
    if not rows:
        return _title(head) + "Nothing was asked."
    lines = []
    for each in rows[:MOST]:
        if each["approved"]:
            scale = "" if each["scale"] is None else f", {wording.multiple(each['scale'])} of the minimum"
            said = f"APPROVED {each['contracts']:,} for {_usd(each['dollars'])}{scale}. {each['why']}{_bought(each)}"
        else:
            said = f"REFUSED {each['code']}. {each['why']}"
        lines.append(f"{_time(each['at'], day)}  {each['label']}, confidence {each['confidence']:.2f}")
        lines.append(_wrapped(said, 7))
    return _title(head) + "\n".join(lines) + _more(rows) + _departed(contents["departed"])


def _bought(decision: Mapping[str, Any]) -> str:
    """Where less was filled than was approved. Reports of before this was kept say nothing."""
    bought = decision.get("bought")
    if bought is None or bought >= decision["contracts"]:
        return ""
    return f" {bought:,} OF THEM WERE FILLED." if bought else " NONE WAS FILLED."


def _departed(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    return "\nNot as decided:\n" + "\n".join(_wrapped(f"{each['label']}: {each['text']}", 7) for each in rows[:MOST])


def _fills(rows: Sequence[Mapping[str, Any]], day: str) -> str:
    if not rows:
        return ""
    cells = [
        (
            _time(each["at"], day),
            each["side"],
            f"{each['contracts']:,}",
            wording.price(each["price"]),
            each["label"],
            each["why"] if each["side"] == "sold" else "",
        )
        for each in rows[:MOST]
    ]
    return _title("Filled") + _table(cells, right={2, 3}) + _more(rows)


def _closed(rows: Sequence[Mapping[str, Any]], day: str) -> str:
    if not rows:
        return ""
    cells = [
        (_time(each["closed_at"], day), each["label"], each["cause"], _usd(each["cost"]), _signed(each["pnl"]))
        for each in rows[:MOST]
    ]
    total = sum(each["pnl"] for each in rows)
    sum_line = f"\nTogether {_signed(total)} after fees, of {len(rows)} closed. One day says nothing of an edge."
    return (
        _title("Closed, with what closed it: paid, and gain or loss")
        + _table(cells, right={3, 4})
        + _more(rows)
        + sum_line
    )


def _events(rows: Sequence[Mapping[str, Any]], day: str) -> str:
    if not rows:
        return ""
    lines = [
        f"{_time(each['at'], day)}  {each['what']} ({each['who']})\n{_wrapped(each['reason'], 7)}"
        for each in rows[:MOST]
    ]
    return _title("Breakers and states") + "\n".join(lines) + _more(rows)


def _alerts(rows: Sequence[Mapping[str, Any]], day: str) -> str:
    if not rows:
        return ""
    lines = []
    for each in rows[:MOST]:
        who = each["acknowledged_by"]
        fate = f"acknowledged by {who}" if who else "ended by itself" if each["ended"] else "nobody has answered"
        said = _wrapped(f"{each['severity']}: {each['title']} ({fate})", 7)
        lines.append(f"{_time(each['at'], day)}{said[5:]}")
    return _title("Alerts") + "\n".join(lines) + _more(rows)


def _held(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return _title("Held overnight") + "Nothing."
    cells = [
        (
            f"{each['contracts']:,}",
            each["label"],
            "no bid kept" if each["bid"] is None else f"bid {wording.price(each['bid'])}",
            UNKNOWN if each["value"] is None else _usd(each["value"]),
            "" if each["gain"] is None else _signed_percent(each["gain"]),
            "no stop" if each["stop"] is None else f"stop {wording.price(each['stop'])}",
        )
        for each in rows[:MOST]
    ]
    return (
        _title("Held overnight")
        + _table(cells, right={0, 3, 4})
        + _more(rows)
        + "\nNo stop acts while the exchange is closed."
    )


def _foot(contents: Mapping[str, Any]) -> str:
    following = contents["next"]
    if following is None:
        lines = ["The next session is beyond the known calendar: import a longer one."]
    else:
        early = ", a half day" if following["closes_early"] else ""
        hours = f"{_time(following['opens_at'])} to {_time(following['closes_at'])}"
        lines = [f"Next session: {_day(following['session'])}, {hours}{early}."]
    lines.append(f"Times are New York, market time. Made {contents['made_at'][:10]} {_time(contents['made_at'])}.")
    lines.append(f"The same on its page: /portfolios/{contents['slug']}/days/{contents['session']}/")
    return "\n".join(lines)


# ---- Letters ----


def _title(text: str) -> str:
    return f"{text}\n{'-' * min(len(text), WIDE)}\n"


def _pairs(rows: Sequence[tuple[str, str]]) -> str:
    names = max(len(name) for name, _ in rows)
    amounts = max(len(amount) for _, amount in rows)
    return "\n".join(f"{name:<{names}}  {amount:>{amounts}}" for name, amount in rows)


def _table(rows: Sequence[Sequence[str]], *, right: set[int]) -> str:
    """Columns as wide as their widest cell, those of `right` aligned there."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            f"{cell:>{width}}" if place in right else f"{cell:<{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _more(rows: Sequence[Any]) -> str:
    return f"\n... and {len(rows) - MOST:,} more on the page." if len(rows) > MOST else ""


def _wrapped(text: str, indent: int) -> str:
    margin = " " * indent
    return textwrap.fill(" ".join(text.split()), WIDE, initial_indent=margin, subsequent_indent=margin)


def _day(text: str) -> str:
    day = date.fromisoformat(text)
    return f"{day:%a} {day.day} {day:%b %Y}"


def _time(at: str | None, day: str = "") -> str:
    """The minutes of a New York time as it was kept; with its weekday where it is not of `day`: 18:00, Fri 18:00."""
    if at is None:
        return UNKNOWN
    other = day and at[:10] != day
    return f"{date.fromisoformat(at[:10]):%a} {at[11:16]}" if other else at[11:16]


def _usd(value: float | None) -> str:
    return UNKNOWN if value is None else wording.usd(value) if value else "$0"


def _signed(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"+{wording.usd(value)}" if value > 0 else _usd(value)


def _signed_percent(value: float) -> str:
    return f"+{wording.percent(value)}" if value > 0 else wording.percent(value)
