"""A demo that was stopped goes on where it stood; one that is begun anew deletes no record."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from positions import recorded
from positions.market.clock import market_now
from positions.models import (
    ClockKind,
    Heartbeat,
    MarketClock,
    Mode,
    OptionQuote,
    Portfolio,
    PortfolioModeChange,
)
from positions.services import demo as service
from positions.services.demo import SPEEDS, DemoRefused, load_demo, start_markets
from positions.services.demo_restart import restart_demo, resume_demo
from positions.services.portfolio import ClockSetting
from positions.services.simulated import publish_simulated
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=20)
KEPT = (recorded.SESSIONS, recorded.CLOSES)


@pytest.fixture(scope="module")
def loaded(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """A demo without quotes of the recording, running since NOW; what a test changes is undone after it."""
    with django_db_blocker.unblock(), transaction.atomic(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "RECORDINGS", [each for each in service.RECORDINGS if each.path in KEPT])
        load_demo(now=NOW)
        start_markets(now=NOW)
        yield
        transaction.set_rollback(True)
    connection.close()


@pytest.fixture(autouse=True)
def demo(loaded: None, db: None) -> None:
    """As it runs."""


def portfolio(slug: str) -> Portfolio:
    return Portfolio.objects.select_related("clock").get(slug=slug)


def watch(seconds: float) -> None:
    """A finished check of both, and a step of the made-up market, this long after NOW."""
    now = NOW + timedelta(seconds=seconds)
    publish_simulated(now=now)
    for slug in SPEEDS:
        each = portfolio(slug)
        Heartbeat.objects.update_or_create(
            portfolio=each,
            scope="exit",
            defaults={"finished_at": now, "market_at": market_now(each.clock, now)},
        )


def passed(slug: str, now: datetime) -> float:
    """Market seconds since the demo's market began."""
    begins = {SMART_0DTE: service.STARTS_AT[SMART_0DTE]}.get(slug)
    begins = begins or datetime(2026, 11, 23, 15, tzinfo=UTC)
    return (market_now(MarketClock.objects.get(portfolio__slug=slug), now) - begins).total_seconds()


# ---- Going on ----


def test_a_stopped_demo_goes_on_where_it_was_last_watched() -> None:
    watch(100)
    assert sorted(each.slug for each in resume_demo(now=LATER)) == [MAG7_7DTE, SMART_0DTE]
    assert (passed(SMART_0DTE, LATER), passed(MAG7_7DTE, LATER)) == (200, 101)
    assert passed(SMART_0DTE, LATER + timedelta(seconds=10)) == 220


def test_a_short_stop_changes_nothing() -> None:
    watch(100)
    assert resume_demo(now=NOW + timedelta(seconds=140)) == []


def test_what_nobody_ever_watched_is_left_alone() -> None:
    assert [each.slug for each in resume_demo(now=LATER)] == [MAG7_7DTE]  # its quotes were stored: it has run


def test_a_recorded_day_that_is_over_stays_over() -> None:
    watch(20_000)
    end = portfolio(SMART_0DTE).clock.market_ends_at
    assert market_now(portfolio(SMART_0DTE).clock, NOW + timedelta(seconds=20_000)) == end
    assert SMART_0DTE not in [each.slug for each in resume_demo(now=LATER)]


def test_recordings_that_are_no_demo_are_left_alone() -> None:
    clock = ClockSetting(kind=ClockKind.RECORDED, market_started_at=NOW, label="recorded")
    other = factories.portfolio(clock=clock, now=NOW)
    Heartbeat.objects.create(portfolio=other, scope="risk", finished_at=NOW, market_at=NOW)
    assert other not in resume_demo(now=LATER)


def test_the_command_says_what_goes_on_and_what_is_over() -> None:
    watch(20_000)
    factories.refused(portfolio(SMART_0DTE))
    out = StringIO()
    call_command("restart_recordings", stdout=out)
    assert "Mag7-7DTE demo: its market stood still while nothing ran, and goes on.\n" in out.getvalue()
    assert "Smart-0DTE demo: its recorded day is over. Begin anew: manage.py restart_demo\n" in out.getvalue()


# ---- Beginning anew ----


def test_a_new_demo_has_fresh_accounts_and_both_markets_at_their_start() -> None:
    watch(100)
    old = {slug: portfolio(slug) for slug in SPEEDS}
    closed = factories.position(
        old[SMART_0DTE], status="closed", quantity_open=0, closed_at=factories.NOW, realised_pnl=Decimal(-500)
    )
    restart_demo(now=LATER)
    for slug, before in old.items():
        fresh = portfolio(slug)
        assert fresh.pk != before.pk
        assert (fresh.cash, fresh.owner, fresh.profile) == (before.cash, before.owner, before.profile)
        assert passed(slug, LATER + timedelta(hours=1)) == 0
        assert not fresh.decisions.exists()
    assert start_markets(now=LATER) == 2
    closed.refresh_from_db()
    assert closed.portfolio_id == old[SMART_0DTE].pk


def test_the_old_accounts_keep_their_records_under_another_name_switched_off() -> None:
    old = portfolio(SMART_0DTE)
    restart_demo(now=LATER)
    restart_demo(now=LATER)
    assert set(Portfolio.objects.values_list("slug", "name", "mode")) == {
        (SMART_0DTE, "Smart-0DTE demo", "paper"),
        (MAG7_7DTE, "Mag7-7DTE demo", "paper"),
        ("smart-0dte-run-1", "Smart-0DTE demo, run 1", "off"),
        ("mag7-7dte-run-1", "Mag7-7DTE demo, run 1", "off"),
        ("smart-0dte-run-2", "Smart-0DTE demo, run 2", "off"),
        ("mag7-7dte-run-2", "Mag7-7DTE demo, run 2", "off"),
    }
    assert portfolio("smart-0dte-run-1") == old
    change = PortfolioModeChange.objects.filter(portfolio=old).latest("id")
    assert (change.from_mode, change.to_mode) == (Mode.PAPER, Mode.OFF)


def test_the_made_up_market_is_drawn_again_from_its_start() -> None:
    """The old account stands hours ahead in the same market, and moves it no more."""
    watch(10_000)
    source = portfolio(MAG7_7DTE).quote_source
    restart_demo(now=LATER)
    assert portfolio(MAG7_7DTE).quote_source == source or LATER.date() != NOW.date()
    start_markets(now=LATER)
    publish_simulated(now=LATER + timedelta(seconds=30))
    fresh = portfolio(MAG7_7DTE)
    at = market_now(fresh.clock, LATER + timedelta(seconds=30))
    latest = OptionQuote.objects.filter(source=fresh.quote_source).latest("confirmed_at")
    assert timedelta(0) <= at - latest.confirmed_at < timedelta(seconds=5)


@pytest.mark.parametrize("slug", SPEEDS)
def test_an_open_bet_or_order_is_in_the_way(slug: str) -> None:
    factories.position(portfolio(slug))
    with pytest.raises(DemoRefused, match="Close it first"):
        restart_demo(now=LATER)
    assert Portfolio.objects.count() == 2


def test_without_a_demo_there_is_nothing_to_begin_anew() -> None:
    Portfolio.objects.filter(slug=SMART_0DTE).update(is_demo=False)
    with pytest.raises(CommandError, match="no demo here"):
        call_command("restart_demo")


def test_the_command_names_the_new_accounts() -> None:
    out = StringIO()
    call_command("restart_demo", stdout=out)
    assert out.getvalue().count("\n") == 2
    assert "Mag7-7DTE demo: $100,000. SIMULATED market, not real prices" in out.getvalue()
