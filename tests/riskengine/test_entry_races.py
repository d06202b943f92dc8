"""Many ask at once, in threads with connections of their own: together they never pass a limit."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier, Event, Thread
from time import monotonic
from typing import Any

import pytest
from django.db import connection, transaction

from positions.models import Decision, OptionContract, Order, Portfolio
from positions.services.portfolio import lock_portfolio
from riskengine.services.decide.entries import Authorised, IdempotencyConflict, PortfolioBusy
from tests.riskengine import market
from tests.riskengine.entering import checked, confirm, enter, reserved
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 20


@pytest.fixture
def bet() -> Bet:
    """The healthy bet, where nothing but the limit of a test stands in the way of twenty entries."""
    found = checked(market.zero_dte())
    found.revise(
        max_opening_intents=1000,
        max_total_positions=20,
        max_positions_per_symbol=20,
        max_portfolio_delta="10",
        max_portfolio_gamma="10",
        correlation_adjustment_factor="0",
    )
    return found


def together(ask: Callable[[int], Authorised], count: int = AT_ONCE) -> list[Authorised]:
    """All ask at the same moment. Who waits over 2 s for the lock is told so and asks again, as a program would."""
    start = Barrier(count)

    def one(number: int) -> Authorised:
        try:
            start.wait()
            while True:
                try:
                    return ask(number)
                except PortfolioBusy:
                    continue
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def placed(asked: Sequence[Authorised]) -> list[Order]:
    """The orders; every request has its decision, and every order its own."""
    orders = [each.order for each in asked if each.order is not None]
    assert Decision.objects.count() == len(asked) == len({each.decision.pk for each in asked})
    assert {order.pk for order in orders} == set(Order.objects.values_list("pk", flat=True))
    assert len({order.decision_id for order in orders}) == len(orders)
    return orders


def codes() -> set[str]:
    return set(Decision.objects.filter(approved=False).values_list("refusal_code", flat=True))


def chain(bet: Bet, count: int) -> list[OptionContract]:
    """Calls of neighbouring strikes at the same price."""
    found = [market.spxw(str(3700 + 5 * number)) for number in range(count)]
    for contract in found[1:]:
        market.quote(contract, bet.at.replace(second=0), bid="44.00", ask="44.40")
    return found


def test_the_exposure_limit_holds(bet: Bet) -> None:
    orders = placed(together(lambda _: enter(bet)))
    assert 1 <= len(orders) <= 3
    assert reserved(bet.portfolio) <= Decimal(48_000)
    assert codes() <= {"EXPOSURE_ROOM_BELOW_MINIMUM", "CONTRACT_GRANULARITY"}


def test_buying_power_holds(bet: Bet) -> None:
    Portfolio.objects.update(settled_cash=Decimal("30000.00"))
    orders = placed(together(lambda _: enter(bet)))
    assert len(orders) == 2
    assert reserved(bet.portfolio) <= Decimal(30_000)


@pytest.mark.parametrize(
    ("limit", "code"), [("max_positions_per_symbol", "MAX_PER_SYMBOL"), ("max_total_positions", "MAX_TOTAL")]
)
def test_the_number_of_positions_holds(bet: Bet, limit: str, code: str) -> None:
    bet.revise(**{limit: 2})
    contracts = chain(bet, AT_ONCE)
    orders = placed(together(lambda number: enter(bet, contract=contracts[number])))
    assert len(orders) == 2
    assert code in codes()


def test_book_delta_holds(bet: Bet) -> None:
    bet.revise(max_portfolio_delta="0.06")  # 3,600 share-equivalents: two bets of 1,798
    orders = placed(together(lambda _: enter(bet)))
    assert len(orders) == 2
    assert "MAX_DELTA" in codes()


def test_the_throttle_holds(bet: Bet) -> None:
    bet.revise(max_opening_intents=5, max_total_exposure="0.9")
    asked = together(lambda _: enter(bet, "0.5"))
    judged = [each.decision.refusal_code for each in asked]
    throttled = Decision.objects.filter(gates__contains=[{"rule": "THROTTLED", "passed": False}])
    assert judged == ["MIN_CONFIDENCE"] * AT_ONCE
    assert throttled.count() == AT_ONCE - 5


def test_the_books_exposure_and_the_allocation_of_a_weekly_account_hold() -> None:
    bet = checked(market.seven_dte())
    bet.revise(max_opening_intents=1000)
    orders = placed(together(lambda _: enter(bet, "0.65")))
    assert len(orders) == 2, "two minimum bets are the 66% of one stock to the dollar"
    assert reserved(bet.portfolio) <= Decimal(66_000)


def test_the_same_key_from_ten_is_one_decision_and_one_order(bet: Bet) -> None:
    asked = together(lambda _: enter(bet, key="the key"), 10)
    assert {each.decision.pk for each in asked} == {Decision.objects.get().pk}
    assert {each.order.pk for each in asked if each.order} == {Order.objects.get().pk}
    assert [each.created for each in asked].count(True) == 1


def test_of_two_requests_under_one_key_the_first_is_done_and_the_other_told(bet: Bet) -> None:
    told: list[str] = []

    def ask(number: int) -> Any:
        try:
            return enter(bet, contracts=3 + number % 2, key="the key")
        except IdempotencyConflict as conflict:
            told.append(str(conflict))

    together(ask, 10)
    assert len(told) == 5
    assert Order.objects.get().quantity == Decision.objects.get().contracts


def test_ten_confirmations_are_one_order(bet: Bet) -> None:
    Portfolio.objects.update(mode="live-manual", broker="alpaca")
    waiting = enter(bet).decision
    asked = together(lambda _: confirm(bet, waiting), 10)
    assert len({each.order.pk for each in asked if each.order}) == Order.objects.count() == 1
    assert Decision.objects.count() == 2


def test_who_does_not_get_the_lock_within_two_seconds_is_told_and_nothing_is_done(bet: Bet) -> None:
    held, release = Event(), Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                lock_portfolio(bet.portfolio.pk)
                held.set()
                release.wait(10)
        finally:
            connection.close()

    holder = Thread(target=hold)
    holder.start()
    assert held.wait(10)
    began = monotonic()
    with pytest.raises(PortfolioBusy):
        enter(bet)
    waited = timedelta(seconds=monotonic() - began)
    release.set()
    holder.join()
    assert timedelta(seconds=1.9) < waited < timedelta(seconds=6)
    assert not Decision.objects.exists()
    assert enter(bet).order is not None
