"""An entry is authorised as a whole or not at all, and the row that says so can be recomputed."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from positions.market.calendar import OutsideCalendar
from positions.models import (
    Decision,
    ExchangeSession,
    Heartbeat,
    MarketClock,
    Order,
    OrderEvent,
    Portfolio,
    Position,
)
from positions.services.reconciliation import await_reconciliation, reconcile_waiting
from positions.services.working import work_orders
from riskengine.services.decide.plan import exit_plan
from tests import factories
from tests.riskengine import market
from tests.riskengine.entering import checked, enter, failed, refused, reserved
from tests.riskengine.market import Bet
from tests.riskengine.test_preview_gates import ALLOWED_0DTE, ALLOWED_7DTE, REFUSED_0DTE, REFUSED_7DTE, Spoil

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Bet:
    return checked(market.zero_dte())


@pytest.fixture
def weekly() -> Bet:
    """206 contracts at 1.96 x 2.00: a tick of a cent, so that the worst price, 2.01, is above the ask."""
    return checked(market.seven_dte(bid="1.96", ask="2.00"))


# ---- Approved ----


def test_an_approved_entry_is_a_decision_and_one_intent_reserved_at_the_worst_price(bet: Bet) -> None:
    authorised = enter(bet)
    decision, order = Decision.objects.get(), Order.objects.get()
    assert authorised == authorised.__class__(decision, order, True)
    assert (decision.approved, decision.refusal_code, decision.direction) == (True, "", "LONG_CALL")
    assert (decision.indicative_contracts, decision.contracts, decision.dollars) == (3, 3, Decimal("13320.00"))
    assert decision.limit_price == Decimal("44.80"), "44.40 + 1% of 44.20 is 44.842, on the tick under it"
    assert (decision.min_size_dollars, decision.scale_multiplier) == (Decimal(12_000), Decimal("1.11"))
    assert (decision.decided_at, decision.expires_at) == (bet.at, bet.at + timedelta(seconds=60))
    assert (order.intent, order.side, order.status, order.pace) == ("open", "buy", "planned", "normal")
    assert (order.decision, order.quantity, order.worst_price) == (decision, 3, Decimal("44.80"))
    assert (order.reference_mid, order.quote_at) == (Decimal("44.20"), bet.at.replace(second=0))
    assert reserved(bet.portfolio) == Decimal("13440.00")
    assert OrderEvent.objects.get().actor_name == "test"


def test_the_decision_keeps_what_it_was_made_from(bet: Bet) -> None:
    person = factories.user(is_staff=True)
    preview = bet.preview()
    decision = enter(bet, actor=person, pace="fast").decision
    decision.refresh_from_db()
    assert decision.requested_by == person
    assert decision.revision.number == preview["revision"]["number"]
    assert decision.inputs["used"] == preview["inputs"]
    assert decision.inputs["market"] == preview["market"]
    assert decision.inputs["request"] == {
        "contract": "SPXW  210104C03700000",
        "confidence": "0.700000",
        "contracts": None,
        "pace": "fast",
        "confirmed": False,
        "waive_gates": False,
    }
    assert decision.trace["steps"] == preview["trace"]["steps"]
    assert decision.trace["reservation"]["worst_price"] == 44.8
    assert {each["code"] for each in decision.warnings} == {each["code"] for each in preview["advice"]}
    assert decision.engine_version == decision.trace["engine"]


def test_every_gate_is_stored_with_value_limit_and_verdict(bet: Bet) -> None:
    gates = enter(bet).decision.gates
    assert [gate["rule"] for gate in gates if gate["rule"] == "HEARTBEAT_STALE"]
    assert {gate["rule"] for gate in gates} >= {each["rule"] for each in bet.preview()["trace"]["gates"]}
    assert all({"input", "limit", "passed", "unit", "label"} <= gate.keys() for gate in gates)
    assert all(gate["passed"] for gate in gates)


# ---- Each gate alone ----


def spoilt(bet: Bet, spoil: Spoil) -> Bet:
    spoil(bet)
    return bet


@pytest.mark.parametrize("codes", [each for each in REFUSED_0DTE if each != "NEEDS_CONFIRMATION"])
def test_what_a_0dte_preview_refuses_an_entry_refuses_with_the_same_code_and_sentence(bet: Bet, codes: str) -> None:
    spoil, sentence = REFUSED_0DTE[codes]
    authorised = enter(spoilt(bet, spoil))
    assert refused(authorised) == codes.split()[0]
    assert authorised.decision.refusal_sentence == sentence
    assert failed(authorised.decision) == codes.split()


@pytest.mark.parametrize("codes", REFUSED_7DTE)
def test_what_a_7dte_preview_refuses_an_entry_refuses_with_the_same_code_and_sentence(codes: str) -> None:
    spoil, sentence = REFUSED_7DTE[codes]
    authorised = enter(spoilt(checked(market.seven_dte()), spoil))
    assert refused(authorised) == codes.split()[0]
    assert authorised.decision.refusal_sentence == sentence
    assert failed(authorised.decision) == codes.split()


@pytest.mark.parametrize("spoil", ALLOWED_0DTE.values(), ids=ALLOWED_0DTE)
def test_what_is_just_within_a_0dte_gate_is_placed(bet: Bet, spoil: Spoil) -> None:
    assert enter(spoilt(bet, spoil)).order is not None


@pytest.mark.parametrize("spoil", ALLOWED_7DTE.values(), ids=ALLOWED_7DTE)
def test_what_is_just_within_a_7dte_gate_is_placed(spoil: Spoil) -> None:
    assert enter(spoilt(checked(market.seven_dte()), spoil)).order is not None


@pytest.mark.parametrize(
    ("seconds_ago", "passes"),
    [(0, True), (90, True), (90.1, False), (-90.1, False)],
    ids=["now", "at", "over", "ahead"],
)
def test_an_entry_waits_for_a_risk_check_of_the_last_90_seconds(bet: Bet, seconds_ago: float, passes: bool) -> None:
    authorised = enter(checked(bet, seconds_ago))
    if passes:
        assert authorised.order is not None
    else:
        assert refused(authorised) == "HEARTBEAT_STALE"
        assert failed(authorised.decision) == ["HEARTBEAT_STALE"]
        assert "90.1 s old; the limit is 90 s" in authorised.decision.refusal_sentence


def test_a_portfolio_that_was_never_checked_takes_no_entry_and_an_exit_check_is_no_risk_check(bet: Bet) -> None:
    Heartbeat.objects.update(scope="exit")
    authorised = enter(bet)
    assert refused(authorised) == "HEARTBEAT_STALE"
    assert authorised.decision.refusal_sentence == "No risk check has run yet. Entries wait until the checks run."


def test_the_heartbeat_is_counted_in_wall_time_whatever_the_market_clock_does(bet: Bet) -> None:
    MarketClock.objects.update(speed=0, market_started_at=bet.at)
    checked(bet, 0)
    assert enter(bet, at=bet.at + timedelta(seconds=91)).decision.refusal_code == "HEARTBEAT_STALE"


@pytest.mark.parametrize("whose", ["owner", "staff", "nobody"])
def test_the_owner_staff_and_the_product_itself_may_enter(bet: Bet, whose: str) -> None:
    actor = {"owner": bet.portfolio.owner, "staff": factories.user(is_staff=True), "nobody": None}[whose]
    assert enter(bet, actor=actor).order is not None


def test_a_stranger_is_refused_by_that_gate_alone(bet: Bet) -> None:
    authorised = enter(bet, actor=factories.user())
    assert refused(authorised) == "NOT_PERMITTED"
    assert failed(authorised.decision) == ["NOT_PERMITTED"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"bid": "44.50"}, "CROSSED_QUOTE"), ({"bid": None}, "NO_BID"), ({"ask": None}, "CROSSED_QUOTE")],
)
def test_what_is_no_price_is_refused_and_stored(bet: Bet, changes: dict[str, Any], code: str) -> None:
    bet.quote(**changes)
    assert refused(enter(bet)) == code


def test_without_a_snapshot_of_the_session_there_is_no_entry(bet: Bet) -> None:
    bet.portfolio.equity_snapshots.all().delete()
    authorised = enter(bet)
    assert refused(authorised) == "INVALID_INPUT"
    assert authorised.decision.min_size_dollars is None


def test_without_a_session_table_nothing_is_decided(bet: Bet) -> None:
    ExchangeSession.objects.all().delete()
    with pytest.raises(OutsideCalendar):
        enter(bet)
    assert not Decision.objects.exists()


# ---- The worst permitted price ----

CUT_0DTE = {  # at confidence 0.9 the size is 5 contracts, $22,200 at the ask and $22,400 at worst
    "CONTRACT_GRANULARITY": lambda bet: bet.revise(max_position_size="0.3716"),
    "EXPOSURE_ROOM_BELOW_MINIMUM": lambda bet: bet.revise(max_total_exposure="0.3716"),
    "BUYING_POWER_BELOW_MINIMUM": lambda bet: Portfolio.objects.update(settled_cash="22403.24"),
    "RISK_BUDGET_BELOW_MINIMUM": lambda bet: bet.revise(max_daily_loss="0.0929", enforce_day_budget=True),
}


@pytest.mark.parametrize("code", CUT_0DTE)
def test_a_size_that_fits_at_the_ask_is_cut_to_what_fits_at_the_worst_price(bet: Bet, code: str) -> None:
    CUT_0DTE[code](bet)
    decision = enter(bet, "0.9").decision
    assert (decision.approved, decision.indicative_contracts, decision.contracts) == (True, 5, 4)
    assert decision.trace["reservation"]["cut_by"] == code
    assert reserved(bet.portfolio) == 4 * Decimal("4480.00")


def test_buying_power_pays_for_the_fee_too(bet: Bet) -> None:
    Portfolio.objects.update(settled_cash=Decimal("22403.25"))  # 5 x 4,480.65
    assert enter(bet, "0.9").decision.contracts == 5


REFUSED_AT_WORST = {  # at confidence 0.7 the size is 3 contracts, $13,320 at the ask and $13,440 at worst
    "CONTRACT_GRANULARITY": (
        lambda bet: bet.revise(max_position_size="0.2225"),
        "Whole contracts reaching the minimum bet cost $13,440, more than the $13,350 that may be bet.",
    ),
    "EXPOSURE_ROOM_BELOW_MINIMUM": (
        lambda bet: bet.revise(max_total_exposure="0.2225"),
        "Room under the exposure limit is $13,350, under the minimum bet of $13,440.",
    ),
    "BUYING_POWER_BELOW_MINIMUM": (
        lambda bet: Portfolio.objects.update(settled_cash="13350"),
        "Buying power is $13,350, under the minimum bet of $13,440.",
    ),
}


@pytest.mark.parametrize("code", REFUSED_AT_WORST)
def test_what_the_cut_leaves_under_the_minimum_bet_is_refused_by_the_limit_that_cut(bet: Bet, code: str) -> None:
    spoil, sentence = REFUSED_AT_WORST[code]
    spoil(bet)
    assert bet.preview()["answer"]["approved"]
    authorised = enter(bet)
    assert refused(authorised) == code
    assert failed(authorised.decision) == []
    assert authorised.decision.refusal_sentence.startswith(sentence)
    assert authorised.decision.refusal_sentence.endswith("At the worst permitted price, $44.80.")


@pytest.mark.parametrize(
    ("numbers", "code", "contracts"),
    [
        ({"max_stock_allocation": "0.413"}, "ALLOCATION_ROOM_BELOW_MINIMUM", 205),  # 206 cost $41,200 and $41,406
        ({"max_total_exposure": "0.413"}, "BOOK_EXPOSURE", 205),
        ({"max_position_size": "0.413"}, "CONTRACT_GRANULARITY", 205),
        ({"max_stock_allocation": "0.414061"}, "", 206),
    ],
)
def test_a_weekly_size_is_cut_likewise(weekly: Bet, numbers: dict[str, str], code: str, contracts: int) -> None:
    weekly.revise(**numbers)
    decision = enter(weekly).decision
    assert (decision.indicative_contracts, decision.contracts) == (206, contracts)
    assert decision.trace["reservation"]["cut_by"] == code
    assert decision.limit_price == Decimal("2.01")


def test_a_weekly_bet_left_under_the_minimum_by_the_books_exposure_says_so(weekly: Bet) -> None:
    weekly.revise(max_total_exposure="0.331")
    authorised = enter(weekly, "0.65")  # 165 contracts, $33,000 at the ask and $33,165 at worst
    assert refused(authorised) == "BOOK_EXPOSURE"
    sentence = "Exposure after this bet would be $33,165; the limit is $33,100. At the worst permitted price, $2.01."
    assert authorised.decision.refusal_sentence == sentence


def test_where_the_minimum_bet_overrides_the_allocation_it_does_so_at_the_worst_price_too(weekly: Bet) -> None:
    weekly.revise(max_stock_allocation="0.20")
    assert enter(weekly, "0.9").decision.contracts == 165


def test_an_order_that_works_counts_against_the_next_entry(bet: Bet) -> None:
    bet.revise(max_total_exposure="0.4166", max_portfolio_delta="10", max_portfolio_gamma="10")
    assert enter(bet).order is not None
    second = enter(bet, at=bet.at + timedelta(seconds=1))
    assert refused(second) == "EXPOSURE_ROOM_BELOW_MINIMUM"
    assert second.decision.refusal_sentence.startswith("Room under the exposure limit is $11,556")


# ---- Without gates ----


def test_waived_gates_are_judged_stored_and_let_nothing_refuse(bet: Bet) -> None:
    Portfolio.objects.update(state="REDUCING")
    Heartbeat.objects.all().delete()
    authorised = enter(bet, "0.1", contracts=600, waive_gates=True)
    assert authorised.order is not None
    assert authorised.order.quantity == 600
    assert set(failed(authorised.decision)) >= {"NOT_ACTIVE", "HEARTBEAT_STALE", "MIN_CONFIDENCE"}
    waived = authorised.decision.warnings[0]
    assert (waived["code"], waived["text"].startswith("Gates waived.")) == ("GATES_WAIVED", True)


@pytest.mark.parametrize("bid", ["44.50", None], ids=["crossed", "no bid"])
def test_waived_gates_let_an_unusable_quote_pass_while_there_is_an_ask(bet: Bet, bid: str | None) -> None:
    bet.quote(bid=bid)
    assert enter(bet, contracts=3, waive_gates=True).order is not None


def test_without_any_price_there_is_no_entry_even_so(bet: Bet) -> None:
    bet.quote(ask=None)
    assert refused(enter(bet, contracts=3, waive_gates=True)) == "CROSSED_QUOTE"


def test_gates_are_waived_on_paper_in_recorded_time_only(bet: Bet) -> None:
    Portfolio.objects.update(mode="live", broker="alpaca")
    with pytest.raises(ValueError, match="waived only"):
        enter(bet, waive_gates=True)


# ---- What becomes of it ----


def test_what_is_placed_is_bought_within_its_worst_price_and_held_by_its_plan(bet: Bet) -> None:
    decision = enter(bet).decision
    for seconds in range(0, 50, 2):
        at = bet.at + timedelta(seconds=seconds)
        bet.quote(quoted_at=at, changed_at=at, confirmed_at=at)
        work_orders(now=bet.wall(at), plan=exit_plan)
    position = Position.objects.get()
    assert (position.decision, position.quantity_open) == (decision, 3)
    assert Decimal("44.00") <= position.average_entry_price <= Decimal("44.80")
    assert (position.regime, position.initial_stop) == ("morning", Decimal("33.30"))
    assert list(position.slices.order_by("number").values_list("cumulative_share_ten_thousandths", flat=True)) == [
        3300,
        6600,
        10_000,
    ]
    assert reserved(bet.portfolio) == 0
    bet.portfolio.refresh_from_db()
    assert bet.portfolio.cash == 60_000 - position.entry_cost - position.fees


def test_until_the_books_are_reconciled_with_the_broker_entries_wait(bet: Bet) -> None:
    await_reconciliation()
    bet.portfolio.refresh_from_db()
    assert bet.preview()["answer"]["approved"]
    assert refused(enter(bet)) == "NOT_RECONCILED"
    reconcile_waiting(now=bet.wall(), plan=exit_plan)
    assert enter(bet).decision.approved
