"""Whether the clocks go: seen from beside them (the alerts task) and from outside (`watchdog`, `/readyz`).

A check that stands still cannot say so. The alerts task, in another worker, says it of the checks; when beat itself
stands still nothing in the product moves, and only who looks from outside can tell: `manage.py watchdog` from cron or a
dead-man switch raises the alert and sends it itself. Wall times.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection, transaction

from positions.models.order import WHOLE_POSITION
from riskengine.models import Pulse, Severity
from riskengine.services.watch.alerts import ESCALATE_AFTER, NewAlert, escalate, raise_alerts, resolve, standing
from riskengine.services.watch.breakers_seen import NEAR, TRIPPED, breaker_alerts
from riskengine.services.watch.delivery import Delivered, deliver
from riskengine.services.watch.orders_seen import (
    EXIT_FAILING,
    EXIT_WAITING,
    ORDER_REJECTED,
    PATIENCE,
    Rejected,
    exit_failing,
    exit_waiting,
    order_rejected,
)

STALE_AFTER = timedelta(seconds=90)  # of the last risk check; entries are refused beyond it
ALERTS = "alerts"  # the pulse of the task that beat sends to the queue `work`
PULSE_EVERY = timedelta(seconds=5)
GAP = timedelta(seconds=60)  # a clock that was away so long has started anew
CHECKS_STALLED, CLOCK_STALLED = "CHECKS_STALLED", "CLOCK_STALLED"
EVENTS_LOOKED_AT = 5_000  # of orders and of breakers, back from the newest

# One statement, whatever there is: the pulse is noted, and what needs words or sending is found.
_LOOK = """
    WITH pulse AS (
        INSERT INTO riskengine_pulse AS p (name, at, since) VALUES (%(pulse)s, %(now)s, %(now)s)
        ON CONFLICT (name) DO UPDATE SET
            at = excluded.at, since = CASE WHEN p.at < %(gap)s THEN excluded.at ELSE p.since END
        WHERE p.at <= %(pulse_before)s
    )
    SELECT 'stale' AS what, p.id AS portfolio_id, p.name, NULL::bigint AS position_id, 0::bigint AS id,
           extract(epoch FROM %(now)s - coalesce(h.finished_at, p.created_at))::float8 AS number, '' AS detail
    FROM positions_portfolio p
    LEFT JOIN positions_heartbeat h ON h.portfolio_id = p.id AND h.scope = 'risk'
    WHERE coalesce(h.finished_at, p.created_at) < %(stale)s
      AND EXISTS (SELECT FROM riskengine_pulse u WHERE u.name = %(pulse)s AND u.since <= %(stale)s AND u.at >= %(gap)s)
    UNION ALL
    SELECT 'failing', o.portfolio_id, p.name, o.position_id, o.id, count(*)::float8, max(c.reject_reason)
    FROM positions_order o JOIN positions_order c ON c.parent_id = o.id AND c.status = 'rejected'
    JOIN positions_portfolio p ON p.id = o.portfolio_id
    WHERE o.parent_id IS NULL AND o.intent <> 'open'
      AND o.status IN ('planned', 'submitting', 'working', 'cancelling', 'unknown')
    GROUP BY o.id, p.name HAVING count(*) >= 2
    UNION ALL
    SELECT 'waiting', o.portfolio_id, p.name, o.position_id, o.id,
           extract(epoch FROM h.market_at - o.created_at)::float8, o.intent
    FROM positions_order o
    JOIN positions_portfolio p ON p.id = o.portfolio_id
    JOIN positions_heartbeat h ON h.portfolio_id = o.portfolio_id AND h.scope = 'risk'
    WHERE o.parent_id IS NULL AND o.intent = ANY(%(whole)s) AND h.market_at >= o.created_at + %(patience)s
      AND o.status IN ('planned', 'submitting', 'working', 'cancelling', 'unknown')
    UNION ALL
    SELECT 'rejected', o.portfolio_id, p.name, o.position_id, o.id, o.quantity::float8,
           o.intent || ': ' || o.reject_reason
    FROM positions_orderevent e JOIN positions_order o ON o.id = e.order_id
    JOIN positions_portfolio p ON p.id = o.portfolio_id
    WHERE e.id > (SELECT max(id) FROM positions_orderevent) - %(events)s AND e.to_status = 'rejected'
      AND o.parent_id IS NULL
      AND NOT EXISTS (SELECT FROM riskengine_alert a WHERE a.key = 'rejected:' || o.id)
    UNION ALL
    SELECT 'breaker', e.portfolio_id, '', NULL, e.id, 0, ''
    FROM riskengine_breakerevent e
    WHERE e.id > (SELECT max(id) FROM riskengine_breakerevent) - %(events)s AND e.kind IN ('alert', 'tripped')
      AND NOT EXISTS (SELECT FROM riskengine_alert a WHERE a.key = 'breaker:' || e.id)
      AND (e.kind = 'tripped'  -- what was near its limit and has tripped since is told as that alone
           OR NOT EXISTS (SELECT FROM riskengine_breakerevent n WHERE n.breaker_id = e.breaker_id AND n.id > e.id))
    UNION ALL
    SELECT 'over', coalesce(a.portfolio_id, 0), '', NULL, a.id, 0, a.key
    FROM riskengine_alert a
    JOIN riskengine_breakerevent e ON e.id = split_part(a.key, ':', 2)::bigint
    JOIN riskengine_breaker b ON b.id = e.breaker_id
    WHERE a.resolved_at IS NULL AND a.code = ANY(%(breakers)s)
      AND (EXISTS (SELECT FROM riskengine_breakerevent n WHERE n.breaker_id = e.breaker_id AND n.id > e.id)
           OR (e.kind = 'alert' AND b.alerted_on IS DISTINCT FROM b.session_on))
    UNION ALL
    SELECT 'open', coalesce(a.portfolio_id, 0), a.code, a.position_id, a.id, 0, a.key
    FROM riskengine_alert a
    WHERE a.resolved_at IS NULL
      AND (a.code = ANY(%(codes)s) OR (a.code = %(rejected)s AND a.acknowledged_at IS NOT NULL))
    UNION ALL
    SELECT 'due', 0, '', NULL, 0, 0, ''
    WHERE EXISTS (SELECT FROM riskengine_alertdelivery d WHERE d.state IN ('due', 'sending')
                  AND d.next_attempt_at <= %(now)s AND (d.leased_until IS NULL OR d.leased_until <= %(now)s))
    UNION ALL
    SELECT 'unanswered', 0, '', NULL, 0, 0, ''
    WHERE EXISTS (SELECT FROM riskengine_alert a WHERE a.severity = 'critical' AND a.acknowledged_at IS NULL
                  AND a.resolved_at IS NULL AND a.staged_at <= %(unanswered)s AND a.escalations < %(escalations)s)
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A row of the look; ids are 0 where there is none."""

    what: str
    portfolio_id: int
    name: str
    position_id: int | None
    id: int
    number: float
    detail: str


def run_alerts(*, now: datetime) -> Delivered:
    """What the alerts task does: see what no check can say of itself, tell again what nobody answered, send what is
    due. One statement when there is nothing of it."""
    seen = _look(now)
    raised = [_ALERTS[each.what](each) for each in seen if each.what in _ALERTS]
    raised += breaker_alerts([each.id for each in seen if each.what == "breaker"])
    lasting = {each.key for each in raised}
    over = [each.detail for each in seen if each.what == "open" and each.detail not in lasting]
    over += [each.detail for each in seen if each.what == "over"]
    if raised or over:
        with transaction.atomic():
            raise_alerts(raised, now=now)
            resolve(over, now=now)
    told = escalate(now) if any(each.what == "unanswered" for each in seen) else 0
    if told or raised or any(each.what == "due" for each in seen):
        return deliver(now)
    return Delivered()


def _look(now: datetime) -> list[Seen]:
    with connection.cursor() as cursor:
        cursor.execute(
            _LOOK,
            {
                "now": now,
                "pulse": ALERTS,
                "pulse_before": now - PULSE_EVERY,
                "gap": now - GAP,
                "stale": now - STALE_AFTER,
                "events": EVENTS_LOOKED_AT,
                "codes": [CHECKS_STALLED, CLOCK_STALLED, EXIT_FAILING, EXIT_WAITING],
                "whole": list(WHOLE_POSITION),
                "patience": PATIENCE,
                "rejected": ORDER_REJECTED,
                "breakers": [TRIPPED, NEAR],
                "unanswered": now - ESCALATE_AFTER[0],
                "escalations": len(ESCALATE_AFTER),
            },
        )
        return [Seen(*row) for row in cursor.fetchall()]


def checks_stalled(
    portfolio_id: int, name: str, age_seconds: float, limit: float = STALE_AFTER.total_seconds()
) -> NewAlert:
    return NewAlert(
        code=CHECKS_STALLED,
        key=f"checks:{portfolio_id}",
        severity=Severity.CRITICAL,
        title="The portfolio is not being checked",
        happened=f"The last risk check of {name} finished {age_seconds:,.0f} s ago; the limit is {limit:.0f} s. "
        "Its stops are not looked at, and entries are refused.",
        to_do="Look at the workers of the queues exit and risk, and at an alert that says why the portfolio cannot be "
        "judged. Until it is checked again, watch its positions at the broker.",
        portfolio_id=portfolio_id,
        value=age_seconds,
        limit=limit,
        unit="seconds",
    )


def _rejected(seen: Seen) -> Rejected:
    return Rejected(seen.portfolio_id, seen.position_id, seen.id, int(seen.number), seen.detail)


_ALERTS: dict[str, Callable[[Seen], NewAlert]] = {
    "stale": lambda seen: checks_stalled(seen.portfolio_id, seen.name, seen.number),
    "failing": lambda seen: exit_failing(_rejected(seen)),
    "waiting": lambda seen: exit_waiting(_rejected(seen)),
    "rejected": lambda seen: order_rejected(_rejected(seen)),
}


# ---- From outside ----


@dataclass(slots=True)
class Survey:
    """How the clocks stand. Ages and their `limit` in seconds; None: never. `stale` are (portfolio id, name, age).
    `clock` and `problems` are sentences."""

    limit: float
    beat_age: float | None = None
    check_age: float | None = None
    portfolios: int = 0
    stale: list[tuple[int, str, float]] = field(default_factory=list)
    clock: str = ""
    problems: list[str] = field(default_factory=list)


def survey(*, now: datetime, max_age: timedelta = STALE_AFTER) -> Survey:
    """Two statements, nothing written."""
    limit = max_age.total_seconds()
    found = Survey(limit)
    pulse = Pulse.objects.filter(name=ALERTS).first()
    if pulse is not None:
        found.beat_age = max((now - pulse.at).total_seconds(), 0.0)
    for portfolio_id, name, age in _ages(now):
        found.portfolios += 1
        found.check_age = age if found.check_age is None else max(found.check_age, age)
        if age > limit:
            found.stale.append((portfolio_id, name, age))
    if found.beat_age is None:
        found.clock = "No clock has ever come by: beat or the worker of the queue work is not running."
    elif found.beat_age > limit:
        found.clock = (
            f"The clock last came by {found.beat_age:,.0f} s ago; the limit is {limit:,.0f} s. "
            "Beat or the worker of the queue work stands still."
        )
    if found.clock:
        found.problems.append(found.clock)
    if found.stale:
        count, oldest = len(found.stale), max(age for *_, age in found.stale)
        found.problems.append(
            f"{count} of {found.portfolios} portfolios were not checked for {oldest:,.0f} s; the limit is "
            f"{limit:,.0f} s. Their stops are not looked at."
        )
    return found


def _ages(now: datetime) -> Sequence[tuple[int, str, float]]:
    """Portfolio id, name and the age of its last risk check; one never checked is as old as it is."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT p.id, p.name,
                   greatest(extract(epoch FROM %s - coalesce(h.finished_at, p.created_at)), 0)::float8
            FROM positions_portfolio p
            LEFT JOIN positions_heartbeat h ON h.portfolio_id = p.id AND h.scope = 'risk'
            ORDER BY p.id
            """,
            [now],
        )
        return cursor.fetchall()


def sound_alarm(found: Survey, *, now: datetime) -> Delivered:
    """Raise what the survey found as alerts and send it from here: whoever else would may be what stands still."""
    alerts = [checks_stalled(*each, limit=found.limit) for each in found.stale]
    if found.clock:
        alerts.append(_clock_stalled(found))
    raise_alerts(alerts, now=now)
    if not found.clock:
        resolve([each.key for each in standing([CLOCK_STALLED])], now=now)
    escalate(now)
    return deliver(now)


def _clock_stalled(found: Survey) -> NewAlert:
    return NewAlert(
        code=CLOCK_STALLED,
        key="clock",
        severity=Severity.CRITICAL,
        title="The clock stands still",
        happened=f"{found.clock} No check runs by itself: no stop, no forced close, no breaker.",
        to_do="Start the product again, or its beat and workers. Until then watch every position at the broker.",
        value=found.beat_age,
        limit=found.limit,
        unit="seconds",
    )
