"""Booking executions: each once by the broker's execution id (P-16), cash to the cent, the position opened, reduced and
closed by its fills alone.

    cash            = start + sells - buys - fees, which is the sum of the ledger
    realised P&L    = proceeds - entry cost x sold / opened - all fees paid so far

A position opens at the first opening fill with the plan that its decision's revision gives it; while its entry fills,
stop and high-water mark follow the average entry price (docs/decisions/0016).
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import transaction

from positions.brokers.base import Execution
from positions.brokers.ladder import REPRICE_AFTER
from positions.market.calendar import new_york_date
from positions.models import (
    CashKind,
    CashMovement,
    Decision,
    ExitSlice,
    Fill,
    OrderEvent,
    Origin,
    PartialProfitTaking,
    Portfolio,
    Position,
    PositionEvent,
    PositionStatus,
    SliceState,
)
from positions.models.order import BUYING, WHOLE_POSITION
from positions.services import fill_rows
from positions.services.desk import next_session_day
from positions.services.fill_rows import Child
from positions.services.insertion import insert_all
from positions.services.order_changes import limit_lock_waits
from positions.services.portfolio import SYSTEM_NAME, lock_portfolio

logger = logging.getLogger(__name__)

CENT, SIX_PLACES = Decimal("0.01"), Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """How a new position will be left: its ladder's name, the initial stop (USD a share, above 0 and under the entry
    price) and its slices as (gain as a fraction of the entry price, share closed by then in ten-thousandths)."""

    regime: str
    initial_stop: Decimal
    slices: tuple[tuple[Decimal, int], ...]


# (decision, average entry price, contracts opened, first fill at) -> the plan by the decision's revision
Planner = Callable[[Decision, Decimal, int, datetime], ExitPlan]


@dataclass(slots=True)
class _Batch:
    """Everything one booking writes."""

    settles_on: date
    today: date
    fills: list[Fill] = field(default_factory=list)
    cash: list[CashMovement] = field(default_factory=list)
    opened: list[Position] = field(default_factory=list)
    takings: list[PartialProfitTaking] = field(default_factory=list)
    slices: dict[int, ExitSlice] = field(default_factory=dict)
    order_events: list[OrderEvent] = field(default_factory=list)
    position_events: list[PositionEvent] = field(default_factory=list)
    touched: dict[int, Position] = field(default_factory=dict)
    bought: dict[int, int] = field(default_factory=dict)
    reopened: list[int] = field(default_factory=list)


@transaction.atomic
def book_executions(
    portfolio: Portfolio, executions: Sequence[Execution], *, at: datetime, now: datetime, plan: Planner
) -> int:
    """Book what is not booked yet; how many that were. Locks the portfolio, then positions, slices and orders.

    An execution of an order that was not sent from here is left alone and logged: `adoption` takes it over (A-08).
    `plan` is asked once for each position whose entry was filled. Its cash is USD, settled at once for what is paid and
    in the next session for what is received.
    """
    if not executions:
        return 0
    limit_lock_waits()
    locked = lock_portfolio(portfolio.pk)
    known = fill_rows.booked([e.execution_id for e in executions])
    new = {e.execution_id: e for e in sorted(executions, key=lambda e: e.executed_at) if e.execution_id not in known}
    if not new:
        return 0
    order_ids = sorted({e.client_order_id for e in new.values()})
    positions = fill_rows.lock_positions(order_ids)
    pending = fill_rows.lock_slices(positions)
    children = fill_rows.lock_orders(portfolio.pk, order_ids)
    decisions = fill_rows.decisions_behind(locked, children.values())
    by_decision = {p.decision_id: p for p in positions.values() if p.decision_id is not None}
    batch = _batch(children, at)
    for execution in new.values():
        child = children.get(execution.client_order_id)
        if child is None:
            logger.error("%s: execution %s is of no order of ours.", portfolio, execution.execution_id)
        elif child.intent in BUYING:
            _buy(execution, child, decisions[child.decision_id], by_decision, batch)
        else:
            _sell(execution, child, positions[child.position_id or 0], pending, batch)
    if not batch.fills:
        return 0
    _plan_entries(by_decision, decisions, batch, plan)
    _write(locked, children, batch, at)
    portfolio.cash, portfolio.settled_cash = locked.cash, locked.settled_cash
    return len(batch.fills)


def _batch(children: dict[str, Child], at: datetime) -> _Batch:
    today = new_york_date(at)
    sells = any(child.intent not in BUYING for child in children.values())
    return _Batch(next_session_day(today) if sells else today, today)


# ---- One execution ----


def _buy(
    execution: Execution, child: Child, decision: Decision, by_decision: dict[int | None, Position], batch: _Batch
) -> None:
    cost = (execution.price * execution.quantity * child.multiplier).quantize(CENT, ROUND_HALF_UP)
    position = by_decision.get(decision.pk)
    if position is None:
        position = by_decision[decision.pk] = _opened(decision, execution)
        batch.opened.append(position)
    elif position.pk is not None:
        batch.bought[position.pk] = batch.bought.get(position.pk, 0) + execution.quantity
        if position.status == PositionStatus.CLOSED:
            # The rest of the entry was filled before its cancel arrived: what came in is held, and watched again.
            position.status, position.closed_at, position.close_cause = PositionStatus.OPEN, None, ""
            batch.reopened.append(position.pk)
            batch.position_events.append(_event(position, execution.executed_at, "reopened", {}))
    position.quantity_opened += execution.quantity
    position.quantity_open += execution.quantity
    position.entry_cost += cost
    kind = "opened" if position.quantity_opened == execution.quantity else "filled"
    _filled(execution, child, position, -cost, batch, kind)


def _opened(decision: Decision, execution: Execution) -> Position:
    return Position(
        portfolio=decision.portfolio,
        contract=decision.contract,
        revision=decision.revision,
        decision=decision,
        origin=Origin.ENGINE,
        status=PositionStatus.OPEN,
        quantity_opened=0,
        quantity_open=0,
        average_entry_price=Decimal(0),
        entry_cost=Decimal(0),
        realised_pnl=Decimal(0),
        min_size_at_entry=decision.min_size_dollars or Decimal(0),
        scale_multiplier=decision.scale_multiplier or Decimal(1),
        high_water=Decimal(0),
        entry_at=execution.executed_at,
    )


def _sell(
    execution: Execution, child: Child, position: Position, pending: dict[int, list[ExitSlice]], batch: _Batch
) -> None:
    proceeds = (execution.price * execution.quantity * child.multiplier).quantize(CENT, ROUND_HALF_UP)
    position.quantity_open -= execution.quantity
    position.exit_proceeds += proceeds
    fill = _filled(execution, child, position, proceeds, batch, "sold")
    _take_profit(execution, fill, position, pending.get(child.parent.order_id, []), batch)
    if position.quantity_open == 0:
        position.status, position.closed_at = PositionStatus.CLOSED, execution.executed_at
        position.close_cause = child.intent
        batch.position_events.append(
            _event(
                position, execution.executed_at, "closed", {"cause": child.intent, "realised": position.realised_pnl}
            )
        )


def _take_profit(execution: Execution, fill: Fill, position: Position, slices: list[ExitSlice], batch: _Batch) -> None:
    """The contracts to their slices, the lowest first; a slice filled wholly is FILLED."""
    left = execution.quantity
    for each in slices:
        taken = min(left, each.contracts_pending)
        if taken == 0:
            continue
        left -= taken
        each.contracts_pending -= taken
        each.contracts_filled += taken
        each.changed_at = execution.executed_at
        batch.slices[each.pk] = each
        batch.takings.append(
            PartialProfitTaking(
                position=position,
                slice=each,
                fill=fill,
                contracts=taken,
                closed_fraction=(Decimal(taken) / position.quantity_opened).quantize(SIX_PLACES),
                price=execution.price,
                profit_fraction=(execution.price / position.average_entry_price - 1).quantize(SIX_PLACES),
                taken_at=execution.executed_at,
            )
        )
        if each.contracts_pending == 0:
            each.state = SliceState.FILLED
            batch.position_events.append(
                _event(position, execution.executed_at, "slice_filled", {"slice": each.number, "contracts": taken})
            )


def fill_of(execution: Execution, order_id: int, position: Position) -> Fill:
    """The row that an execution becomes, not saved yet."""
    return Fill(
        order_id=order_id,
        position=position,
        execution_id=execution.execution_id,
        quantity=execution.quantity,
        price=execution.price,
        fee=execution.fee,
        quote_bid=execution.quote_bid,
        quote_ask=execution.quote_ask,
        filled_at=execution.executed_at,
    )


def _filled(execution: Execution, child: Child, position: Position, amount: Decimal, batch: _Batch, kind: str) -> Fill:
    """The fill, its cash and its events; fees and realised P&L of the position; the order and its intent."""
    fill = fill_of(execution, child.order_id, position)
    batch.fills.append(fill)
    settles_on = batch.today if amount <= 0 else batch.settles_on
    batch.cash += [
        CashMovement(kind=cash_kind, amount=value, moved_at=execution.executed_at, settles_on=on, fill=fill, note=kind)
        for cash_kind, value, on in (
            (CashKind.PREMIUM, amount, settles_on),
            (CashKind.FEE, -execution.fee, batch.today),
        )
        if value
    ]
    position.fees += execution.fee
    position.realised_pnl = realised(position)
    if position.pk is not None:
        batch.touched[position.pk] = position
    _advance(execution, child, batch)
    after = {
        "contracts": execution.quantity,
        "price": execution.price,
        "fee": execution.fee,
        "open": position.quantity_open,
    }
    batch.position_events.append(
        _event(position, execution.executed_at, kind, after, {"execution": execution.execution_id})
    )
    return fill


def realised(position: Position) -> Decimal:
    """Proceeds less the sold share of the entry cost less all fees paid so far, USD to the cent."""
    sold = position.quantity_opened - position.quantity_open
    share = (position.entry_cost * sold / position.quantity_opened).quantize(CENT, ROUND_HALF_UP)
    return position.exit_proceeds - share - position.fees


def _advance(execution: Execution, child: Child, batch: _Batch) -> None:
    """The child and its intent by what was filled. When a child is gone and its intent wants more, the next one is due
    at once for an urgent exit, a moment later for others: what was shown has just been taken."""
    at, parent, before = execution.executed_at, child.parent, child.status
    child.filled += execution.quantity
    parent.filled += execution.quantity
    if child.filled == child.quantity:
        child.status, child.filled_at = "filled", at
        pause = timedelta(0) if child.intent in WHOLE_POSITION else REPRICE_AFTER
        parent.next_step_at = at + pause if parent.next_step_at is None else min(parent.next_step_at, at + pause)
    elif child.status in ("submitting", "unknown"):
        child.status = "working"
    detail = {"execution": execution.execution_id, "contracts": execution.quantity, "price": str(execution.price)}
    batch.order_events.append(_order_event(child.order_id, at, before, child.status, detail))
    if parent.filled == parent.quantity:
        batch.order_events.append(_order_event(parent.order_id, at, parent.status, "filled", {}))
        parent.status, parent.filled_at = "filled", at


# ---- The plan of an entry ----


def _plan_entries(
    by_decision: dict[int | None, Position], decisions: dict[int | None, Decision], batch: _Batch, plan: Planner
) -> None:
    """Average price, stop and high-water mark of every position whose entry was filled, and the slices of new ones."""
    bought = [p for p in by_decision.values() if p.pk is None or p.pk in batch.bought]
    for position in bought:
        decision = decisions[position.decision_id]
        average = (position.entry_cost / (position.quantity_opened * decision.contract.multiplier)).quantize(
            SIX_PLACES, ROUND_HALF_UP
        )
        planned = plan(decision, average, position.quantity_opened, position.entry_at)
        if position.pk is None:
            position.regime = planned.regime
            position.current_stop, position.high_water = planned.initial_stop, average
        else:
            # What the watch has raised stays raised; what still is the entry's own follows the average.
            if position.current_stop == position.initial_stop:
                position.current_stop = planned.initial_stop
            else:
                position.current_stop = max(position.current_stop, planned.initial_stop)
            if position.high_water == position.average_entry_price:
                position.high_water = average
            else:
                position.high_water = max(position.high_water, average)
        position.initial_stop, position.average_entry_price = planned.initial_stop, average
        position.realised_pnl = realised(position)
        if position.pk is None:
            batch.slices |= {
                -len(batch.slices) - 1 - number: ExitSlice(
                    position=position,
                    number=number,
                    threshold=threshold,
                    cumulative_share_ten_thousandths=share,
                    state=SliceState.ARMED,
                    changed_at=position.entry_at,
                )
                for number, (threshold, share) in enumerate(planned.slices, start=1)
            }


# ---- Writing ----


def _write(locked: Portfolio, children: dict[str, Child], batch: _Batch, at: datetime) -> None:
    insert_all(batch.opened)
    opened = {position.decision_id: position.pk for position in batch.opened}
    for child in children.values():
        child.position_id = child.position_id or opened.get(child.decision_id)
    fill_rows.update_positions(list(batch.touched.values()))
    fill_rows.update_orders(children.values(), at)
    fill_rows.enlarge_whole_closes(batch.bought)
    insert_all(batch.fills)
    for movement in batch.cash:
        movement.portfolio = locked
    insert_all(batch.cash)
    fill_rows.update_slices([each for each in batch.slices.values() if each.pk is not None])
    insert_all(each for each in batch.slices.values() if each.pk is None)
    insert_all(batch.takings)
    insert_all(batch.order_events)
    insert_all(batch.position_events)
    closed = [p.pk for p in (*batch.opened, *batch.touched.values()) if p.status == PositionStatus.CLOSED]
    if closed:
        fill_rows.cancel_slices(closed, at)
    if batch.reopened:
        fill_rows.rearm_cancelled_slices(batch.reopened, at)
    locked.cash += sum((m.amount for m in batch.cash), Decimal(0))
    locked.settled_cash += sum((m.amount for m in batch.cash if m.settles_on <= batch.today), Decimal(0))
    fill_rows.update_cash(locked)


def _event(
    position: Position, at: datetime, kind: str, after: dict[str, Any], detail: dict[str, Any] | None = None
) -> PositionEvent:
    plain = {name: str(value) if isinstance(value, Decimal) else value for name, value in after.items()}
    return PositionEvent(
        position=position, happened_at=at, kind=kind, actor_name=SYSTEM_NAME, after=plain, detail=detail or {}
    )


def _order_event(order_id: int, at: datetime, before: str, after: str, detail: dict[str, Any]) -> OrderEvent:
    return OrderEvent(
        order_id=order_id, happened_at=at, from_status=before, to_status=after, actor_name=SYSTEM_NAME, detail=detail
    )
