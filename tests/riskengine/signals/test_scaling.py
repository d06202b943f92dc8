"""What an account's closed trades leave of a confidence: the size scales with it, the gate never reads it (A-21)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from accounts.models import User
from riskengine.models import PriorTrade, TierReview
from riskengine.services.decide.what_if import what_if
from riskengine.services.signals.acting import review_tier
from riskengine.services.signals.record import confidence_record
from tests import factories
from tests.riskengine import market
from tests.riskengine.entering import checked, enter
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Bet:
    return checked(market.zero_dte())


def record(bet: Bet, confidence: str, won: int, lost: int, *, days_ago: int = 10, gain: str = "0.10") -> None:
    """Trades that the account closed before."""
    known = PriorTrade.objects.count()
    PriorTrade.objects.bulk_create(
        PriorTrade(
            portfolio=bet.portfolio,
            external_id=f"{known + number}",
            confidence=Decimal(confidence),
            gain_fraction=Decimal(gain) if number < won else Decimal("-0.25"),
            closed_at=bet.at - timedelta(days=days_ago),
            source="test",
        )
        for number in range(won + lost)
    )


def said(bet: Bet, name: str, confidence: str) -> tuple[float, str]:
    (item,) = [each for each in bet.preview(confidence)["inputs"] if each["name"] == name]
    return item["value"], item["note"]


def test_without_a_record_the_signal_is_taken_at_its_word(bet: Bet) -> None:
    assert said(bet, "scaling_confidence", "0.90") == (
        0.9, "as the signal says; 0 of the 30 closed trades that a calibration needs",
    )  # fmt: skip
    assert bet.preview("0.90")["answer"]["contracts"] == 5, "×2: 24,000 at 44.40"


def test_twenty_nine_trades_scale_nothing_and_the_thirtieth_begins(bet: Bet) -> None:
    record(bet, "0.90", 14, 15)
    assert said(bet, "scaling_confidence", "0.90")[0] == 0.9
    record(bet, "0.90", 0, 1)
    value, note = said(bet, "scaling_confidence", "0.90")
    assert value < 0.75
    assert note.startswith("bets from 0.9 on were won less often than they must be") or "calibrated" in note


def test_a_record_that_bears_the_confidence_out_leaves_it_alone(bet: Bet) -> None:
    record(bet, "0.90", 58, 2)
    value, note = said(bet, "scaling_confidence", "0.90")
    assert value == 0.9
    assert note.endswith("which never raises")


def test_the_gate_reads_the_raw_confidence_however_poor_the_record(bet: Bet) -> None:
    record(bet, "0.70", 20, 20, gain="0.40")
    decision = enter(bet, "0.70").decision
    assert decision.approved, decision.refusal_sentence
    assert decision.confidence == Decimal("0.700000")
    (gate,) = [each for each in decision.gates if each["rule"] == "MIN_CONFIDENCE"]
    assert (gate["input"], gate["passed"]) == (0.7, True)
    (step,) = [each for each in decision.trace["steps"] if each["rule"] == "CONFIDENCE"]
    assert step["input"] < 0.7
    assert step["value"] == 1


def test_a_tier_surely_under_its_break_even_bets_the_minimum_until_reviewed(bet: Bet) -> None:
    """Won a tenth less than nothing, lost a quarter: five of seven must be won, and 10 of 40 are."""
    record(bet, "0.82", 10, 30)
    value, note = said(bet, "scaling_confidence", "0.85")
    assert value == 0.0
    assert note == "bets from 0.8 on were won less often than they must be: the minimum bet until reviewed"
    manager = User.objects.create_superuser(username="manager", password="secret")
    review_tier(portfolio=bet.portfolio, tier=Decimal("0.8"), reason="New rules.", actor=manager, now=bet.wall())
    value, note = said(bet, "scaling_confidence", "0.85")
    assert 0.0 < value < 0.85, "the calibration stands; the tier scales again"
    record(bet, "0.82", 0, 40, days_ago=-0)
    assert TierReview.objects.get().trades == 40


def test_a_profile_that_scales_raw_still_stops_a_tier_under_its_break_even(bet: Bet) -> None:
    bet.revise(confidence_scaling="raw")
    record(bet, "0.72", 25, 15)
    assert said(bet, "scaling_confidence", "0.85")[0] == 0.85
    record(bet, "0.82", 10, 30)
    assert said(bet, "scaling_confidence", "0.85")[0] == 0.0


def test_only_a_risk_manager_reviews_a_tier_and_only_one_that_waits(bet: Bet) -> None:
    record(bet, "0.82", 10, 30)
    asked = {"portfolio": bet.portfolio, "reason": "Why not.", "now": bet.wall()}
    with pytest.raises(PermissionDenied):
        review_tier(**asked, tier=Decimal("0.8"), actor=factories.user())
    manager = User.objects.create_superuser(username="manager", password="secret")
    with pytest.raises(ValidationError, match="nothing to review"):
        review_tier(**asked, tier=Decimal("0.9"), actor=manager)
    with pytest.raises(ValidationError, match="Say why"):
        review_tier(**asked | {"reason": " "}, tier=Decimal("0.8"), actor=manager)


def test_a_review_of_one_tier_lets_no_other_tier_scale_again(bet: Bet) -> None:
    """Twenty trades of each of two tiers: without those of the reviewed one there are under thirty in the account."""
    record(bet, "0.82", 2, 18)
    record(bet, "0.72", 2, 18)
    manager = User.objects.create_superuser(username="manager", password="secret")
    review_tier(portfolio=bet.portfolio, tier=Decimal("0.8"), reason="New rules.", actor=manager, now=bet.wall())
    assert said(bet, "scaling_confidence", "0.72")[0] == 0.0, "nobody looked at this one"
    assert said(bet, "scaling_confidence", "0.82")[0] > 0.0


def test_a_review_made_after_the_moment_is_not_known_at_it(bet: Bet) -> None:
    record(bet, "0.82", 10, 30)
    manager = User.objects.create_superuser(username="manager", password="secret")
    later = bet.wall(bet.at + timedelta(minutes=1))
    review_tier(portfolio=bet.portfolio, tier=Decimal("0.8"), reason="New rules.", actor=manager, now=later)
    assert said(bet, "scaling_confidence", "0.85")[0] == 0.0


def test_trades_closed_after_the_moment_are_not_known_at_it(bet: Bet) -> None:
    record(bet, "0.90", 10, 30, days_ago=-1)
    assert said(bet, "scaling_confidence", "0.90")[0] == 0.9


def test_a_decision_is_computed_again_with_the_confidence_it_scaled_with(bet: Bet) -> None:
    record(bet, "0.70", 20, 20, gain="0.40")
    decision = enter(bet, "0.70").decision
    decision.refresh_from_db()
    again = what_if(decision, decision.revision)
    assert again["own"]["contracts"] == decision.indicative_contracts
    assert again["same"]


def test_prior_trades_are_neither_closes_nor_exposure(bet: Bet) -> None:
    """Thirty losses of before pause nothing: the losing streak is about positions held here."""
    record(bet, "0.70", 0, 30, days_ago=0)
    decision = enter(bet, "0.70").decision
    assert "COOLDOWN" not in [gate["rule"] for gate in decision.gates if not gate["passed"]]


def test_the_record_says_what_is_needed_and_what_waits(bet: Bet) -> None:
    record(bet, "0.82", 10, 30)
    found = confidence_record(bet.portfolio, now=bet.wall())
    assert (found["trades"], found["trades_needed"], found["calibrates"]) == (40, 30, True)
    assert found["waiting_for_review"] == [0.8]
    tier = found["tiers"][2]
    assert (tier["trades"], tier["wins"], tier["win_rate"]) == (40, 10, 0.25)
    assert tier["break_even"] == pytest.approx(0.25 / 0.35)
    assert found["record"]["expectancy"] == pytest.approx((10 * 0.10 - 30 * 0.25) / 40)
    assert found["brier"] > found["brier_of_base"]


def test_who_is_scaled_down_is_told_so_in_words_on_the_ticket_and_in_the_decision(bet: Bet) -> None:
    assert bet.preview("0.70")["warnings"] == []
    record(bet, "0.70", 20, 20, gain="0.40")
    (said,) = bet.preview("0.70")["warnings"]
    assert said.startswith("The size scales with 0.5")
    assert said.endswith("The gate reads 0.70.")
    decision = enter(bet, "0.70").decision
    assert {"code": "CONFIDENCE_SCALED", "text": said} in decision.warnings
