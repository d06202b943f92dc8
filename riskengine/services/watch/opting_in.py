"""A person gives an adopted position its stop (A-08): by the rule of its system, from now on.

Until then nothing but its expiration and the emergency halt sells it. Afterwards it is stopped as any position is; the
high-water mark begins at its entry, so that no profit of before is locked in. It gets no ladder: what it gains is the
person's to take, but for the target of a 7DTE position, which comes with the stop.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction

from accounts.models import User
from positions.brokers.quotes import last_quotes
from positions.market.calendar import new_york_date
from positions.market.clock import market_now
from positions.models import Origin, Position, PositionEvent, PositionStatus
from positions.services.order_changes import limit_lock_waits
from positions.services.portfolio import lock_portfolio
from riskengine.loading.revisions import terms_by_revision
from riskengine.services.decide.entries import CHANGING, unless_busy
from riskengine.services.decide.plan import initial_stop

PROTECTS = "positions.protect_position"
STOP_GIVEN = "stop_given"


class NotProtectable(Exception):
    """Nothing was changed. The message is a sentence for the person."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The stop that a position would get, and its last bid and when that was known; None without one. USD a share."""

    stop: Decimal
    bid: Decimal | None
    bid_at: datetime | None

    @property
    def sells_at_once(self) -> bool:
        return self.bid is not None and self.bid <= self.stop


def may_protect(position: Position, actor: User) -> bool:
    """The owner of its portfolio, and staff with the permission."""
    owns = position.portfolio.owner_id == actor.pk
    return actor.is_active and (owns or (actor.is_staff and actor.has_perm(PROTECTS)))


def proposal(position: Position, *, now: datetime) -> Proposal:
    """What `give_stop` would do now. Raises NotProtectable."""
    portfolio, contract = position.portfolio, position.contract
    at = market_now(portfolio.clock, now)
    if position.origin != Origin.MANUAL:
        raise NotProtectable("This position was opened here and has had its stop since.")
    if position.initial_stop is not None:
        raise NotProtectable(f"It has a stop already: {position.initial_stop.normalize():f}.")
    if position.status != PositionStatus.OPEN or contract.expiration_on < new_york_date(at):
        raise NotProtectable("It is not open any more: there is nothing to stop.")
    limits = terms_by_revision([position.revision_id])[position.revision_id].limits
    stop = initial_stop(
        portfolio,
        contract,
        position.average_entry_price,
        position.quantity_open,
        at,
        limits,
        of=f"Position {position.pk}",
    )
    quote = last_quotes({contract.pk}, source=portfolio.quote_source, at=at).get(contract.pk)
    return Proposal(stop, None if quote is None else quote.bid, None if quote is None else quote.confirmed_at)


@unless_busy(CHANGING)
@transaction.atomic
def give_stop(*, position: Position, actor: User, reason: str, now: datetime) -> Proposal:
    """Give it, with a row that says who and why. Raises PermissionDenied, ValidationError without a reason,
    PortfolioBusy when the portfolio is not had within 2 s, and NotProtectable where there is nothing to give, also to
    the second of two people."""
    if not may_protect(position, actor):
        raise PermissionDenied("Only the owner of the portfolio and staff who may protect positions give stops.")
    why = reason.strip()
    if not why:
        raise ValidationError({"reason": "Say why: the reason is kept with your name."})
    limit_lock_waits()
    lock_portfolio(position.portfolio_id)
    locked = Position.objects.select_for_update(no_key=True, of=("self",)).select_related(
        "portfolio__clock", "portfolio__owner", "contract"
    )
    held = locked.get(pk=position.pk)
    given = proposal(held, now=now)
    held.initial_stop = held.current_stop = given.stop
    held.stop_breaches, held.stop_breached_at = 0, None
    held.version += 1
    held.save(update_fields=["initial_stop", "current_stop", "stop_breaches", "stop_breached_at", "version"])
    PositionEvent.objects.create(
        position=held,
        happened_at=market_now(held.portfolio.clock, now),
        kind=STOP_GIVEN,
        actor_name=actor.get_username(),
        before={"stop": None},
        after={"stop": str(given.stop)},
        detail={
            "reason": why,
            "entry": str(held.average_entry_price),
            "bid": None if given.bid is None else str(given.bid),
        },
    )
    return given
