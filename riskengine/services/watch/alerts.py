"""Alerts: raised while their condition lasts, told once, answered by a person, told again when nobody answers (A-10).

Raising is one statement whatever the number (a second where stages rise), inside the caller's transaction, together
with what is to be sent: a crash loses neither. Sending is `delivery`. Times are wall times.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction

from accounts.models import User
from positions.services.order_changes import as_json
from positions.services.portfolio import SYSTEM_NAME
from riskengine.models import Alert, AlertEvent, AlertEventKind, Severity

ESCALATE_AFTER = (timedelta(minutes=5), timedelta(minutes=15))  # without an answer, counted from its last stage
SEEN_AGAIN_AFTER = timedelta(seconds=10)  # a condition seen every second need not be written every second
RANKS = [str(each) for each in (Severity.INFO, Severity.WARNING, Severity.CRITICAL)]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlert:
    """A condition that was seen. `key` names it: the same condition, the same key. `happened` and `to_do` are
    sentences. A higher `stage` of a condition already known is told anew. Without `portfolio_id`: the installation's.
    """

    code: str
    key: str
    severity: Any
    title: str
    happened: str
    to_do: str
    portfolio_id: int | None = None
    position_id: int | None = None
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    market_at: datetime | None = None
    stage: int = 0
    in_app_only: bool = False


_SEEN = """
    WITH seen AS (
        SELECT * FROM jsonb_to_recordset(%(alerts)s::jsonb) AS s(
            code text, key text, severity text, title text, happened text, to_do text, portfolio_id bigint,
            position_id bigint, value numeric, "limit" numeric, unit text, market_at timestamptz, stage int,
            in_app_only boolean)
    ),
"""

_INSERT = """
    kept AS (
        INSERT INTO riskengine_alert AS a (
            code, key, severity, title, happened, to_do, portfolio_id, position_id, value, "limit", unit, market_at,
            stage, in_app_only, raised_at, last_seen_at, staged_at, times_seen, level, escalations)
        SELECT code, key, severity, title, happened, to_do, portfolio_id, position_id, value, "limit", unit, market_at,
               stage, in_app_only, %(now)s, %(now)s, %(now)s, 1, 0, 0
        FROM seen ORDER BY key
        ON CONFLICT (key) WHERE resolved_at IS NULL
        DO UPDATE SET last_seen_at = excluded.last_seen_at, times_seen = a.times_seen + 1
        WHERE a.last_seen_at <= %(seen_before)s
        RETURNING a.id, a.level, a.severity, a.portfolio_id, a.in_app_only, false AS to_all
    ),
"""

_RISE = """
    locked AS MATERIALIZED (
        SELECT a.id, s.* FROM riskengine_alert a JOIN seen s ON s.key = a.key
        WHERE a.resolved_at IS NULL AND s.stage > a.stage ORDER BY a.key FOR NO KEY UPDATE OF a
    ), kept AS (
        UPDATE riskengine_alert a SET
            stage = s.stage, staged_at = %(now)s, last_seen_at = %(now)s, times_seen = a.times_seen + 1,
            severity = s.severity, title = s.title, happened = s.happened, to_do = s.to_do, value = s.value,
            "limit" = s."limit", unit = s.unit, market_at = s.market_at, level = a.level + 1, escalations = 0,
            acknowledged_at = NULL, acknowledged_by_id = NULL
        FROM locked s WHERE a.id = s.id
        RETURNING a.id, a.level, a.severity, a.portfolio_id, a.in_app_only, false AS to_all
    ),
"""

_ESCALATE = """
    WITH due AS MATERIALIZED (
        SELECT id FROM riskengine_alert
        WHERE severity = 'critical' AND acknowledged_at IS NULL AND resolved_at IS NULL
          AND staged_at <= (%(staged_before)s::timestamptz[])[escalations + 1]
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    ), kept AS (
        UPDATE riskengine_alert a
        SET level = a.level + 1, escalations = a.escalations + 1, escalated_at = %(now)s
        FROM due WHERE a.id = due.id
        RETURNING a.id, a.level, a.severity, a.portfolio_id, a.in_app_only, true AS to_all
    ),
"""

# What is told for the first time at its level is written for every target that wants it.
_TELL = """
    told AS (
        INSERT INTO riskengine_alertevent (alert_id, kind, level, happened_at, actor_name, detail)
        SELECT id, CASE WHEN level = 0 THEN 'raised' ELSE 'escalated' END, level, %(now)s, %(actor)s, %(detail)s
        FROM kept ORDER BY id
        ON CONFLICT (alert_id, level) WHERE kind IN ('raised', 'escalated') DO NOTHING
        RETURNING alert_id, level
    ), queued AS (
        INSERT INTO riskengine_alertdelivery
            (alert_id, target_id, level, state, attempts, next_attempt_at, created_at, answer)
        SELECT k.id, g.id, k.level, 'due', 0, %(now)s, %(now)s, ''
        FROM told t JOIN kept k ON k.id = t.alert_id
        JOIN riskengine_alerttarget g
          ON g.enabled AND (g.portfolio_id IS NULL OR g.portfolio_id = k.portfolio_id)
         AND (k.to_all OR array_position(%(ranks)s::text[], g.minimum_severity::text)
                       <= array_position(%(ranks)s::text[], k.severity::text))
        WHERE NOT k.in_app_only
        ORDER BY k.id, g.id
        ON CONFLICT (alert_id, target_id, level) DO NOTHING
    )
    SELECT count(*) FROM told
"""


def raise_alerts(alerts: Iterable[NewAlert], *, now: datetime) -> int:
    """Note these conditions, each once while it lasts; how many were new or have come to a higher stage."""
    furthest: dict[str, NewAlert] = {}
    for each in alerts:
        known = furthest.get(each.key)
        if known is None or each.stage > known.stage:
            furthest[each.key] = each
    if not furthest:
        return 0
    given = {"alerts": as_json([asdict(each) for each in furthest.values()]), "seen_before": now - SEEN_AGAIN_AFTER}
    with transaction.atomic():
        rising = any(each.stage for each in furthest.values())
        told = _tell(_SEEN + _RISE, given, "It has come further.", now) if rising else 0
        return told + _tell(_SEEN + _INSERT, given, "", now)


def escalate(now: datetime) -> int:
    """Critical alerts that nobody has answered go again to all targets; how many."""
    staged_before = [now - wait for wait in ESCALATE_AFTER]
    return _tell(_ESCALATE, {"staged_before": staged_before}, "Nobody has acknowledged it.", now)


def _tell(what: str, given: dict[str, Any], detail: str, now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(what + _TELL, given | {"now": now, "actor": SYSTEM_NAME, "detail": detail, "ranks": RANKS})
        return int(cursor.fetchone()[0])


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert whose condition has not ended."""

    key: str
    code: str
    portfolio_id: int | None
    position_id: int | None
    last_seen_at: datetime


def standing(codes: Collection[str]) -> list[Standing]:
    """The alerts of these codes that stand. One statement."""
    rows = Alert.objects.filter(code__in=codes, resolved_at__isnull=True).order_by("id")
    return [Standing(*row) for row in rows.values_list("key", "code", "portfolio_id", "position_id", "last_seen_at")]


def resolve(keys: Sequence[str], *, now: datetime) -> int:
    """The conditions with these keys have ended. No statement for no key."""
    if not keys:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH ended AS MATERIALIZED (
                SELECT id FROM riskengine_alert WHERE key = ANY(%(keys)s) AND resolved_at IS NULL
                ORDER BY key FOR NO KEY UPDATE
            ), gone AS (
                UPDATE riskengine_alert a SET resolved_at = %(now)s FROM ended WHERE a.id = ended.id
                RETURNING a.id, a.level
            ), said AS (
                INSERT INTO riskengine_alertevent (alert_id, kind, level, happened_at, actor_name, detail)
                SELECT id, 'resolved', level, %(now)s, %(actor)s, '' FROM gone ORDER BY id
            )
            SELECT count(*) FROM gone
            """,
            {"keys": list(keys), "now": now, "actor": SYSTEM_NAME},
        )
        return int(cursor.fetchone()[0])


def may_answer(alert: Alert, actor: User) -> bool:
    """Staff, and the owner of the portfolio it is about."""
    return actor.is_staff or (alert.portfolio is not None and alert.portfolio.owner_id == actor.pk)


@transaction.atomic
def acknowledge(*, alert: Alert, actor: User, now: datetime) -> bool:
    """A person has seen it: it is not told again at this stage. False: it was answered or had ended already."""
    if not may_answer(alert, actor):
        raise PermissionDenied("Only the owner of the portfolio and staff acknowledge its alerts.")
    locked = Alert.objects.select_for_update(no_key=True, of=("self",)).get(pk=alert.pk)
    if locked.acknowledged_at is not None or locked.resolved_at is not None:
        return False
    locked.acknowledged_at, locked.acknowledged_by = now, actor
    locked.save(update_fields=["acknowledged_at", "acknowledged_by"])
    AlertEvent.objects.create(
        alert=locked,
        kind=AlertEventKind.ACKNOWLEDGED,
        level=locked.level,
        happened_at=now,
        actor=actor,
        actor_name=actor.get_username(),
    )
    alert.acknowledged_at, alert.acknowledged_by = now, actor
    return True
