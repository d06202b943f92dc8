"""What a person types to find an option: "SPXW 3800 C", "goog 750", "goog 7dte puts", or an OCC symbol."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from positions.market import symbols
from positions.market.symbols import CALL, PUT, OptionSymbol

_RIGHTS = {"C": CALL, "CALL": CALL, "CALLS": CALL, "P": PUT, "PUT": PUT, "PUTS": PUT}
_ROOT = re.compile(r"[A-Z]{1,6}[0-9]?")
_STRIKE = re.compile(r"\$?([0-9]{1,5}(?:\.[0-9]{0,3})?)([CP]?)")
_DAYS = re.compile(r"([0-9]{1,3})(?:DTE|D)")
_LONGEST = 64


@dataclass(frozen=True, slots=True)
class ContractQuery:
    """What a contract must match; an empty part matches all.

    `root` is the beginning of a root or of an underlying's symbol, `strike` the beginning of a strike as it is typed,
    `days` calendar days to expiration. `symbol` is the one contract of an OCC symbol and stands alone.
    """

    root: str = ""
    strike: str = ""
    right: str = ""
    expires_on: date | None = None
    days: int | None = None
    symbol: OptionSymbol | None = None


def parse_contract_query(text: str) -> ContractQuery:
    """Read a search. The order of the words is free, except that the root comes first. ValueError with a sentence."""
    words = text[:_LONGEST].upper().replace(",", " ").split()
    if not words:
        return ContractQuery()
    try:
        return ContractQuery(symbol=symbols.parse(text))
    except ValueError:
        pass  # not a symbol: words
    root = strike = right = ""
    expires_on: date | None = None
    days: int | None = None
    for position, word in enumerate(words):
        if word in _RIGHTS and (len(word) > 1 or position > 0):
            right = _RIGHTS[word]
        elif match := _DAYS.fullmatch(word):
            days = int(match[1])
        elif match := _STRIKE.fullmatch(word):
            strike, right = match[1], match[2] or right
        elif position == 0 and _ROOT.fullmatch(word):
            root = word
        else:
            expires_on = _date(word)
    return ContractQuery(root, strike, right, expires_on, days)


def _date(word: str) -> date:
    try:
        if len(word) == len("2021-01-04"):
            return date.fromisoformat(word)
    except ValueError:
        pass
    raise ValueError(
        f"“{word.lower()}” is not understood. Write the root or underlying first, then a strike, C or P, an expiration "
        "(2021-01-04 or 7dte), in any order, for example: SPXW 3800 C."
    )


def strike_text(strike: Decimal) -> str:
    """A strike as people write it: 3800, 752.5."""
    text = f"{strike:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
