"""Trades made at the broker, past this product, taken over as MANUAL (A-08): they count in exposure and P&L, and get
stops only after a person opts in.

    bought there    a MANUAL position, or more of one that nobody has given a stop and nothing works on
    sold there      fewer contracts of what is open: of MANUAL positions first, then of the oldest

Each execution is booked once by the broker's id, under orders of its own whose client ids follow from it; cash, fees
and realised P&L move as by any other fill. Everything runs under the portfolio's lock. Prices USD a share, `at` market
time, `now` wall time.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import transaction
from django.db.models import Case, Exists, OuterRef, Value, When

from accounts.defaults import SMART_0DTE
from accounts.models import RiskProfileRevision
from accounts.selectors import latest_revision
from positions.brokers.base import Execution
from positions.market.calendar import new_york_date
from positions.market.ticks import in_dollars
from positions.models import (
    CashKind,
    CashMovement,
    OptionContract,
    Order,
    OrderEvent,
    OrderIntent,
    OrderStatus,
    Origin,
    Pace,
    Portfolio,
    Position,
    PositionEvent,
    PositionStatus,
    Regime,
    Side,
)
from positions.services import fill_rows
from positions.services.fills import Planner, book_executions, fill_of, realised
from positions.services.order_changes import Change, change_orders, limit_lock_waits
from positions.services.orders import client_order_id
from positions.services.portfolio import SYSTEM_NAME, lock_portfolio
from positions.services.settlement import cancel_orders_of

ADOPTED, ADOPTED_MORE = "adopted", "adopted_more"
CENT, SIX_PLACES, LEAST_PRICE = Decimal("0.01"), Decimal("0.000001"), Decimal("0.0001")
MOST_BETS = Decimal(100)  # what a position can store


def sorted_out(portfolio: Portfolio, executions: Sequence[Execution]) -> tuple[list[Execution], list[Execution]]:
    """Those of our own orders; and by time those of no order of ours that are not booked yet and happened since the
    portfolio began."""
    rows = Order.objects.filter(client_order_id__in={each.client_order_id for each in executions})
    known_orders = dict(rows.values_list("client_order_id", "portfolio_id"))
    own = [each for each in executions if known_orders.get(each.client_order_id) == portfolio.pk]
    # What another portfolio ordered through the same account is its own.
    foreign = {each.execution_id: each for each in executions if each.client_order_id not in known_orders}
    if not foreign:
        return own, []
    begun = portfolio.cash_movements.order_by("moved_at").values_list("moved_at", flat=True).first()
    known = fill_rows.booked(list(foreign))
    new = [e for e in foreign.values() if e.execution_id not in known and (begun is None or e.executed_at >= begun)]
    return own, sorted(new, key=lambda each: (each.executed_at, each.execution_id))


def adopt(
    portfolio: Portfolio, orphans: Sequence[Execution], *, at: datetime, now: datetime, plan: Planner
) -> list[Execution]:
    """Take over what was traded at the broker, the oldest first; those that could not be: the broker does not say what
    was traded, more was sold than is open here, or an exit of ours still works on it. The next look tries again."""
    ids = _to_be_sold(portfolio, orphans)
    if ids:
        cancel_orders_of(portfolio, ids, at=at, now=now, reason="sold at the broker", plan=plan)
    return [each for each in orphans if not _adopt_one(portfolio, each, at, now, plan)]


def _to_be_sold(portfolio: Portfolio, orphans: Sequence[Execution]) -> list[int]:
    """Positions in contracts of which no more was sold than can be booked. Exits of the others are left alone: a sale
    that is never booked must not keep a stop from working."""
    net: dict[int, int] = {}
    for each in orphans:
        if each.contract_id is not None:
            net[each.contract_id] = net.get(each.contract_id, 0) + (1 if each.side == Side.BUY else -1) * each.quantity
    selling = {each.contract_id for each in orphans if each.side == Side.SELL}
    held = Position.objects.held().filter(portfolio=portfolio, contract_id__in=selling).order_by("id")
    found: dict[int, list[int]] = {}
    for position_id, contract_id, count in held.values_list("id", "contract_id", "quantity_open"):
        found.setdefault(contract_id, []).append(position_id)
        net[contract_id] += count
    return [position_id for contract_id, ids in found.items() if net[contract_id] >= 0 for position_id in ids]


@transaction.atomic
def _adopt_one(portfolio: Portfolio, execution: Execution, at: datetime, now: datetime, plan: Planner) -> bool:
    limit_lock_waits()
    locked = lock_portfolio(portfolio.pk)
    if fill_rows.booked([execution.execution_id]):
        return True
    contract = OptionContract.objects.filter(pk=execution.contract_id).first()
    if contract is None or execution.side not in Side.values:
        return False
    done = True
    if execution.side == Side.BUY:
        buy(locked, contract, execution)
    else:
        done = _sell(locked, contract, execution, at, now, plan)
    portfolio.refresh_from_db(fields=["cash", "settled_cash"])
    return done


# ---- Bought ----


def buy(locked: Portfolio, contract: OptionContract, execution: Execution) -> Position:
    """Book contracts that were bought at the broker, inside the caller's transaction with the portfolio locked."""
    cost = (execution.price * execution.quantity * contract.multiplier).quantize(CENT, ROUND_HALF_UP)
    known = _unguarded(locked, contract)
    position = known or _opened(locked, contract, execution, cost)
    if known is not None:
        position.quantity_opened += execution.quantity
        position.quantity_open += execution.quantity
        position.entry_cost += cost
    position.fees += execution.fee
    shares = position.quantity_opened * contract.multiplier
    position.average_entry_price = (position.entry_cost / shares).quantize(SIX_PLACES, ROUND_HALF_UP)
    position.high_water = max(position.high_water, position.average_entry_price)
    position.realised_pnl = realised(position)
    if known is None:
        position.save(force_insert=True)
    else:
        fill_rows.update_positions([position])
    child = _order(locked, contract, execution, OrderIntent.ADOPTED_OPEN, position, OrderStatus.FILLED)
    _pay(locked, child, position, execution, cost)
    PositionEvent.objects.create(
        position=position,
        happened_at=execution.executed_at,
        kind=ADOPTED_MORE if known is not None else ADOPTED,
        actor_name=SYSTEM_NAME,
        after={
            "contracts": execution.quantity,
            "price": str(execution.price),
            "fee": str(execution.fee),
            "open": position.quantity_open,
        },
        detail={"execution": execution.execution_id, "order": execution.client_order_id},
    )
    return position


def _unguarded(locked: Portfolio, contract: OptionContract) -> Position | None:
    """An adopted position of it that has no stop, on which nothing works, and of which nothing was sold."""
    live = Order.objects.live().filter(position_id=OuterRef("pk"))
    rows = Position.objects.held().filter(
        ~Exists(live), portfolio=locked, contract=contract, origin=Origin.MANUAL, initial_stop__isnull=True
    )
    for position in rows.order_by("id").select_for_update(no_key=True, of=("self",)):
        if position.quantity_open == position.quantity_opened and position.status == PositionStatus.OPEN:
            return position
    return None


def _opened(locked: Portfolio, contract: OptionContract, execution: Execution, cost: Decimal) -> Position:
    revision = latest_revision(locked.profile)
    minimum = _minimum_bet(locked, revision)
    return Position(
        portfolio=locked,
        contract=contract,
        revision=revision,
        origin=Origin.MANUAL,
        status=PositionStatus.OPEN,
        # No ladder was copied: this only says by which system it is judged.
        regime=Regime.LATE if locked.system == SMART_0DTE else Regime.SEVEN_DAY,
        quantity_opened=execution.quantity,
        quantity_open=execution.quantity,
        average_entry_price=execution.price,
        entry_cost=cost,
        realised_pnl=Decimal(0),
        min_size_at_entry=minimum,
        scale_multiplier=min(cost / minimum, MOST_BETS).quantize(LEAST_PRICE) if minimum else Decimal(1),
        high_water=Decimal(0),
        entry_at=execution.executed_at,
    )


def _minimum_bet(locked: Portfolio, revision: RiskProfileRevision) -> Decimal:
    """What a large bet is measured by: the smallest one on the equity that the last session began with, USD."""
    snapshots = locked.equity_snapshots.order_by("-session_on")
    equity = snapshots.values_list("equity_start_of_day", flat=True).first() or Decimal(0)
    basis = min(revision.account_size, equity) if locked.system == SMART_0DTE else equity
    return max(Decimal(0), revision.min_position_size * basis).quantize(CENT, ROUND_HALF_UP)


def _pay(locked: Portfolio, child: Order, position: Position, execution: Execution, cost: Decimal) -> None:
    """The fill and its cash, settled at once as all that is paid."""
    fill = fill_of(execution, child.pk, position)
    fill.save(force_insert=True)
    for kind, amount in ((CashKind.PREMIUM, -cost), (CashKind.FEE, -execution.fee)):
        if amount:
            CashMovement.objects.create(
                portfolio=locked,
                kind=kind,
                amount=amount,
                moved_at=execution.executed_at,
                settles_on=new_york_date(execution.executed_at),
                fill=fill,
                note=ADOPTED,
            )
    locked.cash -= cost + execution.fee
    locked.settled_cash -= cost + execution.fee
    fill_rows.update_cash(locked)


# ---- Sold ----


def _sell(
    locked: Portfolio, contract: OptionContract, execution: Execution, at: datetime, now: datetime, plan: Planner
) -> bool:
    """Book it against what is open; False where that is less than was sold, or something of ours may still sell it."""
    manual_first = Case(When(origin=Origin.MANUAL, then=Value(0)), default=Value(1))
    rows = Position.objects.held().filter(portfolio=locked, contract=contract).order_by("id")
    positions = list(rows.select_for_update(no_key=True, of=("self",)))
    order = list(rows.order_by(manual_first, "id").values_list("id", flat=True))
    if sum(each.quantity_open for each in positions) < execution.quantity:
        return False
    by_id, left = {each.pk: each for each in positions}, execution.quantity
    parts: list[tuple[Position, int]] = []
    for position_id in order:
        count = min(left, by_id[position_id].quantity_open)
        left -= count
        if count:
            parts.append((by_id[position_id], count))
    touched = [position.pk for position, _ in parts]
    if not _withdraw_planned(locked, touched, at):
        return False
    return book_executions(locked, _parted(locked, contract, execution, parts), at=at, now=now, plan=plan) > 0


def _withdraw_planned(locked: Portfolio, position_ids: Sequence[int], at: datetime) -> bool:
    """Exits that were placed and never sent are judged again on what is left; False where one may be at the broker."""
    live = list(Order.objects.live().filter(position_id__in=position_ids).order_by("id"))
    if any(each.status != OrderStatus.PLANNED or each.parent_id is not None for each in live):
        return False
    changes = [
        Change(each.pk, OrderStatus.PLANNED, OrderStatus.CANCELLED, at, {"reason": "sold at the broker"})
        for each in live
    ]
    change_orders(changes, actor_name=SYSTEM_NAME)
    fill_rows.rearm_slices_of([each.pk for each in live], at)
    return True


def _parted(
    locked: Portfolio, contract: OptionContract, execution: Execution, parts: Sequence[tuple[Position, int]]
) -> list[Execution]:
    """One execution a position; the first carries the broker's id and what is left of the fee by cents."""
    made: list[Execution] = []
    for number, (position, count) in enumerate(parts, start=1):
        fee = (execution.fee * count / execution.quantity).quantize(CENT, ROUND_HALF_UP)
        part = replace(
            execution,
            execution_id=execution.execution_id if number == 1 else f"{execution.execution_id}#{number}",
            quantity=count,
            fee=fee,
        )
        child = _order(locked, contract, part, OrderIntent.ADOPTED_CLOSE, position, OrderStatus.WORKING)
        made.append(replace(part, client_order_id=child.client_order_id))
    rest = execution.fee - sum((each.fee for each in made), Decimal(0))
    made[0] = replace(made[0], fee=made[0].fee + rest)
    return made


# ---- Orders ----


def _order(
    locked: Portfolio,
    contract: OptionContract,
    execution: Execution,
    intent: Any,
    position: Position,
    status: Any,
) -> Order:
    """The intent and the order at the broker under it, as all that was ordered from here has them; the latter.

    Their ids follow from the execution (A-08).
    """
    key = f"b{hashlib.sha256(execution.execution_id.encode()).hexdigest()[:12]}"
    done = status == OrderStatus.FILLED
    buys = intent == OrderIntent.ADOPTED_OPEN
    did = "Bought" if buys else "Sold"
    given = {
        "portfolio": locked,
        "contract": contract,
        "position": position,
        "intent": intent,
        "side": Side.BUY if buys else Side.SELL,
        "sequence": 1,
        "quantity": execution.quantity,
        "filled_quantity": execution.quantity if done else 0,
        "limit_price": max(execution.price, LEAST_PRICE),
        "worst_price": max(execution.price, LEAST_PRICE),
        "pace": Pace.NORMAL,
        "status": status,
        "verdict": {
            "rule": str(intent),
            "sentence": f"{did} at the broker: {execution.quantity:,} contracts at {in_dollars(execution.price)}.",
            "execution": execution.execution_id,
            "broker_order": execution.client_order_id,
        },
        "created_at": execution.executed_at,
        "submitted_at": execution.executed_at,
        "finished_at": execution.executed_at if done else None,
    }
    base = client_order_id(locked.slug, execution.executed_at, key, intent, 1)
    parent = Order.objects.create(client_order_id=base, **given)
    child = Order.objects.create(client_order_id=f"{base}.1", parent=parent, **given)
    OrderEvent.objects.bulk_create(
        OrderEvent(
            order=each,
            happened_at=execution.executed_at,
            to_status=status,
            actor_name=SYSTEM_NAME,
            detail={"execution": execution.execution_id, "contracts": execution.quantity},
        )
        for each in (parent, child)
    )
    return child
