"""Sending orders under their intents: child, events and outbox message in the one transaction that decides it (A-08).

A child is a copy of its intent but for size, price and number: its client id is the intent's with its number, so that
the same child is never made twice.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from django.db import connection

from positions.services.live_orders import LiveOrder
from positions.services.portfolio import SYSTEM_NAME
from positions.services.steps import NewChild

_SEND = """
    WITH wanted AS (
        SELECT * FROM unnest(%(parents)s::bigint[], %(before)s::text[], %(quantities)s::int[], %(prices)s::numeric[],
                             %(steps)s::int[], %(next)s::timestamptz[], %(priorities)s::int[])
            AS w(parent_id, before, quantity, price, step, next_step_at, priority)
    ), moved AS (
        UPDATE positions_order p SET
            pace_step = p.pace_step + 1, limit_price = w.price, next_step_at = w.next_step_at, status = 'working',
            submitted_at = coalesce(p.submitted_at, %(at)s)
        FROM wanted w WHERE p.id = w.parent_id AND p.status = w.before
        RETURNING p.*, w.before, w.quantity AS child_quantity, w.step, w.priority
    ), made AS (
        INSERT INTO positions_order (
            portfolio_id, contract_id, position_id, slice_id, decision_id, parent_id, intent, side, sequence,
            client_order_id, broker_order_id, quantity, filled_quantity, limit_price, worst_price, pace, pace_step,
            reference_mid, quote_at, status, verdict, reject_reason, created_at)
        SELECT portfolio_id, contract_id, position_id, slice_id, decision_id, id, intent, side, pace_step,
            client_order_id || '.' || pace_step, '', child_quantity, 0, limit_price, worst_price, pace, step,
            reference_mid, quote_at, 'submitting', CASE WHEN verdict IS NOT NULL THEN '{}'::jsonb END, '', %(at)s
        FROM moved ORDER BY id
        RETURNING id, parent_id, client_order_id, quantity, limit_price
    ), said AS (
        INSERT INTO positions_orderevent (order_id, happened_at, from_status, to_status, actor_name, detail)
        SELECT id, %(at)s, '', 'submitting', %(actor)s,
               jsonb_build_object('contracts', quantity, 'limit', limit_price::text) FROM made
        UNION ALL
        SELECT id, %(at)s, before, 'working', %(actor)s, '{}'::jsonb FROM moved WHERE before <> 'working'
    ), queued AS (
        INSERT INTO positions_outboxmessage
            (kind, key, priority, order_id, payload, created_at, due_at, attempts, leased_by, last_error)
        SELECT 'submit_order', 'submit:' || made.client_order_id, moved.priority, made.id, '{}', %(now)s, %(now)s, 0,
               '', ''
        FROM made JOIN moved ON moved.id = made.parent_id ORDER BY made.id
    )
    SELECT id, parent_id, client_order_id FROM made ORDER BY id
"""


def send(children: Sequence[NewChild], *, at: datetime, now: datetime) -> list[LiveOrder]:
    """Write the children with everything that goes with them, in one statement; the rows that were written. An intent
    that is no longer in the state it was judged in gets none."""
    if not children:
        return []
    parameters = {
        "parents": [c.intent.order_id for c in children],
        "before": [c.intent.status for c in children],
        "quantities": [c.quantity for c in children],
        "prices": [c.price for c in children],
        "steps": [c.step for c in children],
        "next": [c.next_step_at for c in children],
        "priorities": [c.intent.priority for c in children],
        "at": at,
        "now": now,
        "actor": SYSTEM_NAME,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SEND, parameters)
        made = {parent_id: (order_id, key) for order_id, parent_id, key in cursor.fetchall()}
    sent = [child for child in children if child.intent.order_id in made]
    rows = [_row(child, *made[child.intent.order_id], at) for child in sent]
    for child in sent:
        intent = child.intent
        intent.status, intent.next_step_at, intent.limit_price = "working", child.next_step_at, child.price
        intent.pace_step += 1
    return rows


def _row(child: NewChild, order_id: int, client_order_id: str, at: datetime) -> LiveOrder:
    limit_price: Decimal = child.price
    return replace(
        child.intent,
        order_id=order_id,
        parent_id=child.intent.order_id,
        client_order_id=client_order_id,
        quantity=child.quantity,
        filled=0,
        limit_price=limit_price,
        pace_step=child.step,
        next_step_at=None,
        status="submitting",
        created_at=at,
        rejected="",
    )
