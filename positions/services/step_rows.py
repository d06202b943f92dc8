"""Writing what a pass over the working orders found: the broker's answers, and the steps taken."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from positions.brokers import outbox
from positions.brokers.base import Acknowledgement, Answer
from positions.brokers.outbox import Delivery
from positions.models import PositionEvent
from positions.services import children, fill_rows
from positions.services.live_orders import Holding, LiveOrder
from positions.services.order_changes import Change, change_orders
from positions.services.portfolio import SYSTEM_NAME
from positions.services.steps import Finish, Steps, is_over

SETTLEMENT_AWAITED = "settlement_awaited"

# ---- Answers ----


def apply_answers(
    orders: list[LiveOrder], delivery: Delivery, answers: Mapping[str, Acknowledgement], *, at: datetime, now: datetime
) -> tuple[list[LiveOrder], bool]:
    """What the broker said, to the children and their messages; the orders still live, and whether any changed."""
    intents = {order.order_id: order for order in orders if order.parent_id is None}
    changes: list[Change] = []
    again: list[int] = []
    for child in orders:
        intent = intents.get(child.parent_id or 0)
        if intent is None:
            continue
        change = _answer(child, intent, delivery, answers.get(child.client_order_id), at)
        if change is None:
            continue
        changes.append(change)
        if change.after == "submitting":
            again.append(child.order_id)
        if change.after == "rejected":
            intent.rejected = change.reason or "rejected by the broker"
        child.status = change.after
    told = bool(delivery) and delivery.is_simple and bool(changes)
    if delivery and not told:
        outbox.record(delivery, now)
    changed = change_orders(changes, actor_name=SYSTEM_NAME, now=now, sent=delivery.sent if told else ())
    if again:
        outbox.send_again(again, now)
    return [order for order in orders if order.status not in ("cancelled", "rejected")], bool(changed)


def _answer(
    child: LiveOrder, intent: LiveOrder, delivery: Delivery, said: Acknowledgement | None, at: datetime
) -> Change | None:
    """What an answer, or its loss, makes of a child; None when nothing."""

    def to(after: str, detail: dict[str, Any] | None = None, reason: str = "") -> Change:
        broker_id = said.broker_order_id if said is not None else ""
        return Change(child.order_id, child.status, after, at, detail or {}, reason, broker_id)

    if child.client_order_id in delivery.lost:
        lost = child.status == "submitting"
        return to("unknown", {"error": delivery.lost[child.client_order_id]}) if lost else None
    if said is None:
        return None
    if said.answer is Answer.ABSENT:
        if child.status == "unknown" and intent.status != "cancelling" and not is_over(intent, at):
            return to("submitting", {"reason": "never reached the broker; sent again"})
        return to("cancelled", {"reason": "never reached the broker"}) if child.filled == 0 else None
    if said.answer is Answer.REJECTED:
        return to("rejected", {"reason": said.reason}, said.reason)
    if said.answer is Answer.CANCELLED:
        # With fills still to be booked it stays as it is until they are.
        filled = said.filled_quantity == child.filled
        return to("cancelled", {"filled": child.filled}) if filled else None
    return to("working") if child.status in ("submitting", "unknown") else None


# ---- Steps ----


def take(
    steps: Steps, orders: list[LiveOrder], holdings: Mapping[int, Holding], *, at: datetime, now: datetime
) -> list[LiveOrder]:
    """Write the steps, one statement a table; the orders that are live after them."""
    urgent = {order.position_id for order in orders if order.is_urgent}
    changes = [
        Change(
            child.order_id,
            child.status,
            "cancelling",
            at,
            {"reason": why},
            cancel_priority=0 if child.position_id in urgent else child.priority,
        )
        for child, why in steps.withdrawn
    ]
    changes += [Change(f.intent.order_id, f.intent.status, f.status, at, f.detail, _refusal(f)) for f in steps.finished]
    change_orders(changes, actor_name=SYSTEM_NAME, now=now)
    for child, _ in steps.withdrawn:
        child.status = "cancelling"
    _finish(steps.finished, holdings, at)
    _postpone(steps)
    _say_settlement_awaited(steps, at)
    made = children.send(steps.children, at=at, now=now)
    over = {finish.intent.order_id for finish in steps.finished}
    return [order for order in orders if order.order_id not in over] + made


def _refusal(finish: Finish) -> str:
    return str(finish.detail.get("reason", "")) if finish.status == "rejected" else ""


def _finish(finished: Sequence[Finish], holdings: Mapping[int, Holding], at: datetime) -> None:
    """Slices of ended orders are armed again, versions rise, and an entry that stayed too small says so (P-20)."""
    if not finished:
        return
    fill_rows.rearm_slices_of([f.intent.order_id for f in finished if f.intent.intent in ("slice", "target")], at)
    touched = sorted({f.intent.position_id for f in finished if f.intent.position_id is not None})
    if touched:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE positions_position SET version = version + 1 WHERE id = ANY(%s)", [touched])
    PositionEvent.objects.bulk_create(
        _event(holding.position_id, at, "underfilled", _underfill(finish, holding))
        for finish in finished
        if finish.intent.buys
        and (holding := holdings.get(finish.intent.position_id or 0)) is not None
        and holding.entry_cost < holding.min_size
    )


def _underfill(finish: Finish, holding: Holding) -> dict[str, Any]:
    return {
        "filled": finish.intent.filled,
        "contracts": finish.intent.quantity,
        "cost": str(holding.entry_cost),
        "minimum": str(holding.min_size),
    }


def _postpone(steps: Steps) -> None:
    if not steps.postponed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE positions_order o SET next_step_at = w.at "
            "FROM unnest(%s::bigint[], %s::timestamptz[]) AS w(id, at) WHERE o.id = w.id",
            [[intent.order_id for intent, _ in steps.postponed], [when for _, when in steps.postponed]],
        )
    for intent, when in steps.postponed:
        intent.next_step_at = when


def _say_settlement_awaited(steps: Steps, at: datetime) -> None:
    """Once a position: it is offered at no less than 80% of intrinsic, and the rest settles officially (A-17)."""
    floors: dict[int, Decimal] = {
        intent.position_id: floor for intent, floor in steps.floors if intent.position_id is not None
    }
    if not floors:
        return
    said = PositionEvent.objects.filter(position_id__in=floors, kind=SETTLEMENT_AWAITED)
    known = set(said.values_list("position_id", flat=True))
    PositionEvent.objects.bulk_create(
        _event(position_id, at, SETTLEMENT_AWAITED, {"floor": str(floor)})
        for position_id, floor in floors.items()
        if position_id not in known
    )


def _event(position_id: int, at: datetime, kind: str, after: dict[str, Any]) -> PositionEvent:
    return PositionEvent(position_id=position_id, happened_at=at, kind=kind, actor_name=SYSTEM_NAME, after=after)
