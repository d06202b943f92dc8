"""What the circuit breakers look at, as columns: one row a portfolio in the order of the list that is watched.

One statement whatever the number of portfolios: their breakers as they stand. Another for marks, only where a quote
cannot be used. Money USD, times int64 microseconds of market time, `NEVER` where there is none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from accounts.models import System
from positions.market.ticks import TICK_CHANGES_AT
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn, Steps
from riskengine.calculators.limits import Limits
from riskengine.loading.book import Book
from riskengine.loading.copying import BIGINT, INSTANT, INTEGER, MICROS, NEVER, Fields, copy_columns
from riskengine.loading.watched import Watched
from riskengine.models import BreakerCode

CODES: tuple[str, ...] = tuple(BreakerCode.values)
LOSS: tuple[str, ...] = ("loss_l1", "loss_l2", "loss_l3")
PLACE = {code: at for at, code in enumerate(CODES)}
EPOCH_DAY = date(1970, 1, 1)

Block = npt.NDArray[np.int64]


def day_number(day: date) -> int:
    return (day - EPOCH_DAY).days


# ---- Limits ----


def limits_in_columns(limits: Mapping[int, Limits], revisions: IntColumn) -> Limits:
    """The limits of each row's revision: columns where the revisions differ in a number. Ladders are not among them:
    no breaker reads one."""
    distinct, which = np.unique(revisions, return_inverse=True)
    chosen = [limits[revision] for revision in distinct.tolist()]
    first = chosen[0]
    if len(chosen) == 1:
        return first
    columns: dict[str, Any] = {}
    for each in fields(Limits):
        numbers = [getattr(one, each.name) for one in chosen]
        if not isinstance(numbers[0], Steps) and any(number != numbers[0] for number in numbers):
            columns[each.name] = np.array(numbers)[which]
    return replace(first, **columns) if columns else first


# ---- What is remembered ----


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """The breakers of (n portfolios, codes). `version` 0: there is no row yet. `session` and `alerted` are days since
    1970, -1 without one. `cleared` is when a person cleared it last. `cash` (n,) is that of the moment of this read:
    where it is not the one that was watched, something was booked in between."""

    cash: FloatColumn

    version: Block
    tripped: npt.NDArray[np.bool_]
    session: Block
    alerted: Block
    count: Block
    first: Block
    last: Block
    clears_at: Block
    calm_since: Block
    cleared: Block

    @classmethod
    def none(cls, rows: int) -> "Memory":
        shape = rows, len(CODES)

        def filled(value: int) -> Block:
            return np.full(shape, value, np.int64)

        return cls(
            cash=np.full(rows, np.nan),
            version=filled(0),
            tripped=np.zeros(shape, np.bool_),
            session=filled(-1),
            alerted=filled(-1),
            count=filled(0),
            first=filled(0),
            last=filled(0),
            clears_at=filled(NEVER),
            calm_since=filled(NEVER),
            cleared=filled(NEVER),
        )


@dataclass(frozen=True, slots=True)
class ByUnderlying:
    """What is remembered of stop-outs in one underlying of a portfolio."""

    version: int
    tripped: bool
    session: int
    cleared: int


NEW = ByUnderlying(0, False, -1, NEVER)
UnderlyingKey = tuple[int, int]  # place of the portfolio, id of the underlying

_BREAKERS = Fields(
    {
        "place": INTEGER,
        "code": INTEGER,
        "underlying": BIGINT,
        "tripped": INTEGER,
        "version": INTEGER,
        "session": INTEGER,
        "alerted": INTEGER,
        "count": INTEGER,
        "first": INSTANT,
        "last": INSTANT,
        "clears_at": INSTANT,
        "calm_since": INSTANT,
        "cleared": INSTANT,
        "cash": MICROS,
    }
)

_READ_BREAKERS = """
    SELECT w.place - 1, coalesce(array_position(%(codes)s, b.code::text) - 1, -1), coalesce(b.underlying_id, 0),
           coalesce((b.state = 'tripped')::int, 0), coalesce(b.version, 0),
           coalesce(b.session_on - '1970-01-01'::date, -1), coalesce(b.alerted_on - '1970-01-01'::date, -1),
           coalesce(b.streak_count, 0), b.streak_first_at, b.streak_last_at, b.clears_at, b.calm_since,
           CASE WHEN b.cleared_by_id IS NOT NULL THEN b.cleared_at END, p.cash
    FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS w(id, place)
    JOIN positions_portfolio p ON p.id = w.id
    LEFT JOIN riskengine_breaker b ON b.portfolio_id = w.id AND b.code = ANY(%(wanted)s)
"""


def load_memory(
    watched: Sequence[Watched], places: IntColumn, codes: Iterable[str] = CODES
) -> tuple[Memory, dict[UnderlyingKey, ByUnderlying]]:
    """The breakers of the portfolios at these places as they stand; of the others nothing is known. One statement."""
    ids = [watched[place].portfolio_id for place in places.tolist()]
    found = copy_columns(_READ_BREAKERS, _BREAKERS, {"ids": ids, "codes": list(CODES), "wanted": list(codes)})
    found["place"] = places[found["place"]]
    memory = Memory.none(len(watched))
    memory.cash[found["place"]] = found["cash"]
    if (found["code"] < 0).all():
        return memory, {}  # the usual case: nothing was ever counted
    plain = (found["underlying"] == 0) & (found["code"] >= 0)
    where = found["place"][plain], found["code"][plain]
    for each in fields(Memory)[1:]:
        column = found[each.name][plain]
        getattr(memory, each.name)[where] = np.where(column == NEVER, 0, column) if each.name in _TIMES else column
    others = np.flatnonzero(found["underlying"] > 0).tolist()
    return memory, {
        (int(found["place"][row]), int(found["underlying"][row])): ByUnderlying(
            int(found["version"][row]),
            bool(found["tripped"][row]),
            int(found["session"][row]),
            int(found["cleared"][row]),
        )
        for row in others
    }


_TIMES = ("first", "last")  # the calculator's streak counts from 0


# ---- Marks where a quote cannot be used ----

_LAST_BID = Fields({"row": INTEGER, "bid": MICROS})

# `stops.usable_for_exit` but for freshness, which every quote had at its own time (positions.services.session_marks).
_READ_LAST_BIDS = """
    SELECT w.row - 1, q.bid
    FROM unnest(%(contracts)s::bigint[], %(sources)s::text[], %(at)s::timestamptz[], %(spreads)s::numeric[],
                %(widest)s::numeric[], %(widest_from_three)s::numeric[]) WITH ORDINALITY
        AS w(contract, source, at, spread, widest, widest_from_three, row)
    CROSS JOIN LATERAL (
        SELECT o.bid FROM positions_optionquote o
        JOIN positions_exchangesession s ON s.exchange = 'XNYS'
            AND s.session_on = (o.quoted_at AT TIME ZONE 'America/New_York')::date
            AND o.quoted_at >= s.open_at AND o.quoted_at <= s.close_at
        WHERE o.contract_id = w.contract AND o.source = w.source AND o.quoted_at <= w.at
          AND o.bid > 0 AND o.ask > o.bid
          AND (o.ask - o.bid <= w.spread * (o.bid + o.ask) / 2
               OR o.ask - o.bid <= CASE WHEN o.bid < %(three)s THEN w.widest ELSE w.widest_from_three END)
        ORDER BY o.quoted_at DESC LIMIT 1
    ) q
"""


def last_usable_bids(
    book: Book, rows: IntColumn, watched: Sequence[Watched], limits: Mapping[int, Limits]
) -> FloatColumn:
    """The last usable bid of a regular session of each of these rows, USD a share; NaN without one. One statement, none
    for no row."""
    if not len(rows):
        return np.zeros(0)
    distinct: dict[tuple, int] = {}
    which = np.empty(len(rows), np.int64)
    contract, place, revision = (column[rows].tolist() for column in (book.contract, book.place, book.revision))
    under, from_three = book.tick_under[rows].tolist(), book.tick_from_three[rows].tolist()
    for k, (each, where, terms) in enumerate(zip(contract, place, revision, strict=True)):
        numbers = limits[terms]
        key = (
            each,
            watched[where].quote_source,
            watched[where].at,
            numbers.max_spread,
            round(float(numbers.exit_spread_ticks) * under[k], 6),
            round(float(numbers.exit_spread_ticks) * from_three[k], 6),
        )
        which[k] = distinct.setdefault(key, len(distinct))
    names = ("contracts", "sources", "at", "spreads", "widest", "widest_from_three")
    given: dict[str, object] = {
        name: list(column) for name, column in zip(names, zip(*distinct, strict=True), strict=True)
    }
    found = copy_columns(_READ_LAST_BIDS, _LAST_BID, given | {"three": TICK_CHANGES_AT})
    bids = np.full(len(distinct), np.nan)
    bids[found["row"]] = found["bid"]
    return bids[which]


def zero_dte(watched: Sequence[Watched]) -> BoolColumn:
    return np.array([each.system == System.SMART_0DTE for each in watched], np.bool_)
