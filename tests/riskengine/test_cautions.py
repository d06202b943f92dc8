"""What is said beside a size: each warning of SPEC 7.5 exactly when its trigger holds, and what a bet can cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from positions.models import EquitySnapshot, Portfolio, UnderlyingBar, VixReading
from tests import factories
from tests.riskengine import market
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Situation:
    """A healthy bet, and what is different."""

    make: Callable[..., Bet] = market.zero_dte
    confidence: str = "0.70"
    spoil: Callable[[Bet], Any] = lambda bet: None
    odds: Mapping[str, Decimal] = field(default_factory=dict)

    def advice(self) -> dict[str, str]:
        bet = self.make()
        self.spoil(bet)
        said = bet.preview(self.confidence, **self.odds)["advice"]
        assert [each["code"] for each in said] == sorted(
            (each["code"] for each in said), key=lambda code: int(code[1:])
        )
        return {each["code"]: each["text"] for each in said}


def revised(**numbers: Any) -> Callable[[Bet], None]:
    return lambda bet: bet.revise(**numbers)


def vix(level: str) -> Callable[[Bet], Any]:
    return lambda bet: VixReading.objects.filter(session_on=market.MONDAY).update(open=level)


def quoted(bid: str, ask: str, **numbers: Any) -> Callable[[Bet], None]:
    def spoil(bet: Bet) -> None:
        bet.quote(bid=bid, ask=ask)
        if numbers:
            bet.revise(**numbers)

    return spoil


def equity(dollars: str) -> Callable[[Bet], None]:
    def spoil(bet: Bet) -> None:
        EquitySnapshot.objects.update(equity_start_of_day=dollars)
        Portfolio.objects.update(cash=dollars, settled_cash=dollars)

    return spoil


def held(right: str) -> Callable[[Bet], None]:
    def spoil(bet: Bet) -> None:
        of = market.spxw("3720", right)
        market.quote(of, bet.at.replace(second=0), bid="30.00", ask="30.20")
        bet.hold(of, 1, "30.00")

    return spoil


def closed(*results: int) -> Callable[[Bet], None]:
    def spoil(bet: Bet) -> None:
        for result in results:
            ended = {"status": "closed", "quantity_open": 0, "closed_at": bet.at - timedelta(days=1)}
            factories.position(bet.portfolio, contract=bet.contract, realised_pnl=result, close_cause="slice", **ended)

    return spoil


def odds(chance: str, payoff: str) -> dict[str, Decimal]:
    return {"win_probability": Decimal(chance), "payoff": Decimal(payoff)}


ZERO, SEVEN = market.zero_dte, market.seven_dte
# (where it is said, what it says, where it is just not said)
SAID: dict[str, tuple[Situation, str, Situation]] = {
    "W1": (
        Situation(),
        (
            "This bet is 22.2% of the account in one option; the whole amount can be lost. At a 55% even-money edge "
            "full Kelly is 10%."
        ),
        Situation(confidence="0.65", spoil=quoted("59.60", "60.00", min_position_size="0.10")),
    ),
    "W2": (
        Situation(odds=odds("0.55", "1")),
        (
            "Your numbers give full Kelly 10.0%; this bet is 2.2 times that: about zero or negative growth even with "
            "the edge."
        ),
        Situation(),
    ),
    "W3": (
        Situation(confidence="0.65", spoil=vix("20.01")),
        "The risk factors ask for $10,800. The minimum-bet rule raises it to $12,000.",
        Situation(confidence="0.65", spoil=vix("20")),
    ),
    "W4": (
        Situation(confidence="0.65", spoil=vix("30")),
        "The VIX cut has no effect at this confidence.",
        Situation(confidence="0.70", spoil=vix("30")),
    ),
    "W5": (
        Situation(SEVEN, spoil=revised(max_stock_allocation="0.20")),
        "Your own limit for this stock is 20%; this bet is 33%.",
        Situation(SEVEN, spoil=revised(max_stock_allocation="0.33")),
    ),
    "W6": (
        Situation(SEVEN, confidence="0.65"),
        "$6,600 at the stop, 2.9 times your 2% budget; $33,000 if the stop fails.",
        Situation(SEVEN, confidence="0.65", spoil=revised(max_portfolio_risk="0.06")),
    ),
    "W7": (
        Situation(),
        "A total loss ends the day and reaches the emergency halt. The halt cannot undo it.",
        Situation(spoil=revised(max_daily_loss="0.222", emergency_halt_loss="0.30")),
    ),
    "W8": (
        Situation(SEVEN, spoil=equity("80000")),
        "The minimum is now 41.2% of equity, rising as equity falls; at $50,000 betting ends.",
        Situation(SEVEN, spoil=equity("100000")),
    ),
    "W9": (
        Situation(spoil=quoted("43.30", "44.40")),
        "Costs of $1.113 a share take 50% of the first target.",
        Situation(spoil=quoted("43.31", "44.40")),
    ),
    "W10": (
        Situation(),
        "This ladder with this stop needs 71% winners; this account has no closed trades yet.",
        Situation(confidence="0.65", spoil=equity("11000")),
    ),
    "W11": (
        Situation(),
        "This bet stands for $1,116,000: 19 times the account. It settles in cash.",
        Situation(SEVEN),
    ),
    "W12": (
        Situation(SEVEN, confidence="0.65"),
        "This bet is held over a close. A stop does not act overnight: 5% against it in the stock is −$17,973.",
        Situation(),
    ),
    "W13": (
        Situation(spoil=held("C")),
        "Together with the correlated positions this is one bet of 27.2% of the account.",
        Situation(spoil=held("P")),
    ),
    "W14": (
        Situation(spoil=closed(100, -100)),
        "Paper account with 2 closed trades. 30 trades cannot establish an edge.",
        Situation(spoil=lambda bet: Portfolio.objects.update(mode="off")),
    ),
}


@pytest.mark.parametrize("code", SAID)
def test_a_warning_is_said_when_its_trigger_holds(code: str) -> None:
    where, text, _ = SAID[code]
    assert where.advice()[code] == text


@pytest.mark.parametrize("code", SAID)
def test_a_warning_is_not_said_when_its_trigger_just_does_not_hold(code: str) -> None:
    *_, where = SAID[code]
    assert code not in where.advice()


@pytest.mark.parametrize(
    ("level", "confidence", "said"),
    [("20", "0.65", False), ("20.01", "0.65", True), ("30.01", "0.65", False), ("25", "0.699999", True)],
)
def test_the_lost_vix_cut_is_said_from_20_to_30_at_base_confidence(level: str, confidence: str, said: bool) -> None:
    assert ("W4" in Situation(confidence=confidence, spoil=vix(level)).advice()) is said


def test_what_settles_in_cash_is_not_said_to_deliver_shares() -> None:
    assert Situation().advice()["W11"] == ("This bet stands for $1,116,000: 19 times the account. It settles in cash.")


def test_a_total_loss_within_the_emergency_limit_ends_the_day_only() -> None:
    said = Situation(spoil=revised(emergency_halt_loss="0.25")).advice()["W7"]
    assert said == "A total loss ends the day: it is more than what is left of the daily limit."


@pytest.mark.parametrize(
    ("chance", "text"),
    [
        ("0.7", "Your numbers give full Kelly 40.0%; this bet is 0.6 times that."),
        ("0.5", "Your numbers give full Kelly 0.0%: with these odds no bet grows the account."),
    ],
)
def test_the_users_own_odds_are_set_beside_the_bet(chance: str, text: str) -> None:
    assert Situation(odds=odds(chance, "1")).advice()["W2"] == text


def test_kelly_needs_both_of_the_users_numbers() -> None:
    bet = market.zero_dte()
    assert bet.preview()["kelly"] is None
    assert bet.preview(win_probability=Decimal("0.55"))["kelly"] is None
    assert bet.preview(**odds("0.55", "1"))["kelly"] == {"fraction": 0.1, "times": pytest.approx(2.22)}
    assert bet.preview(**odds("0.5", "1"))["kelly"] == {"fraction": 0, "times": None}
    assert bet.preview(**odds("0.5", "0"))["kelly"] == {"fraction": None, "times": None}


def test_the_record_stands_beside_what_the_ladder_needs_with_its_interval() -> None:
    said = Situation(spoil=closed(100, 50, -100, 0)).advice()["W10"]
    assert said == (
        "This ladder with this stop needs 71% winners; your record: 50% (95% interval 15% to 85%, 4 trades)."
    )


def test_a_bet_without_a_size_has_no_costs_and_no_advice() -> None:
    bet = market.zero_dte()
    Portfolio.objects.update(settled_cash=0)
    preview = bet.preview(**odds("0.55", "1"))
    assert (preview["costs"], preview["advice"]) == ([], [])


def test_a_refused_bet_that_has_a_size_keeps_its_advice() -> None:
    assert {"W1", "W7", "W10"} <= Situation(confidence="0.64").advice().keys()


# ---- What it can cost ----


def costs(preview: dict[str, Any]) -> dict[str, float | None]:
    return {each["code"]: each["dollars"] for each in preview["costs"]}


def test_a_bets_costs_are_those_of_its_contracts_at_the_ask() -> None:
    preview = market.zero_dte().preview()
    known = {
        "AT_STOP": 3330,
        "TOTAL_LOSS": 13_320,
        "HALF_SPREAD": 60,
        "FEES": 3.90,
        "ONE_PERCENT": 300 * preview["market"]["delta"] * 37.20,
        "THETA_HOUR": 300 * preview["market"]["theta_per_day"] / 24,
        "EXERCISE": 1_116_000,
        "GAP_BEFORE": 0,
        "GAP_AFTER": 13_320,
    }
    assert costs(preview) == pytest.approx(known)
    shares = {each["code"]: each["share_of_equity"] for each in preview["costs"]}
    assert (shares["AT_STOP"], shares["TOTAL_LOSS"], shares["GAP_AFTER"]) == (0.0555, 0.222, 0.222)


def test_the_gap_to_zero_counts_what_is_open_at_its_mark() -> None:
    bet = market.zero_dte()
    held("P")(bet)
    found = costs(bet.preview())
    assert (found["GAP_BEFORE"], found["GAP_AFTER"]) == (3010, 16_330)


def test_what_is_not_known_costs_unknown_and_not_nothing() -> None:
    bet = market.seven_dte()
    UnderlyingBar.objects.all().delete()
    found = costs(bet.preview())
    assert [found[code] for code in ("ONE_PERCENT", "THETA_HOUR", "EXERCISE")] == [None, None, None]
    assert found["TOTAL_LOSS"] == 41_000


@pytest.mark.parametrize(("losses", "told"), [(10, True), (9, False)])
def test_thirty_trades_of_ones_own_are_odds_and_twenty_nine_are_not(losses: int, told: bool) -> None:
    said = Situation(spoil=closed(*[100] * 20, *[-100] * losses)).advice()
    assert ("W2" in said) == told
