"""Booking: each execution once, cash to the cent, prices and results of the position."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from positions.brokers.base import Execution
from positions.models import CashMovement, Fill, Order, Position, PositionStatus
from positions.services.fills import ExitPlan, book_executions
from tests import factories
from tests.positions.market_day import SECOND, START, bought, check_books, opening, plan, portfolio

pytestmark = pytest.mark.django_db
D = Decimal


def child(of: Order, quantity: int | None = None, number: int = 1) -> Order:
    return Order.objects.create(
        portfolio=of.portfolio,
        contract=of.contract,
        position=of.position,
        decision=of.decision,
        parent=of,
        intent=of.intent,
        side=of.side,
        sequence=number,
        client_order_id=f"{of.client_order_id}.{number}",
        quantity=quantity or of.quantity,
        limit_price=of.worst_price,
        worst_price=of.worst_price,
        pace=of.pace,
        status="working",
        verdict=of.verdict,
        created_at=START,
    )


def execution(of: Order, quantity: int, price: str, name: str = "1", seconds: int = 0, fee: str = "0.65") -> Execution:
    return Execution(
        f"{of.client_order_id}-{name}",
        of.client_order_id,
        quantity,
        D(price),
        D(fee) * quantity,
        START + seconds * SECOND,
        D("44.00"),
        D("44.60"),
    )


def book(of, *executions, planner=plan) -> int:
    return book_executions(of, executions, at=START + timedelta(minutes=1), now=START, plan=planner)


@pytest.fixture
def of():
    return portfolio()


def test_an_execution_is_booked_once(of):
    order = child(opening(of))
    one = execution(order, 3, "44.60")
    assert book(of, one, one) == 1
    assert book(of, one) == 0
    assert Fill.objects.get().quote_ask == D("44.60")
    check_books(of)


def test_the_entry_averages_its_fills_and_the_stop_follows_while_it_fills(of):
    order = child(opening(of, 4))
    book(of, execution(order, 1, "44.60"))
    position = Position.objects.get()
    assert (position.average_entry_price, position.initial_stop) == (D("44.60"), D("33.45"))
    book(of, execution(order, 2, "44.30", "2", 5))
    position.refresh_from_db()
    assert position.average_entry_price == D("44.40")
    assert (position.initial_stop, position.current_stop, position.high_water) == (D("33.30"), D("33.30"), D("44.40"))
    assert position.entry_cost == D("13320.00")
    assert [event.kind for event in position.events.order_by("id")] == ["opened", "filled"]
    assert position.slices.count() == 3
    check_books(of)


def test_what_the_watch_has_raised_stays_raised_while_the_entry_fills(of):
    order = child(opening(of, 4))
    book(of, execution(order, 1, "44.60"))
    Position.objects.update(high_water=D("46"), current_stop=D("40"), version=2)
    book(of, execution(order, 1, "40.00", "2"))
    position = Position.objects.get()
    assert (position.high_water, position.current_stop, position.initial_stop) == (D("46"), D("40"), D("31.725"))


def test_the_plan_is_asked_with_average_price_contracts_and_first_fill(of):
    asked = []

    def planner(decision, average, contracts, entry_at):
        asked.append((decision, average, contracts, entry_at))
        return ExitPlan("late", D("30"), ((D("0.05"), 10_000),))

    order = opening(of, 4)
    sent = child(order)
    book(of, execution(sent, 1, "44.60", seconds=3), execution(sent, 1, "44.40", "2", seconds=4), planner=planner)
    assert asked == [(order.decision, D("44.500000"), 2, START + 3 * SECOND)]
    assert Position.objects.get().regime == "late"


def test_realised_is_proceeds_less_the_sold_share_of_the_cost_less_fees(of):
    position = bought(of)
    assert position.realised_pnl == D("-1.95")
    order = child(factories.exit_order(position, quantity=2, worst_price=D("0.05"), limit_price=D("0.05")))
    book(of, execution(order, 1, "50.00"))
    position.refresh_from_db()
    assert (position.exit_proceeds, position.fees) == (D("5000.00"), D("2.60"))
    assert position.realised_pnl == D("5000.00") - D("4460.00") - D("2.60")
    check_books(of)


def test_a_position_closes_with_its_last_contract(of):
    position = bought(of)
    order = child(factories.exit_order(position, "forced_close", worst_price=D("0.05"), limit_price=D("0.05")))
    book(of, execution(order, 3, "40.00", seconds=70))
    position.refresh_from_db()
    assert (position.status, position.close_cause) == (PositionStatus.CLOSED, "forced_close")
    assert position.closed_at == START + 70 * SECOND
    event = position.events.get(kind="closed")
    assert event.after["cause"] == "forced_close"
    assert {s.state for s in position.slices.all()} == {"cancelled"}


def test_an_entry_that_fills_after_its_position_closed_is_held_and_watched_again(of):
    first = child(order := opening(of, 3), 1)
    book(of, execution(first, 1, "44.60"))
    position = Position.objects.get()
    order.refresh_from_db()
    sale = child(factories.exit_order(position, worst_price=D("0.05"), limit_price=D("0.05")))
    book(of, execution(sale, 1, "40.00"))
    Order.objects.filter(pk=first.pk).update(status="filled", finished_at=START)
    late = child(order, 2, number=2)
    book(of, execution(late, 2, "44.60"))
    position.refresh_from_db()
    assert (position.status, position.quantity_opened, position.quantity_open) == (PositionStatus.OPEN, 3, 2)
    assert (position.closed_at, position.close_cause) == (None, "")
    assert {s.state for s in position.slices.all()} == {"armed"}
    assert position.events.filter(kind="reopened").exists()
    check_books(of)


def test_what_is_paid_settles_at_once_and_what_is_received_in_the_next_session(of):
    position = bought(of)
    of.refresh_from_db()
    assert of.settled_cash == of.cash == D("46618.05")
    order = child(factories.exit_order(position, worst_price=D("0.05"), limit_price=D("0.05")))
    book(of, execution(order, 3, "40.00"))
    assert (of.cash, of.settled_cash) == (D("58616.10"), D("46616.10"))
    premium = CashMovement.objects.get(kind="premium", amount__gt=0)
    assert (premium.settles_on, premium.amount) == (date(2021, 1, 5), D("12000.00"))


def test_an_execution_of_no_order_of_ours_is_left_alone(of, caplog):
    assert book(of, Execution("x-1", "somebody-else", 1, D("1"), D("0"), START)) == 0
    assert "no order of ours" in caplog.text
    assert not Fill.objects.exists()


def test_an_execution_of_another_portfolio_is_not_booked_here(of):
    order = child(opening(portfolio()))
    assert book(of, execution(order, 3, "44.60")) == 0


def test_an_order_whose_answer_was_lost_is_known_again_by_its_fill(of):
    order = child(opening(of, 3))
    Order.objects.filter(pk=order.pk).update(status="unknown")
    book(of, execution(order, 1, "44.60"))
    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == ("working", 1)
    event = order.events.last()
    assert (event.from_status, event.to_status, event.detail["contracts"]) == ("unknown", "working", 1)


def test_a_hundred_fills_cost_as_many_statements_as_two(of):
    counts = []
    for many in (2, 100):
        orders = [
            child(opening(of, 1, contract=factories.contract(strike=str(3000 + n)))) for n in range(counts != [], many)
        ]
        with CaptureQueriesContext(connection) as queries:
            assert book(of, *(execution(order, 1, "1.00") for order in orders)) == len(orders)
        counts.append(len(queries))
    assert counts[1] <= counts[0] + 1
    check_books(of)
