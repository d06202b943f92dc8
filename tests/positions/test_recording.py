"""The market time of a recording is set within its day, and never once it means something."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone

from positions.market.calendar import new_york_instant
from positions.market.clock import is_running, market_now
from positions.models import ClockKind, EquitySnapshot, ExchangeSession, MarketClock, Portfolio
from positions.services.demo import STARTS_AT
from positions.services.portfolio import LIVE_CLOCK, ClockSetting
from positions.services.recording import restart_ended, set_market_time
from tests import factories

pytestmark = pytest.mark.django_db

STARTED = datetime(2026, 3, 2, 12, tzinfo=UTC)  # wall time
LATER = STARTED + timedelta(days=1)


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return new_york_instant(factories.SESSION, time(hour, minute, second))


RECORDED = ClockSetting(
    kind=ClockKind.RECORDED, market_started_at=at(10), market_ends_at=at(16), label="recorded market of 2021-01-04"
)


@pytest.fixture(autouse=True)
def session() -> None:
    ExchangeSession.objects.create(
        exchange="XNYS", session_on=factories.SESSION, open_at=at(9, 30), close_at=at(16), is_early=False
    )


def recording(slug: str = "smart-0dte", clock: ClockSetting = RECORDED, **changes: Any) -> Portfolio:
    return factories.portfolio(**{"slug": slug, "clock": clock, "now": STARTED, "is_demo": True} | changes)


def market_time(portfolio: Portfolio, now: datetime) -> datetime:
    return market_now(MarketClock.objects.get(portfolio=portfolio), now)


# ---- Setting the time ----


@pytest.mark.parametrize("to", [at(9, 30), at(11, 15), at(15, 59, 59)], ids=str)
def test_a_recording_goes_on_from_the_moment_it_is_set_to(to: datetime) -> None:
    portfolio = recording()
    clock = set_market_time(portfolio=portfolio, to=to, now=LATER)
    assert (clock.market_started_at, clock.wall_started_at) == (to, LATER)
    assert market_time(portfolio, LATER) == to
    assert market_time(portfolio, LATER + timedelta(seconds=1)) == to + timedelta(seconds=1)


@pytest.mark.parametrize(
    "to", [at(9, 29, 59), at(16), at(12) - timedelta(days=1), at(12) + timedelta(days=365)], ids=str
)
def test_a_time_outside_the_recorded_session_is_refused(to: datetime) -> None:
    portfolio = recording()
    with pytest.raises(ValidationError, match="The recording is of 2021-01-04, from 09:30 to before 16:00 New York"):
        set_market_time(portfolio=portfolio, to=to, now=LATER)
    assert market_time(portfolio, STARTED) == at(10)


def test_a_day_without_a_session_has_no_time_to_choose() -> None:
    portfolio = recording()
    ExchangeSession.objects.update(session_on=factories.SESSION - timedelta(days=3))
    ExchangeSession.objects.create(
        exchange="XNYS",
        session_on=factories.SESSION + timedelta(days=1),
        open_at=at(9, 30) + timedelta(days=1),
        close_at=at(16) + timedelta(days=1),
        is_early=False,
    )
    with pytest.raises(ValidationError, match="no trading session, so no time"):
        set_market_time(portfolio=portfolio, to=at(12), now=LATER)


@pytest.mark.parametrize(
    "clock",
    [
        LIVE_CLOCK,
        ClockSetting(kind=ClockKind.SIMULATED, market_started_at=at(10), market_ends_at=at(16), label="simulated"),
        ClockSetting(kind=ClockKind.RECORDED, market_started_at=at(10), label="a recording without an end"),
    ],
    ids=["live", "simulated", "endless"],
)
def test_only_a_recording_of_a_day_has_a_time_that_can_be_set(clock: ClockSetting) -> None:
    portfolio = recording(clock=clock)
    before = MarketClock.objects.filter(portfolio=portfolio).values().get()
    with pytest.raises(ValidationError, match="Only a recorded market has a time that can be set"):
        set_market_time(portfolio=portfolio, to=at(12), now=LATER)
    assert MarketClock.objects.filter(portfolio=portfolio).values().get() == before


TRADED: dict[str, Callable[[Portfolio], Any]] = {
    "refused once": factories.refused,
    "approved once": factories.decision,
    "a working order": lambda portfolio: factories.opening_order(factories.decision(portfolio)),
    "an open position": factories.position,
    "a closed position": lambda portfolio: factories.position(
        portfolio, status="closed", quantity_open=0, closed_at=factories.NOW
    ),
}


@pytest.mark.parametrize("happened", TRADED.values(), ids=TRADED)
def test_what_has_decided_or_held_anything_only_moves_forward(happened: Callable[[Portfolio], Any]) -> None:
    portfolio = recording()
    happened(portfolio)
    with pytest.raises(ValidationError, match="its market time only moves forward"):
        set_market_time(portfolio=portfolio, to=at(12), now=LATER)
    assert market_time(portfolio, STARTED) == at(10)


def test_another_portfolios_trades_do_not_hold_a_recording() -> None:
    portfolio = recording()
    factories.position(recording("another"))
    assert set_market_time(portfolio=portfolio, to=at(12), now=LATER).market_started_at == at(12)


def test_the_sessions_snapshot_is_made_once_and_never_changed() -> None:
    portfolio = recording(cash=Decimal(50_000))
    EquitySnapshot.objects.update(session_on=factories.SESSION - timedelta(days=4))
    for to in (at(12), at(13)):
        set_market_time(portfolio=portfolio, to=to, now=LATER)
    snapshot = EquitySnapshot.objects.get(session_on=factories.SESSION)
    assert (snapshot.equity_start_of_day, snapshot.taken_at) == (50_000, at(9, 30))
    assert EquitySnapshot.objects.count() == 2


def test_a_snapshot_that_is_there_is_kept() -> None:
    portfolio = recording()
    EquitySnapshot.objects.update(equity_start_of_day=41_000)
    set_market_time(portfolio=portfolio, to=at(12), now=LATER)
    assert EquitySnapshot.objects.get().equity_start_of_day == 41_000


# ---- Starting again what has run out ----


def restarted(now: datetime = LATER) -> list[str]:
    return [portfolio.slug for portfolio in restart_ended(at={"smart-0dte": at(10, 8)}, now=now)]


def test_a_recording_that_has_run_out_starts_again() -> None:
    portfolio = recording()
    assert restarted() == ["smart-0dte"]
    assert market_time(portfolio, LATER) == at(10, 8)
    assert is_running(MarketClock.objects.get(), LATER)


def test_a_running_recording_is_left_alone() -> None:
    portfolio = recording()
    assert restarted(now=STARTED + timedelta(hours=6) - timedelta(seconds=1)) == []
    assert market_time(portfolio, STARTED) == at(10)
    assert restarted(now=STARTED + timedelta(hours=6)) == ["smart-0dte"]


def test_a_paused_recording_is_left_where_it_was_paused() -> None:
    portfolio = recording()
    MarketClock.objects.update(speed=0, market_started_at=at(14))
    assert restarted() == []
    assert market_time(portfolio, LATER) == at(14)


def test_what_has_traded_is_left_as_it_ended() -> None:
    portfolio = recording()
    factories.position(portfolio)
    assert restarted() == []
    assert market_time(portfolio, LATER) == at(16)


def test_only_the_demos_own_portfolios_start_again() -> None:
    recording("another")
    mine = recording(is_demo=False)
    assert restarted() == []
    assert market_time(mine, LATER) == at(16)


def test_the_command_says_what_it_started_again() -> None:
    portfolio = recording()
    out = StringIO()
    call_command("restart_recordings", stdout=out)
    assert out.getvalue() == f"{portfolio.name}: the recording had run out and starts again.\n"
    assert market_time(portfolio, timezone.now()) - STARTS_AT["smart-0dte"] < timedelta(minutes=1)
    again = StringIO()
    call_command("restart_recordings", stdout=again)
    assert again.getvalue() == ""
