"""Trades made at the broker are adopted as MANUAL, once, to the cent; what the broker does not explain is a difference
that stands, is logged when it begins and when it ends, and keeps openings waiting (A-08)."""

import logging
import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from positions.brokers.base import Execution
from positions.models import BrokerDifference, Fill, Order, Origin, PaperExecution, Portfolio, Position, PositionEvent
from positions.services import reconciliation, working
from positions.services.reconciliation import await_reconciliation, reconcile, reconcile_waiting
from tests import factories
from tests.positions import by_hand
from tests.positions.flaky_broker import FlakyBroker
from tests.positions.market_day import SECOND, START, bought, check_books, exit_of, plan, portfolio, quote, work_until

pytestmark = pytest.mark.django_db

LATER = START + timedelta(minutes=5)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> FlakyBroker:
    flaky = FlakyBroker()
    monkeypatch.setattr(working, "broker_of", lambda portfolio: flaky)
    monkeypatch.setattr(reconciliation, "broker_of", lambda portfolio: flaky)
    return flaky


def look(of: Portfolio, at=LATER) -> reconciliation.Reconciled:
    found = reconcile(portfolio=of, now=at, plan=plan)
    check_books(of)
    assert_invariants(of)
    return found


def assert_invariants(of: Portfolio) -> None:
    """A-08: quantity, average price, realised P&L and ids, by what the broker's own books say."""
    for contract_id in {row.order.contract_id for row in PaperExecution.objects.filter(order__portfolio=of)}:
        fills = Fill.objects.filter(order__portfolio=of, order__contract_id=contract_id)
        told = PaperExecution.objects.filter(order__portfolio=of, order__contract_id=contract_id)
        if {each.execution_id.partition("#")[0] for each in fills} != set(told.values_list("execution_id", flat=True)):
            continue  # the broker has more to tell
        positions = Position.objects.filter(portfolio=of, contract_id=contract_id)
        buys, sells = ([e for e in told if e.order.side == side] for side in ("buy", "sell"))
        count, sold = sum(e.quantity for e in buys), sum(e.quantity for e in sells)
        assert sum(each.quantity_open for each in positions) == count - sold
        paid = sum(e.quantity * e.price for e in buys)
        average = sum(each.average_entry_price * each.quantity_opened for each in positions) / count
        assert abs(average - paid / count) <= paid / count / 10_000
        if sold == count:
            realised = (sum(e.quantity * e.price for e in sells) - paid) * 100 - sum(e.fee for e in told)
            assert sum(each.realised_pnl for each in positions) == realised
    ids = list(Order.objects.filter(portfolio=of).values_list("client_order_id", flat=True))
    assert len(ids) == len(set(ids))


# ---- Bought at the broker ----


def test_what_was_bought_at_the_broker_is_a_manual_position_without_a_stop() -> None:
    of, contract = portfolio(), factories.contract(strike="3710")
    await_reconciliation()
    [execution] = by_hand.buy(of, contract, 5, "8.00", START)
    assert look(of).agreed
    position = Position.objects.get()
    assert (position.origin, position.decision, position.initial_stop, position.current_stop) == (
        Origin.MANUAL, None, None, None,
    )  # fmt: skip
    assert (position.quantity_open, position.average_entry_price, position.entry_cost) == (5, Decimal(8), Decimal(4000))
    assert (position.entry_at, position.slices.count()) == (START, 0)
    of.refresh_from_db()
    assert of.cash == of.settled_cash == Decimal("60000") - 4000 - Decimal("3.25")
    intent, child = Order.objects.order_by("id")
    assert {intent.intent, child.intent} == {"adopted_open"}
    assert (child.parent, intent.status, child.status, intent.verdict["execution"]) == (
        intent, "filled", "filled", execution,
    )  # fmt: skip
    assert Fill.objects.get().execution_id == execution
    assert list(PositionEvent.objects.values_list("kind", flat=True)) == ["adopted"]


def test_it_is_adopted_once_however_often_it_is_looked_for() -> None:
    of, contract = portfolio(), factories.contract(strike="3710")
    by_hand.buy(of, contract, 5, "8.00", START)
    for second in range(3):
        await_reconciliation()
        assert look(of, LATER + second * SECOND).agreed
    assert (Fill.objects.count(), Position.objects.get().quantity_open) == (1, 5)


def test_its_ids_follow_from_the_execution() -> None:
    of, contract = portfolio(), factories.contract(strike="3710")
    by_hand.buy(of, contract, 5, "8.00", START)
    [own, _] = _ids_after_adoption(of)
    assert own.startswith(f"{of.slug[:16]}.210104.b")
    assert own.endswith(".adopted_open.1")


def _ids_after_adoption(of: Portfolio) -> list[str]:
    look(of)
    return list(Order.objects.order_by("id").values_list("client_order_id", flat=True))


def test_parts_of_it_are_one_position_at_their_average() -> None:
    of, contract = portfolio(), factories.contract(strike="3710")
    by_hand.buy(of, contract, 5, "8.00", START, parts=(2, 3))
    look(of)
    by_hand.buy(of, contract, 5, "6.00", START + SECOND)
    await_reconciliation()
    assert look(of, LATER + SECOND).agreed
    position = Position.objects.get()
    assert (position.quantity_open, position.average_entry_price, position.fees) == (10, Decimal(7), Decimal("6.50"))
    assert list(PositionEvent.objects.order_by("id").values_list("kind", flat=True)) == [
        "adopted", "adopted_more", "adopted_more",
    ]  # fmt: skip


def test_once_it_has_a_stop_more_of_it_is_another_position() -> None:
    of, contract = portfolio(), factories.contract(strike="3710")
    by_hand.buy(of, contract, 5, "8.00", START)
    look(of)
    Position.objects.update(initial_stop=6, current_stop=6, version=99)
    by_hand.buy(of, contract, 5, "6.00", START + SECOND)
    look(of, LATER + SECOND)
    assert list(Position.objects.order_by("id").values_list("quantity_open", "average_entry_price")) == [
        (5, Decimal(8)), (5, Decimal(6)),
    ]  # fmt: skip


def test_what_the_account_traded_before_the_portfolio_began_is_not_adopted() -> None:
    of, contract = portfolio(), factories.contract(strike="3710")
    begun = of.cash_movements.get().moved_at
    by_hand.buy(of, contract, 5, "8.00", begun - SECOND)
    by_hand.sell(of, contract, 5, "9.00", begun - SECOND)
    assert look(of).agreed
    assert not Position.objects.exists()


# ---- Sold at the broker ----


def test_what_was_sold_at_the_broker_closes_ours_at_its_price() -> None:
    of = portfolio()
    position = bought(of, 10)
    await_reconciliation()
    by_hand.sell(of, position.contract, 4, "50.00", LATER - SECOND, fee="0.50")
    assert look(of).agreed
    position.refresh_from_db()
    assert (position.quantity_open, position.broker_quantity, position.status) == (6, None, "open")
    assert position.exit_proceeds == Decimal(20_000)
    assert position.realised_pnl == Decimal(20_000) - position.entry_cost * 4 / 10 - position.fees
    order = Order.objects.get(intent="adopted_close", parent=None)
    assert (order.quantity, order.filled_quantity, order.status) == (4, 4, "filled")
    by_hand.sell(of, position.contract, 6, "51.00", LATER)
    await_reconciliation()
    assert look(of, LATER + SECOND).agreed
    position.refresh_from_db()
    assert (position.status, position.close_cause) == ("closed", "adopted_close")
    assert {each.state for each in position.slices.all()} == {"cancelled"}


def test_a_sale_takes_adopted_contracts_first_and_its_fee_is_kept_to_the_cent() -> None:
    of = portfolio(cash=Decimal(1_000_000))
    ours = bought(of, 5)
    by_hand.buy(of, ours.contract, 2, "40.00", START + MINUTE)
    reconcile(portfolio=of, now=LATER, plan=plan)
    by_hand.sell(of, ours.contract, 3, "50.00", LATER, fee="0.333333")
    assert reconcile(portfolio=of, now=LATER + SECOND, plan=plan).agreed
    check_books(of, Decimal(1_000_000))
    assert_invariants(of)
    adopted = Position.objects.get(origin="manual")
    ours.refresh_from_db()
    assert (adopted.status, ours.quantity_open) == ("closed", 4)
    fees = list(Fill.objects.filter(order__intent="adopted_close").order_by("id").values_list("quantity", "fee"))
    assert fees == [(2, Decimal("0.67")), (1, Decimal("0.33"))]


def test_an_exit_that_works_is_cancelled_before_the_sale_is_adopted_and_the_rest_is_sold() -> None:
    of = portfolio()
    position = bought(of, 10)
    exit_of(position, "stop", LATER)
    quote(position.contract, LATER, None, None)
    work_until(LATER, LATER + SECOND)
    assert Order.objects.live().filter(side="sell").exists()
    await_reconciliation()
    by_hand.sell(of, position.contract, 4, "50.00", LATER)
    assert look(of, LATER + 2 * SECOND).agreed
    position.refresh_from_db()
    assert position.quantity_open == 6
    assert not Order.objects.live().exists()
    assert [order.quantity for order in exit_of(position, "stop", LATER + 3 * SECOND)] == [6]


def test_a_sale_that_cannot_be_booked_cancels_no_exit() -> None:
    of = portfolio()
    position = bought(of, 3)
    exit_of(position, "stop", LATER)
    quote(position.contract, LATER, None, None)
    work_until(LATER, LATER + SECOND)
    await_reconciliation()
    by_hand.sell(of, position.contract, 5, "50.00", LATER)
    reconcile(portfolio=of, now=LATER + 2 * SECOND, plan=plan)
    assert not Order.objects.filter(status__in=["cancelling", "cancelled"], side="sell", parent=None).exists()


def test_what_another_portfolio_ordered_through_the_same_account_is_not_adopted(broker: FlakyBroker) -> None:
    of, other = portfolio(), portfolio()
    bought(other, 3)
    await_reconciliation()
    told = broker.paper.executions(other, START)
    broker.executions = lambda portfolio, after: told  # type: ignore[method-assign]
    reconcile(portfolio=of, now=LATER, plan=plan)
    assert not Position.objects.filter(portfolio=of).exists()


def test_what_the_broker_does_not_name_is_not_booked_and_openings_wait(broker: FlakyBroker) -> None:
    of = portfolio()
    await_reconciliation()
    nameless = Execution("x-1", "by-hand", 1, Decimal(5), Decimal(0), START)
    broker.executions = lambda portfolio, after: [nameless]  # type: ignore[method-assign]
    found = look(of)
    assert (found.agreed, found.waits) == (False, "The broker tells 1 trades that cannot be booked here: x-1.")
    assert not Position.objects.exists()


def test_a_sale_of_more_than_is_open_is_not_booked_and_is_said() -> None:
    of = portfolio()
    position = bought(of, 3)
    await_reconciliation()
    [execution] = by_hand.sell(of, position.contract, 5, "50.00", LATER - SECOND)
    found = look(of)
    assert (found.agreed, found.differences) == (False, {position.contract_id: -5})
    position.refresh_from_db()
    of.refresh_from_db()
    assert (position.quantity_open, position.broker_quantity, of.reconciled_at) == (3, 0, None)
    assert not Fill.objects.filter(execution_id=execution).exists()
    assert str(BrokerDifference.objects.get()).endswith("-2 at the broker, 3 here")


# ---- What the broker does not explain ----


def test_a_surplus_without_a_price_is_not_invented(broker: FlakyBroker) -> None:
    of = portfolio()
    position = bought(of, 10)
    await_reconciliation()
    broker.by_hand[position.contract_id] = 2
    for minute in range(3):
        assert look(of, LATER + minute * MINUTE).differences == {position.contract_id: 2}
    assert Position.objects.count() == 1


def test_a_surplus_that_lasts_is_adopted_at_what_makes_the_brokers_average(broker: FlakyBroker) -> None:
    of = portfolio()
    position = bought(of, 3)  # at 44.60
    await_reconciliation()
    broker.by_hand[position.contract_id] = 1
    broker.average[position.contract_id] = Decimal("45.00")
    assert not look(of).agreed
    assert not look(of, LATER + MINUTE - SECOND).agreed
    assert Position.objects.count() == 1
    assert look(of, LATER + MINUTE).agreed
    adopted = Position.objects.get(origin="manual")
    assert (adopted.quantity_open, adopted.average_entry_price) == (1, Decimal("46.2"))
    assert look(of, LATER + 2 * MINUTE).agreed
    assert Fill.objects.filter(order__intent="adopted_open").count() == 2 - 1


def test_a_contract_of_today_that_is_only_at_the_broker_is_adopted_in_its_session(broker: FlakyBroker) -> None:
    of, contract = portfolio(), factories.contract(strike="3710")
    await_reconciliation()
    broker.expires[contract.pk], broker.by_hand[contract.pk] = contract.expiration_on, 4
    broker.average[contract.pk] = Decimal("2.50")
    look(of)
    assert look(of, LATER + MINUTE).agreed
    assert Position.objects.get().entry_cost == Decimal(1000)


def test_a_difference_is_one_row_and_logged_when_it_begins_and_when_it_ends(
    broker: FlakyBroker, caplog: pytest.LogCaptureFixture
) -> None:
    of = portfolio()
    position = bought(of, 10)
    await_reconciliation()
    broker.by_hand[position.contract_id] = -4
    with caplog.at_level(logging.INFO, "positions.services.reconciliation"):
        for second in range(5):
            reconcile_waiting(now=LATER + second * SECOND, plan=plan)
        [row] = BrokerDifference.objects.all()
        assert (row.here, row.there, row.began_at, row.ended_at) == (10, 6, LATER, None)
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        broker.by_hand.clear()
        for second in range(5, 8):
            reconcile_waiting(now=LATER + second * SECOND, plan=plan)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    row.refresh_from_db()
    assert row.ended_at == LATER + 5 * SECOND


def test_a_broker_that_does_not_answer_is_logged_once(broker: FlakyBroker, caplog: pytest.LogCaptureFixture) -> None:
    of = portfolio()
    await_reconciliation()
    broker.silent = True
    with caplog.at_level(logging.INFO, "positions.services.reconciliation"):
        for second in range(5):
            reconcile_waiting(now=LATER + second * SECOND, plan=plan)
        broker.mend()
        reconcile_waiting(now=LATER + 5 * SECOND, plan=plan)
    assert [record.message.partition(":")[2][:30] for record in caplog.records] == [
        " it is not reconciled with its", " it is reconciled with its bro",
    ]  # fmt: skip
    of.refresh_from_db()
    assert of.reconciled_at is not None


def test_an_account_at_another_broker_is_compared_every_minute(broker: FlakyBroker) -> None:
    of = portfolio()
    position = bought(of, 10)
    await_reconciliation()
    Portfolio.objects.update(broker="alpaca")
    assert reconcile_waiting(now=LATER, plan=plan)[of.pk].agreed
    assert reconcile_waiting(now=LATER + 59 * SECOND, plan=plan) == {}
    broker.by_hand[position.contract_id] = -4
    assert not reconcile_waiting(now=LATER + MINUTE, plan=plan)[of.pk].agreed
    of.refresh_from_db()
    position.refresh_from_db()
    assert (of.reconciled_at, position.broker_quantity) == (None, 6)


@pytest.mark.django_db(transaction=True)
def test_two_who_look_at_once_adopt_it_once() -> None:
    of, contract = portfolio(), factories.contract(strike="3710")
    by_hand.buy(of, contract, 5, "8.00", START, parts=(1, 1, 1, 2))
    by_hand.sell(of, contract, 2, "9.00", START + SECOND)
    gate, failed = threading.Barrier(2), []

    def run() -> None:
        try:
            gate.wait()
            reconcile(portfolio=Portfolio.objects.get(pk=of.pk), now=LATER, plan=plan)
        except Exception as error:  # noqa: BLE001 (a thread tells nobody what it died of)
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failed == []
    assert look(of, LATER + SECOND).agreed
    assert (Fill.objects.count(), Position.objects.get().quantity_open) == (5, 3)
