"""What may be asked of an entry: a number of contracts is taken as it is or refused, and nonsense is no request."""

from decimal import Decimal
from typing import Any

import pytest

from positions.models import (
    OptionContract,
)
from riskengine.services.decide.request import EntryRequest
from tests.riskengine import market
from tests.riskengine.entering import checked, enter, failed, refused
from tests.riskengine.market import Bet
from tests.riskengine.test_preview_gates import REFUSED_0DTE

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Bet:
    return checked(market.zero_dte())


# ---- A number of contracts that is asked for ----


@pytest.mark.parametrize(("contracts", "code"), [(2, "CONTRACTS_UNDER_MINIMUM"), (6, "CONTRACTS_OVER_LIMIT")])
def test_a_number_outside_the_limits_is_refused_and_never_changed(bet: Bet, contracts: int, code: str) -> None:
    authorised = enter(bet, contracts=contracts)
    assert refused(authorised) == code
    assert authorised.decision.indicative_contracts == 3


@pytest.mark.parametrize("contracts", [3, 4, 5])
def test_a_number_within_the_limits_is_taken_whatever_the_factors_ask_for(bet: Bet, contracts: int) -> None:
    authorised = enter(bet, contracts=contracts)
    assert authorised.decision.contracts == contracts
    assert authorised.order is not None
    assert authorised.order.quantity == contracts


def test_the_refusal_of_a_number_says_what_it_may_cost_and_which_limit_it_passes(bet: Bet) -> None:
    sentence = enter(bet, contracts=6).decision.refusal_sentence
    assert sentence.startswith(
        "The contracts asked for may cost $26,880, more than the limit “Maximum bet” allows: $24,000."
    )
    assert enter(bet, contracts=2).decision.refusal_sentence.startswith(
        "The contracts asked for cost $8,880, under the minimum bet of $12,000."
    )


def test_gates_judge_the_number_that_is_asked_for(bet: Bet) -> None:
    REFUSED_0DTE["OI_TOO_THIN"][0](bet)  # 2 contracts would pass
    bet.revise(min_position_size="0.10")
    assert failed(enter(bet, contracts=3).decision) == ["OI_TOO_THIN"]
    assert enter(bet, contracts=2).order is not None


def test_a_number_is_not_asked_to_round_well(bet: Bet) -> None:
    expensive = market.spxw("3600")
    market.quote(expensive, bet.at.replace(second=0), bid="160.00", ask="161.00")
    bet.revise(max_portfolio_delta="10", max_portfolio_gamma="10")
    assert refused(enter(bet, contract=expensive)) == "CONTRACT_GRANULARITY"
    assert enter(bet, contract=expensive, contracts=1).order is not None


# ---- What cannot be asked ----


@pytest.mark.parametrize(
    "asked",
    [{"contracts": 0}, {"contracts": -1}, {"contracts": 1_000_001}, {"pace": "urgent"}, {"pace": ""}],
    ids=str,
)
def test_a_request_that_makes_no_sense_is_no_request(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        EntryRequest(OptionContract(), Decimal("0.7"), **asked)
    for confidence in ("NaN", "-0.1", "1.1", "Infinity"):
        with pytest.raises(ValueError):
            EntryRequest(OptionContract(), Decimal(confidence))
