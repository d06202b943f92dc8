"""The simulated feed: quotes of weekly options on the made-up prices of `world`, and nothing that is real.

A contract is quoted every five seconds, each at its own second, from the price, the volatility and the time left at
that moment (`chain`). So a quote is a function of the world and the moment alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from positions.market.calendar import Calendar, Session, new_york_date
from positions.market.feeds import chain
from positions.market.feeds.base import Batch, PriceTick, QuoteTick, VolatilityTick
from positions.market.feeds.chain import CENT, Listed
from positions.market.feeds.world import LEVEL_STEP, NAMES, Day, World, length, second_of

QUOTED_EVERY = 5  # seconds
QUARTER = 900  # seconds


@dataclass(frozen=True, slots=True)
class Activity:
    """What has traded in a contract in a quarter of an hour that ended at `at`: contracts, and at what price, USD."""

    contract: str
    volume: int
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class SimulatedFeed:
    """A world's market. `calendar` must know its sessions, and the expirations ahead of the last one asked for."""

    world: World
    calendar: Calendar

    @property
    def source(self) -> str:
        return self.world.source

    def between(self, after: datetime, until: datetime) -> Batch:
        quotes: list[QuoteTick] = []
        prices: list[PriceTick] = []
        levels: list[VolatilityTick] = []
        for session, day in self._days(after, until):
            listed = self.chain(session.day)
            for second in range(max(second_of(session, after) + 1, 0), second_of(session, until) + 1):
                at = session.opens_at + timedelta(seconds=second)
                prices += [
                    PriceTick(name, Decimal(float(day.prices[name][second])).quantize(CENT), at) for name in NAMES
                ]
                if second % LEVEL_STEP == 0:
                    levels.append(VolatilityTick("VIX", Decimal(day.level(second)).quantize(CENT), at))
                quotes += [
                    chain.quote(self.world, contract, day, session.day, second, at)
                    for contract in listed[second % QUOTED_EVERY :: QUOTED_EVERY]
                ]
        return Batch(quotes, prices, levels)

    def latest(self, after: datetime, until: datetime) -> Batch:
        """Of each contract, name and index only the last tick of that interval: what is worth storing when time has
        moved on in steps."""
        start = max(after, until - timedelta(seconds=QUOTED_EVERY))  # every contract is quoted anew within it
        batch = self.between(start, until)
        levels = batch.volatility
        for session, day in self._days(after, until) if not levels else ():
            second = second_of(session, until) // LEVEL_STEP * LEVEL_STEP
            at = session.opens_at + timedelta(seconds=second)
            if at > after:
                levels = [VolatilityTick("VIX", Decimal(day.level(second)).quantize(CENT), at)]
        return Batch(
            quotes=list({tick.contract: tick for tick in batch.quotes}.values()),
            prices=list({tick.symbol: tick for tick in batch.prices}.values()),
            volatility=levels[-1:],
        )

    def chain(self, on: date) -> Sequence[Listed]:
        """The unexpired contracts listed by that session, by underlying, expiration, right and strike."""
        return chain.listed_by(self.world, self.calendar, on)

    def interest(self, on: date) -> dict[str, int]:
        """Contracts outstanding before the open of a session, by symbol."""
        sessions = self.world.sessions(self.calendar, on)
        day = self.world.day(sessions)
        return {each.occ_symbol: chain.interest(self.world, each, day) for each in self.chain(on)}

    def activity(self, after: datetime, until: datetime) -> list[Activity]:
        """What traded in the quarters of an hour that ended in that interval."""
        found = []
        for session, day in self._days(after, until):
            first, last = max(second_of(session, after) // QUARTER + 1, 1), second_of(session, until) // QUARTER
            interest = self.interest(session.day) if last >= first else {}
            for number in range(first, last + 1):
                at = session.opens_at + timedelta(seconds=number * QUARTER)
                second = min(number * QUARTER, length(session))
                for each in self.chain(session.day):
                    volume = chain.volume(self.world, each, session.day, number, interest[each.occ_symbol])
                    found.append(Activity(each.occ_symbol, volume, chain.worth(each, day, second), at))
        return found

    def _days(self, after: datetime, until: datetime) -> Iterator[tuple[Session, Day]]:
        """The sessions that overlap an interval, each with its prices."""
        sessions = self.world.sessions(self.calendar, new_york_date(until))
        for number, session in enumerate(sessions):
            if session.closes_at > after and session.opens_at <= until:
                yield session, self.world.day(sessions[: number + 1])
