"""Every state and mode is watched; FLATTENING closes everything and ends in HALTED (A-02)."""

import pytest

from positions.models import Mode, Order, OrderStatus, Portfolio, Position, PositionStatus, State
from tests import factories
from tests.riskengine import market
from tests.riskengine.watch.desk import Desk, hold_seven, seven, zero

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return zero()


@pytest.mark.parametrize("state", [State.REDUCING, State.HALTED, State.UNKNOWN])
def test_stops_slices_and_forced_close_run_in_every_state(desk: Desk, state: str) -> None:
    desk.hold()
    desk.state(state)
    desk.quote("10:43:00", "42.00", "42.40")
    desk.check("10:43:00")
    desk.quote("10:44:00", "20.00", "20.40")
    desk.check("10:44:00")
    assert desk.sold() == [("slice", 3), ("stop", 10)]


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.PAPER])
def test_and_in_every_mode(desk: Desk, mode: str) -> None:
    Portfolio.objects.update(mode=mode)
    desk.hold()
    desk.quote("10:43:00", "20.00", "20.40")
    desk.check("10:43:00")
    assert desk.sold() == [("stop", 10)]


def test_flattening_sells_everything_also_what_expires_later() -> None:
    desk = seven()
    hold_seven(desk)
    desk.state(State.FLATTENING)
    desk.check("10:43:00", "exit")
    assert desk.sold() == [("emergency", 40)]
    desk.check("10:43:01", "exit")
    assert len(desk.orders) == 1


def test_what_a_person_flattens_says_so() -> None:
    desk = seven()
    hold_seven(desk)
    desk.state(State.FLATTENING, actor=factories.user("staff"))
    desk.check("10:43:00", "exit")
    assert desk.sold() == [("flatten", 40)]
    assert desk.orders[0].verdict["rule"] == "flatten"


def test_flattening_cancels_what_would_still_buy(desk: Desk) -> None:
    order = desk.bet.order(desk.contract, 3, "41.00")
    desk.state(State.FLATTENING)
    desk.check("10:43:00")
    assert Order.objects.get(pk=order.pk).status == OrderStatus.CANCELLING
    assert Portfolio.objects.get().state == State.FLATTENING


def test_it_is_halted_once_nothing_is_open_and_no_order_is_live(desk: Desk) -> None:
    position = desk.hold()
    desk.state(State.FLATTENING)
    desk.check("10:43:00")
    assert Portfolio.objects.get().state == State.FLATTENING
    Position.objects.filter(pk=position.pk).update(
        quantity_open=0, status=PositionStatus.CLOSED, closed_at=desk.at("10:43:02"), version=10
    )
    desk.check("10:43:02")
    assert Portfolio.objects.get().state == State.FLATTENING, "its order is still live"
    Order.objects.update(status=OrderStatus.FILLED, filled_quantity=10, finished_at=desk.at("10:43:02"))
    desk.check("10:43:03")
    change = desk.portfolio.state_changes.latest("id")
    assert (change.from_state, change.to_state, change.cause) == (State.FLATTENING, State.HALTED, "flattened")


def test_outside_the_session_flattening_waits_for_the_open(desk: Desk) -> None:
    desk.hold(entry_at=desk.at("15:00:00", market.session_before(desk.day)))
    desk.state(State.FLATTENING)
    result = desk.check("09:29:59")
    assert desk.sold() == []
    assert result.next_deadlines[desk.portfolio.pk] == desk.at("09:30:00")
    desk.check("09:30:00")
    assert desk.sold() == [("emergency", 10)]
