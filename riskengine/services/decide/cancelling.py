"""A person takes back an opening: what was filled stays, the rest is asked to be cancelled (A-08, A-23)."""

from datetime import datetime

from positions.market.clock import market_now
from positions.models import Order, OrderStatus
from positions.models.order import LIVE
from positions.services.order_changes import Change, change_orders
from riskengine.services.decide.entries import locked_portfolio


class NotCancellable(ValueError):
    """The order is no opening, or has ended; the message says which."""


def cancel_entry(*, order: Order, now: datetime, actor_name: str) -> Order:
    """Ask the cancel of an opening's intent; the order as it stands then. A repeat changes nothing.

    Exits are not taken back: nothing may stand between a position and its stop. Raises NotCancellable for them and for
    an order that has ended, PortfolioBusy when a lock is not had within 2 s.
    """
    with locked_portfolio(order.portfolio_id) as portfolio:
        orders = portfolio.orders.select_for_update(no_key=True, of=("self",)).select_related("contract")
        found = orders.get(pk=order.pk)
        if found.intent != "open" or found.parent_id is not None:
            raise NotCancellable("Only the opening order itself is cancelled: an exit never is.")
        if found.status not in LIVE:
            raise NotCancellable(f"The order has ended: {found.get_status_display()}.")
        if found.status != OrderStatus.CANCELLING:
            at, detail = market_now(portfolio.clock, now), {"reason": f"asked by {actor_name}"}
            change_orders([Change(found.pk, found.status, OrderStatus.CANCELLING, at, detail)], actor_name=actor_name)
            found.refresh_from_db(fields=["status", "next_step_at"])
        return found
