"""A bet beside the open ones: judged by how both closed, and by the worst case where that is not known."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from positions.models import DailyClose, Instrument
from tests import oracle
from tests.riskengine import market
from tests.riskengine.answer import failed, inputs, step
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db

Moves = Callable[[int], float]


def up_and_down(number: int) -> float:
    return 1 if number % 2 else -1


def down_and_up(number: int) -> float:
    return -up_and_down(number)


def two_and_two(number: int) -> float:
    """Unrelated to the other two."""
    return 1 if number % 4 < 2 else -1


def holding_qqq(right: str = "C") -> Bet:
    bet = market.zero_dte()
    of = market.stock("QQQ", "310", right, expires=market.MONDAY)
    known_at = bet.at.replace(second=0)
    market.bar("QQQ", known_at, Decimal(310))
    market.quote(of, known_at, bid="1.95", ask="2.00")
    bet.hold(of, 5, "2.00")
    return bet


@pytest.mark.parametrize(
    ("moves", "right", "risk", "codes"),
    [
        (up_and_down, "C", 1, ["MAX_CORRELATION"]),
        (up_and_down, "P", 0, []),
        (down_and_up, "P", 1, ["MAX_CORRELATION"]),
        (two_and_two, "C", 0, []),
        (None, "C", 1, ["CORRELATION_UNKNOWN", "MAX_CORRELATION"]),
    ],
    ids=["moves alike", "a hedge", "a put that moves opposite", "unrelated", "no closes: the worst case"],
)
def test_a_bet_beside_another_is_judged_by_how_both_closed(
    moves: Moves | None, right: str, risk: float, codes: list[str]
) -> None:
    bet = holding_qqq(right)
    market.closes("SPX", up_and_down)
    if moves is not None:
        market.closes("QQQ", moves)
    preview = bet.preview()
    assert failed(preview) == codes
    assert step(preview, "CORRELATION")["input"] == pytest.approx(risk, abs=1e-3)


@pytest.mark.parametrize(("last", "known"), [(3, True), (4, False)])
def test_closes_that_end_too_long_ago_measure_nothing(last: int, known: bool) -> None:
    bet = holding_qqq("P")
    market.closes("SPX", up_and_down)
    market.closes("QQQ", up_and_down)
    days = sorted(DailyClose.objects.filter(instrument__symbol="QQQ").values_list("session_on", flat=True))
    DailyClose.objects.filter(instrument__symbol="QQQ", session_on__in=days[-last:]).delete()
    assert ("CORRELATION_UNKNOWN" not in failed(bet.preview())) is known


def test_closes_of_the_day_itself_are_never_read() -> None:
    bet = holding_qqq("P")
    market.closes("SPX", up_and_down)
    market.closes("QQQ", up_and_down)
    before = bet.preview()
    DailyClose.objects.create(
        instrument=Instrument.objects.get(symbol="QQQ"),
        session_on=market.MONDAY,
        close=1,
        adjusted_close=1,
        source="test",
    )
    assert bet.preview() == before


def holding_msft(**moves: Moves) -> Bet:
    bet = market.seven_dte()
    of = market.stock("MSFT", "220")
    market.quote(of, bet.at.replace(second=0), bid="4.95", ask="5.00")
    bet.hold(of, 10, "5.00")
    for symbol, how in moves.items():
        market.closes(symbol, how)
    return bet


@pytest.mark.parametrize(
    ("moves", "rho"),
    [({"AAPL": up_and_down, "MSFT": up_and_down}, "1"), ({"AAPL": up_and_down, "MSFT": two_and_two}, "0"), ({}, None)],
    ids=["alike", "unrelated", "no closes"],
)
def test_a_7dte_size_with_correlated_stocks_is_the_referees(moves: dict[str, Moves], rho: str | None) -> None:
    preview = holding_msft(**moves).preview("0.9")
    given = {"confidence": "0.9", "option_price": "5", "portfolio_value": "100000", "buying_power": "95000"}
    expected = oracle.size_7dte({**given, "correlations": [rho]})
    assert (preview["answer"]["indicative_contracts"], preview["answer"]["binding"]) == (
        expected["contracts"],
        expected["binding"],
    )


@pytest.mark.parametrize("alias_is", ["AAPL", "MSFT"], ids=["the bet's stock", "the open position's stock"])
def test_closes_of_another_class_are_read_and_labelled(alias_is: str) -> None:
    other = {"AAPL": "MSFT", "MSFT": "AAPL"}[alias_is]
    bet = holding_msft(GOOGL=up_and_down, **{other: up_and_down})
    label = "closes of GOOGL (class A) read for GOOG (class C)"
    googl = Instrument.objects.get(symbol="GOOGL")
    Instrument.objects.filter(symbol=alias_is).update(closes_alias=googl, closes_alias_label=label)
    found = inputs(bet.preview())["correlation"]
    assert (found["value"], found["note"]) == (pytest.approx(1), label)
