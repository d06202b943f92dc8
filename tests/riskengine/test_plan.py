"""The plan of a new position, from its decision's revision and the price that was paid."""

from datetime import datetime, time
from decimal import Decimal

import pytest

from positions.market.calendar import new_york_instant
from positions.models import Decision, EquitySnapshot, TickClass
from positions.services.fills import ExitPlan
from riskengine.services.decide.plan import exit_plan
from tests import factories
from tests.riskengine import market
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db

EACH_THIRD = (3300, 6600, 10_000)


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return new_york_instant(market.MONDAY, time(hour, minute, second))


def decided(bet: Bet, contracts: int = 3) -> Decision:
    return market.decision(bet, bet.contract, contracts)


def planned(bet: Bet, price: str, contracts: int = 3, entry_at: datetime | None = None) -> ExitPlan:
    return exit_plan(decided(bet, contracts), Decimal(price), contracts, entry_at or bet.at)


@pytest.mark.parametrize(
    ("entry_at", "regime", "thresholds", "shares"),
    [
        (at(9, 35), "morning", ("0.05", "0.10", "0.15"), EACH_THIRD),
        (at(10, 59, 59), "morning", ("0.05", "0.10", "0.15"), EACH_THIRD),
        (at(11), "midday", ("0.03", "0.07", "0.12"), EACH_THIRD),
        (at(13, 59, 59), "midday", ("0.03", "0.07", "0.12"), EACH_THIRD),
        (at(14), "late", ("0.05",), (10_000,)),
        (at(15, 14), "late", ("0.05",), (10_000,)),
    ],
)
def test_the_hour_of_the_first_fill_in_new_york_chooses_the_ladder(
    entry_at: datetime, regime: str, thresholds: tuple[str, ...], shares: tuple[int, ...]
) -> None:
    plan = planned(market.zero_dte(), "44.40", entry_at=entry_at)
    assert plan.regime == regime
    assert plan.slices == tuple(zip(map(Decimal, thresholds), shares, strict=True))


@pytest.mark.parametrize(
    ("price", "stop"),
    [
        ("44.40", "33.30"),
        ("44.30", "33.30"),  # 33.225, up to the tick
        ("44.366667", "33.30"),  # an average of several fills
        ("4.00", "3.00"),
        ("3.80", "2.85"),  # under 3.00 the tick is 0.05, though the entry's is 0.10
        ("3.90", "2.95"),
        ("0.50", "0.40"),
    ],
)
def test_a_0dte_stop_stands_a_quarter_under_the_entry_on_the_tick_where_it_is(price: str, stop: str) -> None:
    assert planned(market.zero_dte(), price).initial_stop == Decimal(stop)


@pytest.mark.parametrize(
    ("contracts", "stop"),
    [
        (66, "4.00"),  # $33,000: 20%
        (100, "4.00"),  # half the account: 20% is 10% of the account
        (132, "4.25"),  # $66,000: 15.15%, 4.2424 up to the tick of 0.05
    ],
)
def test_a_7dte_stop_never_costs_more_than_a_tenth_of_the_account(contracts: int, stop: str) -> None:
    plan = planned(market.seven_dte(), "5.00", contracts)
    assert plan.initial_stop == Decimal(stop)
    assert plan.regime == "seven_day"
    assert plan.slices == ((Decimal("0.20"), 2500), (Decimal("0.35"), 5000), (Decimal("0.50"), 7500))


def test_the_account_is_that_of_the_start_of_the_entrys_session() -> None:
    bet = market.seven_dte()
    EquitySnapshot.objects.update(equity_start_of_day=Decimal(50_000))
    assert planned(bet, "5.00", 100).initial_stop == Decimal("4.50")
    EquitySnapshot.objects.update(session_on=market.HALF_DAY, equity_start_of_day=Decimal(1_000_000))
    assert planned(bet, "5.00", 66).initial_stop == Decimal("4.50"), "not known: the tightest stop of the rule"


def test_the_plan_is_by_the_revision_of_the_decision_whatever_came_later() -> None:
    bet = market.zero_dte()
    before = decided(bet)
    bet.revise(stop_fraction="0.10")
    plan = exit_plan(before, Decimal("44.40"), 3, bet.at)
    assert plan.initial_stop == Decimal("33.30")
    assert planned(bet, "44.40").initial_stop == Decimal("40.00")


@pytest.mark.parametrize(
    ("price", "stop"), [("0.05", "0.025"), ("0.10", "0.05"), ("0.15", "0.10"), ("0.052500", "0.05")]
)
def test_what_was_bought_for_a_few_ticks_still_has_a_stop_under_its_price(price: str, stop: str) -> None:
    bet = market.zero_dte()
    plan = planned(bet, price)
    assert plan.initial_stop == Decimal(stop)
    assert factories.position(
        bet.portfolio,
        decision=market.decision(bet, bet.contract, 3),
        average_entry_price=Decimal(price),
        initial_stop=plan.initial_stop,
        current_stop=plan.initial_stop,
    ).pk


def test_a_penny_class_is_planned_on_its_own_ticks() -> None:
    bet = market.zero_dte()
    bet.contract.tick_class = TickClass.PENNY
    bet.contract.save()
    assert planned(bet, "3.95").initial_stop == Decimal("2.97")
