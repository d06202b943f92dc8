"""The whole life of a position, and a decision as it was made, from their rows."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from positions.desk_selectors import happenings_of
from positions.models import Decision, Fill, Order, OrderIntent, Portfolio, Position
from riskengine.loading.desk import load_books
from riskengine.services import wording
from riskengine.services.decide.entries import awaits_confirmation, opening_of
from riskengine.services.decide.inputs import ny
from riskengine.services.watch import bets, story
from riskengine.services.watch.words import contract_label, short_label

INTENTS = dict(OrderIntent.choices)


def life_of(position: Position, portfolio: Portfolio, *, now: datetime) -> dict[str, Any]:
    """Everything about one position at wall time `now`; `bet` is None once nothing of it is open."""
    book = load_books([portfolio], now=now)[0]
    rows = bets.rows(book, bets.valued(book)) if position.quantity_open else []
    fills = list(Fill.objects.filter(position=position).select_related("order").order_by("filled_at", "id"))
    takings = position.profit_takings.select_related("slice").order_by("taken_at", "id")
    return {
        "id": position.pk,
        "slug": portfolio.slug,
        "label": contract_label(position.contract),
        "short": short_label(position.contract),
        "occ_symbol": position.contract.occ_symbol,
        "status": position.get_status_display(),
        "is_open": position.quantity_open > 0,
        "opened": position.quantity_opened,
        "open": position.quantity_open,
        "entry": float(position.average_entry_price),
        "entry_at": ny(position.entry_at),
        "closed_at": ny(position.closed_at),
        "close_cause": INTENTS.get(position.close_cause, position.close_cause),
        "regime": position.get_regime_display(),
        "revision": position.revision.number,
        "money": {
            "cost": float(position.entry_cost),
            "proceeds": float(position.exit_proceeds),
            "fees": float(position.fees),
            "realised": float(position.realised_pnl),
            "minimum": float(position.min_size_at_entry),
            "multiplier": float(position.scale_multiplier),
        },
        "initial_stop": None if position.initial_stop is None else float(position.initial_stop),
        "stop": None if position.current_stop is None else float(position.current_stop),
        "high_water": float(position.high_water),
        "bet": next((bet for bet in rows if bet["id"] == position.pk), None),
        "orders": orders_of(_orders(position).select_related("contract", "portfolio").order_by("id")),
        "fills": [_fill(fill) for fill in fills],
        "takings": [_taking(each) for each in takings],
        "events": [{**story.tell(row), "about": ""} for row in happenings_of(position.pk)],
        "decision": None if position.decision is None else decision_of(position.decision, now=now),
    }


def _orders(position: Position) -> QuerySet[Order]:
    """Its own, and every send of its opening: one that bought nothing knows its decision only."""
    own = Q(position=position)
    return Order.objects.filter(own if position.decision_id is None else own | Q(decision=position.decision_id))


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "at": ny(fill.filled_at),
        "side": fill.order.side,
        "intent": fill.order.get_intent_display(),
        "contracts": fill.quantity,
        "price": float(fill.price),
        "fee": float(fill.fee),
        "bid": None if fill.quote_bid is None else float(fill.quote_bid),
        "ask": None if fill.quote_ask is None else float(fill.quote_ask),
        "execution_id": fill.execution_id,
    }


def _taking(each: Any) -> dict[str, Any]:
    return {
        "at": ny(each.taken_at),
        "tier": each.slice.number,
        "contracts": each.contracts,
        "fraction": float(each.closed_fraction),
        "price": float(each.price),
        "profit": float(each.profit_fraction),
    }


def orders_of(orders: Iterable[Order]) -> list[dict[str, Any]]:
    """Intents, each followed by the orders that were sent for it."""
    found = list(orders)
    children: dict[int, list[Order]] = {}
    for order in found:
        if order.parent_id is not None:
            children.setdefault(order.parent_id, []).append(order)
    listed = []
    for order in found:
        if order.parent_id is None:
            listed.append(_order(order))
            listed += [_order(child) for child in children.get(order.pk, [])]
    return listed


def _order(order: Order) -> dict[str, Any]:
    return {
        "id": order.pk,
        "slug": order.portfolio.slug,
        "is_child": order.parent_id is not None,
        "intent": order.get_intent_display(),
        "side": order.side,
        "short": short_label(order.contract),
        "quantity": order.quantity,
        "filled": order.filled_quantity,
        "limit": float(order.limit_price),
        "worst": float(order.worst_price),
        "status": order.get_status_display(),
        "pace": order.get_pace_display(),
        "created_at": ny(order.created_at),
        "finished_at": ny(order.finished_at),
        "reject_reason": order.reject_reason,
        "key": order.client_order_id,
        "position_id": order.position_id,
        "why": order.reject_reason or (order.verdict or {}).get("sentence", ""),
        "verdict": _seen(order.verdict),
    }


_SEEN = {
    "bid": "USD per share",
    "ask": "USD per share",
    "entry": "USD per share",
    "stop": "USD per share",
    "high_water": "USD per share",
    "target": "USD per share",
    "worst_price": "USD per share",
    "gain_fraction": "fraction",
    "factor": "multiple",
    "latency_seconds": "seconds",
    "since_change_seconds": "seconds",
    "contracts": "contracts",
}


def _seen(values: Any) -> list[tuple[str, str]]:
    """What an exit rule saw, as pairs to show, each with its unit; nested values are left to the record."""
    if not isinstance(values, dict):
        return []
    return [
        (name.removesuffix("_seconds").removesuffix("_fraction").replace("_", " "), _in_words(name, value))
        for name, value in values.items()
        if value is not None and not isinstance(value, dict | list)
    ]


def _in_words(name: str, value: Any) -> str:
    unit = _SEEN.get(name)
    if isinstance(value, bool):
        return wording.show(value, "yes/no")
    return str(value) if unit is None or isinstance(value, str) else wording.in_unit(float(value), unit)


def decision_of(decision: Decision, *, now: datetime) -> dict[str, Any]:
    """A decision as it was stored; `trace` and `gates` are None where they were not stored in the shape pages show."""
    trace = decision.trace if isinstance(decision.trace, dict) and decision.trace.get("steps") else None
    gates = decision.gates if isinstance(decision.gates, list) and decision.gates else None
    inputs = decision.inputs if isinstance(decision.inputs, list) else None
    if isinstance(decision.inputs, dict):
        inputs = next((each for each in decision.inputs.values() if isinstance(each, list)), None)
    return {
        **decision_row(decision),
        "trace": trace,
        "gates": gates,
        "inputs": [each for each in inputs or [] if isinstance(each, dict) and "label" in each] or None,
        "warnings": [each if isinstance(each, str) else each.get("text", "") for each in decision.warnings],
        "minimum": None if decision.min_size_dollars is None else float(decision.min_size_dollars),
        "multiplier": None if decision.scale_multiplier is None else float(decision.scale_multiplier),
        "expires_at": ny(decision.expires_at),
        "waits": awaits_confirmation(decision, opening_of(decision), now),
        "engine": decision.engine_version,
        "key": decision.idempotency_key,
    }


def position_row(position: Position) -> dict[str, Any]:
    """A position as a line of a list."""
    return {
        "id": position.pk,
        "slug": position.portfolio.slug,
        "portfolio": position.portfolio.name,
        "label": contract_label(position.contract),
        "at": ny(position.entry_at),
        "opened": position.quantity_opened,
        "open": position.quantity_open,
        "entry": float(position.average_entry_price),
        "stop": None if position.current_stop is None else float(position.current_stop),
        "realised": float(position.realised_pnl),
        "closed_at": ny(position.closed_at),
        "close_cause": INTENTS.get(position.close_cause, position.close_cause),
        "status": position.get_status_display(),
        "tags": [each.word for each in position.tags.all()],
    }


def decision_row(decision: Decision) -> dict[str, Any]:
    """A decision as a line of a list."""
    return {
        "id": decision.pk,
        "slug": decision.portfolio.slug,
        "portfolio": decision.portfolio.name,
        "at": ny(decision.decided_at),
        "label": contract_label(decision.contract),
        "short": short_label(decision.contract),
        "intent": decision.get_intent_display(),
        "confidence": float(decision.confidence),
        "approved": decision.approved,
        "code": decision.refusal_code,
        "sentence": decision.refusal_sentence,
        "contracts": decision.contracts,
        "indicative": decision.indicative_contracts,
        "limit": None if decision.limit_price is None else float(decision.limit_price),
        "dollars": float(decision.dollars),
        "who": decision.requested_by_name,
    }
