"""Market time of a portfolio. The wall time is always an argument; nothing here reads a clock.

A live portfolio lives in wall time. A recorded or simulated one lives in market time that started at some instant and
runs at some speed: market now = market start + speed x (wall now - wall start), stopping at its end.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Protocol

LIVE = "live"


class Clock(Protocol):
    """What a clock row says (`positions.models.MarketClock`). `speed` is market seconds a wall second; 0 is a pause."""

    @property
    def kind(self) -> str: ...
    @property
    def market_started_at(self) -> datetime | None: ...
    @property
    def wall_started_at(self) -> datetime | None: ...
    @property
    def market_ends_at(self) -> datetime | None: ...
    @property
    def speed(self) -> Decimal: ...


def market_now(clock: Clock, wall_now: datetime) -> datetime:
    """The market time of a portfolio at this wall time, aware UTC. It never lies before the start of its recording."""
    if wall_now.tzinfo is None:
        raise ValueError(f"{wall_now} has no time zone; times must be aware.")
    if clock.kind == LIVE:
        return wall_now.astimezone(UTC)
    if clock.market_started_at is None or clock.wall_started_at is None:
        raise ValueError("A recorded or simulated clock needs the market time and the wall time of its start.")
    passed = max(wall_now - clock.wall_started_at, timedelta(0))
    now = clock.market_started_at + passed * float(clock.speed)
    if clock.market_ends_at is not None:
        now = min(now, clock.market_ends_at)
    return now.astimezone(UTC)


def is_running(clock: Clock, wall_now: datetime) -> bool:
    """Whether market time still moves: not paused, and not at the end of the recording."""
    if clock.kind == LIVE:
        return True
    return clock.speed > 0 and (clock.market_ends_at is None or market_now(clock, wall_now) < clock.market_ends_at)
