"""The gate of ex-dividend dates: of a 7DTE call, where the profile refuses them (SPEC section 9)."""

from datetime import timedelta

import pytest

from positions.models import ExDividendDate
from tests.riskengine import market
from tests.riskengine.answer import failed
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db

CODE = "EX_DIVIDEND_BEFORE_EXPIRY"


def goes_ex(bet: Bet, days: int) -> None:
    ExDividendDate.objects.create(
        instrument=bet.contract.underlying,
        ex_on=market.MONDAY + timedelta(days=days),
        amount_per_share="0.2050",
        source="test",
    )


def refusing(**changes: object) -> Bet:
    bet = market.seven_dte(**changes)
    bet.revise(refuse_ex_dividend_before_expiry=True)
    return bet


@pytest.mark.parametrize(
    ("days", "refused"), [(-1, False), (0, False), (1, True), (7, True), (8, False)],
    ids=["yesterday", "today", "tomorrow", "on expiration", "after it"],
)  # fmt: skip
def test_a_call_is_refused_from_tomorrow_to_the_expiration(days: int, refused: bool) -> None:
    bet = refusing()
    goes_ex(bet, days)
    assert failed(bet.preview()) == [CODE] * refused


def test_it_says_why() -> None:
    bet = refusing()
    goes_ex(bet, 3)
    answer = bet.preview()["answer"]
    assert answer["refusal"] == {
        "code": CODE,
        "sentence": "The share trades without its dividend before the expiration, and the call falls with it.",
    }
    assert (answer["approved"], answer["contracts"]) == (False, 0)


def test_a_put_is_not_refused() -> None:
    bet = refusing(contract=market.stock("AAPL", "130", right="P"))
    goes_ex(bet, 3)
    assert failed(bet.preview()) == []


def test_nor_is_a_call_where_the_profile_does_not_ask_for_it() -> None:
    bet = market.seven_dte()
    goes_ex(bet, 3)
    assert failed(bet.preview()) == []


def test_nor_one_without_a_date_on_record() -> None:
    assert failed(refusing().preview()) == []


def test_a_bet_that_ends_today_is_not_asked() -> None:
    bet = market.zero_dte()
    goes_ex(bet, 1)
    assert CODE not in [gate["rule"] for gate in bet.preview()["trace"]["gates"]]
