"""What a replay reports: plain data without ids, times in New York, numbers rounded once, every list in a fixed order.

Money has 2 decimals, prices 4, fractions 6, seconds 3. An unknown number is null.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
from django.db.models import QuerySet

from positions.market.calendar import new_york
from positions.models import (
    Decision,
    Fill,
    Order,
    PartialProfitTaking,
    Portfolio,
    PortfolioStateChange,
    Position,
    PositionEvent,
)
from riskengine.models import BreakerEvent
from riskengine.services.study.equity import EquityCurve
from riskengine.services.study.recording import Recording

Number = Decimal | float | int | None


def build(portfolio: Portfolio, recording: Recording, curve: EquityCurve, opening: Decimal) -> dict[str, Any]:
    """The whole report. `opening` is the cash the day began with, USD."""
    return {
        "breakers": _breakers(portfolio),
        "data": _data(portfolio, recording),
        "decisions": _decisions(portfolio),
        "end": _end(portfolio, curve, opening),
        "equity": _equity(curve, opening),
        "fills": _fills(portfolio),
        "latency": _latency(portfolio),
        "orders": _orders(portfolio),
        "slices": _slices(portfolio),
        "stops": _stops(portfolio),
    }


def signals(portfolio: Portfolio) -> list[dict[str, Any]]:
    """Every signal with what became of it, from its confidence to its position."""
    rows = portfolio.signals.select_related("underlying", "decision__contract").order_by("as_of", "id")
    return [
        {
            "signal": row.external_id,
            "as_of": clock(row.as_of),
            "symbol": row.underlying.symbol,
            "direction": row.direction,
            "confidence": fraction(row.confidence),
            "state": row.state,
            "dropped": row.dropped_code or None,
            "sentence": row.dropped_sentence or None,
            "selection": {
                name: fraction(each) if isinstance(each, float) else each for name, each in row.selection.items()
            },
            "contract": row.decision.contract.occ_symbol if row.decision else None,
            "contracts": row.decision.contracts if row.decision else None,
            "states": [
                {"state": state, "at": clock(at)}
                for state, at in row.events.order_by("id").values_list("state", "happened_at")
            ],
        }
        for row in rows
    ]


def positions(portfolio: Portfolio, worth: Mapping[int, float]) -> list[dict[str, Any]]:
    """What each position came to. `worth` by contract id: what one share of an option was worth at the close, USD.
    `decision` is its place in `decisions`; P&L is after fees, and counts what is still open at that worth."""
    places = {pk: place for place, pk in enumerate(_decided(portfolio).values_list("pk", flat=True))}
    rows = portfolio.positions.select_related("contract").order_by("id")
    found = []
    for row in rows:
        held = row.quantity_open * row.contract.multiplier * worth.get(row.contract_id, 0.0)
        pnl = float(row.exit_proceeds - row.entry_cost - row.fees) + held if row.quantity_open else row.realised_pnl
        found.append(
            {
                "decision": places[row.decision_id],
                "contract": row.contract.occ_symbol,
                "direction": "LONG_CALL" if row.contract.right == "C" else "LONG_PUT",
                "opened_at": clock(row.entry_at),
                "closed_at": clock(row.closed_at),
                "closed_by": row.close_cause or None,
                "contracts": row.quantity_opened,
                "contracts_open": row.quantity_open,
                "entry_price": price(row.average_entry_price),
                "cost": money(row.entry_cost),
                "fees": money(row.fees),
                "pnl": money(pnl),
            }
        )
    return found


def _decided(portfolio: Portfolio) -> QuerySet[Decision]:
    return portfolio.decisions.order_by("decided_at", "id")


def text_of(report: dict[str, Any]) -> str:
    """The report as it is written: the same input gives the same bytes."""
    return json.dumps(report, sort_keys=True, indent=1, allow_nan=False) + "\n"


def clock(instant: datetime | None) -> str | None:
    """New York time with its offset: "2021-01-04T09:36:00-05:00"."""
    if instant is None:
        return None
    local = new_york(instant)
    return local.isoformat(timespec="milliseconds" if local.microsecond else "seconds")


def money(value: Number) -> float | None:
    return _rounded(value, 2)


def price(value: Number) -> float | None:
    return _rounded(value, 4)


def fraction(value: Number) -> float | None:
    return _rounded(value, 6)


def _rounded(value: Number, places: int) -> float | None:
    if value is None:
        return None
    number = float(value)
    return (round(number, places) + 0.0) if np.isfinite(number) else None  # + 0.0: no minus zero


def _data(portfolio: Portfolio, recording: Recording) -> dict[str, Any]:
    """What was read of each file and what was rejected, what the day lacks, and exits that could not be judged."""
    files = {
        what: {
            "read": report.read,
            "used": report.new + report.changed + report.known,
            "rejected": report.rejected,
            "reasons": dict(sorted(report.reasons.items())),
        }
        for what, report in sorted(recording.reports.items())
    }
    failed = PositionEvent.objects.filter(position__portfolio=portfolio, kind="exit_error").order_by(
        "happened_at", "id"
    )
    errors = [
        {"at": clock(at), "contract": contract, "code": after.get("code"), "sentence": after.get("sentence")}
        for at, contract, after in failed.values_list("happened_at", "position__contract__occ_symbol", "after")
    ]
    return {"exit_errors": errors, "files": files, "notes": recording.notes}


def _decisions(portfolio: Portfolio) -> list[dict[str, Any]]:
    rows = _decided(portfolio).select_related("contract").defer("trace")
    return [
        {
            "at": clock(row.decided_at),
            "contract": row.contract.occ_symbol,
            "side": "buy",
            "direction": row.direction,
            "confidence": fraction(row.confidence),
            "approved": row.approved,
            "contracts": row.contracts,
            "indicative_contracts": row.indicative_contracts,
            "limit_price": price(row.limit_price),
            "dollars": money(row.dollars),
            "refusal": row.refusal_code or None,
            "sentence": row.refusal_sentence or None,
            "failed_gates": [gate["rule"] for gate in row.gates if not gate["passed"]],
            "gates_waived": row.inputs["request"]["waive_gates"],
        }
        for row in rows
    ]


def _intents(portfolio: Portfolio) -> Iterable[Order]:
    return portfolio.orders.filter(parent__isnull=True).select_related("contract").order_by("created_at", "id")


def _orders(portfolio: Portfolio) -> list[dict[str, Any]]:
    """Intents: what was wanted. `first_price` and `last_price` are limits that were sent."""
    sent: dict[int, list[Decimal]] = {}
    children = portfolio.orders.filter(parent__isnull=False).order_by("id")
    for parent_id, limit in children.values_list("parent_id", "limit_price"):
        sent.setdefault(parent_id, []).append(limit)
    return [
        {
            "at": clock(row.created_at),
            "contract": row.contract.occ_symbol,
            "side": row.side,
            "intent": row.intent,
            "contracts": row.quantity,
            "filled": row.filled_quantity,
            "worst_price": price(row.worst_price),
            "first_price": price(sent[row.pk][0]) if row.pk in sent else None,
            "last_price": price(sent[row.pk][-1]) if row.pk in sent else None,
            "times_sent": len(sent.get(row.pk, ())),
            "status": row.status,
            "reason": row.reject_reason or None,
            "finished_at": clock(row.finished_at),
        }
        for row in _intents(portfolio)
    ]


def _fills(portfolio: Portfolio) -> list[dict[str, Any]]:
    rows = Fill.objects.filter(order__portfolio=portfolio).order_by("filled_at", "id")
    columns = ("filled_at", "order__contract__occ_symbol", "order__side", "quantity", "price", "fee")
    return [
        {
            "at": clock(at),
            "contract": contract,
            "side": side,
            "contracts": contracts,
            "price": price(paid),
            "fee": money(fee),
        }
        for at, contract, side, contracts, paid, fee in rows.values_list(*columns)
    ]


def _slices(portfolio: Portfolio) -> list[dict[str, Any]]:
    """Slices that were triggered, by the order that was to fill them: once more for each time one was armed again."""
    taken = (
        PartialProfitTaking.objects.filter(position__portfolio=portfolio)
        .order_by("id")
        .values_list("slice__number", "fill__order__parent_id", "contracts", "price", "taken_at")
    )
    filled: dict[tuple[int, int], list[tuple[int, Decimal, datetime]]] = {}
    for number, order_id, contracts, paid, at in taken:
        filled.setdefault((order_id, number), []).append((contracts, paid, at))
    found = []
    for order in _intents(portfolio):
        if order.intent not in ("slice", "target"):
            continue
        verdict = order.verdict or {}
        for each in verdict.get("slices", ()):
            parts = filled.get((order.pk, each["number"]), [])
            count = sum(part[0] for part in parts)
            found.append(
                {
                    "contract": order.contract.occ_symbol,
                    "tier": each["number"],
                    "threshold": fraction(each["threshold"]),
                    "factor": fraction(each["factor"]),
                    "triggered_at": clock(order.created_at),
                    "trigger_bid": price(verdict["bid"]),
                    "contracts": each["contracts"],
                    "filled": count,
                    "filled_at": clock(parts[-1][2]) if parts else None,
                    "fill_price": price(sum(n * paid for n, paid, _ in parts) / count) if count else None,
                }
            )
    return found


def _stops(portfolio: Portfolio) -> list[dict[str, Any]]:
    return [
        {
            "contract": order.contract.occ_symbol,
            "at": clock(order.created_at),
            "bid": price((order.verdict or {}).get("bid")),
            "ask": price((order.verdict or {}).get("ask")),
            "stop": price((order.verdict or {}).get("stop")),
            "sentence": (order.verdict or {}).get("sentence"),
        }
        for order in _intents(portfolio)
        if order.intent == "stop"
    ]


def _breakers(portfolio: Portfolio) -> list[dict[str, Any]]:
    """Warnings, trips and clearings, and what they did to the trading state; by time, a trip before what it did."""
    events = BreakerEvent.objects.filter(portfolio=portfolio).order_by("happened_at", "id")
    said = [
        {
            "at": clock(row.happened_at),
            "code": row.code,
            "state": row.kind,
            "by": row.actor_name,
            "reason": row.reason,
            "value": fraction(row.value),
            "limit": fraction(row.limit),
        }
        for row in events
    ]
    rows = PortfolioStateChange.objects.filter(portfolio=portfolio).exclude(cause="created")
    done = [
        {
            "at": clock(row.changed_at),
            "cause": row.cause,
            "from": row.from_state,
            "to": row.to_state,
            "reason": row.reason,
            "value": fraction(row.value),
            "limit": fraction(row.limit),
        }
        for row in rows.order_by("changed_at", "id")
    ]
    return sorted([*said, *done], key=lambda row: str(row["at"]))  # as it is read, one day and one offset


def _equity(curve: EquityCurve, opening: Decimal) -> list[dict[str, Any]]:
    start = float(opening)
    return [
        {"at": clock(at), "equity": money(equity), "cash": money(cash), "day_pnl": money(equity - start)}
        for at, equity, cash in zip(curve.at, curve.equity.tolist(), curve.cash.tolist(), strict=True)
    ]


def _latency(portfolio: Portfolio) -> dict[str, Any]:
    """Seconds of market time from the quote that an exit was judged on to its order (A-01)."""
    rows = portfolio.orders.filter(parent__isnull=True, side="sell", quote_at__isnull=False).order_by("id")
    seconds = [(at - quote_at).total_seconds() for at, quote_at in rows.values_list("created_at", "quote_at")]
    p50, p99 = np.percentile(seconds, [50, 99]).tolist() if seconds else (None, None)
    return {"count": len(seconds), "p50": _rounded(p50, 3), "p99": _rounded(p99, 3)}


def _end(portfolio: Portfolio, curve: EquityCurve, opening: Decimal) -> dict[str, Any]:
    positions = list(Position.objects.filter(portfolio=portfolio).select_related("contract").order_by("id"))
    return {
        "start": money(opening),
        "cash": money(portfolio.cash),
        "equity": money(float(curve.equity[-1])),
        "realised": money(sum((row.realised_pnl for row in positions), Decimal(0))),
        "fees": money(sum((row.fees for row in positions), Decimal(0))),
        "open": [
            {
                "contract": row.contract.occ_symbol,
                "contracts": row.quantity_open,
                "opened": row.quantity_opened,
                "status": row.status,
                "entry_price": price(row.average_entry_price),
                "stop": price(row.current_stop),
                "high_water": price(row.high_water),
            }
            for row in positions
            if row.quantity_open
        ],
    }
