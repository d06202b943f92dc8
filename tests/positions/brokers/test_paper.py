"""What the paper broker fills, at which price, and what it leaves alone."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from positions.brokers.base import Answer, Instruction
from positions.brokers.paper import PaperBroker, match
from positions.models import PaperExecution, PaperOrder
from positions.services.desk import workplaces
from tests import factories
from tests.positions.market_day import CLOSE, OPEN, SECOND, START, portfolio, quote

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def of():
    return portfolio()


@pytest.fixture
def contract():
    return factories.contract()


def send(of, contract, side, quantity, limit, name="a", at=START):
    (said,) = PaperBroker().submit([Instruction(name, of.pk, contract.pk, side, quantity, D(limit))], at)
    return said


def fill(of, at: datetime = START) -> list[tuple[str, int, Decimal]]:
    known = set(PaperExecution.objects.values_list("pk", flat=True))
    match(of, at=at, terms=workplaces([of.pk])[of.pk][1])
    new = PaperExecution.objects.exclude(pk__in=known).order_by("id")
    return list(new.values_list("order__client_order_id", "quantity", "price"))


@pytest.mark.parametrize(("limit", "fills"), [("44.60", True), ("45.00", True), ("44.50", False)])
def test_a_buy_fills_at_the_ask_when_its_limit_reaches_it(of, contract, limit, fills):
    quote(contract, START, "44.00", "44.60")
    send(of, contract, "buy", 3, limit)
    assert fill(of) == ([("a", 3, D("44.60"))] if fills else [])


@pytest.mark.parametrize(("limit", "fills"), [("44.00", True), ("40.00", True), ("44.10", False)])
def test_a_sale_fills_at_the_bid_when_its_limit_reaches_it(of, contract, limit, fills):
    quote(contract, START, "44.00", "44.60")
    send(of, contract, "sell", 3, limit)
    assert fill(of) == ([("a", 3, D("44.00"))] if fills else [])


def test_extra_ticks_are_paid_on_every_fill_and_never_below_one_tick(contract):
    of = portfolio(of=factories.profile())
    of.paper_extra_ticks = 1
    quote(contract, START, "0.05", "2.95")
    send(of, contract, "buy", 1, "2.95", "buy")
    send(of, contract, "sell", 1, "0.05", "sell")
    assert fill(of) == [("buy", 1, D("3.00")), ("sell", 1, D("0.05"))]


def test_one_order_takes_the_size_of_one_quote_once(of, contract):
    quote(contract, START, "44.00", "44.60", size=7)
    send(of, contract, "sell", 20, "44.00")
    assert fill(of) == [("a", 7, D("44.00"))]
    assert fill(of, START + SECOND) == []
    quote(contract, START + 2 * SECOND, "44.00", "44.60", size=7)
    assert fill(of, START + 2 * SECOND) == [("a", 7, D("44.00"))]
    assert PaperExecution.objects.order_by("id").values_list("execution_id", flat=True)[1] == "a-2"


def test_orders_at_the_same_moment_share_the_size_the_oldest_first(of, contract):
    quote(contract, START, "44.00", "44.60", size=5)
    for name in "abc":
        send(of, contract, "sell", 3, "44.00", name)
    assert fill(of) == [("a", 3, D("44.00")), ("b", 2, D("44.00"))]
    assert fill(of) == []
    send(of, contract, "buy", 3, "44.60", "other side")
    assert fill(of) == [("other side", 3, D("44.60"))]


def test_the_fee_is_the_profiles_to_the_cent(of, contract):
    quote(contract, START, "44.00", "44.60")
    send(of, contract, "buy", 3, "44.60")
    fill(of)
    assert PaperExecution.objects.get().fee == D("1.95")


@pytest.mark.parametrize(
    ("side", "bid", "ask", "fills"),
    [
        ("buy", None, "44.60", True),
        ("sell", "44.00", None, True),
        ("sell", "44.00", "0", True),
        ("buy", "44.00", None, False),
        ("buy", "44.00", "0", False),
        ("sell", None, "44.60", False),
        ("sell", "0", "44.60", False),
        ("buy", "44.70", "44.60", False),  # crossed
        ("sell", "44.70", "44.60", False),
        ("buy", "44.60", "44.60", True),  # locked
    ],
)
def test_a_missing_or_crossed_side_fills_nothing(of, contract, side, bid, ask, fills):
    quote(contract, START, bid, ask)
    send(of, contract, side, 1, "50.00" if side == "buy" else "1.00")
    assert bool(fill(of)) is fills


def test_a_stale_quote_fills_nothing(of, contract):
    quote(contract, START, "44.00", "44.60")
    send(of, contract, "buy", 1, "44.60")
    assert fill(of, START + timedelta(seconds=61)) == []
    assert len(fill(of, START + timedelta(seconds=60))) == 1


@pytest.mark.parametrize(
    ("at", "fills"), [(OPEN - SECOND, False), (OPEN, True), (CLOSE - SECOND, True), (CLOSE, False)]
)
def test_fills_happen_in_the_session_only(of, contract, at, fills):
    quote(contract, at, "44.00", "44.60")
    send(of, contract, "buy", 1, "44.60", at=at)
    assert bool(fill(of, at)) is fills


def test_a_quote_of_another_source_fills_nothing(of, contract):
    quote(contract, START, "44.00", "44.60")
    of.quote_source = "another"
    send(of, contract, "buy", 1, "44.60")
    assert fill(of) == []


def test_the_same_client_id_is_the_same_order(of, contract):
    send(of, contract, "buy", 3, "44.60")
    said = send(of, contract, "buy", 5, "44.60")
    assert said.answer is Answer.WORKING
    assert [order.quantity for order in PaperOrder.objects.all()] == [3]


def test_a_cancel_says_how_much_was_filled_and_is_harmless_twice(of, contract):
    quote(contract, START, "44.00", "44.60", size=2)
    send(of, contract, "buy", 3, "44.60")
    fill(of)
    for _ in range(2):
        (said,) = PaperBroker().cancel(["a"], START)
        assert (said.answer, said.filled_quantity) == (Answer.CANCELLED, 2)
    assert fill(of, START + SECOND) == []


def test_an_order_never_heard_of_is_absent(of):
    broker = PaperBroker()
    assert [each.answer for each in broker.lookup(["x"]) + broker.cancel(["y"], START)] == [Answer.ABSENT] * 2


def test_executions_are_told_from_a_moment_on(of, contract):
    quote(contract, START, "44.00", "44.60")
    send(of, contract, "buy", 3, "44.60")
    fill(of)
    broker = PaperBroker()
    (told,) = broker.executions(of, START)
    assert (told.execution_id, told.client_order_id, told.quantity, told.fee) == ("a-1", "a", 3, D("1.95"))
    assert (told.quote_bid, told.quote_ask) == (D("44.00"), D("44.60"))
    assert broker.executions(of, START + SECOND) == []
    assert broker.executions(portfolio(), START) == []
