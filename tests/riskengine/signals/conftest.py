"""A bet in front of the API: seen at its own moment, and with a source whose signals are shown.

A module that needs the bet otherwise defines its own `bet`.
"""

from collections.abc import Iterator

import pytest
import time_machine

from riskengine.models import Handling, SignalSource
from tests import factories
from tests.riskengine import market
from tests.riskengine.entering import checked
from tests.riskengine.market import Bet
from tests.riskengine.signals.sending import source


@pytest.fixture
def bet() -> Iterator[Bet]:
    found = checked(market.zero_dte(owner=factories.user("owner")))
    with time_machine.travel(found.wall(), tick=False):
        yield found


@pytest.fixture
def model(bet: Bet) -> SignalSource:
    return source(bet, handling=Handling.SHOW, slug="model")
