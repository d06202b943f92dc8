"""Several workers at once, on a real database: nothing is sent, filled or booked twice, and nothing is forgotten."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from positions.models import Fill, Order, OutboxMessage, PaperExecution, PaperOrder, Position
from positions.services import working
from positions.services.desk import lock_portfolio_row
from positions.services.orders import ExitIntent, cancel_openings, place_exits
from tests import factories
from tests.positions.flaky_broker import FlakyBroker
from tests.positions.market_day import SECOND, START, bought, check_books, opening, portfolio, quote, work, work_until

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 4


def at_once(*jobs: Callable[[], object]) -> list[object]:
    """Run the jobs in threads of their own that start together; their results, errors raised."""
    start = Barrier(len(jobs))

    def run(job: Callable[[], object]) -> object:
        try:
            start.wait()
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(run, job) for job in jobs]]


@pytest.fixture
def broker(monkeypatch) -> Iterator[FlakyBroker]:
    counting = FlakyBroker()
    monkeypatch.setattr(working, "broker_of", lambda portfolio: counting)
    return counting


def test_workers_at_once_send_and_fill_and_book_once(broker):
    of = portfolio()
    orders = [opening(of, 2, contract=factories.contract(strike=str(3600 + 10 * n))) for n in range(12)]
    for order in orders:
        quote(order.contract, START, "44.60", "44.60", size=400)
    at_once(*[lambda: work(START)] * WORKERS)
    work(START)
    assert len(broker.submitted) == len(set(broker.submitted)) == 12
    assert PaperOrder.objects.count() == PaperExecution.objects.count() == Fill.objects.count() == 12
    assert Position.objects.count() == 12
    assert Fill.objects.aggregate(total=Sum("quantity"))["total"] == 24
    assert {order.status for order in Order.objects.all()} == {"filled"}
    assert not OutboxMessage.objects.filter(sent_at=None).exists()
    check_books(of)


def test_the_size_shown_is_not_taken_twice_by_workers_at_once(broker):
    of = portfolio()
    orders = [opening(of, 4) for _ in range(5)]
    quote(orders[0].contract, START, "44.60", "44.60", size=16)
    at_once(*[lambda: work(START)] * WORKERS)
    work(START)
    assert PaperExecution.objects.aggregate(total=Sum("quantity"))["total"] == 16
    check_books(of)


def test_a_ladder_worked_by_several_has_one_child_a_step(broker):
    of = portfolio()
    order = opening(of)
    quote(order.contract, START, "44.00", "44.60")
    for seconds in range(0, 50, 5):
        at_once(*[lambda at=START + seconds * SECOND: work(at)] * WORKERS)
    assert [str(c.limit_price) for c in order.children.order_by("id")] == ["44.3000", "44.4000", "44.5000", "44.6000"]
    check_books(of)


def test_a_stop_placed_while_a_slice_is_worked_never_sells_more_than_is_open(broker):
    of = portfolio()
    positions = [bought_of(of, strike) for strike in range(3600, 3660, 10)]
    at = START + timedelta(seconds=60)
    for position in positions:
        quote(position.contract, at, "47.00", "47.00")
    place([(p, "slice", 1) for p in positions], at)
    at_once(
        lambda: work(at),
        lambda: place([(p, "stop", 3) for p in positions], at),
        lambda: work(at),
        lambda: cancel_openings(portfolio=of, at=at, now=at, reason="race", actor_name="test"),
    )
    work_until(at, at + timedelta(seconds=30))
    for position in positions:
        position.refresh_from_db()
        assert position.quantity_open == 0
        assert sum(f.quantity for f in position.fills.all() if f.order.side == "sell") == 3
    check_books(of)


def bought_of(of, strike: int) -> Position:
    return bought(of, contract=factories.contract(strike=str(strike)))


def place(wanted, at) -> None:
    """As an exit check does: positions locked by ascending id, then the intents written."""
    with transaction.atomic():
        ids = [position.pk for position, *_ in wanted]
        locked = Position.objects.filter(pk__in=ids).order_by("id").select_for_update(no_key=True, of=("self",))
        held = {position.pk: position for position in locked}
        intents = []
        for position, intent, quantity in wanted:
            first = position.slices.get(number=1)
            slices = ((first.pk, quantity),) if intent == "slice" else ()
            prices = {"reference_mid": Decimal("47.00"), "reference_bid": Decimal("47.00"), "quote_at": at}
            intents.append(ExitIntent(position.pk, intent, quantity, slices, {}, **prices))
        place_exits(intents, at={position.portfolio_id: at for position in held.values()}, now=at)


def test_a_pass_that_cannot_have_the_lock_gives_way_and_loses_nothing(broker):
    of = portfolio()
    order = opening(of, 2)
    quote(order.contract, START, "44.60", "44.60")
    with transaction.atomic():
        lock_portfolio_row(of.pk)
        (worked,) = at_once(lambda: work(START))
    assert not worked.changed
    assert not order.children.exists()
    work(START)
    order.refresh_from_db()
    assert order.status == "filled"
