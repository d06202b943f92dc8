"""No number without its unit: what a rule looked at, what a page lists, what an order saw."""

import pytest
from django.test import Client

from riskengine.calculators.gates import ENTRY_0DTE, ENTRY_7DTE
from riskengine.calculators.rules import YES_NO, Rule
from riskengine.services import wording
from riskengine.templatetags.wording import with_links
from tests import factories
from tests.riskengine.watch import desk as desks

# What has none: a count of what its label names, and figures that are always read without one.
BARE = {"count", "confidence", "correlation", "VIX points", YES_NO}


@pytest.mark.parametrize("rule", dict.fromkeys((*ENTRY_0DTE, *ENTRY_7DTE)), ids=lambda rule: rule.code)
def test_every_gate_says_what_its_number_is(rule: Rule) -> None:
    shown = wording.in_unit(3.25, rule.unit)
    assert (shown.strip("0123456789.,") != "") == (rule.unit not in BARE)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (3.25, "USD per share", "$3.25"),
        (-0.1, "USD per share", "−$0.10"),
        (13.4375, "USD per share", "$13.4375"),
        (3749.64, "index points", "3,749.64 points"),
        (0.0, "USD", "$0.00"),
        (0.625, "fraction", "62.5%"),
    ],
)
def test_a_number_with_its_unit(value: float, unit: str, shown: str) -> None:
    assert wording.in_unit(value, unit) == shown


@pytest.mark.django_db
def test_prices_of_positions_and_orders_are_dollars(client: Client) -> None:
    desk = desks.zero()
    position = desk.hold()
    client.force_login(desk.portfolio.owner)
    positions = client.get("/positions/").content.decode()
    assert '<td class="amount">$40.00</td><td class="amount">$30.00</td>' in positions
    seen = {"rule": "stop", "bid": 29.5, "gain_fraction": -0.25, "latency_seconds": 1.5, "blind": False, "ask": None}
    factories.exit_order(position, quantity=4, verdict=seen)
    orders = client.get("/orders/").content.decode()
    for told in ("bid $29.50", "gain −25.0%", "latency 1.5 s", "blind no"):
        assert told in orders
    assert "$33.00 <small>never past $33.00</small>" in orders


def test_an_address_of_our_own_in_a_sentence_is_a_link_and_nothing_else_is() -> None:
    told = with_links("Answer <it> and decide: /portfolios/a-b/reviews/17/")
    assert told == 'Answer &lt;it&gt; and decide: <a href="/portfolios/a-b/reviews/17/">/portfolios/a-b/reviews/17/</a>'
    for plain in ("See https://example.org/portfolios/a/", "Half/portfolios/a/", "/portfolios/a/'onclick=x"):
        assert "<a" not in with_links(plain)
