"""A person tightens a stop: upwards only, and under the bid, for at or above it the stop would sell at once.

The exit check keeps what stands where it is higher than what its own rule says, so a tightened stop is never lowered;
a check that judged the old stop writes nothing, because the version has risen. An adopted position without a stop gets
its first one by the rule of its system in the same moment, and is tightened from there.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db.models import F

from accounts.models import User
from positions.brokers.quotes import last_quotes
from positions.market.clock import market_now
from positions.models import Origin, Position, PositionEvent, PositionStatus
from riskengine.services.decide.entries import locked_portfolio
from riskengine.services.watch.opting_in import NotProtectable, give_stop, may_protect, proposal
from riskengine.services.wording import price

STOP_TIGHTENED = "stop_tightened"
PLACES = Decimal("0.0001")
LONGEST_REASON = 1_000


class NotTightenable(ValueError):
    """Nothing was changed; `code` to branch on, and a sentence that says why."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class Tightening:
    """The stop as it stands (`is_first`: as it would be given), the bid it must stay under, and since when that is
    known. USD a share; `bid` None: nobody bids."""

    stop: Decimal
    bid: Decimal | None
    bid_at: datetime | None
    is_first: bool


def tightening(position: Position, *, now: datetime) -> Tightening:
    """Between which prices the stop could be set now. Raises NotTightenable where it cannot be set at all."""
    at = market_now(position.portfolio.clock, now)
    if position.status != PositionStatus.OPEN or not position.quantity_open:
        raise NotTightenable("NOT_OPEN", "It is not open any more: there is nothing to stop.")
    if position.current_stop is None:
        return _first(position, now)
    source = position.portfolio.quote_source
    quote = last_quotes({position.contract_id}, source=source, at=at).get(position.contract_id)
    bid, bid_at = (None, None) if quote is None else (quote.bid, quote.confirmed_at)
    return Tightening(position.current_stop, bid, bid_at, is_first=False)


def _first(position: Position, now: datetime) -> Tightening:
    if position.origin != Origin.MANUAL:
        raise NotTightenable("NO_STOP", "It has no stop to tighten.")
    try:
        given = proposal(position, now=now)
    except NotProtectable as problem:
        raise NotTightenable("NO_STOP", str(problem)) from problem
    return Tightening(given.stop, given.bid, given.bid_at, is_first=True)


def tighten_stop(*, position: Position, stop: Decimal, reason: str, actor: User, now: datetime) -> Position:
    """Set it, with a row that says who, why, the old and the new. Raises ValidationError without a reason or for more
    than four decimals, NotTightenable for a stop that is not above the old one or not under the bid, PortfolioBusy
    when a lock is not had within 2 s. Of two people at once the second is held to what the first has set."""
    why = _reason(reason)
    _check_places(stop)
    with locked_portfolio(position.portfolio_id):
        rows = Position.objects.select_for_update(no_key=True, of=("self",)).select_related(
            "portfolio__clock", "portfolio__owner", "contract"
        )
        held = rows.get(pk=position.pk)
        possible = tightening(held, now=now)
        _check_between(stop, possible)
        if possible.is_first:
            if not may_protect(held, actor):
                raise NotTightenable(
                    "NO_STOP", "It was adopted and has no stop yet: its owner gives it the first one, or staff who may."
                )
            give_stop(position=held, actor=actor, reason=why, now=now)
        if stop > possible.stop:
            _raise(held, possible, stop, why, actor, now)
        held.refresh_from_db()
        return held


def _reason(reason: str) -> str:
    why = reason.strip()
    if not why:
        raise ValidationError({"reason": "Say why: the reason is kept with your name."})
    if len(why) > LONGEST_REASON:
        raise ValidationError({"reason": f"A reason has at most {LONGEST_REASON:,} letters, this one {len(why):,}."})
    return why


def _check_places(stop: Decimal) -> None:
    if not stop.is_finite() or stop != stop.quantize(PLACES):
        raise ValidationError({"stop": "A stop is a price with at most four decimals, USD a share."})


def _check_between(stop: Decimal, possible: Tightening) -> None:
    """Above what stands (the first one may also be what the rule says), and under the bid."""
    stands, new = price(float(possible.stop)), price(float(stop))
    if possible.is_first and stop < possible.stop:
        raise NotTightenable(
            "NOT_TIGHTER", f"By the rule of its system its first stop is {stands}; {new} is wider. Choose more."
        )
    if not possible.is_first and stop <= possible.stop:
        raise NotTightenable(
            "NOT_TIGHTER", f"The stop stands at {stands}, and is never widened: {new} is not above it. Choose more."
        )
    if not possible.bid:
        raise NotTightenable(
            "NO_BID", "Nobody bids for it now, so any stop might sell at once: wait for a bid, or close the position."
        )
    if stop >= possible.bid:
        bid = price(float(possible.bid))
        raise NotTightenable(
            "SELLS_AT_ONCE",
            f"The bid is {bid}: a stop at {new} would sell at once. Choose less than {bid}, or close the position.",
        )


def _raise(held: Position, possible: Tightening, stop: Decimal, why: str, actor: User, now: datetime) -> None:
    changed = Position.objects.filter(pk=held.pk, current_stop=possible.stop, status=PositionStatus.OPEN).update(
        current_stop=stop, version=F("version") + 1
    )
    if not changed:
        raise NotTightenable("CHANGED", "The stop was changed meanwhile. Nothing was done: look at it and try again.")
    high_water = str(held.high_water)
    PositionEvent.objects.create(
        position=held,
        happened_at=market_now(held.portfolio.clock, now),
        kind=STOP_TIGHTENED,
        actor_name=actor.get_username(),
        before={"stop": str(possible.stop), "high_water": high_water},
        after={"stop": str(stop), "high_water": high_water},
        detail={"reason": why, "bid": None if possible.bid is None else str(possible.bid)},
    )
