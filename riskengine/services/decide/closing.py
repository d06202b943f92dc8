"""A person closes a position: all of it, now, as a marketable limit that is re-priced until it is sold (A-09)."""

from datetime import datetime

from accounts.models import User
from positions.desk_selectors import last_quotes
from positions.market.clock import market_now
from positions.market_selectors import calendar_around
from positions.models import Order, OrderIntent, Position, PositionStatus
from positions.models.order import WHOLE_POSITION
from positions.services.orders import ExitIntent, place_exits
from riskengine.services.decide.entries import locked_portfolio


class NotClosable(ValueError):
    """Nothing was ordered; the message says why."""


def close_position(*, position: Position, now: datetime, actor: User) -> Order:
    """Order the sale of everything that is open; its other live orders are cancelled first. `now` is wall time.

    Raises NotClosable when nothing is open, when the session is closed, or when it is being closed already;
    PortfolioBusy when a lock is not had within 2 s; OutsideCalendar when the market time has no session table.
    """
    with locked_portfolio(position.portfolio_id) as portfolio:
        at = market_now(portfolio.clock, now)
        locked = Position.objects.select_for_update(no_key=True, of=("self",)).get(pk=position.pk, portfolio=portfolio)
        if locked.status != PositionStatus.OPEN or not locked.quantity_open:
            raise NotClosable("Nothing of this position can be sold any more.")
        if not calendar_around(at).is_open(at):
            raise NotClosable("The session is closed: nothing can be sold until it opens.")
        if locked.orders.live().filter(intent__in=WHOLE_POSITION, parent__isnull=True).exists():
            raise NotClosable("This position is being closed already.")
        quote = last_quotes([(portfolio.pk, locked.contract_id, portfolio.quote_source, at)]).get(
            (portfolio.pk, locked.contract_id)
        )
        bid, ask = (None, None) if quote is None else (quote.bid, quote.ask)
        intent = ExitIntent(
            position_id=locked.pk,
            intent=str(OrderIntent.MANUAL_CLOSE),
            quantity=locked.quantity_open,
            slices=(),
            verdict={
                "rule": str(OrderIntent.MANUAL_CLOSE),
                "by": actor.get_username(),
                "bid": None if bid is None else float(bid),
                "ask": None if ask is None else float(ask),
                "sentence": f"{actor.get_username()} closed it.",
            },
            reference_mid=(bid + ask) / 2 if bid is not None and ask is not None else None,
            reference_bid=bid,
            quote_at=None if quote is None else quote.confirmed_at,
        )
        placed = place_exits([intent], at={portfolio.pk: at}, now=now)
        if not placed:
            raise NotClosable("The broker confirms that it holds none of this: compare the positions with it.")
        return placed[0]
