"""The entries of a replay: a CSV `at,contract,side,confidence,contracts`, read whole before anything runs.

    at           New York time on the replayed date: 2021-01-04 09:40:00, 09:40, or with an offset
    contract     OCC symbol, 21 characters or compact
    side         buy, long, LONG_CALL or LONG_PUT; empty: buy. Nothing is sold short
    confidence   0 to 1, rounded half up to six places
    contracts    how many; empty: sized by the rules

A line that cannot be read stops the replay with its number: an entry that is silently missing would be a result of
something that nobody asked.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path

from positions.market.calendar import new_york, new_york_date, new_york_instant
from positions.market.symbols import CALL, OptionSymbol, parse
from positions.services.imports.source_file import SourceFile, UnusableFile

REQUIRED = ("at", "contract", "confidence")
OPTIONAL = ("side", "contracts")
MOST_CONTRACTS = 1_000_000
MOST_ENTRIES = 10_000
SHOWN_PROBLEMS = 5
SIX_PLACES = Decimal("0.000001")

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_BUYS = frozenset({"", "buy", "long", "buy_to_open"})
_BUYS_OF = {"long_call": CALL, "call": CALL, "long_put": "P", "put": "P"}
_SHORT = re.compile(r"sell|short|write", re.IGNORECASE)


class BadEntries(Exception):
    """The entries cannot be replayed. The message names the lines."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: what a signal asks for, and when. `at` is aware UTC; `contracts` None is sized by the rules."""

    line: int
    at: datetime
    symbol: OptionSymbol
    confidence: Decimal
    contracts: int | None


def read_entries(path: Path, day: date) -> list[Entry]:
    """The entries in the order of their times, lines of one time in the order of the file. Raises BadEntries."""
    entries, problems = [], []
    try:
        with SourceFile(path) as file:
            places = file.positions_of(REQUIRED, OPTIONAL, {})
            width = len(file.header)
            for line, cells in file.rows():
                if len(cells) != width:
                    problems.append(f"line {line}: {len(cells)} cells, the header has {width}")
                    continue
                try:
                    entries.append(_entry(line, {name: cells[place].strip() for name, place in places.items()}, day))
                except ValueError as problem:
                    problems.append(f"line {line}: {problem}")
    except UnusableFile as problem:
        raise BadEntries(str(problem)) from problem
    if problems:
        more = f" And {len(problems) - SHOWN_PROBLEMS} more." if len(problems) > SHOWN_PROBLEMS else ""
        raise BadEntries(f"{path.name}, {'; '.join(problems[:SHOWN_PROBLEMS])}.{more} Nothing was replayed.")
    if not entries:
        raise BadEntries(f"{path.name} has a header and no entries.")
    if len(entries) > MOST_ENTRIES:
        raise BadEntries(f"{path.name} has {len(entries):,} entries; at most {MOST_ENTRIES:,} are replayed at once.")
    return sorted(entries, key=lambda entry: (entry.at, entry.line))


def symbols_of(entries: Sequence[Entry]) -> list[OptionSymbol]:
    return sorted({entry.symbol for entry in entries})


def _entry(line: int, given: dict[str, str], day: date) -> Entry:
    symbol = parse(given["contract"])
    _check_side(given.get("side", ""), symbol)
    return Entry(
        line=line,
        at=instant_of(given["at"], day),
        symbol=symbol,
        confidence=_confidence(given["confidence"]),
        contracts=_contracts(given.get("contracts", "")),
    )


def instant_of(text: str, day: date) -> datetime:
    """A time of the replayed day, aware UTC. ValueError with a sentence."""
    clock = _TIME.fullmatch(text)
    if clock:
        return new_york_instant(day, time(int(clock[1]), int(clock[2]), int(clock[3] or 0)))
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"at is no time (2021-01-04 09:40:00, New York): {text[:40]!r}") from None
    if given.tzinfo is None:
        given = new_york_instant(given.date(), given.time())
    if new_york_date(given) != day:
        raise ValueError(f"at is {new_york(given):%Y-%m-%d %H:%M} in New York, and the replay is of {day}")
    return given.astimezone(UTC)


def _check_side(text: str, symbol: OptionSymbol) -> None:
    side = text.lower().replace(" ", "_").replace("-", "_")
    if side in _BUYS or _BUYS_OF.get(side) == symbol.right:
        return
    if side in _BUYS_OF:
        is_call = symbol.right == CALL
        raise ValueError(f"side is {text}, and {symbol.compact} is a {'call' if is_call else 'put'}")
    if _SHORT.search(side):
        raise ValueError(f"side is {text!r}: options are bought, never sold short (SHORT_NOT_SUPPORTED)")
    raise ValueError(f"side is {text[:20]!r}: give buy, long, LONG_CALL, LONG_PUT or nothing")


def _confidence(text: str) -> Decimal:
    try:
        value = Decimal(text if text.isascii() and "_" not in text else "NaN")
    except InvalidOperation:
        value = Decimal("NaN")
    if not (value.is_finite() and 0 <= value <= 1):
        raise ValueError(f"confidence is {text[:20]!r}: give a number from 0 to 1" if text else "confidence is missing")
    return value.quantize(SIX_PLACES, ROUND_HALF_UP)


def _contracts(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or not 1 <= int(text) <= MOST_CONTRACTS:
        raise ValueError(f"contracts is {text[:20]!r}: give a whole number from 1 to {MOST_CONTRACTS:,}, or nothing")
    return int(text)
