"""What differs between two answers to one question, in a sentence."""

from collections.abc import Mapping
from typing import Any

from positions.market.symbols import parse
from riskengine.services.study.performance import CLOSE_WORDS
from riskengine.services.wording import plain, usd

Answer = Mapping[str, Any]


def difference_of(row: Mapping[str, Any], names: Mapping[str, str], *, dated: bool) -> str:
    """Of one decision: "Under revision 4 the 09:49 entry of SPXW 3,800P is refused (SPREAD_TOO_WIDE); under revision 3
    it made −$1,204." Empty where the sides agree."""
    if not row["differs"]:
        return ""
    entry = f"the {_time(row['at'], dated=dated)} entry of {contract_words(row['contract'])}"
    a, b = row["A"], row["B"]
    if a is None or b is None:
        here, answer = ("A", a) if b is None else ("B", b)
        other = "B" if here == "A" else "A"
        return f"Only under {names[here]} is there {entry}: it {_came_to(answer)}. Under {names[other]} there is none."
    if not a["approved"] and not b["approved"]:
        return (
            f"{_initial(entry)} is refused on both sides: {a['refusal']} under {names['A']}, {b['refusal']} under "
            f"{names['B']}."
        )
    if a["approved"] and b["approved"]:
        sizes = f"buys {a['bought']:,} and {b['bought']:,} contracts" if a["bought"] != b["bought"] else ""
        under = f"under {names['A']} it {_came_to(a)}, under {names['B']} it {_came_to(b)}"
        return f"{_initial(entry)} {sizes}: {under}." if sizes else f"{_initial(entry)}: {under}."
    refused, other = ("A", "B") if not a["approved"] else ("B", "A")
    return (
        f"Under {names[refused]} {entry} is refused ({row[refused]['refusal']}); under {names[other]} it "
        f"{_came_to(row[other])}."
    )


def contract_words(occ_symbol: str) -> str:
    """ "SPXW 3,800P"."""
    symbol = parse(occ_symbol)
    return f"{symbol.root} {plain(float(symbol.strike))}{symbol.right}"


def _came_to(answer: Answer) -> str:
    if not answer["approved"]:
        return f"is refused ({answer['refusal']})"
    if answer["pnl"] is None:
        return "was approved and not filled"
    amount = usd(answer["pnl"])
    made = f"made {'+' if answer['pnl'] > 0 else ''}{amount}" if answer["pnl"] else "made nothing"
    if answer["left_open"]:
        return f"{made}, with {answer['left_open']:,} contracts still open at the end of the day"
    cause = answer["closed_by"] or ""
    return f"{made} ({CLOSE_WORDS.get(cause, cause.replace('_', ' '))}, {_time(answer['closed_at'], dated=False)})"


def _time(at: str, *, dated: bool) -> str:
    """As reports have it: "2021-01-04T09:49:04-05:00"."""
    return f"{at[:10]} {at[11:16]}" if dated else at[11:16]


def _initial(text: str) -> str:
    return text[:1].upper() + text[1:]
