"""Which broker a portfolio's orders go to."""

from positions.brokers.base import Broker
from positions.brokers.paper import PaperBroker
from positions.models import Portfolio


def broker_of(portfolio: Portfolio) -> Broker:
    """The portfolio's broker. LookupError for one that this installation cannot reach."""
    if portfolio.broker == "paper":
        return PaperBroker()
    raise LookupError(f"{portfolio}: no connection to the broker {portfolio.get_broker_display()}.")
