"""What a person types to find an option: "SPXW 3800 C", "goog 2 dec 750", "goog 7dte puts", or an OCC symbol."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date

from positions.market import symbols
from positions.market.symbols import CALL, PUT, OptionSymbol

_RIGHTS = {"C": CALL, "CALL": CALL, "CALLS": CALL, "P": PUT, "PUT": PUT, "PUTS": PUT}
_ROOT = re.compile(r"[A-Z]{1,6}[0-9]?")
_STRIKE = re.compile(r"\$?([0-9]{1,5}(?:\.[0-9]{0,3})?)([CP]?)")
_DAYS = re.compile(r"([0-9]{1,3})(?:DTE|D)")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTH = f"({'|'.join(_MONTHS)})[A-Z]*"
# The month first only after another word: alone in front it is a root, as MAR is.
_DAY_OF_MONTH = re.compile(rf"(?<![0-9.-])([0-3]?[0-9])\s*{_MONTH}\b|(?<=\s){_MONTH}\s+([0-3]?[0-9])(?![0-9.])")
_LONGEST = 64
LEAP_YEAR = 2024


@dataclass(frozen=True, slots=True)
class ContractQuery:
    """What a contract must match; an empty part matches all.

    `root` is the beginning of a root or of an underlying's symbol, `strike` the beginning of a strike as it is typed,
    `days` calendar days to expiration, `month_day` the next such date, today included. `symbol` is the one contract of
    an OCC symbol and stands alone.
    """

    root: str = ""
    strike: str = ""
    right: str = ""
    expires_on: date | None = None
    days: int | None = None
    month_day: tuple[int, int] | None = None
    symbol: OptionSymbol | None = None


def parse_contract_query(text: str) -> ContractQuery:
    """Read a search. The order of the words is free, except that the root comes first. ValueError with a sentence."""
    try:
        return ContractQuery(symbol=symbols.parse(text))
    except ValueError:
        pass  # not a symbol: words
    month_day, rest = _month_day(text[:_LONGEST].upper().replace(",", " "))
    words = rest.split()
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
    return ContractQuery(root, strike, right, expires_on, days, month_day)


def _month_day(text: str) -> tuple[tuple[int, int] | None, str]:
    """A day of the year ("2 dec", "december 2"), and the text without it."""
    found = _DAY_OF_MONTH.search(text)
    if found is None:
        return None, text
    day, month = (found[1], found[2]) if found[1] else (found[4], found[3])
    number = _MONTHS.index(month) + 1
    if not 1 <= int(day) <= monthrange(LEAP_YEAR, number)[1]:
        raise ValueError(
            f"“{found[0].strip().lower()}” is no day of a year. Write an expiration as 2 dec or 2021-12-02."
        )
    return (number, int(day)), f"{text[: found.start()]} {text[found.end() :]}"


def next_on(month_day: tuple[int, int], today: date) -> date | None:
    """The next date of that day of the year, today included; None when the next year has none."""
    for year in (today.year, today.year + 1):
        try:
            found = date(year, *month_day)
        except ValueError:  # 29 February
            continue
        if found >= today:
            return found
    return None


def _date(word: str) -> date:
    try:
        if len(word) == len("2021-01-04"):
            return date.fromisoformat(word)
    except ValueError:
        pass
    raise ValueError(
        f"“{word.lower()}” is not understood. Write the root or underlying first, then a strike, C or P, an expiration "
        "(2021-01-04, 4 jan or 7dte), in any order, for example: SPXW 3800 C."
    )
