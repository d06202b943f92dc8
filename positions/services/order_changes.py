"""Changing the status of orders as lists: by conditional update, each change with the row that says so.

An order that is no longer in the state it was judged in is left alone: somebody else was first, and nothing is lost.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from django.core.serializers.json import DjangoJSONEncoder
from django.db import OperationalError, connection

from positions.models.order import LIVE

LOCK_TIMEOUT = "2s"
BUSY = ("55P03", "40P01")  # lock_not_available, deadlock_detected
Status: TypeAlias = Any  # an OrderStatus; without Django's stubs its members pass for tuples

_CHANGE = """
    WITH wanted AS (
        SELECT * FROM unnest(%(ids)s::bigint[], %(before)s::text[], %(after)s::text[], %(at)s::timestamptz[],
                             %(detail)s::text[], %(reason)s::text[], %(broker_id)s::text[], %(priority)s::int[])
            AS w(id, before, after, at, detail, reason, broker_id, priority)
    ), locked AS MATERIALIZED (  -- by ascending id, as everybody locks: two who change the same orders never cross
        SELECT o.id FROM positions_order o JOIN wanted w ON w.id = o.id ORDER BY o.id FOR NO KEY UPDATE OF o
    ), changed AS (
        UPDATE positions_order o SET
            status = w.after,
            finished_at = CASE WHEN w.after = ANY(%(live)s) THEN o.finished_at ELSE w.at END,
            submitted_at = CASE WHEN w.after = 'working' THEN coalesce(o.submitted_at, w.at) ELSE o.submitted_at END,
            next_step_at = CASE WHEN o.parent_id IS NULL AND w.after = 'cancelling' THEN w.at ELSE o.next_step_at END,
            reject_reason = CASE WHEN w.reason = '' THEN o.reject_reason ELSE w.reason END,
            broker_order_id = CASE WHEN w.broker_id = '' THEN o.broker_order_id ELSE w.broker_id END
        FROM wanted w JOIN locked ON locked.id = w.id WHERE o.id = w.id AND o.status = w.before
        RETURNING o.id, o.client_order_id, w.before, w.after, w.at, w.detail, w.priority
    ), queued AS (
        INSERT INTO positions_outboxmessage
            (kind, key, priority, order_id, payload, created_at, due_at, attempts, leased_by, last_error)
        SELECT 'cancel_order', 'cancel:' || client_order_id, priority, id, '{}', %(now)s, %(now)s, 0, '', ''
        FROM changed WHERE priority IS NOT NULL ORDER BY id
        ON CONFLICT (key) DO NOTHING
    ), told AS (
        UPDATE positions_outboxmessage SET sent_at = %(now)s, leased_until = NULL
        WHERE id = ANY(%(sent)s::bigint[]) AND sent_at IS NULL
    )
    INSERT INTO positions_orderevent (order_id, happened_at, from_status, to_status, actor_name, detail)
    SELECT id, at, before, after, %(actor)s, detail::jsonb FROM changed ORDER BY id
    RETURNING order_id
"""


@dataclass(frozen=True, slots=True)
class Change:
    """One order from one status to another at a market time; `detail` says why. With `cancel_priority` its cancel goes
    into the outbox."""

    order_id: int
    before: Status
    after: Status
    at: datetime
    detail: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    broker_order_id: str = ""
    cancel_priority: int | None = None


def as_json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder)


def change_orders(
    changes: Sequence[Change], *, actor_name: str, now: datetime | None = None, sent: Sequence[int] = ()
) -> set[int]:
    """Apply the changes whose order is still in `before`; the ids of those, each with its OrderEvent. One statement.

    `sent` are outbox messages that brought these changes, noted as sent at wall time `now`.
    """
    if not changes:
        return set()
    parameters = {
        "ids": [c.order_id for c in changes],
        "before": [c.before for c in changes],
        "after": [c.after for c in changes],
        "at": [c.at for c in changes],
        "detail": [as_json(c.detail) for c in changes],
        "reason": [c.reason for c in changes],
        "broker_id": [c.broker_order_id for c in changes],
        "priority": [c.cancel_priority for c in changes],
        "sent": list(sent),
        "now": now,
        "live": list(LIVE),
        "actor": actor_name,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CHANGE, parameters)
        return {order_id for (order_id,) in cursor.fetchall()}


def limit_lock_waits() -> None:
    """Nobody waits longer than 2 s for a lock in this transaction: the next pass tries again (DESIGN section 6)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])


def is_busy(error: Exception) -> bool:
    """Whether a lock was not had in time, or two crossed: nothing is lost, and nothing is wrong."""
    return isinstance(error, OperationalError) and getattr(error.__cause__, "pgcode", None) in BUSY
