"""What circuit breakers count and look up: orders, entries, closes, equities and the volatility index of the day.

One statement whatever the number of portfolios, which stand in the order of the list that is watched. Money USD, times
int64 microseconds of market time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from positions.market.calendar import new_york
from positions.market.feeds.world import SIMULATED
from positions.market_selectors import REGULAR_OPEN, SATURDAY, VIX_CLOSE_MAX_AGE
from positions.models import ClockKind
from positions.models.history import VixIndex
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


REJECTED, INTENTS, CLOSE, STOPS, DEPOSIT, START, LEVEL, SESSION = KINDS = tuple(range(8))

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
    SELECT %(session)s, 0, s.session_on - '1970-01-01'::date, 0, NULL
    FROM positions_exchangesession s
    WHERE s.exchange = 'XNYS' AND s.session_on > (%(first)s AT TIME ZONE 'UTC')::date AND s.session_on <= %(last)s
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
    rows = {kind: np.flatnonzero(found["kind"] == kind) for kind in KINDS}

    def scattered(kind: int, size: int, name: str, empty: float) -> FloatColumn:
        column = np.full(size, empty)
        column[found["place"][rows[kind]]] = found[name][rows[kind]]
        return column

    closes = rows[CLOSE][np.lexsort((found["key"][rows[CLOSE]], found["at"][rows[CLOSE]]))]
    level = scattered(LEVEL, len(markets), "number", np.nan)[market]
    known_at = scattered(LEVEL, len(markets), "at", np.nan)[market]
    at = np.array([microseconds(each.at) for each in watched], np.float64)
    stops = rows[STOPS]
    starts, taken = _starts(found, rows, np.array([day_number(each.day) for each in watched], np.int64))
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
        "level": LEVEL, "session": SESSION, "first": min(day_at) - LOOK_BACK, "last": max(each.day for each in watched),
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
    return starts if (cleared == NEVER).all() else np.where(taken > cleared[:, None], starts, np.nan)
