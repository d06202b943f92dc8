"""The demo's signals: placed once, in their time, past every gate; and what a newcomer then sees within two minutes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from positions import recorded
from positions.market.clock import market_now
from positions.models import (
    Decision,
    ExitSlice,
    Heartbeat,
    MarketClock,
    Mode,
    Order,
    Portfolio,
    Position,
    PositionEvent,
    State,
)
from positions.services import demo as service
from positions.services.simulated import publish_simulated
from riskengine.loading.candidates import load_situation
from riskengine.services.signals.demo import ACTOR, SIGNALS, run_demo
from riskengine.services.watch.monitoring import run_check
from riskengine.services.watch.working import run_orders

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)  # a Monday evening in New York
LEFT_OUT = (recorded.QUOTES[1], recorded.TRADES[1], recorded.OPEN_INTEREST[1], recorded.CLOSES)


@pytest.fixture(scope="module")
def loaded(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """The demo without GOOG, loaded once; what a test changes is undone after it."""
    with django_db_blocker.unblock(), transaction.atomic(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "RECORDINGS", [each for each in service.RECORDINGS if each.path not in LEFT_OUT])
        patch.setattr(service, "alias_goog_closes", lambda: None)
        assert service.load_demo(now=NOW - timedelta(minutes=1)) is not None
        yield
        transaction.set_rollback(True)
    connection.close()


@pytest.fixture(autouse=True)
def demo(loaded: None, db: None) -> None:
    """At its start."""


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def check(seconds: float) -> None:
    """A finished check, without judging anything."""
    for portfolio in Portfolio.objects.select_related("clock"):
        Heartbeat.objects.update_or_create(
            portfolio=portfolio,
            scope="risk",
            defaults={"finished_at": at(seconds), "market_at": market_now(portfolio.clock, at(seconds))},
        )


def placed(seconds: float) -> list[str]:
    """What a run at this moment decided, as “portfolio contract”, the quotes being there."""
    publish_simulated(now=at(seconds))
    decided = run_demo(now=at(seconds)).decided
    return sorted(f"{each.decision.portfolio.slug} {each.decision.contract}" for each in decided)


def started() -> None:
    run_demo(now=NOW)
    check(1)


# ---- When ----


def test_the_first_run_lets_the_markets_begin() -> None:
    assert not MarketClock.objects.exclude(speed=0).exists()
    run_demo(now=NOW)
    assert not MarketClock.objects.filter(speed=0).exists()
    assert set(MarketClock.objects.values_list("wall_started_at", flat=True)) == {NOW}


def test_a_due_signal_waits_for_a_finished_check() -> None:
    run_demo(now=NOW)
    result = run_demo(now=at(4))
    assert result.waits_for_check
    assert result.decided == ()
    assert not Decision.objects.exists()
    check(5)
    assert not run_demo(now=at(6)).waits_for_check
    assert Decision.objects.count() == 2


def test_an_old_check_is_no_check() -> None:
    started()
    check(-70)
    assert run_demo(now=at(5)).waits_for_check


def test_nothing_is_due_before_its_time() -> None:
    started()
    result = run_demo(now=at(1))
    assert (result.decided, result.waits_for_check) == ((), False)


def test_each_is_placed_once_past_every_gate_and_says_that_it_is_made_up() -> None:
    started()
    assert placed(5) == ["mag7-7dte TSLA 2026-11-30 300C", "smart-0dte SPXW 2021-01-04 3800P"]
    assert placed(6) == placed(20) == []
    for decision in Decision.objects.select_related("portfolio"):
        assert decision.approved, decision.refusal_sentence
        assert all(gate["passed"] for gate in decision.gates)
        assert decision.requested_by_name == ACTOR == "demo signal (made up)"
        assert decision.idempotency_key == f"signal:{decision.signal.pk}"
        assert (decision.signal.state, decision.signal.source.kind) == ("accepted", "demo")
        assert decision.dollars >= decision.min_size_dollars
    assert Order.objects.openings().count() == 2


def test_one_whose_time_has_gone_by_is_left_out() -> None:
    started()
    check(70)
    assert placed(72) == []
    assert not Decision.objects.exists()


# ---- Where ----


@pytest.mark.parametrize(
    "change", [{"mode": Mode.OFF}, {"state": State.HALTED}, {"is_demo": False}, {"slug": "another"}], ids=str
)
def test_only_in_active_demo_portfolios_on_paper(change: dict[str, object]) -> None:
    started()
    Portfolio.objects.filter(slug=MAG7_7DTE).update(**change)
    assert placed(5) == ["smart-0dte SPXW 2021-01-04 3800P"]


def test_signals_have_names_of_their_own_and_follow_one_another() -> None:
    for signals in SIGNALS.values():
        assert len({signal.name for signal in signals}) == len(signals)
        assert [signal.starts for signal in signals] == sorted(signal.starts for signal in signals)
        assert all(signal.starts < signal.ends for signal in signals)


def test_the_made_up_volatility_index_ages_like_a_live_one_when_nothing_runs_its_market() -> None:
    started()
    publish_simulated(now=at(15))
    portfolio = Portfolio.objects.select_related("clock", "profile").get(slug=MAG7_7DTE)
    assert load_situation(portfolio, now=at(20)).vix_age_seconds == 5
    assert load_situation(portfolio, now=at(200)).vix_age_seconds == 185


# ---- What a newcomer sees ----


def run(until: int) -> None:
    """What the workers do, second by second, in the order of their clocks."""
    for second in range(until + 1):
        now = at(second)
        publish_simulated(now=now)
        if (second % 2 == 0 and run_demo(now=now).waits_for_check) or second % 30 == 29:
            run_check(now=now, scope="risk", exclusive=False)
        run_check(now=now, scope="exit", exclusive=False)
        run_orders(now=now)


def test_within_two_minutes_positions_open_a_tier_fills_and_a_stop_moves_up() -> None:
    run(110)
    zero, seven = (Position.objects.get(portfolio__slug=slug) for slug in (SMART_0DTE, MAG7_7DTE))
    assert (zero.quantity_opened, seven.quantity_opened) == (3, 25)
    filled = ExitSlice.objects.filter(position=zero, state="filled").order_by("number")
    assert [each.number for each in filled] == [1, 2]
    assert seven.current_stop > seven.average_entry_price > seven.initial_stop
    raised = PositionEvent.objects.filter(position=seven, kind="stop_raised").earliest("happened_at")
    clock = MarketClock.objects.get(portfolio__slug=MAG7_7DTE)
    assert raised.happened_at - clock.market_started_at <= timedelta(seconds=90)
    for portfolio in Portfolio.objects.all():
        assert portfolio.state == State.ACTIVE
        assert portfolio.cash == portfolio.cash_movements.earliest("id").amount + sum(
            (row.amount for row in portfolio.cash_movements.exclude(kind="deposit")), Decimal(0)
        )
