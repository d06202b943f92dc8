"""Calendar files: when companies report, when shares trade without their dividend, and events without entries (A-24).

A date is a New York date. What a file says replaces what stands for the same key; a date that it leaves out stays.
"""

from collections.abc import Hashable, Sequence

from django.db.backends.utils import CursorWrapper

from positions.models import Blackout, EarningsDate, ExDividendDate
from positions.services.imports import cell
from positions.services.imports.cell import BadRow
from positions.services.imports.of_underlying import INSTRUMENT_JOIN, OfUnderlying
from positions.services.imports.staging import Merge, Merged, quoted_table

_MAX_DIVIDEND = 100_000  # USD a share, as the column's check constraint
_MAX_REASON = 200
_TIMINGS = {"": "unknown", "bmo": "before_open", "amc": "after_close"} | {
    each: each for each in ("before_open", "after_close", "unknown")
}


class EarningsDates(OfUnderlying):
    """`reports_on`, and `timing`: before_open (bmo), after_close (amc), unknown or empty. `is_illustrative`: the dates
    are made up for a demonstration, and every page says so."""

    name = "earnings dates"
    required = ("symbol", "reports_on")
    optional = ("timing",)
    aliases = {"instrument": "symbol", "date": "reports_on", "when": "timing"}
    staged = "symbol text, reports_on date, timing text"

    def __init__(self, *, is_illustrative: bool = False) -> None:
        super().__init__()
        self._is_illustrative = is_illustrative

    def judge(self, cells: Sequence[str]) -> tuple[Hashable, Sequence[str | None]]:
        symbol, reports_on, timing = cells
        symbol = self._underlyings.symbol(symbol)
        on = cell.weekday(reports_on, "reports_on")
        if timing.strip().lower() not in _TIMINGS:
            raise BadRow(f"timing is none of before_open, after_close, unknown: {timing[:20]!r}")
        return (symbol, on), (symbol, on.isoformat(), _TIMINGS[timing.strip().lower()])

    def merge(self, cursor: CursorWrapper, source: str) -> Merged:
        illustrative = "true" if self._is_illustrative else "false"
        merge = Merge(
            table=quoted_table(EarningsDate),
            select={
                "instrument_id": "i.id",
                "reports_on": "s.reports_on",
                "timing": "s.timing",
                "source": "%(source)s",
                "is_illustrative": illustrative,
            },
            key=("instrument_id", "reports_on"),
            compared=("timing", "is_illustrative"),
            joins=INSTRUMENT_JOIN,
        )
        return self._merge(cursor, source, merge)


class ExDividends(OfUnderlying):
    """The first date on which a share trades without its next dividend, and the dividend in USD a share."""

    name = "ex-dividend dates"
    required = ("symbol", "ex_on", "amount_per_share")
    aliases = {"instrument": "symbol", "date": "ex_on", "ex_date": "ex_on", "amount": "amount_per_share"}
    staged = "symbol text, ex_on date, amount_per_share numeric(12, 4)"

    def judge(self, cells: Sequence[str]) -> tuple[Hashable, Sequence[str | None]]:
        symbol, ex_on, amount = cells
        symbol = self._underlyings.symbol(symbol)
        on = cell.weekday(ex_on, "ex_on")
        cell.number(amount, "amount_per_share", 0, _MAX_DIVIDEND)
        return (symbol, on), (symbol, on.isoformat(), cell.positive_price(amount, "amount_per_share", 4))

    def merge(self, cursor: CursorWrapper, source: str) -> Merged:
        merge = Merge(
            table=quoted_table(ExDividendDate),
            select={
                "instrument_id": "i.id",
                "ex_on": "s.ex_on",
                "amount_per_share": "s.amount_per_share",
                "source": "%(source)s",
            },
            key=("instrument_id", "ex_on"),
            compared=("amount_per_share",),
            joins=INSTRUMENT_JOIN,
        )
        return self._merge(cursor, source, merge)


class Events(OfUnderlying):
    """Stretches without entries (FOMC, CPI) from `starts_at` to `ends_at`, New York time; of one symbol, or of all
    where it is empty. The reason is what is stored: an event has no other source."""

    name = "events"
    required = ("starts_at", "ends_at", "reason")
    optional = ("symbol",)
    aliases = {"instrument": "symbol", "start": "starts_at", "end": "ends_at", "event": "reason"}
    staged = "symbol text, starts_at timestamptz, ends_at timestamptz, reason text"

    def judge(self, cells: Sequence[str]) -> tuple[Hashable, Sequence[str | None]]:
        starts_at, ends_at, reason, symbol = cells
        of = self._underlyings.symbol(symbol) if symbol.strip() else None
        starts, ends = (
            cell.new_york_minute(text, name) for text, name in ((starts_at, "starts_at"), (ends_at, "ends_at"))
        )
        if ends <= starts:
            raise BadRow(f"ends_at is not after starts_at: {starts_at} to {ends_at}")
        why = cell.sentence(reason, "reason", _MAX_REASON)
        return (of, starts, why), (of, starts, ends, why)

    def merge(self, cursor: CursorWrapper, source: str) -> Merged:
        merge = Merge(
            table=quoted_table(Blackout),
            select={
                "instrument_id": "i.id",
                "starts_at": "s.starts_at",
                "ends_at": "s.ends_at",
                "reason": "s.reason",
            },
            key=("instrument_id", "starts_at", "reason"),
            compared=("ends_at",),
            joins=f"LEFT {INSTRUMENT_JOIN}",
        )
        return self._merge(cursor, source, merge)
