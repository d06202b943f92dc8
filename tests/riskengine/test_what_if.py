"""A decision's size under another revision: its own is reproduced, the other is what a preview would say now."""

from decimal import Decimal

import pytest
from django.test import Client

from accounts.selectors import latest_revision
from positions.models import Decision
from riskengine.services.decide.what_if import NotRecorded, what_if
from tests.riskengine import market
from tests.riskengine.entering import checked, enter
from tests.riskengine.market import Bet
from tests.riskengine.test_preview_correlation import holding_qqq, up_and_down

pytestmark = pytest.mark.django_db


def decided(bet: Bet, confidence: str = "0.70") -> Decision:
    return Decision.objects.select_related("portfolio", "contract", "revision").get(
        pk=enter(checked(bet), confidence, propose=True).decision.pk
    )


def changed(bet: Bet, **numbers: str) -> object:
    bet.revise(**numbers)
    return latest_revision(bet.portfolio.profile)


@pytest.mark.parametrize(
    ("bet", "numbers"),
    [
        (market.zero_dte, {"min_position_size": "0.25"}),
        (market.zero_dte, {"max_size_multiplier": "1.1"}),
        (market.seven_dte, {"max_stock_allocation": "0.40"}),
    ],
)
@pytest.mark.parametrize("confidence", ["0.66", "0.75", "0.95"])
def test_its_own_size_is_reproduced_and_the_other_is_that_of_a_preview(
    bet: object, numbers: dict[str, str], confidence: str
) -> None:
    made = bet()
    was = made.preview(confidence)
    found = decided(made, confidence)
    other = changed(made, **numbers)
    compared = what_if(found, other)
    assert compared["own"]["contracts"] == was["answer"]["indicative_contracts"] == found.indicative_contracts
    assert compared["own"]["steps"] == was["trace"]["steps"]
    now = made.preview(confidence)
    assert compared["other"]["contracts"] == now["answer"]["indicative_contracts"]
    assert [step["after"] for step in compared["other"]["steps"]] == [step["after"] for step in now["trace"]["steps"]]


def test_the_correlation_that_was_seen_counts_again() -> None:
    bet = holding_qqq("C")
    market.closes("SPX", up_and_down)
    market.closes("QQQ", up_and_down)
    found = decided(bet)
    compared = what_if(found, changed(bet, correlation_adjustment_factor="0.5"))
    assert compared["own"]["steps"] == found.trace["steps"]
    after = {step["label"]: (step["own"]["after"], step["other"]["after"]) for step in compared["steps"]}
    own, other = after["Correlation risk"]
    assert other < own


def test_a_decision_without_its_inputs_says_so() -> None:
    bet = market.zero_dte()
    found = decided(bet)
    found.inputs = {}
    with pytest.raises(NotRecorded, match="not on record"):
        what_if(found, changed(bet, min_position_size="0.25"))


def test_the_page_shows_both_beside_one_another() -> None:
    bet = market.zero_dte()
    found = decided(bet)
    changed(bet, min_position_size="0.25")
    client = Client()
    client.force_login(bet.portfolio.owner)
    address = f"/decisions/{found.pk}/"
    assert "What if other parameters had been in force" in client.get(address).content.decode()
    page = client.get(address, {"revision": "2"}).content.decode()
    assert "Under revision 1 the formula asks for" in page
    assert client.get(address, {"revision": "7"}).status_code == 404
    assert client.get(address, {"revision": "x"}).status_code == 200
    assert Decimal(found.dollars) > 0
