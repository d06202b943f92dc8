"""What a person is told about a bet: each warning at its trigger, silent just before it, and never about no bet."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from riskengine.calculators import advice
from riskengine.calculators.limits import Limits
from tests.calculators.book import limits_0dte, limits_7dte

pytestmark = pytest.mark.filterwarnings("error")

# A small bet about which nothing need be said.
QUIET = {
    "dollars": 5000.0,
    "equity": 100000.0,
    "basis": 100000.0,
    "loss_at_stop": 1250.0,
    "minimum": 4000.0,
    "asked": 5000.0,
    "vix": 15.0,
    "confidence_factor": 1.0,
    "allocation": 66000.0,
    "risk_budget": 2000.0,
    "day_pnl": 0.0,
    "minimum_rises": 100000.0,
    "round_trip_cost": 0.05,
    "first_target": 0.10,
    "shares": 4000.0,
    "notional": 1000000.0,
    "loss_at_minus_5": 0.0,
    "correlated_dollars": 5000.0,
}


def told(limits: Limits | None = None, **changes: float) -> dict[str, str]:
    facts = {name: np.array([value]) for name, value in (QUIET | changes).items()}
    said = advice.advise(advice.bets_of(1, **facts), limits or limits_0dte())[0]
    return {each["code"]: each["text"] for each in said}


def test_a_small_bet_within_all_budgets_needs_no_word() -> None:
    assert told() == {}


@pytest.mark.parametrize(
    ("code", "silent", "speaks", "words"),
    [
        ("W1", {"dollars": 10000.0, "correlated_dollars": 0.0, "risk_budget": 1e6, "day_pnl": 0.0, "asked": 1e4},
         {"dollars": 10000.01, "correlated_dollars": 0.0, "risk_budget": 1e6, "asked": 1e4}, "10.0% of the account"),
        ("W3", {"asked": 4000.0}, {"asked": 3999.0}, "ask for $3,999. The minimum-bet rule raises it to $4,000"),
        ("W4", {"vix": 20.0}, {"vix": 20.01}, "no effect"),
        ("W4", {"vix": 30.01}, {"vix": 30.0}, "no effect"),
        ("W4", {"vix": 25.0, "confidence_factor": 1.25}, {"vix": 25.0}, "no effect"),
        ("W5", {"allocation": 5000.0}, {"allocation": 4000.0}, "limit for this stock is 4%; this bet is 5%"),
        ("W5", {"allocation": 5000.0, "minimum": 5000.0}, {"allocation": 4999.99}, "limit for this stock is 5%"),
        ("W6", {"risk_budget": 1250.0}, {"risk_budget": 1249.99}, "$1,250 at the stop, 1 times your 2% budget"),
        ("W7", {"day_pnl": -5000.0}, {"day_pnl": -5000.01}, "A total loss ends the day"),
        ("W8", {"minimum_rises": 100000.0}, {"minimum_rises": 100000.01}, "The minimum is now 4.0% of equity"),
        ("W9", {"round_trip_cost": 0.05}, {"round_trip_cost": 0.0501}, "of the first target"),
        ("W10", {}, {"break_even": 0.713, "record_trades": 0.0}, "71% winners; this account has no closed trades"),
        ("W11", {"notional": 1000000.0}, {"notional": 1000000.01}, "4,000 shares, $1,000,000: 10 times the account"),
        ("W12", {"loss_at_minus_5": 0.0}, {"loss_at_minus_5": 2500.0}, "−$2,500"),
        ("W13", {"correlated_dollars": 5000.0}, {"correlated_dollars": 15000.0}, "one bet of 15.0% of the account"),
        ("W14", {}, {"paper_trades": 12.0}, "12 closed trades. 30 trades cannot establish an edge"),
    ],
)  # fmt: skip
def test_each_warning_speaks_at_its_trigger_and_not_before(
    code: str, silent: dict[str, float], speaks: dict[str, float], words: str
) -> None:
    assert code not in told(**silent)
    assert words in told(**speaks)[code]


@pytest.mark.parametrize(
    ("kelly", "words"),
    [
        (0.10, "full Kelly 10.0%; this bet is 0.5 times that."),
        (0.04, "full Kelly 4.0%; this bet is 1.2 times that."),
        (0.02, "2.5 times that: about zero or negative growth even with the edge."),
        (-0.05, "no bet grows the account"),
    ],
)
def test_kelly_is_compared_with_the_bet(kelly: float, words: str) -> None:
    assert words in told(kelly=kelly)["W2"]


def test_a_total_loss_that_reaches_the_halt_says_so() -> None:
    assert "reaches the emergency halt" in told(day_pnl=-15000.0)["W7"]
    assert "reaches the emergency halt" not in told(day_pnl=-14999.0)["W7"]


def test_a_record_stands_with_its_interval_and_its_number_of_trades() -> None:
    record = {"record_wins": 30.0, "record_trades": 50.0, "record_low": 0.46, "record_high": 0.72}
    said = told(break_even=0.713, **record)["W10"]
    assert said.endswith("your record: 60% (95% interval 46% to 72%, 50 trades).")


def test_what_is_not_known_gives_no_advice() -> None:
    assert advice.advise(advice.bets_of(2), limits_7dte()) == [[], []]


@pytest.mark.parametrize("equity", [0.0, -5.0, float("-inf"), float("nan")])
@pytest.mark.parametrize("day_pnl", [0.0, -20000.0])
def test_nothing_is_said_of_a_bet_that_is_not_made_on_an_unusable_account(equity: float, day_pnl: float) -> None:
    facts = {"dollars": 0.0, "equity": equity, "minimum": equity, "risk_budget": equity, "allocation": equity}
    assert told(**facts, day_pnl=day_pnl, kelly=0.1, break_even=0.7, paper_trades=3.0, asked=0.0) == {}


def test_an_account_too_small_to_bet_is_told_why_the_minimum_rose() -> None:
    assert set(told(dollars=0.0, equity=49999.99, minimum=33000.0)) == {"W8"}


@pytest.mark.parametrize("limits", [limits_0dte(), limits_7dte()], ids=["0dte", "7dte"])
def test_no_fact_however_odd_breaks_the_advice(limits: Limits) -> None:
    """A sized bet has an account and a budget above nothing; every other fact may be anything."""
    rng = np.random.default_rng(5)
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-300, 1e300, 1.0, 1e5])
    facts = {f.name: rng.choice(odd, 2000) for f in fields(advice.Bets)}
    facts |= {name: np.where(facts[name] > 0, facts[name], np.nan) for name in ("equity", "risk_budget")}
    assert len(advice.advise(advice.Bets(**facts), limits)) == 2000


def test_the_warnings_quote_the_row_s_own_limits() -> None:
    two: dict[str, Any] = {name: np.array([value, value]) for name, value in QUIET.items()}
    two |= {"loss_at_stop": np.array([1250.0, 2500.0])}
    limits = replace(limits_0dte(), max_portfolio_risk=np.array([0.02, 0.03]))
    said = advice.advise(advice.bets_of(2, **two), limits)
    assert [[each["code"] for each in row] for row in said] == [[], ["W6"]]
    assert said[1][0]["text"].startswith("$2,500 at the stop, 1.2 times your 3% budget")


def test_warnings_of_the_case_files_are_worded_as_they_word_them() -> None:
    assert advice.risk_budget(6600.0, 2200.0, 0.20) == (
        "RISK_BUDGET: loss at the 20% stop $6600.00 = 3.00x the $2200.00 budget"
    )
    assert advice.minimum_overrides_allocation(0.20, 20000.0) == (
        "MINIMUM_OVERRIDES_ALLOCATION: profile allows 20% = $20000.00"
    )
