"""A person closes a position (A-09): all of it as a marketable limit that is re-priced until it is sold, or a part of
it from the mid towards the bid, so that nobody gives away more than a tier would.

What is promised to working orders is never promised again: portfolio and position are locked while it is counted.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.models import User
from positions.desk_selectors import LastQuote, last_quotes
from positions.market.calendar import OutsideCalendar
from positions.market.clock import market_now
from positions.market_selectors import calendar_around
from positions.models import Order, OrderIntent, Portfolio, Position, PositionStatus
from positions.models.order import WHOLE_POSITION
from positions.services.orders import ExitIntent, FreeToSell, free_to_sell, place_exits
from riskengine.services.decide.entries import locked_portfolio


class NotClosable(ValueError):
    """Nothing was ordered; the message says why."""


@dataclass(frozen=True, slots=True)
class PartOffer:
    """What of a position a person may sell now, the bid it would be judged on (USD a share), and when that was known.
    `problem` says why nothing can be sold; empty where something can."""

    open: int
    free: FreeToSell
    bid: Decimal | None
    bid_at: datetime | None
    problem: str


def close_position(*, position: Position, now: datetime, actor: User) -> Order:
    """Order the sale of everything that is open; its other live orders are cancelled first. `now` is wall time.

    Raises NotClosable when nothing is open, when the session is closed, or when it is being closed already;
    PortfolioBusy when a lock is not had within 2 s; OutsideCalendar when the market time has no session table.
    """
    with locked_portfolio(position.portfolio_id) as portfolio:
        at = market_now(portfolio.clock, now)
        locked = _locked(position, portfolio)
        _refuse(_why_not(locked, at))
        if locked.orders.live().filter(intent__in=WHOLE_POSITION, parent__isnull=True).exists():
            raise NotClosable("This position is being closed already.")
        return _place(
            locked,
            portfolio,
            _quote(locked, portfolio, at),
            intent=OrderIntent.MANUAL_CLOSE,
            contracts=locked.quantity_open,
            sentence=f"{actor.get_username()} closed it.",
            at=at,
            now=now,
            actor=actor,
        )


def close_part(
    *, position: Position, contracts: int, now: datetime, actor: User, parts_before: int | None = None
) -> Order:
    """Order the sale of so many contracts, in 3 steps of 5 s; what is not sold by then stays open and guarded.

    `parts_before` is how many parts had been ordered when the person decided: where another was since, nothing is
    ordered. Raises NotClosable, also for more contracts than are free, and what `close_position` raises.
    """
    with locked_portfolio(position.portfolio_id) as portfolio:
        at = market_now(portfolio.clock, now)
        locked = _locked(position, portfolio)
        offer = _offer(locked, portfolio, at)
        if parts_before is not None and offer.free.parts_before != parts_before:
            raise NotClosable("A part of it was ordered sold since you looked: look at what is open and ask again.")
        _refuse(offer.problem)
        if not 1 <= contracts <= offer.free.contracts:
            raise NotClosable(
                f"{contracts:,} of {offer.open:,} open contracts cannot be sold: {_free_words(offer)}. Choose a whole "
                f"number from 1 to {offer.free.contracts:,}."
            )
        left = locked.quantity_open - contracts
        return _place(
            locked,
            portfolio,
            _quote(locked, portfolio, at),
            intent=OrderIntent.MANUAL_REDUCE,
            contracts=contracts,
            sentence=f"{actor.get_username()} closed a part: {left:,} of {locked.quantity_open:,} stay.",
            at=at,
            now=now,
            actor=actor,
        )


def part_offer(position: Position, *, now: datetime) -> PartOffer:
    """What `close_part` would let a person sell now; nothing is locked."""
    portfolio = position.portfolio
    try:
        return _offer(position, portfolio, market_now(portfolio.clock, now))
    except OutsideCalendar as problem:
        return PartOffer(position.quantity_open, FreeToSell(0, 0, False, 0), None, None, str(problem))


def _offer(position: Position, portfolio: Portfolio, at: datetime) -> PartOffer:
    quote = _quote(position, portfolio, at)
    free = free_to_sell(position.pk)
    bid, bid_at = (None, None) if quote is None else (quote.bid, quote.confirmed_at)
    offer = PartOffer(position.quantity_open, free, bid, bid_at, _why_not(position, at))
    return offer if offer.problem else PartOffer(offer.open, free, bid, bid_at, _why_no_part(offer))


def _why_no_part(offer: PartOffer) -> str:
    if offer.free.closing:
        return "This position is being closed already: all of it is being sold."
    if offer.free.contracts <= 0:
        return f"No contract is free to be sold: {_free_words(offer)}. Wait for it, or close the position."
    if not offer.bid:
        return "Nobody bids for it now, so a part has no price: wait for a bid, or close the position."
    return ""


def _free_words(offer: PartOffer) -> str:
    pending = offer.free.promised
    if not pending and offer.free.contracts < offer.open:
        return f"the broker confirms {offer.free.contracts:,} of them"
    return f"{pending:,} in working orders, {offer.free.contracts:,} free"


def _why_not(position: Position, at: datetime) -> str:
    """Why nothing of it can be sold; empty where something can."""
    if position.status != PositionStatus.OPEN or not position.quantity_open:
        return "Nothing of this position can be sold any more."
    if not calendar_around(at).is_open(at):
        return "The session is closed: nothing can be sold until it opens."
    return ""


def _refuse(problem: str) -> None:
    if problem:
        raise NotClosable(problem)


def _locked(position: Position, portfolio: Portfolio) -> Position:
    return Position.objects.select_for_update(no_key=True, of=("self",)).get(pk=position.pk, portfolio=portfolio)


def _quote(position: Position, portfolio: Portfolio, at: datetime) -> LastQuote | None:
    wanted = (portfolio.pk, position.contract_id, portfolio.quote_source, at)
    return last_quotes([wanted]).get((portfolio.pk, position.contract_id))


def _place(
    locked: Position,
    portfolio: Portfolio,
    quote: LastQuote | None,
    *,
    intent: Any,
    contracts: int,
    sentence: str,
    at: datetime,
    now: datetime,
    actor: User,
) -> Order:
    bid, ask = (None, None) if quote is None else (quote.bid, quote.ask)
    asked = ExitIntent(
        position_id=locked.pk,
        intent=str(intent),
        quantity=contracts,
        slices=(),
        verdict={
            "rule": str(intent),
            "by": actor.get_username(),
            "bid": None if bid is None else float(bid),
            "ask": None if ask is None else float(ask),
            "sentence": sentence,
        },
        reference_mid=(bid + ask) / 2 if bid is not None and ask is not None else None,
        reference_bid=bid,
        quote_at=None if quote is None else quote.confirmed_at,
    )
    placed = place_exits([asked], at={portfolio.pk: at}, now=now)
    if not placed:
        raise NotClosable("The broker confirms that it holds none of this: compare the positions with it.")
    return placed[0]
