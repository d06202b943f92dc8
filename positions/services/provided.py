"""Storing what a provider says: new rows are inserted, its own rows are corrected, everybody else's stay.

A row belongs to the source that told it first. Two sources adjust their closes from different days, so that one series
of both would jump where they meet; and a recording must stay what was recorded.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from positions.market.providers.base import CloseRow, EarningsRow, FundamentalRow, SplitRow
from positions.models import DailyClose, EarningsDate, Fundamental, Split
from positions.services.imports.staging import Merge, Merged, copy_into_staged, create_staged, quoted_table
from positions.services.quotes import list_instruments

HALF_ADJUSTED = "adjusted closes moved, and sessions that are stored were left out"
ANOTHER_SOURCE = "stands on record from another source"
OTHER_RATIO = "a split of this date stands on record with another ratio"
MOVED = Decimal("0.05")  # an adjusted close that is corrected by more was adjusted for more than a dividend

_JOIN = "JOIN positions_instrument i ON i.symbol = s.symbol"
_OWN = "t.source = excluded.source"


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of rows. `reasons`: how many were left out of the tables, and why."""

    new: int = 0
    changed: int = 0
    known: int = 0
    reasons: Mapping[str, int] | None = None


def store_closes(rows: Sequence[CloseRow], *, source: str) -> Kept:
    """Within a transaction. An answer that moves an instrument's adjusted closes must bring all that are stored of the
    sessions it spans: half a correction would be a jump in the middle of the series, and is refused whole."""
    refused = _half_adjusted(rows, source)
    whole = [row for row in rows if row.symbol not in refused]
    values = ("close", "adjusted_close", "open", "high", "low", "volume")
    merge = Merge(
        table=quoted_table(DailyClose),
        select={"instrument_id": "i.id", "session_on": "s.session_on"}
        | {column: f"s.{column}" for column in values}
        | {"source": "%(source)s"},
        key=("instrument_id", "session_on"),
        compared=values,
        joins=_JOIN,
        update_where=_OWN,
    )
    staged = (
        "symbol text, session_on date, close numeric(12, 4), adjusted_close numeric(14, 6), open numeric(12, 4), "
        "high numeric(12, 4), low numeric(12, 4), volume bigint"
    )
    kept = _merge(merge, staged, whole, source)
    return _with_reason(kept, HALF_ADJUSTED, len(rows) - len(whole))


def store_fundamentals(rows: Sequence[FundamentalRow], *, source: str) -> Kept:
    """Within a transaction. What a provider says is said to be real: it is never marked as illustrative."""
    values = tuple(field.name for field in fields(FundamentalRow))[2:]
    merge = Merge(
        table=quoted_table(Fundamental),
        select={"instrument_id": "i.id", "as_of_on": "s.as_of_on"}
        | {column: f"s.{column}" for column in values}
        | {"source": "%(source)s", "is_illustrative": "false"},
        key=("instrument_id", "as_of_on"),
        compared=values,
        joins=_JOIN,
        update_where=_OWN,
    )
    columns = ", ".join(f"{column} numeric(12, 4)" for column in values)
    return _merge(merge, f"symbol text, as_of_on date, {columns}", rows, source)


def store_earnings(rows: Sequence[EarningsRow], *, source: str) -> Kept:
    """Within a transaction. A date that is no longer told stays: a provider may add to what bets beware of, and only a
    person takes away from it."""
    merge = Merge(
        table=quoted_table(EarningsDate),
        select={
            "instrument_id": "i.id",
            "reports_on": "s.reports_on",
            "timing": "s.timing",
            "source": "%(source)s",
            "is_illustrative": "false",
        },
        key=("instrument_id", "reports_on"),
        compared=("timing",),
        joins=_JOIN,
        update_where=_OWN,
    )
    return _merge(merge, "symbol text, reports_on date, timing text", rows, source)


def store_splits(rows: Sequence[SplitRow], *, source: str) -> Kept:
    """Within a transaction. A split on record is never changed: positions were multiplied by it, and are only once."""
    list_instruments({row.symbol for row in rows})
    stored = {
        (symbol, on): (new, old)
        for symbol, on, new, old in Split.objects.filter(
            instrument__symbol__in={row.symbol for row in rows}
        ).values_list("instrument__symbol", "effective_on", "new_shares", "old_shares")
    }
    new = [row for row in rows if (row.symbol, row.effective_on) not in stored]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO positions_split (instrument_id, effective_on, new_shares, old_shares, source)
            SELECT i.id, w.effective_on, w.new_shares, w.old_shares, %(source)s
            FROM unnest(%(symbols)s::text[], %(days)s::date[], %(new)s::int[], %(old)s::int[])
                AS w(symbol, effective_on, new_shares, old_shares)
            JOIN positions_instrument i ON i.symbol = w.symbol
            ORDER BY i.id, w.effective_on
            ON CONFLICT (instrument_id, effective_on) DO NOTHING
            """,
            {
                "source": source,
                "symbols": [row.symbol for row in new],
                "days": [row.effective_on for row in new],
                "new": [row.new_shares for row in new],
                "old": [row.old_shares for row in new],
            },
        )
        inserted = cursor.rowcount
    others = sum(
        stored[row.symbol, row.effective_on] != (row.new_shares, row.old_shares)
        for row in rows
        if (row.symbol, row.effective_on) in stored
    )
    return _with_reason(Kept(inserted, 0, len(rows) - inserted - others), OTHER_RATIO, others)


def splits_on_record(symbols: Collection[str], *, since: date) -> dict[str, list[SplitRow]]:
    """The known splits of instruments from a date on, by symbol."""
    found: dict[str, list[SplitRow]] = {}
    rows = Split.objects.filter(instrument__symbol__in=symbols, effective_on__gte=since).order_by("id")
    for row in rows.values_list("instrument__symbol", "effective_on", "new_shares", "old_shares"):
        found.setdefault(row[0], []).append(SplitRow(*row))
    return found


def _half_adjusted(rows: Iterable[CloseRow], source: str) -> set[str]:
    told: dict[str, dict[date, Decimal]] = {}
    for row in rows:
        told.setdefault(row.symbol, {})[row.session_on] = row.adjusted_close
    refused = set()
    for symbol, closes in told.items():
        stored = dict(
            DailyClose.objects.filter(
                instrument__symbol=symbol, source=source, session_on__range=(min(closes), max(closes))
            ).values_list("session_on", "adjusted_close")
        )
        moved = any(abs(closes[on] / was - 1) > MOVED for on, was in stored.items() if on in closes)
        if moved and not stored.keys() <= closes.keys():
            refused.add(symbol)
    return refused


def _merge(merge: Merge, staged: str, rows: Sequence[Any], source: str) -> Kept:
    if not rows:
        return Kept()
    list_instruments({row.symbol for row in rows})
    with connection.cursor() as cursor:
        create_staged(cursor, staged)
        copy_into_staged(cursor, [[_cell(getattr(row, each.name)) for each in fields(row)] for row in rows])
        merged = merge.run(cursor, {"source": source})
        others = _of_another_source(cursor, merge, source)
    return _with_reason(_kept(merged, others), ANOTHER_SOURCE, others)


def _of_another_source(cursor: CursorWrapper, merge: Merge, source: str) -> int:
    """How many staged rows stand on record under another source, and were left as they are."""
    day = merge.key[1]
    cursor.execute(
        f"SELECT count(*) FROM staged_import s {_JOIN} JOIN {merge.table} t "  # noqa: S608 (names of tables and columns)
        f'ON t.instrument_id = i.id AND t."{day}" = s."{day}" WHERE t.source <> %s',
        [source],
    )
    [number] = cursor.fetchone()
    return int(number)


def _kept(merged: Merged, others: int) -> Kept:
    return Kept(merged.new, merged.changed, merged.known - others)


def _with_reason(kept: Kept, reason: str, number: int) -> Kept:
    reasons = dict(kept.reasons or {})
    if number:
        reasons[reason] = reasons.get(reason, 0) + number
    return Kept(kept.new, kept.changed, kept.known, reasons)


def _cell(value: object) -> str | None:
    if value is None:
        return None
    return value.isoformat() if isinstance(value, date) else str(value)
