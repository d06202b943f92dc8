"""What is to be done with each working intent at a moment (A-09, A-17, P-20). Pure: rows in, steps out.

    opening, slice, target,   by time alone: step k of the ladder lasts from k to k + 1 durations after the intent was
    part closed by hand       made, so that neither a slow broker nor a restart stretches it
    urgent                    every 2 s while the session is open and contracts are left; it never gives up

Cancel before replace: an intent with a child at the broker gets no other until that one is known to be gone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from positions.brokers import ladder
from positions.brokers.quotes import Freshness, Quote
from positions.market.calendar import Session
from positions.market.ticks import in_dollars
from positions.services.live_orders import Holding, LiveOrder

ANSWER_AFTER = timedelta(seconds=1)  # when an order whose answer is awaited is looked at again


@dataclass(frozen=True, slots=True)
class Situation:
    """What the steps are judged on. `session` is the open one, None outside of it; `spot` by underlying id."""

    at: datetime
    session: Session | None
    quotes: Mapping[int, Quote]
    freshness: Freshness
    holdings: Mapping[int, Holding]
    spot: Mapping[int, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewChild:
    """An order to send under an intent."""

    intent: LiveOrder
    quantity: int
    price: Decimal
    step: int
    next_step_at: datetime


@dataclass(frozen=True, slots=True)
class Finish:
    """An intent that ends without (all of) its contracts."""

    intent: LiveOrder
    status: str
    detail: dict[str, Any]


@dataclass(slots=True)
class Steps:
    """Everything one look says. `floors` are the intents whose price the settlement floor holds up (A-17)."""

    withdrawn: list[tuple[LiveOrder, str]] = field(default_factory=list)
    finished: list[Finish] = field(default_factory=list)
    children: list[NewChild] = field(default_factory=list)
    postponed: list[tuple[LiveOrder, datetime]] = field(default_factory=list)
    floors: list[tuple[LiveOrder, Decimal]] = field(default_factory=list)
    next_at: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.withdrawn or self.finished or self.children or self.postponed)

    def look_again(self, when: datetime) -> None:
        self.next_at = when if self.next_at is None else min(self.next_at, when)


def due(orders: Sequence[LiveOrder], at: datetime) -> bool:
    """Whether a look could say anything: an intent without a child, or one whose next step has come."""
    parents = {order.parent_id for order in orders if order.parent_id is not None}
    return any(
        order.parent_id is None
        and (
            order.order_id not in parents
            or order.status == "cancelling"
            or order.next_step_at is None
            or order.next_step_at <= at
        )
        for order in orders
    )


def decide(orders: Sequence[LiveOrder], situation: Situation) -> Steps:
    """The steps of all live orders of a portfolio: urgent exits first, then exits, then openings, by age."""
    children = {order.parent_id: order for order in orders if order.parent_id is not None}
    promised = _promised(children.values())
    busy = _busy(children.values())
    steps = Steps()
    intents = [order for order in orders if order.parent_id is None]
    for intent in sorted(intents, key=lambda order: (order.priority, order.order_id)):
        child = children.get(intent.order_id)
        if child is not None:
            _watch_child(intent, child, situation, promised, steps)
        elif not _ends(intent, situation, steps):
            _send_next(intent, situation, promised, busy, steps)
    return steps


def _promised(children: Iterable[LiveOrder]) -> dict[int, int]:
    """Contracts that live sales may still sell, by position."""
    promised: dict[int, int] = {}
    for child in children:
        if child.position_id is not None and not child.buys:
            promised[child.position_id] = promised.get(child.position_id, 0) + child.open_quantity
    return promised


def _busy(children: Iterable[LiveOrder]) -> set[int]:
    """Positions with any order at the broker, buys included."""
    return {child.position_id for child in children if child.position_id is not None}


def _open_contracts(intent: LiveOrder, situation: Situation) -> int:
    holding = situation.holdings.get(intent.position_id or 0)
    return holding.quantity_open if holding is not None else 0


# ---- An intent with a child at the broker ----


def _watch_child(
    intent: LiveOrder, child: LiveOrder, situation: Situation, promised: dict[int, int], steps: Steps
) -> None:
    if child.status != "working":
        steps.look_again(situation.at + ANSWER_AFTER)
        return
    reason = _urgent_reason if intent.is_urgent else _ladder_reason
    why = "asked" if intent.status == "cancelling" else reason(intent, child, situation, promised, steps)
    if why:
        steps.withdrawn.append((child, why))
        steps.look_again(situation.at + ANSWER_AFTER)


def _ladder_reason(
    intent: LiveOrder, child: LiveOrder, situation: Situation, promised: dict[int, int], steps: Steps
) -> str:
    over = _over(intent, situation)
    if over:
        return over
    preset, step = _step(intent, situation.at)
    steps.look_again(intent.created_at + (step + 1) * preset.lasts)
    if step <= child.pace_step:
        return ""
    price = _ladder_price(intent, situation, step)
    return "re-priced" if price is not None and price != child.limit_price else ""


def _urgent_reason(
    intent: LiveOrder, child: LiveOrder, situation: Situation, promised: dict[int, int], steps: Steps
) -> str:
    """Replaced when the price has moved, when what was shown has been taken, or when more has become free to sell.
    An untouched child at the right price stays: replacing it would say the same again every 2 s."""
    at = situation.at
    if situation.session is None:
        return ""
    if intent.next_step_at is not None and intent.next_step_at > at:
        steps.look_again(intent.next_step_at)
        return ""
    free = _open_contracts(intent, situation) - promised.get(intent.position_id or 0, 0)
    more = free > 0 and intent.open_quantity > child.open_quantity
    price, _ = _urgent_price(intent, situation)
    return "re-priced" if more or child.filled > 0 or price != child.limit_price else ""


# ---- An intent without a child ----


def _ends(intent: LiveOrder, situation: Situation, steps: Steps) -> bool:
    """Whether the intent is over; then it is finished."""
    detail: dict[str, Any] = {"filled": intent.filled, "contracts": intent.quantity}
    if intent.status == "cancelling":
        steps.finished.append(Finish(intent, "cancelled", detail))
    elif not intent.buys and _open_contracts(intent, situation) == 0:
        steps.finished.append(Finish(intent, "cancelled", detail | {"reason": "position closed"}))
    elif intent.is_urgent:
        return False
    elif intent.rejected:
        status = "cancelled" if intent.filled else "rejected"
        steps.finished.append(Finish(intent, status, detail | {"reason": intent.rejected}))
    else:
        over = _over(intent, situation)
        if not over:
            return False
        steps.finished.append(Finish(intent, "cancelled", detail | {"reason": over}))
    return True


def _send_next(intent: LiveOrder, situation: Situation, promised: dict[int, int], busy: set[int], steps: Steps) -> None:
    at = situation.at
    if intent.rejected:
        # An urgent exit never gives up; it asks again when the market may have moved.
        steps.postponed.append((intent, at + ladder.REPRICE_AFTER))
        steps.look_again(at + ladder.REPRICE_AFTER)
        return
    if situation.session is None:
        return
    if intent.next_step_at is not None and intent.next_step_at > at:
        steps.look_again(intent.next_step_at)
        return
    found = _urgent_child(intent, situation, promised, busy, steps) if intent.is_urgent else None
    if not intent.is_urgent:
        found = _ladder_child(intent, situation, promised, steps)
    if found is None:
        return
    steps.children.append(found)
    steps.look_again(found.next_step_at)
    if intent.position_id is not None:
        busy.add(intent.position_id)
        if not intent.buys:
            promised[intent.position_id] = promised.get(intent.position_id, 0) + found.quantity


def _ladder_child(intent: LiveOrder, situation: Situation, promised: dict[int, int], steps: Steps) -> NewChild | None:
    preset, step = _step(intent, situation.at)
    next_step_at = intent.created_at + (step + 1) * preset.lasts
    price = _ladder_price(intent, situation, step)
    wanted = intent.open_quantity
    if not intent.buys:
        wanted = min(wanted, _open_contracts(intent, situation) - promised.get(intent.position_id or 0, 0))
    if price is None or wanted <= 0:
        steps.look_again(next_step_at)
        return None
    quote = situation.quotes[intent.contract_id]
    shown = quote.ask_size if intent.buys else quote.bid_size
    return NewChild(intent, ladder.child_quantity(wanted, shown), price, step, next_step_at)


def _urgent_child(
    intent: LiveOrder, situation: Situation, promised: dict[int, int], busy: set[int], steps: Steps
) -> NewChild | None:
    """All that nothing else may still sell, once the others' cancels are confirmed or 2 s have passed."""
    at, position_id = situation.at, intent.position_id or 0
    confirmed_by = intent.created_at + ladder.CANCEL_WAIT
    free = min(intent.open_quantity, _open_contracts(intent, situation) - promised.get(position_id, 0))
    if position_id in busy and at < confirmed_by:
        steps.look_again(confirmed_by)
        return None
    if free <= 0:
        steps.look_again(at + ladder.REPRICE_AFTER)
        return None
    price, floor = _urgent_price(intent, situation)
    if floor is not None:
        steps.floors.append((intent, floor))
    return NewChild(intent, free, price, 0, at + ladder.REPRICE_AFTER)


# ---- Prices ----


def _step(intent: LiveOrder, at: datetime) -> tuple[ladder.Preset, int]:
    preset = ladder.PRESETS[intent.pace]
    return preset, preset.step_at(at - intent.created_at)


def is_over(intent: LiveOrder, at: datetime) -> bool:
    """Whether a laddered intent's time is up; an urgent one's never is."""
    return not intent.is_urgent and at - intent.created_at >= ladder.PRESETS[intent.pace].ends_after


def _over(intent: LiveOrder, situation: Situation) -> str:
    """Why a laddered intent is at its end; empty while it is not."""
    if situation.session is None:
        return "session closed"
    if is_over(intent, situation.at):
        return "not filled in time"
    quote = _fresh(intent, situation)
    mid = quote.mid if quote is not None and quote.is_two_sided else None
    reference = intent.reference_mid
    if mid is not None and reference is not None and ladder.has_drifted(mid, reference):
        return f"the mid moved from {in_dollars(reference)} to {in_dollars(mid)}"
    return ""


def _fresh(intent: LiveOrder, situation: Situation) -> Quote | None:
    quote = situation.quotes.get(intent.contract_id)
    return quote if situation.freshness.covers(quote, intent.expires_on, situation.at) else None


def _ladder_price(intent: LiveOrder, situation: Situation, step: int) -> Decimal | None:
    """The limit of this step; None while there is no quote to price it on. A sale needs the bid alone."""
    quote = _fresh(intent, situation)
    if quote is None or quote.bid is None or quote.bid <= 0:
        return None
    steps = ladder.PRESETS[intent.pace].steps
    if quote.is_two_sided and quote.ask is not None:
        price = ladder.buy_price if intent.buys else ladder.sell_price
        return price(step, steps, quote.bid, quote.ask, intent.worst_price, intent.ticks)
    if intent.buys or quote.ask:
        return None
    return max(intent.ticks.up(quote.bid), intent.worst_price)


def _urgent_price(intent: LiveOrder, situation: Situation) -> tuple[Decimal, Decimal | None]:
    """The limit, and the settlement floor where that holds it up. The last known bid serves even when it is old: a sale
    that must happen does not wait for a quote."""
    quote = situation.quotes.get(intent.contract_id)
    price = max(ladder.urgent_price(quote.bid if quote is not None else None, intent.ticks), intent.worst_price)
    floor = _settlement_floor(intent, situation)
    return (floor, floor) if floor is not None and floor > price else (price, None)


def _settlement_floor(intent: LiveOrder, situation: Situation) -> Decimal | None:
    """80% of intrinsic in the last 5 minutes of a cash-settled option in the money, its underlying known (A-17)."""
    session, spot = situation.session, situation.spot.get(intent.underlying_id)
    if session is None or spot is None or intent.settlement != "pm_cash" or session.day != intent.expires_on:
        return None
    if session.closes_at - situation.at > ladder.SETTLEMENT_WINDOW:
        return None
    intrinsic = spot - intent.strike if intent.right == "C" else intent.strike - spot
    return ladder.settlement_floor(intrinsic, intent.ticks) if intrinsic > 0 else None
