"""From an intent to its fills: the ladder, the paper broker, booking and exits in one pipeline."""

from datetime import timedelta
from decimal import Decimal

import pytest

from positions.models import (
    ExitSlice,
    Order,
    OrderStatus,
    Position,
    PositionStatus,
    SliceState,
)
from tests.positions.market_day import (
    LADDER,
    SECOND,
    START,
    bought,
    check_books,
    exit_of,
    opening,
    portfolio,
    quote,
    work,
    work_until,
)

pytestmark = pytest.mark.django_db
D = Decimal


def children(order: Order) -> list[Order]:
    return list(order.children.order_by("id"))


def test_an_opening_works_from_the_mid_to_the_ask_and_fills_there():
    of = portfolio()
    order = opening(of)
    quote(order.contract, START, "44.00", "44.60")
    work_until(START, START + timedelta(seconds=60))
    order.refresh_from_db()
    assert [child.limit_price for child in children(order)] == [D("44.30"), D("44.40"), D("44.50"), D("44.60")]
    assert [child.status for child in children(order)] == [*["cancelled"] * 3, "filled"]
    assert order.status == OrderStatus.FILLED
    position = Position.objects.get()
    assert (position.quantity_opened, position.quantity_open) == (3, 3)
    assert position.average_entry_price == D("44.60")
    assert position.entry_at == START + timedelta(seconds=30)
    assert (position.initial_stop, position.current_stop, position.high_water) == (D("33.45"), D("33.45"), D("44.60"))
    assert [(s.number, s.threshold, s.cumulative_share_ten_thousandths, s.state) for s in position.slices.all()] == [
        (number, threshold, share, "armed") for number, (threshold, share) in enumerate(LADDER, start=1)
    ]
    check_books(of)
    assert of.cash == D("60000") - D("13380") - D("1.95")


def test_a_slice_order_fills_at_the_bid_and_marks_its_slice():
    of = portfolio()
    position = bought(of)
    at = START + timedelta(seconds=60)
    quote(position.contract, at, "47.00", "47.40")
    (order,) = exit_of(position, "slice", at, [(1, 1)], reference_mid=D("47.20"), reference_bid=D("47.00"))
    assert ExitSlice.objects.get(number=1).state == SliceState.PENDING
    work_until(at, at + timedelta(seconds=60))
    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == (OrderStatus.FILLED, 1)
    first = ExitSlice.objects.get(number=1)
    assert (first.state, first.contracts_filled, first.contracts_pending) == (SliceState.FILLED, 1, 0)
    assert [(t.contracts, t.price) for t in first.profit_takings.all()] == [(1, D("47.00"))]
    check_books(of)


def test_a_stop_sells_everything_and_closes_the_position():
    of = portfolio()
    position = bought(of)
    at = START + timedelta(seconds=60)
    quote(position.contract, at, "33.00", "33.40")
    (order,) = exit_of(position, "stop", at)
    work(at)
    order.refresh_from_db()
    position.refresh_from_db()
    assert order.status == OrderStatus.FILLED
    assert children(order)[0].limit_price == D("31.30")
    assert (position.status, position.quantity_open, position.close_cause) == (PositionStatus.CLOSED, 0, "stop")
    assert position.exit_proceeds == D("9900")
    assert {s.state for s in position.slices.all()} == {SliceState.CANCELLED}
    check_books(of)
    assert position.realised_pnl == of.cash - 60000


def test_a_stop_cancels_a_working_slice_first_and_sells_what_is_left():
    of = portfolio()
    position = bought(of)
    at = START + timedelta(seconds=60)
    quote(position.contract, at, "47.00", "47.60")
    (slice_order,) = exit_of(position, "slice", at, [(1, 1)], reference_mid=D("47.30"), reference_bid=D("47.00"))
    work(at)
    position.refresh_from_db()
    quote(position.contract, at + SECOND, "33.00", "33.40")
    (stop,) = exit_of(position, "stop", at + SECOND)
    work(at + SECOND)
    slice_order.refresh_from_db()
    stop.refresh_from_db()
    position.refresh_from_db()
    assert (slice_order.status, slice_order.filled_quantity) == (OrderStatus.CANCELLED, 0)
    assert (stop.status, stop.filled_quantity) == (OrderStatus.FILLED, 3)
    assert position.status == PositionStatus.CLOSED
    check_books(of)
