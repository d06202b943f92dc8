"""Market time: live is wall time, a recording runs from its start at its speed until its end."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from positions.market.clock import is_running, market_now

WALL = datetime(2026, 11, 23, 12, tzinfo=UTC)
OPEN = datetime(2021, 1, 4, 14, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Clock:
    kind: str = "recorded"
    market_started_at: datetime | None = OPEN
    wall_started_at: datetime | None = WALL
    market_ends_at: datetime | None = OPEN + timedelta(hours=6, minutes=30)
    speed: Decimal = Decimal(1)


LIVE = Clock("live", None, None, None)


def test_live_market_time_is_wall_time() -> None:
    assert market_now(LIVE, WALL) == WALL
    assert is_running(LIVE, WALL)


@pytest.mark.parametrize(("speed", "minutes"), [("1", 10), ("60", 600), ("0.5", 5), ("0", 0)])
def test_a_recording_runs_at_its_speed(speed: str, minutes: float) -> None:
    clock = replace(Clock(), speed=Decimal(speed), market_ends_at=None)
    assert market_now(clock, WALL + timedelta(minutes=10)) == OPEN + timedelta(minutes=minutes)


def test_a_recording_stops_at_its_end() -> None:
    assert market_now(Clock(), WALL + timedelta(days=3)) == Clock().market_ends_at
    assert is_running(Clock(), WALL + timedelta(hours=6))
    assert not is_running(Clock(), WALL + timedelta(hours=7))


def test_a_paused_recording_does_not_run() -> None:
    assert not is_running(replace(Clock(), speed=Decimal(0)), WALL + timedelta(hours=1))


def test_a_wall_clock_set_back_does_not_take_the_market_before_its_start() -> None:
    assert market_now(Clock(), WALL - timedelta(hours=1)) == OPEN


def test_a_recording_without_an_end_goes_on() -> None:
    assert market_now(replace(Clock(), market_ends_at=None), WALL + timedelta(days=3)) == OPEN + timedelta(days=3)


def test_a_recording_without_a_start_is_refused() -> None:
    with pytest.raises(ValueError, match="start"):
        market_now(replace(Clock(), market_started_at=None), WALL)


def test_a_naive_wall_time_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        market_now(LIVE, WALL.replace(tzinfo=None))
