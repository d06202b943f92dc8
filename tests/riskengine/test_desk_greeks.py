"""The Greeks of each open bet on the desk are those of the risk page; of a stale quote or price they are not known."""

from datetime import timedelta
from typing import Any

import pytest

from positions.models import OptionQuote, UnderlyingBar
from riskengine.services.watch.desk import desk
from riskengine.services.watch.outlook import outlook
from tests.riskengine import market
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Bet:
    made = market.zero_dte()
    made.hold(made.contract, 4, "40.00", high_water="45.00")
    return made


def shown(bet: Bet) -> dict[str, Any]:
    (row,) = desk(portfolios=[bet.portfolio], now=bet.wall())["bets"]
    return row


def test_they_are_those_of_the_risk_page(bet: Bet) -> None:
    row = shown(bet)
    book = {each["name"]: each["value"] for each in outlook(portfolio=bet.portfolio, now=bet.wall())["greeks"]}
    assert row["theta_per_day"] == pytest.approx(book["Theta"], rel=1e-6)
    assert row["vega_per_point"] == pytest.approx(book["Vega"], rel=1e-6)
    assert row["theta_per_day"] < 0 < row["delta"] < 1
    assert row["high_water"] == 45.0


def test_a_stale_quote_has_none(bet: Bet) -> None:
    early = bet.at - timedelta(minutes=9)
    OptionQuote.objects.filter(contract=bet.contract).update(confirmed_at=early, changed_at=early, quoted_at=early)
    assert (shown(bet)["delta"], shown(bet)["theta_per_day"]) == (None, None)


def test_nor_has_one_without_a_price_of_its_underlying(bet: Bet) -> None:
    UnderlyingBar.objects.filter(instrument=bet.contract.underlying).delete()
    assert (shown(bet)["delta"], shown(bet)["theta_per_day"]) == (None, None)
