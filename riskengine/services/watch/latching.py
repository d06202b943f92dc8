"""Writing what breakers change: one statement for all of them, each trip and each clearing with its event.

A breaker is written only at the version that was judged, so that two checks at once trip it once, and a check that
judged before a person cleared it trips nothing again.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection, transaction

from positions.services.portfolio import SYSTEM_NAME
from riskengine.loading.book import instant
from riskengine.loading.breakers import EPOCH_DAY
from riskengine.loading.copying import NEVER
from riskengine.loading.watched import Watched
from riskengine.models import BreakerCode
from riskengine.services.watch.breakers import CLEARED, TRIPPED, Change

# The parameters that each breaker reads: held while it is tripped, they can be tightened and not loosened.
_CONFIRMED_BY = ("breach_confirmations", "breach_spacing_seconds", "breach_window_seconds", "breach_immediate_multiple")
_OF_DAY = ("account_size", "daily_loss_alert_share", *_CONFIRMED_BY)  # who stands at L1 is warned of L2
READS: dict[str, tuple[str, ...]] = {
    "loss_l1": ("confirm_entries_loss", *_OF_DAY),
    "loss_l2": ("max_daily_loss", *_OF_DAY),
    "loss_l3": ("emergency_halt_loss", "halt_flattens", *_OF_DAY),
    "drawdown_5": ("drawdown_5_session", *_CONFIRMED_BY),
    "drawdown_20": ("drawdown_20_session", *_CONFIRMED_BY),
    "vix": ("max_vix_threshold", "vix_clear_minutes", "volatility_index", "vix_max_age_seconds"),
    "losing_streak": ("losing_streak", "losing_streak_pause_minutes"),
    "stop_outs": ("max_stopouts_per_underlying",),
    "throttle": ("max_opening_intents", "opening_intents_window_seconds"),
    "rejected_orders": ("max_rejected_orders",),
    "stale_quote": ("quote_max_age_expiring_seconds", "quote_max_age_seconds", "recorded_quote_max_age_seconds"),
    "stale_vix": ("vix_max_age_seconds",),
}

# The numbers of a trip stay while it stands and after it: 'clear' comes before 'tripped'.
_LATCH = """
    WITH w AS (
        SELECT * FROM unnest(
            %(portfolios)s::bigint[], %(codes)s::text[], %(underlyings)s::bigint[], %(kinds)s::text[],
            %(versions)s::int[], %(states)s::text[], %(sessions)s::date[], %(at)s::timestamptz[],
            %(values)s::numeric[], %(limits)s::numeric[], %(clears_at)s::timestamptz[], %(calm_since)s::timestamptz[],
            %(alerted)s::date[],
            %(reasons)s::text[], %(traces)s::text[]
        ) AS w(portfolio_id, code, underlying_id, kind, version, state, session_on, at, value, "limit", clears_at,
               calm_since, alerted_on, reason, trace)
    ), changed AS (
        INSERT INTO riskengine_breaker AS b (
            portfolio_id, code, underlying_id, state, session_on, tripped_at, value, "limit", clears_at, calm_since,
            alerted_on, cleared_by_name, cleared_reason, version)
        SELECT portfolio_id, code, underlying_id, state, session_on, CASE WHEN state = 'tripped' THEN at END,
               CASE WHEN state = 'tripped' THEN value END, CASE WHEN state = 'tripped' THEN "limit" END,
               clears_at, calm_since, alerted_on, '', '', version + 1
        FROM w ORDER BY portfolio_id, code, underlying_id
        ON CONFLICT (portfolio_id, code, underlying_id) DO UPDATE SET
            state = excluded.state,
            session_on = excluded.session_on,
            tripped_at = CASE WHEN b.state < excluded.state THEN excluded.tripped_at ELSE b.tripped_at END,
            value = CASE WHEN b.state < excluded.state THEN excluded.value ELSE b.value END,
            "limit" = CASE WHEN b.state < excluded.state THEN excluded."limit" ELSE b."limit" END,
            clears_at = excluded.clears_at,
            calm_since = excluded.calm_since,
            alerted_on = excluded.alerted_on,
            version = excluded.version
        WHERE b.version = excluded.version - 1
        RETURNING id, portfolio_id, code, underlying_id
    ), told AS (
        INSERT INTO riskengine_breakerevent (breaker_id, portfolio_id, code, kind, happened_at, recorded_at,
            actor_name, value, "limit", reason, trace)
        SELECT c.id, w.portfolio_id, w.code, w.kind, w.at, %(now)s, %(who)s, w.value, w."limit", w.reason,
               w.trace::jsonb
        FROM changed c JOIN w ON w.portfolio_id = c.portfolio_id AND w.code = c.code
            AND w.underlying_id IS NOT DISTINCT FROM c.underlying_id
        WHERE w.kind <> '' ORDER BY w.portfolio_id, w.code, w.underlying_id
        RETURNING id, breaker_id
    )
    SELECT c.portfolio_id, c.code, coalesce(c.underlying_id, 0), t.id
    FROM changed c LEFT JOIN told t ON t.breaker_id = c.id ORDER BY t.id
"""

# By rule cleared: who, when and why stand on the row too, and no person's name is left there.
_RELEASE = """
    UPDATE riskengine_breaker b SET cleared_at = e.happened_at, cleared_by_id = NULL, cleared_by_name = e.actor_name,
        cleared_reason = e.reason
    FROM riskengine_breakerevent e WHERE e.id = ANY(%s) AND e.breaker_id = b.id AND e.kind = 'cleared'
"""

# The holds of a profile follow from what is tripped under it; doing it twice changes nothing.
_HOLD = """
    INSERT INTO accounts_limithold (profile_id, parameter, held_by, placed_at)
    SELECT p.profile_id, r.parameter, r.label || ' of ' || p.slug, %(now)s
    FROM unnest(%(portfolios)s::bigint[], %(parameters)s::text[], %(labels)s::text[]) AS r(id, parameter, label)
    JOIN positions_portfolio p ON p.id = r.id
    ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING
"""

# Stop-outs of another underlying may still hold it.
_LIFT = """
    UPDATE accounts_limithold h SET lifted_at = %(now)s
    FROM unnest(%(portfolios)s::bigint[], %(codes)s::text[], %(labels)s::text[]) AS r(id, code, label)
    JOIN positions_portfolio p ON p.id = r.id
    WHERE h.profile_id = p.profile_id AND h.held_by = r.label || ' of ' || p.slug AND h.lifted_at IS NULL
      AND NOT EXISTS (SELECT FROM riskengine_breaker b
                      WHERE b.portfolio_id = r.id AND b.code = r.code AND b.state = 'tripped')
"""


@dataclass(frozen=True, slots=True)
class Event:
    """A change that was written and has its row: what alerts are made of."""

    event_id: int
    portfolio_id: int
    code: str
    kind: str
    reason: str


def latch(changes: Sequence[Change], watched: Sequence[Watched], *, now: datetime) -> list[Event]:
    """Write the changes whose breaker is still the one that was judged, with their events and the holds on limits; the
    events, in their order. A few statements however many changes, none for none."""
    if not changes:
        return []
    by_key = {(watched[each.place].portfolio_id, each.code, each.underlying): each for each in changes}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LATCH, _columns(list(by_key.values()), watched, now))
        written = [(by_key[tuple(key)], event) for *key, event in cursor.fetchall()]
        told = [(change, event) for change, event in written if event is not None]
        released = [event for change, event in told if change.kind == CLEARED]
        if released:
            cursor.execute(_RELEASE, [released])
        hold([(watched[c.place].portfolio_id, c.code) for c, _ in told if c.kind == TRIPPED], now=now)
        lift([(watched[c.place].portfolio_id, c.code) for c, _ in told if c.kind == CLEARED], now=now)
    return [
        Event(event, watched[change.place].portfolio_id, change.code, change.kind, change.reason)
        for change, event in told
    ]


def held_by(code: str) -> str:
    """How a hold names the breaker, before the portfolio's slug."""
    return f"{BreakerCode(code).label.split(':')[0]} breaker"


def hold(tripped: Iterable[tuple[int, str]], *, now: datetime) -> None:
    """Hold what the tripped breakers (portfolio id, code) read. One statement; none for none."""
    rows = [(portfolio, name, held_by(code)) for portfolio, code in tripped for name in READS[code]]
    if rows:
        portfolios, parameters, labels = (list(column) for column in zip(*rows, strict=True))
        with connection.cursor() as cursor:
            cursor.execute(_HOLD, {"now": now, "portfolios": portfolios, "parameters": parameters, "labels": labels})


def lift(cleared: Iterable[tuple[int, str]], *, now: datetime) -> None:
    """Lift the holds of breakers that are clear. One statement; none for none."""
    rows = [(portfolio, code, held_by(code)) for portfolio, code in cleared]
    if rows:
        portfolios, codes, labels = (list(column) for column in zip(*rows, strict=True))
        with connection.cursor() as cursor:
            cursor.execute(_LIFT, {"now": now, "portfolios": portfolios, "codes": codes, "labels": labels})


def _columns(changes: Sequence[Change], watched: Sequence[Watched], now: datetime) -> dict[str, object]:
    return {
        "portfolios": [watched[c.place].portfolio_id for c in changes],
        "codes": [c.code for c in changes],
        "underlyings": [c.underlying or None for c in changes],
        "kinds": [c.kind for c in changes],
        "versions": [c.version for c in changes],
        "states": ["tripped" if c.tripped else "clear" for c in changes],
        "sessions": [_day(c.session) for c in changes],
        "at": [watched[c.place].at for c in changes],
        "values": [_number(c.value) for c in changes],
        "limits": [_number(c.limit) for c in changes],
        "clears_at": [_time(c.clears_at) for c in changes],
        "calm_since": [_time(c.calm_since) for c in changes],
        "alerted": [_day(c.alerted) if c.alerted >= 0 else None for c in changes],
        "reasons": [c.reason for c in changes],
        "traces": [None if c.trace is None else json.dumps(c.trace, allow_nan=False) for c in changes],
        "now": now,
        "who": SYSTEM_NAME,
    }


def _day(number: int) -> date:
    return EPOCH_DAY + timedelta(days=number)


def _time(at: int) -> datetime | None:
    return None if at == NEVER else instant(at)


def _number(value: float) -> str | None:
    return f"{value:.6f}" if math.isfinite(value) else None
