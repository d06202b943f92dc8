"""Making the demo: once, whole or not at all, with a sign-in that is shown once."""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from accounts.models import User
from positions import recorded
from positions.market.calendar import Calendar, Session, new_york_instant
from positions.market.clock import market_now
from positions.market_selectors import exchange_calendar
from positions.models import Instrument, MarketClock, OptionQuote, Portfolio
from positions.services import demo as service
from positions.services import demo_market
from positions.services.demo import Demo, DemoRefused, import_recordings, load_demo, start_markets
from positions.services.portfolio import ClockSetting
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEPT = (recorded.SESSIONS, recorded.CLOSES)
FEW = tuple(recording for recording in service.RECORDINGS if recording.path in KEPT)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only closes and sessions: for tests about the making, not about the data."""
    monkeypatch.setattr(service, "RECORDINGS", FEW)


def test_the_command_prints_the_sign_in_once(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BETSIZING_DEMO_PASSWORD", raising=False)
    first, second = io.StringIO(), io.StringIO()
    call_command("load_demo", stdout=first)
    found = re.search(r"Sign in as demo with the password (\S{16})\n", first.getvalue())
    assert found
    assert User.objects.get(username="demo").check_password(found[1])
    call_command("load_demo", stdout=second)
    assert second.getvalue() == "There is a portfolio already: no demo was made.\n"
    assert Portfolio.objects.count() == 2


def test_a_chosen_password_is_not_printed(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETSIZING_DEMO_PASSWORD", "correct horse battery")
    out = io.StringIO()
    call_command("load_demo", stdout=out)
    assert "correct horse" not in out.getvalue()
    assert User.objects.get(username="demo").check_password("correct horse battery")


def test_a_weak_password_is_refused_and_nothing_is_made(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETSIZING_DEMO_PASSWORD", "1234")
    with pytest.raises(CommandError, match=r"BETSIZING_DEMO_PASSWORD: .*too short"):
        call_command("load_demo")
    assert not User.objects.filter(username="demo").exists()


def test_a_database_with_a_portfolio_is_left_alone() -> None:
    factories.portfolio()
    assert load_demo(now=NOW) is None
    assert Portfolio.objects.count() == 1
    assert not OptionQuote.objects.exists()


def test_a_user_named_demo_is_not_taken_over(small: None) -> None:
    factories.user("demo")
    with pytest.raises(DemoRefused, match="already"):
        load_demo(now=NOW)
    assert not Portfolio.objects.exists()


def test_a_demo_that_fails_half_way_leaves_nothing(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ValidationError("no")

    monkeypatch.setattr(service, "create_portfolio", fail)
    with pytest.raises(ValidationError):
        load_demo(now=NOW)
    assert not User.objects.exists()
    assert not Instrument.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_starts_at_once_one_makes_it(small: None) -> None:
    def start(_: int) -> Demo | None:
        try:
            return load_demo(now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        made = [demo for demo in pool.map(start, range(2)) if demo]
    assert len(made) == 1
    assert Portfolio.objects.count() == 2
    assert User.objects.count() == 1


# ---- When the markets begin ----


def at(slug: str, seconds: float) -> timedelta:
    """How far a demo market has come, this long after NOW."""
    clock = MarketClock.objects.get(portfolio__slug=slug)
    return market_now(clock, NOW + timedelta(seconds=seconds)) - clock.market_started_at


def test_the_markets_stand_until_something_works_on_them(small: None) -> None:
    load_demo(now=NOW)
    assert at(SMART_0DTE, 600) == at(MAG7_7DTE, 600) == timedelta(0)
    assert start_markets(now=NOW + timedelta(seconds=30)) == 2
    assert at(SMART_0DTE, 30) == at(MAG7_7DTE, 30) == timedelta(0)
    assert (at(SMART_0DTE, 40), at(MAG7_7DTE, 40)) == (timedelta(seconds=20), timedelta(seconds=10))


def test_they_begin_once(small: None) -> None:
    load_demo(now=NOW)
    start_markets(now=NOW)
    assert start_markets(now=NOW + timedelta(seconds=30)) == 0
    assert at(MAG7_7DTE, 40) == timedelta(seconds=40)


def test_a_market_that_was_paused_after_a_decision_stays_paused(small: None) -> None:
    load_demo(now=NOW)
    start_markets(now=NOW)
    factories.refused(Portfolio.objects.get(slug=SMART_0DTE))
    MarketClock.objects.filter(portfolio__slug=SMART_0DTE).update(speed=0)
    assert start_markets(now=NOW) == 0


def test_other_portfolios_are_not_started() -> None:
    clock = ClockSetting(kind="recorded", market_started_at=NOW, speed=Decimal(0), label="standing")
    factories.portfolio(slug=SMART_0DTE, clock=clock)
    assert start_markets(now=NOW) == 0


# ---- Where the made-up market begins ----


@pytest.mark.parametrize(
    ("today", "first_day"),
    [
        (date(2026, 11, 23), date(2026, 11, 23)),  # Monday
        (date(2026, 11, 24), date(2026, 11, 23)),  # Tuesday: weeklies expire on Mondays, Wednesdays and Fridays
        (date(2026, 11, 28), date(2026, 11, 25)),  # Saturday: Friday was a half-day
        (date(2026, 12, 18), date(2026, 12, 16)),  # Friday: a week later is Christmas
        (date(2026, 1, 1), date(2025, 12, 31)),  # a holiday
        (date(2031, 5, 5), date(2027, 12, 22)),  # beyond the table: its last week
    ],
)
def test_it_begins_on_a_whole_session_with_a_weekly_of_seven_days(today: date, first_day: date) -> None:
    import_recordings(recording for recording in service.RECORDINGS if recording.path == recorded.SESSIONS)
    assert demo_market.first_day(exchange_calendar(), new_york_instant(today, time(3))) == first_day


def test_without_a_week_of_sessions_it_says_so() -> None:
    day = factories.SESSION
    session = Session(day, new_york_instant(day, time(9, 30)), new_york_instant(day, time(16)), False)
    with pytest.raises(ValueError, match="Import sessions"):
        demo_market.first_day(Calendar([session]), NOW)
