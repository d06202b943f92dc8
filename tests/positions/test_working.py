"""From an intent to its fills: the ladder, the paper broker, booking and exits in one pipeline."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from positions.models import (
    ExitSlice,
    OrderStatus,
    Position,
    PositionStatus,
    SliceState,
)
from tests import factories
from tests.positions.market_day import (
    CLOSE,
    LADDER,
    SECOND,
    START,
    bought,
    check_books,
    children,
    exit_of,
    opening,
    portfolio,
    quote,
    underlying,
    work,
    work_until,
)

pytestmark = pytest.mark.django_db
D = Decimal


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


# ---- The ladder ----


def test_a_quiet_book_costs_one_statement(django_assert_num_queries):
    portfolio()
    with django_assert_num_queries(1):
        assert not work(START).changed


def test_many_orders_cost_as_many_statements_as_one():
    counts = []
    for many in (1, 30):
        of = portfolio()
        for number in range(many):
            order = opening(of, 3, contract=factories.contract(strike=str(3000 + 1000 * many + number)))
            quote(order.contract, START, "44.00", "44.60")
        for seconds in (0, 10, 20, 30):
            with CaptureQueriesContext(connection) as queries:
                work(START + seconds * SECOND, portfolio_ids=[of.pk])
            counts.append(len(queries))
        assert of.positions.count() == many
    assert counts[:4] == counts[4:]


def test_a_child_is_a_quarter_of_the_size_shown():
    order = opening(portfolio(), 12)
    quote(order.contract, START, "44.00", "44.60", size=20)
    work(START)
    assert [child.quantity for child in children(order)] == [5]


def test_the_next_child_follows_a_filled_one_after_a_moment():
    order = opening(portfolio(), 12, pace="fast")
    quote(order.contract, START, "44.60", "44.60", size=20)
    work_until(START, START + timedelta(seconds=60))
    assert [(c.quantity, (c.created_at - START).seconds) for c in children(order)] == [(5, 0), (5, 2), (2, 4)]


def test_after_the_last_step_the_rest_is_cancelled():
    of = portfolio()
    order = opening(of, 12)
    quote(order.contract, START, "44.00", "44.60", size=4)
    work_until(START, START + timedelta(seconds=60))
    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == (OrderStatus.CANCELLED, 5)
    assert order.finished_at == START + timedelta(seconds=40)
    assert order.events.last().detail["reason"] == "not filled in time"
    assert not Position.objects.get().events.filter(kind="underfilled").exists()
    check_books(of)


def test_an_entry_that_stayed_under_the_minimum_bet_is_kept_and_flagged():
    of = portfolio()
    order = opening(of, 12, min_size_dollars=D("30000"))
    quote(order.contract, START, "44.00", "44.60", size=4)
    work_until(START, START + timedelta(seconds=60))
    event = Position.objects.get().events.get(kind="underfilled")
    assert event.after == {"filled": 5, "contracts": 12, "cost": "22300.00", "minimum": "30000.00"}
    assert Position.objects.get().quantity_open == 5


def test_a_market_that_runs_away_ends_the_opening():
    of = portfolio()
    order = opening(of)
    quote(order.contract, START, "44.00", "44.60")
    work(START)
    quote(order.contract, START + 5 * SECOND, "46.40", "47.00")
    work(START + 10 * SECOND)
    order.refresh_from_db()
    assert order.status == OrderStatus.CANCELLED
    assert order.events.last().detail["reason"] == "the mid moved from $44.30 to $46.70"
    assert [child.status for child in children(order)] == ["cancelled"]
    assert not Position.objects.exists()
    assert of.orders.reserved_dollars() == 0


def test_no_child_is_sent_without_a_fresh_quote():
    order = opening(portfolio())
    quote(order.contract, START - timedelta(seconds=61), "44.00", "44.60")
    work_until(START, START + timedelta(seconds=60))
    order.refresh_from_db()
    assert (order.status, children(order)) == (OrderStatus.CANCELLED, [])


def test_an_opening_ends_with_the_session():
    order = opening(portfolio(), at=CLOSE - 5 * SECOND)
    quote(order.contract, CLOSE - 5 * SECOND, "44.00", "44.60")
    work(CLOSE - 5 * SECOND)
    work(CLOSE + 5 * SECOND)
    order.refresh_from_db()
    assert (order.status, order.events.last().detail["reason"]) == (OrderStatus.CANCELLED, "session closed")


def test_a_slice_order_that_is_cancelled_keeps_what_was_filled_with_the_lowest_slices():
    of = portfolio()
    position = bought(of, 12)
    at = START + timedelta(seconds=60)
    quote(position.contract, at, "47.00", "47.00", size=20)
    exit_of(position, "slice", at, [(1, 4), (2, 4)], reference_mid=D("47.00"), reference_bid=D("47.00"))
    work(at)
    quote(position.contract, at + SECOND, "40.00", "40.40")
    work_until(at + 2 * SECOND, at + timedelta(seconds=60))
    slices = [(s.state, s.contracts_filled, s.contracts_pending) for s in position.slices.order_by("number")]
    assert slices == [("filled", 4, 0), ("armed", 1, 0), ("armed", 0, 0)]
    assert position.events.filter(kind="slice_rearmed").count() == 1
    check_books(of)


# ---- What must happen ----


def test_an_urgent_exit_is_priced_again_every_two_seconds_while_the_market_falls():
    of = portfolio()
    position = bought(of)
    at = START + timedelta(seconds=60)
    quote(position.contract, at, None, "33.40")
    (stop,) = exit_of(position, "stop", at)
    work(at)
    assert children(stop)[0].limit_price == D("0.05")
    quote(position.contract, at + SECOND, "30.00", "30.40", size=2)
    work(at + SECOND)
    quote(position.contract, at + 2 * SECOND, "20.00", "20.40", size=2)
    worked = work(at + 2 * SECOND)
    stop.refresh_from_db()
    assert [(c.limit_price, c.filled_quantity, c.status) for c in children(stop)] == [
        (D("0.05"), 3, "filled"),
    ]
    assert stop.status == OrderStatus.FILLED
    assert not worked.next_at
    check_books(of)


def test_a_thin_bid_is_sold_into_again_and_again():
    of = portfolio()
    position = bought(of, 12)
    at = START + timedelta(seconds=60)
    quote(position.contract, at, "33.00", "33.40", size=5)
    (stop,) = exit_of(position, "stop", at)
    work_until(at, at + timedelta(seconds=30))
    stop.refresh_from_db()
    fills = [(c.quantity, c.filled_quantity, (c.created_at - at).seconds) for c in children(stop)]
    assert fills == [(12, 5, 0), (7, 5, 2), (2, 2, 4)]
    assert stop.status == OrderStatus.FILLED
    check_books(of)


def test_an_urgent_exit_waits_for_the_session_and_is_not_ended_by_its_close():
    of = portfolio()
    position = bought(of)
    (stop,) = exit_of(position, "stop", CLOSE)
    work(CLOSE)
    stop.refresh_from_db()
    assert (stop.status, children(stop)) == (OrderStatus.PLANNED, [])
    tomorrow = CLOSE + timedelta(hours=17, minutes=30)
    quote(position.contract, tomorrow, "33.00", "33.40")
    work(tomorrow)
    stop.refresh_from_db()
    assert stop.status == OrderStatus.FILLED


def test_in_the_last_minutes_an_option_in_the_money_is_not_sold_under_four_fifths_of_intrinsic():
    of = portfolio()
    position = bought(of)
    at = CLOSE - timedelta(minutes=4)
    underlying(position.contract, at, "3740")  # intrinsic 40
    quote(position.contract, at, "10.00", "60.00")
    (close,) = exit_of(position, "forced_close", at)
    work(at)
    work(at + 2 * SECOND)
    assert [child.limit_price for child in children(close)] == [D("32.00")]
    event = position.events.get(kind="settlement_awaited")
    assert event.after == {"floor": "32.00"}


def test_before_the_last_five_minutes_and_out_of_the_money_there_is_no_floor():
    of = portfolio()
    position = bought(of)
    at = CLOSE - timedelta(minutes=6)
    underlying(position.contract, at, "3740")
    quote(position.contract, at, "10.00", "60.00")
    (close,) = exit_of(position, "forced_close", at)
    work(at)
    close.refresh_from_db()
    assert (close.status, children(close)[0].limit_price) == (OrderStatus.FILLED, D("9.50"))
