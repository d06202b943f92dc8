"""A calendar without a database: whole sessions on weekdays, and one half-day."""

from datetime import date, time, timedelta

from positions.market.calendar import Calendar, Session, new_york_instant
from positions.market.feeds.simulated import SimulatedFeed
from positions.market.feeds.world import World

MONDAY = date(2026, 3, 2)
HALF_DAY = date(2026, 3, 4)


def session(day: date) -> Session:
    closes = time(13) if day == HALF_DAY else time(16)
    return Session(day, new_york_instant(day, time(9, 30)), new_york_instant(day, closes), day == HALF_DAY)


DAYS = [MONDAY + timedelta(days=days) for days in range(60)]
CALENDAR = Calendar([session(day) for day in DAYS if day.weekday() < 5])
WORLD = World(MONDAY, 7)


def feed(seed: int = 7) -> SimulatedFeed:
    return SimulatedFeed(World(MONDAY, seed), CALENDAR)
