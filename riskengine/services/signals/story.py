"""Signals as a page or a program reads them: plain data, times New York with offset, None for what is not known."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from positions.market.clock import market_now
from positions.models import Position
from riskengine.models import Signal, SignalEvent, SignalState
from riskengine.services.decide.entries import CONFIRMS
from riskengine.services.decide.inputs import ny
from riskengine.services.watch.words import contract_label

MOST_WAITING = 12  # on a desk
OPEN_STATES = (SignalState.NEW, SignalState.ACCEPTED)


def signal_row(signal: Signal, *, now: datetime) -> dict[str, Any]:
    """What a list shows of a signal."""
    at = market_now(signal.portfolio.clock, now)
    left = (signal.expires_at - at).total_seconds()
    scales = signal.selection.get("scales_with")
    return {
        "id": signal.pk,
        "portfolio": signal.portfolio.name,
        "slug": signal.portfolio.slug,
        "source": signal.source.name,
        "source_kind": signal.source.get_kind_display(),
        "symbol": signal.underlying.symbol,
        "direction": signal.get_direction_display(),
        "is_call": signal.direction == "LONG_CALL",
        "confidence": float(signal.confidence),
        "scales_with": scales,
        "bets_the_minimum": scales is not None and scales <= 0.0,
        "as_of": ny(signal.as_of),
        "expires_at": ny(signal.expires_at),
        "seconds_left": left if signal.state in OPEN_STATES else None,
        "state": signal.state,
        "state_label": signal.get_state_display(),
        "code": signal.dropped_code,
        "sentence": signal.dropped_sentence,
        "decision_id": signal.decision_id,
    }


def signals_waiting(at: Mapping[int, datetime]) -> list[dict[str, Any]]:
    """The accepted signals that wait for a person in these portfolios, `at` their market times; those over first."""
    rows = Signal.objects.filter(portfolio__in=list(at), state=SignalState.ACCEPTED, decision=None)
    rows = rows.select_related("portfolio", "underlying", "source").order_by("expires_at", "id")[:MOST_WAITING]
    return [
        {
            "id": each.pk,
            "portfolio": each.portfolio.name,
            "symbol": each.underlying.symbol,
            "direction": each.get_direction_display().lower(),
            "is_call": each.direction == "LONG_CALL",
            "confidence": float(each.confidence),
            "source": each.source.name,
            "seconds_left": (each.expires_at - at[each.portfolio_id]).total_seconds(),
        }
        for each in rows
        if each.expires_at > at[each.portfolio_id]
    ]


def signal_story(signal: Signal, *, now: datetime) -> dict[str, Any]:
    """The whole life of a signal: what it was made of, what the selection saw, what became of it."""
    picked = signal.selection.get("contract")
    row = signal_row(signal, now=now)
    position = _position(signal)
    return row | {
        "external_id": signal.external_id,
        "note": signal.note,
        "received_at": ny(signal.received_at),
        "components": [_component(each) for each in signal.components if isinstance(each, dict)],
        "selection": signal.selection,
        "contract": signal.contract.occ_symbol if signal.contract else picked,
        "contract_label": contract_label(signal.contract) if signal.contract else None,
        "names_contract": signal.contract_id is not None,
        "may_be_placed": signal.state in OPEN_STATES and signal.decision_id is None and row["seconds_left"] > 0,
        "position_id": position.pk if position else None,
        "events": [_event(each) for each in signal.events.order_by("id")],
    }


def _event(each: SignalEvent) -> dict[str, Any]:
    return {
        "state": each.get_state_display(),
        "at": ny(each.happened_at),
        "who": each.actor_name,
        "detail": each.detail,
    }


def _component(given: dict[str, Any]) -> dict[str, Any]:
    """A component as its source gave it; a value from -1 to 1 gets its bar, 0 in the middle."""
    given_value, unit = given.get("value"), str(given.get("unit") or "")[:24]
    value = _number(given_value)
    bar = value if unit == "-1 to 1" else None
    return {
        "label": str(given.get("label") or given.get("name") or "component")[:100],
        "value": value,
        "said": None if value is not None or given_value is None else str(given_value)[:100],
        "weight": _number(given.get("weight")),
        "unit": unit,
        "bar_left": None if bar is None else round(50 + 50 * min(bar, 0.0), 2),
        "bar_width": None if bar is None else round(50 * abs(bar), 2),
    }


def _number(given: Any) -> float | None:
    return float(given) if isinstance(given, int | float) and not isinstance(given, bool) else None


def _position(signal: Signal) -> Position | None:
    """What is held from it, by its decision or the one that a person's yes made of it."""
    if signal.decision_id is None:
        return None
    key = f"{CONFIRMS}{signal.decision_id}"
    own = Position.objects.filter(decision_id=signal.decision_id)
    confirmed = Position.objects.filter(decision__portfolio_id=signal.portfolio_id, decision__idempotency_key=key)
    return own.first() or confirmed.first()
