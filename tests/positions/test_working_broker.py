"""A broker that falters: what it rejects, loses or fills unnoticed is neither sent twice nor sold twice."""

from datetime import timedelta
from decimal import Decimal

import pytest

from positions.models import ExitSlice, OrderStatus, Position, PositionStatus, SliceState
from positions.services import working
from positions.services.working import work_orders
from tests.positions.flaky_broker import FINE, KILLED, LOST_AFTER, LOST_BEFORE, REJECTED, FlakyBroker, Killed
from tests.positions.market_day import (
    SECOND,
    START,
    bought,
    check_books,
    children,
    exit_of,
    opening,
    plan,
    portfolio,
    quote,
    work,
    work_until,
)

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def broker(monkeypatch):
    flaky = FlakyBroker()
    monkeypatch.setattr(working, "broker_of", lambda portfolio: flaky)
    return flaky


def test_a_rejected_opening_leaves_no_position(broker):
    of = portfolio()
    order = opening(of)
    quote(order.contract, START, "44.00", "44.60")
    broker.on_submit = REJECTED
    work(START)
    order.refresh_from_db()
    assert (order.status, order.reject_reason) == (OrderStatus.REJECTED, "not today")
    assert children(order)[0].reject_reason == "not today"
    assert not Position.objects.exists()


def test_a_rejected_slice_is_armed_again(broker):
    position = bought(portfolio())
    at = START + timedelta(seconds=60)
    quote(position.contract, at, "47.00", "47.40")
    (order,) = exit_of(position, "slice", at, [(1, 1)], reference_mid=D("47.20"), reference_bid=D("47.00"))
    broker.on_submit = REJECTED
    work(at)
    order.refresh_from_db()
    assert order.status == OrderStatus.REJECTED
    assert ExitSlice.objects.get(number=1).state == SliceState.ARMED
    event = position.events.get(kind="slice_rearmed")
    assert (event.before["state"], event.after) == ("pending", {"state": "armed", "slice": 1})


def test_a_rejected_stop_asks_again_two_seconds_later(broker):
    of = portfolio()
    position = bought(of)
    at = START + timedelta(seconds=60)
    quote(position.contract, at, "33.00", "33.40")
    (stop,) = exit_of(position, "stop", at)
    broker.on_submit = REJECTED
    worked = work(at)
    assert worked.next_at == {of.pk: at + 2 * SECOND}
    broker.mend()
    work(at + SECOND)
    assert len(children(stop)) == 1
    work(at + 2 * SECOND)
    stop.refresh_from_db()
    assert stop.status == OrderStatus.FILLED
    check_books(of)


@pytest.mark.parametrize("lost", [LOST_BEFORE, LOST_AFTER])
def test_an_order_whose_answer_is_lost_is_looked_up_and_never_sent_twice(broker, lost):
    of = portfolio()
    order = opening(of)
    quote(order.contract, START, "44.60", "44.60")
    broker.on_submit, broker.deaf, broker.silent = lost, True, True
    work(START)
    work(START + SECOND)
    assert [child.status for child in children(order)] == ["unknown"]
    assert of.orders.reserved_dollars() == D("13500")
    broker.mend()
    work(START + 2 * SECOND)
    (child,) = children(order)
    assert child.status == "filled"
    assert broker.submitted == [child.client_order_id]
    check_books(of)


def test_a_cancel_whose_answer_is_lost_is_asked_again_before_anything_is_replaced(broker):
    of = portfolio()
    order = opening(of)
    quote(order.contract, START, "44.00", "44.60")
    work(START)
    broker.on_cancel, broker.deaf = LOST_AFTER, True
    work(START + 10 * SECOND)
    assert [child.status for child in children(order)] == ["cancelling"]
    broker.mend()
    work(START + 12 * SECOND)
    assert [child.status for child in children(order)] == ["cancelled", "working"]


def test_a_process_killed_between_acceptance_and_our_noting_it_is_healed(broker):
    of = portfolio()
    order = opening(of)
    quote(order.contract, START, "44.60", "44.60")
    broker.on_submit = KILLED
    assert work_orders(now=START, plan=plan).errors
    assert [child.status for child in children(order)] == ["submitting"]
    broker.mend()
    work(START + 20 * SECOND)
    (child,) = children(order)
    assert child.status == "filled"
    assert broker.submitted == [child.client_order_id]
    check_books(of)


def test_a_process_killed_before_the_message_was_sent_is_healed_at_once(broker, monkeypatch):
    of = portfolio()
    order = opening(of)
    quote(order.contract, START, "44.60", "44.60")
    with monkeypatch.context() as dead:
        dead.setattr(working.outbox, "deliver", lambda *_, **__: (_ for _ in ()).throw(Killed()))
        assert work_orders(now=START, plan=plan).errors
    assert [child.status for child in children(order)] == ["submitting"]
    work(START + SECOND)
    assert [child.status for child in children(order)] == ["filled"]


def test_what_a_slice_sold_unnoticed_is_not_sold_again_by_the_stop(broker):
    """The answer to the slice's order is lost for good; the stop sells what no other order may still sell."""
    of = portfolio()
    position = bought(of, 12)
    at = START + timedelta(seconds=60)
    quote(position.contract, at, "47.00", "47.00")
    exit_of(position, "slice", at, [(1, 4)], reference_mid=D("47.00"), reference_bid=D("47.00"))
    broker.on_submit = LOST_AFTER
    work(at)
    broker.on_submit, broker.deaf, broker.silent = FINE, True, True
    (stop,) = exit_of(position, "stop", at + SECOND)
    work(at + SECOND)
    assert children(stop) == []  # the slice's cancel is awaited for 2 s
    work(at + 3 * SECOND)
    assert [child.quantity for child in children(stop)] == [8]
    broker.mend()
    work_until(at + 14 * SECOND, at + timedelta(seconds=60))
    position.refresh_from_db()
    stop.refresh_from_db()
    assert (position.status, position.quantity_open) == (PositionStatus.CLOSED, 0)
    assert (stop.filled_quantity, stop.status) == (8, "cancelled")
    assert stop.events.last().detail["reason"] == "position closed"
    check_books(of)


def test_an_entry_that_fills_late_is_sold_by_the_close_already_working(broker):
    of = portfolio()
    order = opening(of, 12)
    quote(order.contract, START, "44.60", "44.60", size=16)
    work(START)
    broker.silent = broker.deaf = True
    work(START + 2 * SECOND)
    position = Position.objects.get()
    assert position.quantity_open == 4
    broker.on_cancel = LOST_BEFORE
    at = START + 3 * SECOND
    quote(order.contract, at, "33.00", "33.40")
    (stop,) = exit_of(position, "stop", at)
    work(at)
    broker.mend()
    work_until(at + 2 * SECOND, at + timedelta(seconds=60))
    position.refresh_from_db()
    stop.refresh_from_db()
    assert (position.quantity_opened, position.quantity_open) == (8, 0)
    assert (stop.quantity, stop.filled_quantity, stop.status) == (8, 8, "filled")
    check_books(of)


def test_a_portfolio_that_fails_does_not_keep_the_others_waiting(broker, monkeypatch):
    first, second = portfolio(), portfolio()
    bad, good = opening(first), opening(second)
    quote(good.contract, START, "44.60", "44.60")
    monkeypatch.setattr(
        working, "broker_of", lambda of: broker if of.pk == second.pk else (_ for _ in ()).throw(LookupError("gone"))
    )
    worked = work_orders(now=START, plan=plan)
    assert worked.errors == {first.pk: "LookupError: gone"}
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.status, bad.status) == (OrderStatus.FILLED, OrderStatus.WORKING)
