"""What circuit breakers count and look up: orders, entries, closes, equities and the volatility index of the day.

One statement whatever the number of portfolios, which stand in the order of the list that is watched. Money USD, times
int64 microseconds of market time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np

from positions.market.calendar import new_york, new_york_instant
from positions.market.feeds.world import SIMULATED
from positions.market_selectors import REGULAR_OPEN, SATURDAY, VIX_CLOSE_MAX_AGE
from positions.models import ClockKind
from positions.models.history import VixIndex
from riskengine.calculators import breakers
from riskengine.calculators.columns import FloatColumn, IntColumn
from riskengine.calculators.limits import Limits
from riskengine.loading.book import instant, microseconds
from riskengine.loading.breakers import PLACE, Block, Memory, UnderlyingKey, day_number
from riskengine.loading.copying import BIGINT, INSTANT, INTEGER, MICROS, NEVER, Columns, Fields, copy_columns
from riskengine.loading.watched import Watched

SESSIONS_KEPT = 20  # the longer of the two rolling drawdowns
LOOK_BACK = timedelta(days=45)  # 20 sessions, holidays and all


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """Counted and recorded, (n,) unless said. `start_of_day` is (n, 20), USD, the newest last, with the deposits made
    since, NaN where the portfolio is younger or a person has cleared its drawdown since (one block a drawdown breaker);
    where nothing was paid in or out lately its last column has the peak and the others nothing.
    `closes` are positions closed lately, the oldest first. `stops` counts stop-outs of the day by underlying. `intents`
    is the most that any window of the throttle held since the last risk check. `cash` is that of the moment of this
    read, USD, NaN where nothing was paid in or out lately: only with that cash do the deposits agree."""

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
    cash: FloatColumn


REJECTED, INTENTS, CLOSE, STOPS, DEPOSIT, START, LEVEL, SESSION, PEAK_5, PEAK_20, CASH = KINDS = tuple(range(11))

_FACTS = Fields({"kind": INTEGER, "place": INTEGER, "key": BIGINT, "number": MICROS, "at": INSTANT})

# Portfolios of one market time and the same windows share a moment: ten thousand times as text take longer than all
# that is read. A portfolio into which nothing was paid lately has but two peaks instead of twenty sessions. Opening
# intents count from a window before the last risk check, whenever that was, or before the day of one that had none.
# Deposits count as soon as they are booked, as in the cash, also with a time after that of the check: who booked one
# read the clock later than the check did.
_READ_FACTS = """
    WITH t AS MATERIALIZED (
        SELECT t.*,
               coalesce((SELECT session_on FROM positions_exchangesession
                         WHERE exchange = 'XNYS' AND session_on <= day AND session_on > day - %(back_days)s::int
                         ORDER BY session_on DESC OFFSET 4 LIMIT 1), '-infinity') AS five_on,
               coalesce((SELECT session_on FROM positions_exchangesession
                         WHERE exchange = 'XNYS' AND session_on <= day AND session_on > day - %(back_days)s::int
                         ORDER BY session_on DESC OFFSET 19 LIMIT 1), '-infinity') AS twenty_on
        FROM unnest(%(at)s::timestamptz[], %(day)s::date[], %(day_at)s::timestamptz[], %(window_at)s::timestamptz[],
                    %(pause_at)s::timestamptz[], %(streak)s::int[], %(back_at)s::timestamptz[]) WITH ORDINALITY
            AS t(at, day, day_at, window_at, pause_at, streak, back_at, moment)
    ), w AS MATERIALIZED (
        SELECT w.id, w.place, t.*, r.at AS rejects_cleared, l.at AS streak_cleared,
               greatest(i.at, least(t.window_at, coalesce(w.market_at, t.day_at) - (t.at - t.window_at))) AS asked_at,
               NOT w.id = ANY(%(seen)s::bigint[]) AND NOT EXISTS (
                   SELECT FROM positions_cashmovement m
                   WHERE m.portfolio_id = w.id AND m.moved_at > t.back_at AND m.kind IN ('deposit', 'withdrawal')
               ) AS plain
        FROM (
            SELECT w.*, h.market_at FROM unnest(%(ids)s::bigint[], %(moments)s::int[]) WITH ORDINALITY
                AS w(id, moment, place)
            LEFT JOIN positions_heartbeat h ON h.portfolio_id = w.id AND h.scope = 'risk'
            OFFSET 0  -- before the moments are joined, which the planner takes for a filter that leaves few
        ) w
        JOIN t ON t.moment = w.moment
        LEFT JOIN unnest(%(rejected_orders)s::int[], %(rejected_orders_at)s::timestamptz[]) AS r(place, at)
            ON r.place = w.place
        LEFT JOIN unnest(%(throttle)s::int[], %(throttle_at)s::timestamptz[]) AS i(place, at) ON i.place = w.place
        LEFT JOIN unnest(%(losing_streak)s::int[], %(losing_streak_at)s::timestamptz[]) AS l(place, at)
            ON l.place = w.place
    )
    SELECT %(rejected)s::int, w.place - 1, 0, count(*), NULL::timestamptz
    FROM w
    JOIN positions_order o ON o.portfolio_id = w.id AND o.created_at >= w.day_at AND o.created_at <= w.at
    WHERE o.status = 'rejected' AND o.parent_id IS NOT NULL
      AND coalesce(o.finished_at, o.created_at) > coalesce(w.rejects_cleared, '-infinity')
    GROUP BY w.place
  UNION ALL
    SELECT %(intents)s, w.place - 1, d.id, 0, d.decided_at
    FROM w
    JOIN positions_decision d ON d.portfolio_id = w.id AND d.decided_at > w.asked_at AND d.decided_at <= w.at
    WHERE d.intent = 'open' AND NOT d.inputs ? 'confirms'
  UNION ALL
    SELECT %(close)s, w.place - 1, p.id, p.realised_pnl, p.closed_at
    FROM w
    CROSS JOIN LATERAL (
        SELECT id, realised_pnl, closed_at FROM positions_position
        WHERE portfolio_id = w.id AND closed_at <= w.at AND closed_at > coalesce(w.streak_cleared, '-infinity')
        ORDER BY closed_at DESC, id DESC LIMIT w.streak
    ) p
    WHERE EXISTS (SELECT FROM positions_position r
                  WHERE r.portfolio_id = w.id AND r.closed_at > w.pause_at AND r.closed_at <= w.at)
  UNION ALL
    SELECT %(stops)s, w.place - 1, c.underlying_id, count(*), max(p.closed_at)
    FROM w
    JOIN positions_position p ON p.portfolio_id = w.id AND p.closed_at >= w.day_at AND p.closed_at <= w.at
    JOIN positions_optioncontract c ON c.id = p.contract_id
    WHERE p.close_cause = 'stop'
      AND NOT EXISTS (SELECT FROM riskengine_breaker b WHERE b.portfolio_id = w.id AND b.code = 'stop_outs'
                      AND b.underlying_id = c.underlying_id AND b.cleared_by_id IS NOT NULL
                      AND b.cleared_at >= p.closed_at)
    GROUP BY w.place, c.underlying_id
  UNION ALL
    SELECT %(deposit)s, w.place - 1, 0, m.amount, m.moved_at
    FROM w
    JOIN positions_cashmovement m ON m.portfolio_id = w.id AND m.moved_at > w.back_at
    WHERE m.kind IN ('deposit', 'withdrawal')
  UNION ALL
    SELECT %(cash)s, w.place - 1, 0, p.cash, NULL
    FROM w
    JOIN positions_portfolio p ON p.id = w.id
    WHERE NOT w.plain
  UNION ALL
    SELECT %(start)s, w.place - 1, e.session_on - '1970-01-01'::date, e.equity_start_of_day, e.taken_at
    FROM w
    JOIN positions_equitysnapshot e ON e.portfolio_id = w.id
        AND e.session_on > (w.back_at AT TIME ZONE 'UTC')::date AND e.session_on <= w.day
    WHERE NOT w.plain
  UNION ALL
    SELECT CASE k WHEN 5 THEN %(peak_5)s::int ELSE %(peak_20)s::int END, place - 1, 0,
           CASE k WHEN 5 THEN five ELSE twenty END, NULL
    FROM w
    CROSS JOIN LATERAL (
        SELECT max(e.equity_start_of_day) FILTER (WHERE e.session_on >= w.five_on) AS five,
               max(e.equity_start_of_day) AS twenty
        FROM positions_equitysnapshot e
        WHERE e.portfolio_id = w.id AND e.session_on >= w.twenty_on AND e.session_on <= w.day
    ) p
    CROSS JOIN (VALUES (5), (20)) AS k(k)
    WHERE w.plain AND p.twenty IS NOT NULL
  UNION ALL
    SELECT %(session)s, 0, s.session_on - '1970-01-01'::date, 0, NULL
    FROM positions_exchangesession s
    WHERE s.exchange = 'XNYS' AND s.session_on > (%(first)s::timestamptz AT TIME ZONE 'UTC')::date
        AND s.session_on <= %(last)s::date
  UNION ALL
    SELECT %(level)s, m.row - 1, 0, r.level, r.known_at
    FROM unnest(%(indexes)s::text[], %(sources)s::text[], %(recorded)s::bool[], %(index_at)s::timestamptz[],
                %(days)s::date[], %(opened)s::bool[], %(weekends)s::bool[]) WITH ORDINALITY
        AS m(index, source, recorded, at, day, opened, weekend, row)
    CROSS JOIN LATERAL (
        (SELECT close AS level, read_at AS known_at FROM positions_vixreading v
         WHERE NOT m.recorded AND v.kind = 'live' AND v.index = m.index AND v.read_at <= m.at
           AND CASE WHEN m.source = '' THEN NOT starts_with(v.source, %(made_up)s::text) ELSE v.source = m.source END
         ORDER BY read_at DESC, id DESC LIMIT 1)
      UNION ALL
        (SELECT CASE WHEN m.opened AND v.session_on = m.day THEN v.open ELSE v.close END, m.at
         FROM positions_vixreading v
         WHERE m.recorded AND v.kind = 'daily' AND v.index = m.index AND v.session_on > m.day - %(vix_days)s::int
           AND CASE WHEN m.opened THEN v.session_on = m.day OR (m.weekend AND v.session_on < m.day)
                    ELSE v.session_on < m.day END
         ORDER BY v.session_on DESC LIMIT 1)
    ) r
"""


def load_facts(watched: Sequence[Watched], limits: Limits, memory: Memory) -> Facts:
    """What was counted and recorded up to each portfolio's market time. One statement."""
    n = len(watched)
    markets: dict[tuple[str, str, bool, date, bool, bool, object], int] = {}
    known: dict[tuple, int] = {}
    market = np.empty(n, np.int64)
    for place, (each, index) in enumerate(zip(watched, np.broadcast_to(limits.volatility_index, n), strict=True)):
        key = (each.at, each.clock_kind, each.quote_source, index)
        if key not in known:
            known[key] = markets.setdefault(_market_of(each, int(index)), len(markets))
        market[place] = known[key]
    found = copy_columns(_READ_FACTS, _FACTS, _asked(watched, limits, memory, list(markets)))
    rows = {kind: np.flatnonzero(found["kind"] == kind) for kind in KINDS}

    def scattered(kind: int, size: int, name: str, empty: float) -> FloatColumn:
        column = np.full(size, empty)
        column[found["place"][rows[kind]]] = found[name][rows[kind]]
        return column

    closes = rows[CLOSE][np.lexsort((found["key"][rows[CLOSE]], found["at"][rows[CLOSE]]))]
    level = scattered(LEVEL, len(markets), "number", np.nan)[market]
    known_at = scattered(LEVEL, len(markets), "at", np.nan)[market]
    at = np.array([microseconds(each.at) for each in watched], np.float64)
    # A reading ages; a recorded day's figure is as fresh as its label says, whoever of the day looks at it.
    recorded = np.array([each.clock_kind == ClockKind.RECORDED for each in watched], np.bool_)
    age = np.where(recorded & ~np.isnan(level), 0.0, (at - known_at) / 1e6)
    stops = rows[STOPS]
    starts, taken = _starts(found, rows, np.array([day_number(each.day) for each in watched], np.int64))
    five, twenty = _since(starts, taken, memory, "drawdown_5"), _since(starts, taken, memory, "drawdown_20")
    for peaks, kind in ((five, PEAK_5), (twenty, PEAK_20)):
        peaks[found["place"][rows[kind]], -1] = found["number"][rows[kind]]
    return Facts(
        rejected=scattered(REJECTED, n, "number", 0.0),
        intents=breakers.most_within(
            found["at"][rows[INTENTS]],
            found["place"][rows[INTENTS]],
            np.broadcast_to(limits.opening_intents_window_seconds, n).astype(np.float64),
        ),
        start_of_day_5=five,
        start_of_day_20=twenty,
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
        vix_age_seconds=age,
        cash=scattered(CASH, n, "number", np.nan),
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
    window, pause, streak = (
        np.broadcast_to(each, n).tolist()
        for each in (
            limits.opening_intents_window_seconds,
            limits.losing_streak_pause_minutes,
            limits.losing_streak,
        )
    )
    moments: dict[tuple[datetime, date, float, float, float], int] = {}
    which = [
        moments.setdefault((each.at, each.day, *windows), len(moments) + 1)
        for each, *windows in zip(watched, window, pause, streak, strict=True)
    ]
    midnights = {day: new_york_instant(day, time()) for _, day, *_ in moments}
    seen = (memory.cleared[:, [PLACE["drawdown_5"], PLACE["drawdown_20"]]] != NEVER).any(axis=1)
    return {
        "rejected": REJECTED, "intents": INTENTS, "close": CLOSE, "stops": STOPS, "deposit": DEPOSIT, "start": START,
        "level": LEVEL, "session": SESSION, "peak_5": PEAK_5, "peak_20": PEAK_20, "cash": CASH,
        "ids": [each.portfolio_id for each in watched],
        "moments": which,
        "seen": [watched[place].portfolio_id for place in np.flatnonzero(seen).tolist()],
        "at": [at for at, *_ in moments],
        "day": [day for _, day, *_ in moments],
        "day_at": [midnights[day] for _, day, *_ in moments],
        "window_at": [at - timedelta(seconds=seconds) for at, _, seconds, *_ in moments],
        "pause_at": [at - timedelta(minutes=minutes) for at, _, _, minutes, _ in moments],
        "streak": [int(count) for *_, count in moments],
        "back_at": [midnights[day] - LOOK_BACK for _, day, *_ in moments],
        "back_days": LOOK_BACK.days,
        "first": min(midnights.values()) - LOOK_BACK,
        "last": max(midnights),
        **_cleared(memory, "rejected_orders"),
        **_cleared(memory, "throttle"),
        **_cleared(memory, "losing_streak"),
        "indexes": [m[0] for m in markets],
        "sources": [m[1] for m in markets],
        "recorded": [m[2] for m in markets],
        "days": [m[3] for m in markets],
        "opened": [m[4] for m in markets],
        "weekends": [m[5] for m in markets],
        "index_at": [m[6] or watched[0].at for m in markets],
        "made_up": SIMULATED,
        "vix_days": VIX_CLOSE_MAX_AGE.days,
    }  # fmt: skip


def _cleared(memory: Memory, code: str) -> dict[str, list]:
    """Places (from 1) of portfolios for which a person has cleared this breaker, and when."""
    column = memory.cleared[:, PLACE[code]]
    places = np.flatnonzero(column != NEVER)
    return {code: (places + 1).tolist(), f"{code}_at": [instant(at) for at in column[places].tolist()]}


def _starts(found: Columns, rows: Mapping[int, IntColumn], day: IntColumn) -> tuple[FloatColumn, Block]:
    """Start-of-day equities with the deposits since, (n, 20), one column a session, the newest last; when each was
    taken. A session without a check has none."""
    mine = rows[START]
    place = found["place"][mine]
    sessions = np.sort(found["key"][rows[SESSION]])
    newest = np.searchsorted(sessions, day, side="right") - 1
    back = newest[place] - np.searchsorted(sessions, found["key"][mine])
    kept = (back >= 0) & (back < SESSIONS_KEPT)
    where = place[kept], SESSIONS_KEPT - 1 - back[kept]
    shape = len(day), SESSIONS_KEPT
    starts, taken = np.full(shape, np.nan), np.full(shape, NEVER, np.int64)
    starts[where] = found["number"][mine][kept]
    taken[where] = found["at"][mine][kept]
    moved = rows[DEPOSIT]
    to, amount, at = found["place"][moved], found["number"][moved], found["at"][moved]
    np.add.at(starts, to, np.where(taken[to] < at[:, None], amount[:, None], 0.0))
    return starts, taken


def _since(starts: FloatColumn, taken: Block, memory: Memory, code: str) -> FloatColumn:
    """Without what a person has seen when they cleared the drawdown: it is measured anew from there."""
    cleared = memory.cleared[:, PLACE[code]]
    return np.where(taken > cleared[:, None], starts, np.nan)
