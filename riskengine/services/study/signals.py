"""The signals of a replay, and the account's record before it: two CSV files, read whole before anything runs.

    signals   as_of, symbol, direction, confidence; optional id, contract, expires_at, note
              as_of is New York time on the replayed date; the day's chain is listed for each symbol
    record    confidence, gain (P&L after fees per dollar paid); optional closed_at
              closed trades from before the day, on which the confidence is calibrated

A line that cannot be read stops the replay with its number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from positions.models import Portfolio
from positions.services.imports.source_file import SourceFile, UnusableFile
from riskengine.models import Handling, PriorTrade, SignalSource, SourceKind
from riskengine.services.signals.receiving import Draft
from riskengine.services.study.entries import BadEntries, instant_of

MOST = 10_000
SHOWN_PROBLEMS = 5
SOURCE = "replay-signals"
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Past:
    """A closed trade of the record."""

    confidence: Decimal
    gain: Decimal
    closed_at: datetime | None


def read_signals(path: Path, day: date) -> list[tuple[datetime, Draft]]:
    """Each with its time, in their order, lines of one time in the order of the file. Raises BadEntries."""

    def draft(line: int, given: dict[str, str]) -> tuple[datetime, Draft]:
        at = instant_of(given["as_of"], day)
        return at, Draft(
            external_id=given.get("id") or f"line-{line}",
            symbol=given["symbol"].upper(),
            direction=given["direction"].upper(),
            confidence=_number(given["confidence"], "confidence"),
            as_of=at,
            expires_at=instant_of(given["expires_at"], day) if given.get("expires_at") else None,
            contract=given.get("contract", ""),
            note=given.get("note", ""),
        )

    required, optional = ("as_of", "symbol", "direction", "confidence"), ("id", "contract", "expires_at", "note")
    return sorted(_rows(path, required, optional, draft), key=itemgetter(0))


def read_record(path: Path, before: datetime) -> list[Past]:
    """The closed trades, all of them before the day begins. Raises BadEntries."""

    def past(line: int, given: dict[str, str]) -> Past:
        closed_at = _moment(given["closed_at"]) if given.get("closed_at") else None
        if closed_at is not None and closed_at >= before:
            raise ValueError(f"closed_at is {closed_at:%Y-%m-%d}, and the replayed day has begun by then")
        confidence = _number(given["confidence"], "confidence")
        if not 0 <= confidence <= 1:
            raise ValueError(f"confidence is {confidence}: give a number from 0 to 1")
        return Past(confidence, _number(given["gain"], "gain"), closed_at)

    return _rows(path, ("confidence", "gain"), ("closed_at",), past)


def store_record(portfolio: Portfolio, record: list[Past], before: datetime) -> None:
    """One without a time of its own was closed the day before."""
    PriorTrade.objects.bulk_create(
        PriorTrade(
            portfolio=portfolio,
            external_id=f"record {number}",
            confidence=each.confidence,
            gain_fraction=each.gain,
            closed_at=each.closed_at or before - timedelta(days=1),
            source=SOURCE,
        )
        for number, each in enumerate(record, 1)
    )


def source_of(portfolio: Portfolio, now: datetime) -> SignalSource:
    """What sends the signals of a replay: they enter by themselves, past every gate."""
    return SignalSource.objects.create(
        portfolio=portfolio,
        slug=SOURCE,
        name="replay",
        kind=SourceKind.CSV,
        handling=Handling.ENTER,
        created_at=now,
    )


def _rows(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...], read: Callable[[int, dict[str, str]], Row]
) -> list[Row]:
    found: list[Row] = []
    problems: list[str] = []
    try:
        with SourceFile(path) as file:
            places = file.positions_of(required, optional, {})
            width = len(file.header)
            for line, cells in file.rows():
                try:
                    if len(cells) != width:
                        raise ValueError(f"{len(cells)} cells, the header has {width}")
                    found.append(read(line, {name: cells[place].strip() for name, place in places.items()}))
                except ValueError as problem:
                    problems.append(f"line {line}: {problem}")
    except UnusableFile as problem:
        raise BadEntries(str(problem)) from problem
    if problems:
        more = f" And {len(problems) - SHOWN_PROBLEMS} more." if len(problems) > SHOWN_PROBLEMS else ""
        raise BadEntries(f"{path.name}, {'; '.join(problems[:SHOWN_PROBLEMS])}.{more} Nothing was replayed.")
    if not 1 <= len(found) <= MOST:
        raise BadEntries(f"{path.name} has {len(found):,} rows; give 1 to {MOST:,}.")
    return found


def _number(text: str, name: str) -> Decimal:
    try:
        value = Decimal(text if text.isascii() and "_" not in text else "NaN")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or abs(value) > MOST:
        raise ValueError(f"{name} is {text[:20]!r}: give a number")
    return value


def _moment(text: str) -> datetime:
    given = datetime.fromisoformat(text)
    if given.tzinfo is None:
        raise ValueError(f"closed_at has no offset: {text[:40]!r} (2015-12-01T15:00:00-05:00)")
    return given
