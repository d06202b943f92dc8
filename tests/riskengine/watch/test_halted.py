"""The emergency halt of a portfolio that stands still: what was open at the trip is sold, what comes later is not."""

from decimal import Decimal

import pytest

from positions.models import Portfolio, PortfolioStateChange, Position, State
from riskengine.models import Breaker
from tests.riskengine import market
from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import Desk
from tests.riskengine.watch.guarded import fall, look, sell, state

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    """A person has halted it: nothing is opened, nothing is sold."""
    made = guarded.guarded()
    made.state("HALTED")
    return made


def stands() -> str:
    return Portfolio.objects.get().state


def test_what_a_person_halted_is_flattened_by_the_emergency(desk: Desk) -> None:
    fall(desk, "80.0000")
    assert stands() == State.FLATTENING
    look(desk, "10:43:03", "80.0000")
    assert desk.sold() == [("emergency", 1)]
    assert PortfolioStateChange.objects.latest("id").cause == "loss_l3"


def test_without_the_switch_it_stays_halted(desk: Desk) -> None:
    desk.bet.revise(halt_flattens=False)
    fall(desk, "80.0000")
    look(desk, "10:43:03", "80.0000")
    assert (state("loss_l3"), stands(), desk.sold()) == ("tripped", State.HALTED, [])


def test_it_is_flattened_once(desk: Desk) -> None:
    fall(desk, "80.0000")
    sell(Position.objects.get(), "8000", desk.at("10:43:04"), "emergency")
    for second in range(5, 10):
        desk.check(f"10:43:{second:02}", "risk")
    assert stands() == State.HALTED
    changes = PortfolioStateChange.objects.order_by("id").values_list("to_state", flat=True)
    assert list(changes)[-2:] == ["FLATTENING", "HALTED"]


def test_what_was_bought_by_hand_afterwards_is_not_sold(desk: Desk) -> None:
    fall(desk, "80.0000")
    sell(Position.objects.get(), "8000", desk.at("10:43:04"), "emergency")
    desk.check("10:43:05", "risk")
    later = market.spxw("3705")
    desk.hold(
        1, "10.00", contract=later, entry_at=desk.at("10:44:00"), initial_stop=Decimal(1), current_stop=Decimal(1)
    )
    desk.quote("10:44:00", "10.0000", "10.1000", contract=later)
    for at in ("10:44:01", "10:44:30"):
        desk.check(at, "risk")
    assert Breaker.objects.get(code="loss_l3").state == "tripped"
    assert (stands(), desk.sold()) == (State.HALTED, [])
