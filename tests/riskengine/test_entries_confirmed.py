"""An entry that waits for a person is placed once, by a decision of its own; a request repeated is the same one."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from positions.models import Decision, Order, Portfolio
from positions.services.portfolio import ClockSetting
from riskengine.services.decide.entries import IdempotencyConflict, NothingToConfirm
from tests import factories
from tests.riskengine import market
from tests.riskengine.entering import checked, confirm, enter, refused
from tests.riskengine.market import Bet
from tests.riskengine.test_preview_gates import held

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Bet:
    return checked(market.zero_dte())


# ---- Waiting for a person ----


@pytest.fixture(params=["live-manual", "first limit"])
def waiting(bet: Bet, request: pytest.FixtureRequest) -> Bet:
    if request.param == "live-manual":
        Portfolio.objects.update(mode="live-manual", broker="alpaca")
    else:
        held(2, "60.00", "45.00")(bet)
    return bet


def test_an_entry_that_a_person_must_confirm_is_approved_without_an_order(waiting: Bet) -> None:
    authorised = enter(waiting)
    assert authorised.decision.approved
    assert authorised.order is None
    assert not authorised.decision.orders.exists()
    assert "WAITS_FOR_CONFIRMATION" in {each["code"] for each in authorised.decision.warnings}
    assert authorised.decision.confirmed_by is None


def test_one_that_says_it_is_confirmed_is_placed_at_once_in_the_name_of_who_confirmed(waiting: Bet) -> None:
    authorised = enter(waiting, confirmed=True, actor=waiting.portfolio.owner)
    assert authorised.order is not None
    assert authorised.decision.confirmed_by == waiting.portfolio.owner


def test_a_confirmation_within_the_minute_is_a_decision_of_its_own_and_places(waiting: Bet) -> None:
    first = enter(waiting, pace="patient").decision
    later = waiting.at + timedelta(seconds=49)
    second = confirm(waiting, first, at=later, actor=waiting.portfolio.owner)
    assert second.order is not None
    assert (second.order.decision, second.order.quantity, second.order.pace) == (second.decision, 3, "patient")
    assert (second.decision.limit_price, second.decision.confirmed_by) == (first.limit_price, waiting.portfolio.owner)
    assert (second.decision.decided_at, second.decision.inputs["confirms"]) == (later, first.pk)


def test_a_second_confirmation_is_the_same_order(waiting: Bet) -> None:
    first = enter(waiting).decision
    once, again = confirm(waiting, first), confirm(waiting, first)
    assert (again.decision, again.order, again.created) == (once.decision, once.order, False)
    assert Order.objects.filter(intent="open").count() == 1
    with pytest.raises(NothingToConfirm):
        confirm(waiting, once.decision)


def test_after_the_minute_it_has_expired(waiting: Bet) -> None:
    first = enter(waiting).decision
    waiting.quote(confirmed_at=waiting.at + timedelta(seconds=30))
    late = confirm(waiting, first, at=first.expires_at + timedelta(seconds=1))
    assert refused(late) == "DECISION_EXPIRED"
    assert late.decision.refusal_sentence == "The decision is 61 s old; it is good for 60 s."


def test_gates_are_judged_again_when_it_is_confirmed(waiting: Bet) -> None:
    first = enter(waiting).decision
    waiting.quote(bid="44.50")
    assert refused(confirm(waiting, first)) == "CROSSED_QUOTE"
    waiting.quote(bid="44.00")
    assert confirm(waiting, first).order is not None, "within its minute it may be tried again"


def test_limits_are_judged_again_at_the_price_that_was_approved(waiting: Bet) -> None:
    first = enter(waiting).decision
    Portfolio.objects.update(settled_cash=Decimal("13440.00"))
    assert refused(confirm(waiting, first)) == "CONTRACTS_OVER_LIMIT"


def test_a_size_that_was_authorised_does_not_lapse_because_the_price_fell(bet: Bet) -> None:
    Portfolio.objects.update(mode="live-manual", broker="alpaca")
    first = enter(bet, "0.65").decision  # 3 contracts: $13,320
    bet.quote(bid="39.00", ask="39.40")  # $11,820
    second = confirm(bet, first)
    assert second.order is not None
    assert second.decision.limit_price == first.limit_price


def test_a_confirmation_is_no_further_opening_intent(bet: Bet) -> None:
    Portfolio.objects.update(mode="live-manual", broker="alpaca")
    bet.revise(max_opening_intents=1)
    first = enter(bet).decision
    assert confirm(bet, first).order is not None


def test_what_was_refused_or_placed_cannot_be_confirmed(bet: Bet) -> None:
    placed = enter(bet).decision
    with pytest.raises(NothingToConfirm, match="is out"):
        confirm(bet, placed)
    no = enter(bet, "0.5").decision
    with pytest.raises(NothingToConfirm, match="MIN_CONFIDENCE"):
        confirm(bet, no)


# ---- The key ----


def test_the_same_key_and_request_is_the_same_decision_and_order(bet: Bet) -> None:
    first = enter(bet, key="a")
    bet.quote(bid=None)
    again = enter(bet, "0.7000", key="a", at=bet.at + timedelta(minutes=5))
    assert (again.decision, again.order, again.created) == (first.decision, first.order, False)
    assert Order.objects.count() == 1


def test_a_refusal_is_repeated_too(bet: Bet) -> None:
    first = enter(bet, "0.5", key="a")
    again = enter(bet, "0.5", key="a")
    assert (again.decision, again.created, refused(again)) == (first.decision, False, "MIN_CONFIDENCE")


@pytest.mark.parametrize(
    "other", [{"confidence": "0.71"}, {"contracts": 3}, {"pace": "fast"}, {"confirmed": True}], ids=str
)
def test_another_request_under_the_same_key_is_a_conflict(bet: Bet, other: dict[str, Any]) -> None:
    enter(bet, key="a")
    with pytest.raises(IdempotencyConflict, match="new key"):
        enter(bet, key="a", **other)
    with pytest.raises(IdempotencyConflict):
        enter(bet, key="confirm:1")
    assert Decision.objects.count() == 1


def test_a_key_is_a_portfolios_own_and_no_key_is_none(bet: Bet) -> None:
    enter(bet, key="a")
    clock = ClockSetting(kind="recorded", market_started_at=bet.at, label="test")
    others = factories.portfolio(of=bet.portfolio.profile, clock=clock, now=bet.wall())
    assert enter(Bet(others, bet.contract, bet.at), key="a").created
    assert enter(bet).created
