"""The emergency halt of a portfolio that stands still: what was open at the trip is sold, what comes later is not."""

from decimal import Decimal

import pytest
from django.db.models import F

from positions.models import Portfolio, PortfolioStateChange, Position, State
from riskengine.models import Breaker
from riskengine.services.watch.clearing import clear_breaker
from riskengine.services.watch.kill import kill
from tests import factories
from tests.riskengine import market
from tests.riskengine.counts import statements
from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import Desk
from tests.riskengine.watch.guarded import fall, look, sell, state
from tests.riskengine.watch.test_races import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    """A person has halted it: nothing is opened, nothing is sold."""
    made = guarded.guarded()
    made.state("HALTED")
    return made


def stands() -> str:
    return Portfolio.objects.get().state


def buy_by_hand(desk: Desk, entry: str) -> None:
    later = market.spxw("3705")
    stops = {"initial_stop": Decimal(1), "current_stop": Decimal(1)}
    desk.hold(1, "10.00", contract=later, entry_at=desk.at(entry), **stops)
    desk.quote("10:44:00", "10.0000", "10.1000", contract=later)


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


@pytest.mark.parametrize("halted", [True, False], ids=["HALTED by a person", "ACTIVE"])
@pytest.mark.parametrize("entry", ["10:42:30", "10:43:02", "10:44:00"], ids=["before", "with", "after the trip"])
def test_what_is_found_when_the_halt_is_over_is_not_sold(entry: str, halted: bool) -> None:
    """Bought by hand, and adopted when the broker's trades are read; however old, that is after the halt."""
    desk = guarded.guarded()
    if halted:
        desk.state("HALTED")
    fall(desk, "80.0000")
    sell(Position.objects.get(), "8000", desk.at("10:43:04"), "emergency")
    desk.check("10:43:05", "risk")
    buy_by_hand(desk, entry)
    for at in ("10:44:01", "10:44:30"):
        desk.check(at, "risk")
    assert Breaker.objects.get(code="loss_l3").state == "tripped"
    assert (stands(), desk.sold()) == (State.HALTED, [])


def test_what_was_bought_between_the_trip_and_now_is_not_sold_by_it(desk: Desk) -> None:
    """Nothing was open at the trip: the loss was booked."""
    sell(Position.objects.get(), "7000", desk.at("10:42:50"), "stop")
    desk.check("10:43:00", "risk")
    assert state("loss_l3") == "tripped"
    buy_by_hand(desk, "10:43:30")
    desk.check("10:44:00", "risk")
    assert (stands(), desk.sold()) == (State.HALTED, [])


def test_what_a_person_flattened_while_it_tripped_is_not_flattened_again(desk: Desk) -> None:
    desk.state("FLATTENING")
    fall(desk, "80.0000")
    desk.finish()
    sell(Position.objects.get(), "8000", desk.at("10:43:04"), "flatten")
    desk.check("10:43:05", "risk")
    buy_by_hand(desk, "10:42:30")
    desk.check("10:44:01", "risk")
    assert (state("loss_l3"), stands()) == ("tripped", State.HALTED)


def test_openings_of_it_are_cancelled(desk: Desk) -> None:
    order = desk.bet.order(desk.contract, 1, "40.00")
    fall(desk, "80.0000")
    order.refresh_from_db()
    assert order.status == "cancelling"


def test_what_a_person_killed_stays_halted_when_the_emergency_is_cleared() -> None:
    """Killed and sold by a person; what was bought by hand since falls to L3, is flattened by it, and a person clears
    that alone."""
    desk = guarded.guarded()
    why = {"reason": "Enough for today.", "actor": None, "actor_name": "owner"}
    kill(portfolios=[desk.portfolio], verbs=["flatten"], confirmed=True, now=desk.bet.wall(desk.at("10:42:10")), **why)
    sell(Position.objects.get(), "20000", desk.at("10:42:20"), "flatten")
    desk.check("10:42:21", "risk")
    assert stands() == State.HALTED
    buy_by_hand(desk, "10:43:30")
    Portfolio.objects.update(cash=F("cash") - 13_000)
    desk.check("10:44:01", "risk")
    assert (state("loss_l3"), stands()) == ("tripped", State.FLATTENING)
    sell(Position.objects.get(quantity_open=1), "14000", desk.at("10:44:05"), "emergency")
    desk.check("10:44:06", "risk")
    assert stands() == State.HALTED
    manager = factories.user("manager", is_staff=True, is_superuser=True)
    now = desk.bet.wall(desk.at("10:44:10"))
    clear_breaker(breaker=Breaker.objects.get(code="loss_l3"), actor=manager, reason="Seen.", now=now)
    assert (state("loss_l3"), stands()) == ("clear", State.HALTED)


def test_the_next_trip_flattens_again(desk: Desk) -> None:
    fall(desk, "80.0000")
    sell(Position.objects.get(), "8000", desk.at("10:43:04"), "emergency")
    desk.check("10:43:05", "risk")
    buy_by_hand(desk, "10:43:30")
    Breaker.objects.filter(code="loss_l3").update(state="clear", version=F("version") + 1)
    desk.check("10:44:30", "risk")
    assert (state("loss_l3"), stands()) == ("tripped", State.FLATTENING)


@pytest.mark.parametrize("flattens", [True, False])
def test_looking_at_it_again_and_again_locks_nothing(desk: Desk, flattens: bool) -> None:
    if not flattens:
        desk.bet.revise(halt_flattens=False)
    fall(desk, "80.0000")
    if flattens:
        sell(Position.objects.get(), "8000", desk.at("10:43:04"), "emergency")
        desk.check("10:43:05", "risk")
        buy_by_hand(desk, "10:43:30")
    desk.check("10:44:00")
    with statements() as sent:
        desk.check("10:44:01")
    assert stands() == State.HALTED
    assert not [each for each in sent if "FOR NO KEY UPDATE" in each and "positions_portfolio" in each]


@pytest.mark.django_db(transaction=True)
def test_four_checks_at_once_flatten_it_once(desk: Desk) -> None:
    fall(desk, "80.0000")
    Portfolio.objects.update(state=State.HALTED)
    answers = at_once(*[lambda: desk.check("10:43:03", "risk")] * 4)
    assert [answer.errors for answer in answers] == [{}] * 4
    assert PortfolioStateChange.objects.filter(cause="loss_l3").count() == 2
    assert stands() == State.FLATTENING
