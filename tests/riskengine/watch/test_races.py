"""Real threads on real rows: two workers never close anything twice."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from positions.models import Order, Position
from riskengine.services.watch import writing
from riskengine.services.watch.monitoring import run_check
from tests.riskengine import market
from tests.riskengine.watch.desk import Desk, fresh, zero

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk() -> Desk:
    return zero()


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """The answers of calls that start together, each on a connection of its own."""
    start = threading.Barrier(len(calls))
    answers: list[Any] = [None] * len(calls)

    def run(place: int, call: Callable[[], Any]) -> None:
        try:
            start.wait()
            answers[place] = call()
        except Exception as error:  # noqa: BLE001 (told to the test, whatever it is)
            answers[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


def checks(desk: Desk, at: str, count: int, *, exclusive: bool) -> list[Any]:
    now = desk.bet.wall(desk.at(at))
    return at_once(*[lambda: run_check(now=now, scope="exit", exclusive=exclusive)] * count)


@pytest.mark.parametrize("bid", ["42.00", "46.00", "20.00"])
def test_four_workers_order_each_exit_once(desk: Desk, bid: str) -> None:
    for strike in range(3705, 3725, 5):
        contract = market.spxw(str(strike))
        desk.hold(12, contract=contract)
        desk.quote("10:43:00", bid, f"{float(bid) + 0.4:.2f}", contract=contract)
    answers = checks(desk, "10:43:00", 4, exclusive=False)
    assert [answer.errors for answer in answers] == [{}] * 4
    assert sum(answer.orders for answer in answers) == 4
    ordered = Order.objects.filter(side="sell").values_list("position_id", flat=True)
    assert sorted(ordered) == sorted(Position.objects.values_list("id", flat=True))


def test_two_looks_at_one_quote_by_two_workers_are_one_witness(desk: Desk) -> None:
    position = desk.hold()
    desk.quote("10:43:00", "29.00", "29.40")
    checks(desk, "10:43:00", 4, exclusive=False)
    assert (fresh(position).stop_breaches, desk.sold()) == (1, [])


def test_a_second_runner_returns_at_once_and_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.hold()
    desk.quote("10:43:00", "20.00", "20.40")
    held, go_on = threading.Event(), threading.Event()
    lock = writing.Writer._lock

    def waits(writer: Any, rows: Any) -> Any:
        held.set()
        go_on.wait(20)
        return lock(writer, rows)

    monkeypatch.setattr(writing.Writer, "_lock", waits)
    now = desk.bet.wall(desk.at("10:43:00"))

    def second() -> Any:
        held.wait(20)
        try:
            return run_check(now=now, scope="exit"), run_check(now=now, scope="risk", portfolio_ids=[])
        finally:
            go_on.set()

    first, (same_scope, other_scope) = at_once(lambda: run_check(now=now, scope="exit"), second)
    assert (first.ran, same_scope.ran, other_scope.ran) == (True, False, True)
    assert desk.sold() == [("stop", 10)]
    assert run_check(now=now, scope="exit").ran, "the lock is given back"


def test_the_lock_is_given_back_and_the_time_limit_with_it_when_a_check_fails(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of luck")

    now = desk.bet.wall(desk.at("10:43:00"))
    with monkeypatch.context() as patch:
        patch.setattr("riskengine.services.watch.monitoring.load", fails)
        with pytest.raises(RuntimeError):
            run_check(now=now, scope="exit")
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)
    answers = checks(desk, "10:43:00", 1, exclusive=True)
    assert answers[0].ran


def test_a_position_that_a_fill_holds_is_passed_over_and_judged_next_time(desk: Desk) -> None:
    """The check does not wait for the lock: the others are written at once."""
    held = desk.hold()
    other = desk.hold(contract=market.spxw("3705"))
    for contract in (held.contract, other.contract):
        desk.quote("10:43:00", "20.00", "20.40", contract=contract)
    with transaction.atomic():
        Position.objects.select_for_update(no_key=True).get(pk=held.pk)
        checks(desk, "10:43:00", 1, exclusive=False)
        assert [order.position_id for order in desk.orders] == [other.pk]
    checks(desk, "10:43:01", 1, exclusive=False)
    assert [order.position_id for order in desk.orders] == [other.pk, held.pk]
