"""Placing intents: an approved opening, and what an exit check wants sold (A-08, A-09, A-19, A-20).

An intent is never sent itself. It is written here as PLANNED; `working.work_orders` sends its children. Prices are USD
a share, `at` is market time, `now` wall time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from positions.brokers import ladder
from positions.market.calendar import new_york_date
from positions.market.contracts import TICK_TABLES
from positions.models import (
    Decision,
    Order,
    OrderEvent,
    OrderIntent,
    OrderStatus,
    Pace,
    Portfolio,
    Side,
)
from positions.models.order import WHOLE_POSITION
from positions.services import exit_rows
from positions.services.exit_rows import Held, LiveIntent, Placed
from positions.services.insertion import insert_all
from positions.services.order_changes import Change, change_orders, limit_lock_waits
from positions.services.portfolio import SYSTEM_NAME, lock_portfolio

WHOLE_CLOSE = {"reason": "whole close"}
PACES: Mapping[Any, Any] = {OrderIntent.MANUAL_REDUCE: Pace.FAST}  # of exits that step towards the bid
SLUG_LETTERS = 16  # of a client order id, which has at most 64 and is unique by the decision or position in it anyway


@dataclass(frozen=True, slots=True)
class ExitIntent:
    """What an exit check wants sold of one position: `quantity` contracts, by slice where it is a take-profit.

    `slices` are (ExitSlice id, contracts). `verdict` is what the rule saw and said. The reference prices are those the
    verdict was reached on; None where the quote lacked that side.
    """

    position_id: int
    intent: str
    quantity: int
    slices: tuple[tuple[int, int], ...]
    verdict: dict[str, Any]
    reference_mid: Decimal | None
    reference_bid: Decimal | None
    quote_at: datetime | None


def client_order_id(slug: str, at: datetime, key: str, intent: Any, sequence: int) -> str:
    """Deterministic (A-08): the same decision or position, intent and sequence are the same order. The date keeps it
    apart from what another database once sent to the same account."""
    return f"{slug[:SLUG_LETTERS]}.{new_york_date(at):%y%m%d}.{key}.{intent}.{sequence}"


# ---- Openings ----


@dataclass(frozen=True, slots=True)
class Opening:
    """What is to be opened: the approved decision, how its order is worked, and the quote it was made on."""

    decision: Decision
    pace: str
    reference_mid: Decimal
    quote_at: datetime | None


def place_openings(openings: Sequence[Opening], *, at: datetime, now: datetime, actor_name: str) -> list[Order]:
    """The intents of approved decisions, in their order, inside the caller's transaction with the portfolio locked.

    Each reserves `decision.limit_price`, the worst permitted price, times its open quantity. ValueError for a pace that
    is no opening's. A decision becomes one order: IntegrityError for a second one, a refused or a foreign decision.
    """
    orders = [_opening_order(opening, at) for opening in openings]
    insert_all(orders)
    insert_all(
        OrderEvent(
            order=order,
            happened_at=at,
            to_status=OrderStatus.PLANNED,
            actor_name=actor_name,
            detail={
                "decision": order.decision_id,
                "contracts": order.quantity,
                "worst_price": str(order.worst_price),
            },
        )
        for order in orders
    )
    return orders


def _opening_order(opening: Opening, at: datetime) -> Order:
    decision = opening.decision
    if opening.pace not in ladder.PRESETS:
        raise ValueError(f"An opening is worked at pace normal, fast or patient, not {opening.pace}.")
    if decision.limit_price is None:
        raise ValueError(f"Decision {decision.pk} was refused; it cannot become an order.")
    return Order(
        portfolio=decision.portfolio,
        contract=decision.contract,
        decision=decision,
        intent=OrderIntent.OPEN,
        side=Side.BUY,
        sequence=1,
        client_order_id=client_order_id(decision.portfolio.slug, at, f"d{decision.pk}", OrderIntent.OPEN, 1),
        quantity=decision.contracts,
        limit_price=decision.limit_price,
        worst_price=decision.limit_price,
        pace=opening.pace,
        next_step_at=at,
        reference_mid=opening.reference_mid,
        quote_at=opening.quote_at,
        status=OrderStatus.PLANNED,
        created_at=at,
    )


@transaction.atomic
def cancel_openings(*, portfolio: Portfolio, at: datetime, now: datetime, reason: str, actor_name: str) -> int:
    """Ask the cancel of every live opening of the portfolio (A-23); the number asked. What fills meanwhile is kept."""
    limit_lock_waits()
    lock_portfolio(portfolio.pk)
    live = portfolio.orders.live().openings().exclude(status=OrderStatus.CANCELLING).order_by("id")
    changes = [
        Change(order_id, status, OrderStatus.CANCELLING, at, {"reason": reason})
        for order_id, status in live.values_list("id", "status")
    ]
    return len(change_orders(changes, actor_name=actor_name))


# ---- Exits ----


def place_exits(intents: Sequence[ExitIntent], *, at: Mapping[int, datetime], now: datetime) -> list[Order]:
    """Write the intents of an exit check, one statement a table whatever their number; the orders that were written.

    The caller holds the positions locked and has checked that their versions are those it judged; `at` is the market
    time by portfolio id. A position that closes as a whole already is skipped, and so is a slice that is not free: a
    repeat changes nothing. A whole close asks the cancel of every other live order of its position; what those sell
    meanwhile it does not sell again. Each position's version rises by one.
    """
    if not intents:
        return []
    ids = sorted({intent.position_id for intent in intents})
    held = exit_rows.held(ids)
    live = exit_rows.live_intents(list(held))
    _note_live(held, live)
    free = exit_rows.lock_free_slices([slice_id for intent in intents for slice_id, _ in intent.slices])
    sequences = exit_rows.sequences(list(held))
    placed: list[Placed] = []
    for intent in intents:
        position = held.get(intent.position_id)
        planned = _planned(intent, position, free) if position is not None else None
        if position is None or planned is None:
            continue
        quantity, slices = planned
        order = _exit_order(intent, position, quantity, slices, sequences, at[position.portfolio_id])
        placed.append((order, slices))
    if not placed:
        return []
    exit_rows.write(placed)
    orders = [order for order, _ in placed]
    closing = {order.position_id for order in orders if order.intent in WHOLE_POSITION}
    cancels = [
        Change(o.order_id, o.status, OrderStatus.CANCELLING, at[held[o.position_id].portfolio_id], WHOLE_CLOSE)
        for o in live
        if o.position_id in closing and o.status != OrderStatus.CANCELLING
    ]
    change_orders(cancels, actor_name=SYSTEM_NAME)
    return orders


@dataclass(frozen=True, slots=True)
class FreeToSell:
    """What nothing sells yet of a position: `contracts`, beside those `promised` to live orders. `parts_before` is how
    many parts a person has ordered sold so far, `closing` whether it is being sold as a whole."""

    contracts: int
    promised: int
    closing: bool
    parts_before: int


def free_to_sell(position_id: int) -> FreeToSell:
    """It holds for as long as the caller has the position locked."""
    held = exit_rows.held([position_id])
    _note_live(held, exit_rows.live_intents(list(held)))
    before = exit_rows.sequences([position_id]).get((position_id, str(OrderIntent.MANUAL_REDUCE)), 0)
    position = held.get(position_id)
    if position is None:
        return FreeToSell(0, 0, False, before)
    free = 0 if position.whole_close else max(0, position.quantity_open - position.promised)
    return FreeToSell(free, position.promised, position.whole_close, before)


def _note_live(held: Mapping[int, Held], live: Iterable[LiveIntent]) -> None:
    """What live intents of the positions may still sell."""
    for each in live:
        position = held[each.position_id]
        if each.intent in WHOLE_POSITION:
            position.whole_close = True
        elif each.intent != OrderIntent.OPEN:
            position.promised += each.quantity - each.filled
            position.target |= each.intent == OrderIntent.TARGET


def _planned(intent: ExitIntent, position: Held, free: dict[int, int]) -> tuple[int, list[tuple[int, int, int]]] | None:
    """Contracts to sell, and of which slices (id, number, contracts); None when there is nothing to place. What is
    promised is never promised again: the highest slices give way."""
    if position.whole_close or position.quantity_open == 0:  # the broker may hold none of what is open here
        return None
    if intent.intent in WHOLE_POSITION:
        position.whole_close = True
        return position.quantity_open, []
    if intent.intent == OrderIntent.TARGET and position.target:
        return None
    left = position.quantity_open - position.promised
    if intent.intent == OrderIntent.MANUAL_REDUCE:  # so many as the person named, or none
        taken = intent.quantity if intent.quantity <= left else 0
        position.promised += taken
        return (taken, []) if taken else None
    slices: list[tuple[int, int, int]] = []
    wanted = [(free.pop(each), each, count) for each, count in intent.slices if count > 0 and each in free]
    for number, slice_id, count in sorted(wanted):
        taken = min(count, left)
        left -= taken
        if taken:
            slices.append((slice_id, number, taken))
    quantity = sum(count for *_, count in slices)
    if intent.intent == OrderIntent.TARGET:
        # The target sells the runner besides the slices that were crossed with it, in one order.
        quantity += min(max(0, intent.quantity - sum(count for _, count in intent.slices)), left)
        position.target = quantity > 0
    position.promised += quantity
    return (quantity, slices) if quantity > 0 else None


def _exit_order(
    intent: ExitIntent,
    position: Held,
    quantity: int,
    slices: list[tuple[int, int, int]],
    sequences: dict[tuple[int, str], int],
    at: datetime,
) -> Order:
    ticks = TICK_TABLES[position.tick_class]
    urgent = intent.intent in WHOLE_POSITION
    worst = (
        ladder.smallest_price(ticks) if urgent else ladder.worst_sell(intent.reference_bid, intent.reference_mid, ticks)
    )
    key = (position.position_id, intent.intent)
    sequence = sequences[key] = sequences.get(key, 0) + 1
    return exit_rows.order(
        portfolio_id=position.portfolio_id,
        contract_id=position.contract_id,
        position_id=position.position_id,
        slice_id=slices[-1][0] if slices and intent.intent == OrderIntent.SLICE else None,
        intent=intent.intent,
        side=Side.SELL,
        sequence=sequence,
        client_order_id=client_order_id(position.slug, at, f"x{position.position_id}", intent.intent, sequence),
        quantity=quantity,
        limit_price=worst,
        worst_price=worst,
        pace=Pace.URGENT if urgent else PACES.get(intent.intent, Pace.NORMAL),
        next_step_at=at,
        reference_mid=intent.reference_mid,
        quote_at=intent.quote_at,
        status=OrderStatus.PLANNED,
        verdict=intent.verdict,
        created_at=at,
    )
