"""Openings wait until books and broker agree; exits never do, and sell at most what is confirmed (A-02, A-08)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from positions.models import Fill, Order, Portfolio, Position, PositionEvent, Split
from positions.services import reconciliation, working
from positions.services.reconciliation import Reconciled, await_reconciliation, reconcile, reconcile_waiting
from positions.services.splits import apply_splits
from tests.positions.flaky_broker import LOST_AFTER, FlakyBroker
from tests.positions.market_day import SECOND, START, bought, exit_of, opening, plan, portfolio, quote, work, work_until

pytestmark = pytest.mark.django_db

LATER = START + timedelta(minutes=5)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> FlakyBroker:
    flaky = FlakyBroker()
    monkeypatch.setattr(working, "broker_of", lambda portfolio: flaky)
    monkeypatch.setattr(reconciliation, "broker_of", lambda portfolio: flaky)
    return flaky


def look(of: Portfolio, at=LATER) -> Reconciled:
    return reconcile(portfolio=of, now=at, plan=plan)


def test_after_a_restart_every_portfolio_waits_until_books_and_broker_agree(broker: FlakyBroker) -> None:
    of = portfolio()
    bought(of, 3)
    assert await_reconciliation() == 1
    of.refresh_from_db()
    assert of.reconciled_at is None
    assert reconcile_waiting(now=LATER, plan=plan) == {of.pk: Reconciled(True)}
    of.refresh_from_db()
    assert of.reconciled_at == LATER
    assert reconcile_waiting(now=LATER, plan=plan) == {}


def test_a_broker_that_does_not_answer_is_unknown_and_not_flat(broker: FlakyBroker) -> None:
    of = portfolio()
    position = bought(of, 3)
    await_reconciliation()
    broker.silent = True
    assert look(of).agreed is False
    assert look(of).waits
    position.refresh_from_db()
    of.refresh_from_db()
    assert (position.quantity_open, position.broker_quantity, of.reconciled_at) == (3, None, None)


def test_an_order_without_an_answer_is_looked_up_and_not_sent_again(broker: FlakyBroker) -> None:
    of = portfolio()
    order = opening(of, 3)
    quote(order.contract, START, "44.20", "44.40")
    broker.on_submit, broker.deaf = LOST_AFTER, True
    work(START)
    assert Order.objects.filter(status="unknown").exists()
    assert "how 1 orders stand" in look(of, START + SECOND).waits
    broker.mend()
    work_until(START + 2 * SECOND, LATER)
    assert look(of).agreed
    assert len(broker.submitted) == len(set(broker.submitted))


def test_what_was_executed_while_nobody_was_told_is_booked(broker: FlakyBroker) -> None:
    of = portfolio()
    order = opening(of, 3)
    quote(order.contract, START, "44.20", "44.40")
    broker.silent = True
    work_until(START, START + timedelta(seconds=39))
    assert not Position.objects.exists()
    assert look(of, START + timedelta(seconds=40)).agreed is False
    broker.mend()
    assert look(of, START + timedelta(seconds=41)).agreed
    assert Position.objects.get().quantity_open == 3
    assert Fill.objects.get().quantity == 3


def test_where_the_broker_holds_less_exits_sell_what_it_confirmed_and_openings_wait(broker: FlakyBroker) -> None:
    of = portfolio()
    position = bought(of, 10)
    await_reconciliation()
    broker.by_hand[position.contract_id] = -4
    found = look(of)
    assert (found.agreed, found.differences) == (False, {position.contract_id: -4})
    position.refresh_from_db()
    of.refresh_from_db()
    assert (position.quantity_open, position.broker_quantity, of.reconciled_at) == (10, 6, None)
    event = PositionEvent.objects.get(kind="broker_differs")
    assert event.after == {"confirmed": 6, "open": 10}
    assert [order.quantity for order in exit_of(position, "stop", LATER)] == [6]
    look(of)
    assert PositionEvent.objects.filter(kind="broker_differs").count() == 1


def test_what_is_sold_meanwhile_is_less_that_the_broker_holds(broker: FlakyBroker) -> None:
    of = portfolio()
    position = bought(of, 10)
    await_reconciliation()
    broker.by_hand[position.contract_id] = -4
    look(of)
    exit_of(position, "stop", LATER)
    quote(position.contract, LATER, "30.00", "30.40")
    work_until(LATER, LATER + timedelta(minutes=1))
    position.refresh_from_db()
    assert (position.quantity_open, position.broker_quantity) == (4, 0)
    assert exit_of(position, "flatten", LATER + timedelta(minutes=1)) == []


def test_once_they_agree_again_nothing_is_held_back(broker: FlakyBroker) -> None:
    of = portfolio()
    position = bought(of, 10)
    broker.by_hand[position.contract_id] = -4
    look(of)
    broker.by_hand.clear()
    assert look(of).agreed
    position.refresh_from_db()
    assert (position.broker_quantity, position.broker_quantity_at) == (None, LATER)
    assert [order.quantity for order in exit_of(position, "stop", LATER)] == [10]


def test_where_the_broker_holds_more_openings_wait_and_exits_sell_what_is_ours(broker: FlakyBroker) -> None:
    of = portfolio()
    position = bought(of, 10)
    await_reconciliation()
    broker.by_hand[position.contract_id] = 2
    assert look(of).differences == {position.contract_id: 2}
    assert [order.quantity for order in exit_of(position, "stop", LATER)] == [10]
    of.refresh_from_db()
    assert of.reconciled_at is None


def test_two_positions_of_one_contract_are_confirmed_the_oldest_first(broker: FlakyBroker) -> None:
    of = portfolio(cash=Decimal(1_000_000))
    first, second = bought(of, 5), bought(of, 5, at=START + timedelta(minutes=1))
    broker.by_hand[first.contract_id] = -3
    look(of)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.broker_quantity, second.broker_quantity) == (5, 2)


def test_a_split_is_no_difference(broker: FlakyBroker) -> None:
    of = portfolio()
    position = bought(of, 3)
    Position.objects.filter(pk=position.pk).update(entry_at=START - timedelta(days=3), version=position.version + 1)
    Split.objects.create(
        instrument=position.contract.underlying,
        effective_on=date(2021, 1, 4),
        new_shares=2,
        old_shares=1,
        source="test",
    )
    assert apply_splits(portfolio=of, day=date(2021, 1, 4), at=START, now=START) == 1
    assert look(of).agreed


def test_one_that_fails_keeps_the_others_from_nothing(broker: FlakyBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = portfolio(), portfolio()
    await_reconciliation()
    honest = broker.holdings

    def broken(portfolio: Portfolio, on: date):
        if portfolio.pk == bad.pk:
            raise RuntimeError("broken")
        return honest(portfolio, on)

    monkeypatch.setattr(broker, "holdings", broken)
    found = reconcile_waiting(now=LATER, plan=plan)
    assert (found[bad.pk].agreed, found[good.pk].agreed) == (False, True)
