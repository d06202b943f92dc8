"""What the circuit breakers look at, as columns: one row a portfolio in the order of the list that is watched.

Two statements whatever the number of portfolios: their breakers, and the facts of their day. A third for marks, only
where a quote cannot be used. Money USD, times int64 microseconds of market time, `NEVER` where there is none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from accounts.models import System
from positions.market.calendar import new_york
from positions.market.feeds.world import SIMULATED
from positions.market.ticks import TICK_CHANGES_AT
from positions.market_selectors import REGULAR_OPEN, SATURDAY, VIX_CLOSE_MAX_AGE
from positions.models import ClockKind
from positions.models.history import VixIndex
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn, Steps
from riskengine.calculators.limits import Limits
from riskengine.loading.book import Book, instant, microseconds
from riskengine.loading.copying import BIGINT, INSTANT, INTEGER, MICROS, NEVER, Columns, Fields, copy_columns
from riskengine.loading.watched import Watched
from riskengine.models import BreakerCode

CODES: tuple[str, ...] = tuple(BreakerCode.values)
LOSS: tuple[str, ...] = ("loss_l1", "loss_l2", "loss_l3")
PLACE = {code: at for at, code in enumerate(CODES)}
EPOCH_DAY = date(1970, 1, 1)
SESSIONS_KEPT = 20  # the longer of the two rolling drawdowns
LOOK_BACK = timedelta(days=45)  # 20 sessions, holidays and all

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


# ---- The facts of the day ----


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """Counted and recorded, (n,) unless said. `start_of_day` is (n, 20), USD, the newest last, with the deposits made
    since, NaN where the portfolio is younger or a person has cleared its drawdown since (one block a drawdown breaker).
    `closes` are positions closed lately, the oldest first. `stops` counts stop-outs of the day by underlying."""

    rejected: FloatColumn
    intents: FloatColumn
    start_of_day_5: FloatColumn
    start_of_day_20: FloatColumn
    close_place: IntColumn
    close_pnl: FloatColumn
    close_at: IntColumn
    stops: dict[UnderlyingKey, int]
    vix: FloatColumn
    vix_age_seconds: FloatColumn


REJECTED, INTENTS, CLOSE, STOPS, DEPOSIT, START, LEVEL = range(7)

_FACTS = Fields({"kind": INTEGER, "place": INTEGER, "key": BIGINT, "number": MICROS, "at": INSTANT})

# No WITH: see loading.book.
_READ_FACTS = """
    SELECT %(rejected)s, w.place - 1, 0, count(*), NULL::timestamptz
    FROM {portfolios}
    JOIN positions_order o ON o.portfolio_id = w.id AND o.created_at >= w.day_at AND o.created_at <= w.at
    WHERE o.status = 'rejected' AND o.parent_id IS NOT NULL
      AND coalesce(o.finished_at, o.created_at) > coalesce(w.rejects_cleared, '-infinity')
    GROUP BY w.place
  UNION ALL
    SELECT %(intents)s, w.place - 1, 0, count(*), NULL
    FROM {portfolios}
    JOIN positions_decision d ON d.portfolio_id = w.id AND d.decided_at > greatest(w.window_at, w.throttle_cleared)
        AND d.decided_at <= w.at
    WHERE d.intent = 'open' AND NOT d.inputs ? 'confirms'
    GROUP BY w.place
  UNION ALL
    SELECT %(close)s, w.place - 1, p.id, p.realised_pnl, p.closed_at
    FROM {portfolios}
    CROSS JOIN LATERAL (
        SELECT id, realised_pnl, closed_at FROM positions_position
        WHERE portfolio_id = w.id AND closed_at <= w.at AND closed_at > coalesce(w.streak_cleared, '-infinity')
        ORDER BY closed_at DESC, id DESC LIMIT w.streak
    ) p
    WHERE EXISTS (SELECT FROM positions_position r
                  WHERE r.portfolio_id = w.id AND r.closed_at > w.pause_at AND r.closed_at <= w.at)
  UNION ALL
    SELECT %(stops)s, w.place - 1, c.underlying_id, count(*), max(p.closed_at)
    FROM {portfolios}
    JOIN positions_position p ON p.portfolio_id = w.id AND p.closed_at >= w.day_at AND p.closed_at <= w.at
    JOIN positions_optioncontract c ON c.id = p.contract_id
    WHERE p.close_cause = 'stop'
      AND NOT EXISTS (SELECT FROM riskengine_breaker b WHERE b.portfolio_id = w.id AND b.code = 'stop_outs'
                      AND b.underlying_id = c.underlying_id AND b.cleared_by_id IS NOT NULL
                      AND b.cleared_at >= p.closed_at)
    GROUP BY w.place, c.underlying_id
  UNION ALL
    SELECT %(deposit)s, w.place - 1, 0, m.amount, m.moved_at
    FROM {portfolios}
    JOIN positions_cashmovement m ON m.portfolio_id = w.id AND m.moved_at > w.back_at AND m.moved_at <= w.at
    WHERE m.kind IN ('deposit', 'withdrawal')
  UNION ALL
    SELECT %(start)s, w.place - 1, e.session_on - '1970-01-01'::date, e.equity_start_of_day, e.taken_at
    FROM {portfolios}
    JOIN positions_equitysnapshot e ON e.portfolio_id = w.id
        AND e.session_on > (w.back_at AT TIME ZONE 'UTC')::date AND e.session_on <= w.day
  UNION ALL
    SELECT %(level)s, m.row - 1, 0, r.level, r.known_at
    FROM unnest(%(indexes)s::text[], %(sources)s::text[], %(recorded)s::bool[], %(moments)s::timestamptz[],
                %(days)s::date[], %(opened)s::bool[], %(weekends)s::bool[]) WITH ORDINALITY
        AS m(index, source, recorded, at, day, opened, weekend, row)
    CROSS JOIN LATERAL (
        (SELECT close AS level, read_at AS known_at FROM positions_vixreading v
         WHERE NOT m.recorded AND v.kind = 'live' AND v.index = m.index AND v.read_at <= m.at
           AND CASE WHEN m.source = '' THEN NOT starts_with(v.source, %(made_up)s) ELSE v.source = m.source END
         ORDER BY read_at DESC, id DESC LIMIT 1)
      UNION ALL
        (SELECT CASE WHEN m.opened AND v.session_on = m.day THEN v.open ELSE v.close END, m.at
         FROM positions_vixreading v
         WHERE m.recorded AND v.kind = 'daily' AND v.index = m.index AND v.session_on > m.day - %(vix_days)s
           AND CASE WHEN m.opened THEN v.session_on = m.day OR (m.weekend AND v.session_on < m.day)
                    ELSE v.session_on < m.day END
         ORDER BY v.session_on DESC LIMIT 1)
    ) r
"""

_PORTFOLIOS = """unnest(%(ids)s::bigint[], %(at)s::timestamptz[], %(day)s::date[], %(day_at)s::timestamptz[],
        %(window_at)s::timestamptz[], %(pause_at)s::timestamptz[], %(streak)s::int[], %(back_at)s::timestamptz[],
        %(rejects_cleared)s::timestamptz[], %(throttle_cleared)s::timestamptz[], %(streak_cleared)s::timestamptz[])
        WITH ORDINALITY AS w(id, at, day, day_at, window_at, pause_at, streak, back_at, rejects_cleared,
                             throttle_cleared, streak_cleared, place)"""


def load_facts(watched: Sequence[Watched], limits: Limits, memory: Memory) -> Facts:
    """What was counted and recorded up to each portfolio's market time. One statement."""
    n = len(watched)
    markets: dict[tuple[str, str, bool, date, bool, bool, object], int] = {}
    market = np.array(
        [markets.setdefault(_market_of(each, index), len(markets)) for each, index in zip(
            watched, np.broadcast_to(limits.volatility_index, n).tolist(), strict=True)],
        np.int64,
    )  # fmt: skip
    found = copy_columns(
        _READ_FACTS.replace("{portfolios}", _PORTFOLIOS), _FACTS, _asked(watched, limits, memory, list(markets))
    )
    rows = {kind: np.flatnonzero(found["kind"] == kind) for kind in range(7)}

    def scattered(kind: int, size: int, name: str, empty: float) -> FloatColumn:
        column = np.full(size, empty)
        column[found["place"][rows[kind]]] = found[name][rows[kind]]
        return column

    closes = rows[CLOSE][np.lexsort((found["key"][rows[CLOSE]], found["at"][rows[CLOSE]]))]
    level = scattered(LEVEL, len(markets), "number", np.nan)[market]
    known_at = scattered(LEVEL, len(markets), "at", np.nan)[market]
    at = np.array([microseconds(each.at) for each in watched], np.float64)
    stops = rows[STOPS]
    starts, taken = _starts(found, rows, n)
    return Facts(
        rejected=scattered(REJECTED, n, "number", 0.0),
        intents=scattered(INTENTS, n, "number", 0.0),
        start_of_day_5=_since(starts, taken, memory, "drawdown_5"),
        start_of_day_20=_since(starts, taken, memory, "drawdown_20"),
        close_place=found["place"][closes],
        close_pnl=found["number"][closes],
        close_at=found["at"][closes],
        stops={
            (place, key): int(count)
            for place, key, count in zip(
                found["place"][stops].tolist(), found["key"][stops].tolist(), found["number"][stops].tolist(),
                strict=True,
            )
        },
        vix=level,
        vix_age_seconds=(at - known_at) / 1e6,
    )  # fmt: skip


def _market_of(each: Watched, index: int) -> tuple[str, str, bool, date, bool, bool, object]:
    """What a volatility index is looked up by; the time itself only where it can tell two apart (A-05)."""
    name = VixIndex.values[index]
    recorded = each.clock_kind == ClockKind.RECORDED
    opened = new_york(each.at).time() >= REGULAR_OPEN
    source = each.quote_source if each.clock_kind == ClockKind.SIMULATED else ""
    return name, source, recorded, each.day, opened, each.day.weekday() >= SATURDAY, None if recorded else each.at


def _asked(watched: Sequence[Watched], limits: Limits, memory: Memory, markets: Sequence[tuple]) -> dict[str, object]:
    n = len(watched)
    at = [each.at for each in watched]
    window = np.broadcast_to(limits.opening_intents_window_seconds, n).tolist()
    pause = np.broadcast_to(limits.losing_streak_pause_minutes, n).tolist()
    anywhen = max(at)

    def cleared(code: str) -> list:
        column = memory.cleared[:, PLACE[code]].tolist()
        return [None if each == NEVER else instant(each) for each in column]

    midnights: dict[date, datetime] = {}
    for each in watched:
        if each.day not in midnights:
            midnights[each.day] = each.day_at
    day_at = [midnights[each.day] for each in watched]
    return {
        "rejected": REJECTED, "intents": INTENTS, "close": CLOSE, "stops": STOPS, "deposit": DEPOSIT, "start": START,
        "level": LEVEL,
        "ids": [each.portfolio_id for each in watched],
        "at": at,
        "day": [each.day for each in watched],
        "day_at": day_at,
        "window_at": [when - timedelta(seconds=seconds) for when, seconds in zip(at, window, strict=True)],
        "pause_at": [when - timedelta(minutes=minutes) for when, minutes in zip(at, pause, strict=True)],
        "streak": [int(count) for count in np.broadcast_to(limits.losing_streak, n).tolist()],
        "back_at": [when - LOOK_BACK for when in day_at],
        "rejects_cleared": cleared("rejected_orders"),
        "throttle_cleared": cleared("throttle"),
        "streak_cleared": cleared("losing_streak"),
        "indexes": [m[0] for m in markets],
        "sources": [m[1] for m in markets],
        "recorded": [m[2] for m in markets],
        "days": [m[3] for m in markets],
        "opened": [m[4] for m in markets],
        "weekends": [m[5] for m in markets],
        "moments": [m[6] or anywhen for m in markets],
        "made_up": SIMULATED,
        "vix_days": VIX_CLOSE_MAX_AGE.days,
    }  # fmt: skip


def _starts(found: Columns, rows: Mapping[int, IntColumn], n: int) -> tuple[FloatColumn, Block]:
    """Start-of-day equities with the deposits since, (n, 20), the newest last, and when each was taken."""
    mine = rows[START][np.lexsort((found["key"][rows[START]], found["place"][rows[START]]))]
    place = found["place"][mine]
    # How many of the same portfolio come after each: 0 is the newest.
    ends = np.searchsorted(place, place, side="right")
    after = ends - 1 - np.arange(len(mine))
    kept = after < SESSIONS_KEPT
    where = place[kept], SESSIONS_KEPT - 1 - after[kept]
    starts, taken = np.full((n, SESSIONS_KEPT), np.nan), np.full((n, SESSIONS_KEPT), NEVER, np.int64)
    starts[where] = found["number"][mine][kept]
    taken[where] = found["at"][mine][kept]
    moved = rows[DEPOSIT]
    to, amount, at = found["place"][moved], found["number"][moved], found["at"][moved]
    np.add.at(starts, to, np.where(taken[to] < at[:, None], amount[:, None], 0.0))
    return starts, taken


def _since(starts: FloatColumn, taken: Block, memory: Memory, code: str) -> FloatColumn:
    """Without what a person has seen when they cleared the drawdown: it is measured anew from there."""
    cleared = memory.cleared[:, PLACE[code]]
    return starts if (cleared == NEVER).all() else np.where(taken > cleared[:, None], starts, np.nan)


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
