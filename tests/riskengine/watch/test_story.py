"""What happened, on the desk: of which day it was, and why a tier waits again."""

from datetime import timedelta

import pytest

from positions.models import MarketClock, Portfolio, PositionEvent
from riskengine.services.watch.desk import desk
from tests.riskengine.market import zero_dte

pytestmark = pytest.mark.django_db


def test_what_happened_on_another_day_says_which() -> None:
    bet = zero_dte()
    position = bet.hold(bet.contract, 3, "40.00")
    row = {"position": position, "kind": "slice_rearmed", "actor_name": "betsizing", "after": {"slice": 2}}
    PositionEvent.objects.create(happened_at=bet.at - timedelta(days=3), before={"state": "pending"}, **row)
    PositionEvent.objects.create(happened_at=bet.at, before={"state": "cancelled"}, **row)
    PositionEvent.objects.create(happened_at=bet.at, before={"state": "armed"}, **row | {"kind": "slice_cancelled"})
    told = {event["text"]: event["day"] for event in desk(portfolios=[bet.portfolio], now=bet.wall())["events"]}
    assert told["Tier 2 armed again: its order ended before it was filled"] == "2021-01-01"
    assert told["Tier 2 armed again: the bet is open again"] == ""
    assert told["Tier 2 called off: nothing is left for it to sell"] == ""


def test_under_a_clock_that_stands_nothing_comes() -> None:
    bet = zero_dte()
    assert desk(portfolios=[bet.portfolio], now=bet.wall())["coming"]
    MarketClock.objects.filter(portfolio=bet.portfolio).update(speed=0, market_started_at=bet.at)
    stopped = Portfolio.objects.select_related("clock", "profile").get(pk=bet.portfolio.pk)
    assert desk(portfolios=[stopped], now=bet.wall())["coming"] == []
