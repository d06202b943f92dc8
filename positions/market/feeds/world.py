"""A made-up market: prices of the seven stocks, SPY and a volatility index, second by second, from a seed.

    ln S(k+1) = ln S(k) - v^2/2 dt - c + v sqrt(dt) z + jump        z = b m + sqrt(1 - b^2) e

k counts seconds of regular sessions, m is the market's own draw (SPY's), b the stock's share in it. Jumps come now and
then; nights move prices too. c is what jumps add on average, so that no price drifts. The volatility index returns to
its mean and rises when the market falls. Every draw is a hash of (seed, what it is for, which second), so any second
can be asked for and says the same, however often, at whatever speed and in whatever steps the market is run. Nothing
here is real or claims to be.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from positions.market.calendar import Calendar, Session

SIMULATED = "simulated"
_SOURCE = re.compile(r"simulated (\d{4}-\d{2}-\d{2}) #(\d{1,9})")

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint64]

SECONDS_A_SESSION = 23_400
DT = 1.0 / (252.0 * SECONDS_A_SESSION)  # a second in trading years
NIGHT = 0.25 / 252.0  # what a night moves prices by, in trading years
LEVEL_STEP = 15  # seconds for which the volatility index stands still
MEAN_LEVEL = 17.0
LEVEL_RETURN = 4.0  # returns to the mean by this a session
LEVEL_VOLATILITY = 0.10  # of its logarithm, a session
LEVEL_BETA = -6.0  # how much the logarithm moves with the market's


@dataclass(frozen=True, slots=True)
class Name:
    """A made-up name: where it starts, USD a share; its volatility a year; its share in the market's moves; how many
    jumps a session and their size (standard deviation of the logarithm)."""

    starts_at: float
    volatility: float
    share: float
    jumps: float
    jump_size: float

    def years(self, seconds: float, nights: float) -> float:
        """What its price has still to move in so many seconds of sessions and so many nights, jumps and all, as years
        of its volatility: variance over volatility squared."""
        of_jumps = self.jumps / SECONDS_A_SESSION * (self.jump_size / self.volatility) ** 2
        return seconds * (DT + of_jumps) + nights * NIGHT

    @property
    def drift(self) -> float:
        """Of the logarithm, a second: what keeps the price itself from drifting."""
        of_jumps = self.jumps / SECONDS_A_SESSION * (np.exp(self.jump_size**2 / 2.0) - 1.0)
        return float(-(self.volatility**2) / 2.0 * DT - of_jumps)


MARKET = "SPY"
NAMES: Mapping[str, Name] = {
    MARKET: Name(600.0, 0.15, 1.0, 0.3, 0.003),
    "AAPL": Name(230.0, 0.28, 0.70, 3.0, 0.008),
    "AMZN": Name(220.0, 0.32, 0.65, 3.0, 0.009),
    "GOOGL": Name(190.0, 0.30, 0.65, 3.0, 0.008),
    "META": Name(620.0, 0.35, 0.60, 3.0, 0.010),
    "MSFT": Name(450.0, 0.25, 0.70, 3.0, 0.007),
    "NVDA": Name(140.0, 0.48, 0.65, 3.0, 0.012),
    "TSLA": Name(300.0, 0.60, 0.50, 3.0, 0.014),
}
STOCKS = tuple(name for name in NAMES if name != MARKET)


def is_simulated(source: str) -> bool:
    """Whether a source is made up here rather than a market's."""
    return source.strip().lower().startswith(SIMULATED)


@dataclass(frozen=True, slots=True)
class World:
    """One made-up market: its seed and its first session. Its name is the source its rows are stored under, so that
    two of them never mix and what was drawn can be drawn again."""

    first_day: date
    seed: int

    @property
    def source(self) -> str:
        return f"{SIMULATED} {self.first_day} #{self.seed}"

    @classmethod
    def of(cls, source: str) -> "World | None":
        """The world of a source; None when the name is no world's."""
        found = _SOURCE.fullmatch(source)
        if found is None:
            return None
        try:
            return cls(date.fromisoformat(found[1]), int(found[2]))
        except ValueError:
            return None

    def sessions(self, calendar: Calendar, until: date) -> list[Session]:
        """Its sessions up to a day."""
        return calendar.between(self.first_day, until) if until >= self.first_day else []

    def day(self, sessions: Sequence[Session]) -> "Day":
        """Its last session of these, which start at its first."""
        return self.day_of(tuple(length(session) for session in sessions))

    def day_of(self, lengths: tuple[int, ...]) -> "Day":
        """Its last session of those with these lengths in seconds; 20 ms for one not drawn lately."""
        return _day(self, lengths)


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """One session, an element a second from the open (0) to the close. Prices USD, levels points. Before it the world
    had `nights` and so many `seconds` of sessions."""

    prices: Mapping[str, Floats]
    levels: Floats
    nights: int
    seconds: int

    def level(self, second: int) -> float:
        return float(self.levels[second // LEVEL_STEP])


def length(session: Session) -> int:
    """Seconds from open to close."""
    return int((session.closes_at - session.opens_at) / timedelta(seconds=1))


def second_of(session: Session, at: datetime) -> int:
    """Whole seconds since the open, at most to the close; negative before it."""
    return min(int((at - session.opens_at) // timedelta(seconds=1)), length(session))


# ---- Draws ----

_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # splitmix64's
_64_BITS = 0xFFFFFFFFFFFFFFFF


@lru_cache(maxsize=4096)
def _key(seed: int, what: str) -> int:
    return int.from_bytes(blake2b(f"{seed} {what}".encode(), digest_size=8).digest(), "little")


def draw(seed: int, what: str, counts: Counts) -> Floats:
    """Uniform in (0, 1), one for each count: a hash of seed, name and count."""
    with np.errstate(over="ignore"):  # wrapping around is what it is for
        mixed = np.uint64(_key(seed, what)) + (counts + np.uint64(1)) * np.uint64(_GOLDEN)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_FIRST)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_SECOND)
        mixed ^= mixed >> np.uint64(31)
    return ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def draw_one(seed: int, what: str, count: int = 0) -> float:
    """The same for one count."""
    mixed = (_key(seed, what) + (count + 1) * _GOLDEN) & _64_BITS
    mixed = ((mixed ^ (mixed >> 30)) * _FIRST) & _64_BITS
    mixed = ((mixed ^ (mixed >> 27)) * _SECOND) & _64_BITS
    mixed ^= mixed >> 31
    return ((mixed >> 11) + 0.5) * 2.0**-53


def normal(seed: int, what: str, counts: Counts) -> Floats:
    """Standard normal, by Box and Muller."""
    first, second = draw(seed, what, counts), draw(seed, f"{what}'", counts)
    return np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second)


# ---- Paths ----


@lru_cache(maxsize=16)
def _day(world: World, lengths: tuple[int, ...]) -> Day:
    number, seconds = len(lengths) - 1, lengths[-1]
    seed = world.seed
    counts = np.arange(seconds, dtype=np.uint64) + np.uint64(number * 1_000_000)
    market = normal(seed, "market", counts)
    before = _day(world, lengths[:-1]) if number else None
    prices = {}
    for symbol, name in NAMES.items():
        own = normal(seed, symbol, counts) if symbol != MARKET else market
        moves = name.share * market + np.sqrt(1.0 - name.share**2) * own
        steps = name.drift + name.volatility * np.sqrt(DT) * moves + jumps(seed, symbol, counts)
        start = np.log(name.starts_at)
        if before is not None:
            start = np.log(before.prices[symbol][-1]) + _night(seed, symbol, number)
        prices[symbol] = np.exp(np.concatenate(([start], start + np.cumsum(steps))))
    return Day(prices, _levels(seed, number, seconds, np.log(prices[MARKET]), before), number, sum(lengths[:-1]))


def jumps(seed: int, symbol: str, counts: Counts) -> Floats:
    """The jump of each second: mostly none."""
    name = NAMES[symbol]
    happens = draw(seed, f"{symbol} jumps", counts) < name.jumps / SECONDS_A_SESSION
    sizes = np.zeros(len(counts))
    if happens.any():
        sizes[happens] = name.jump_size * normal(seed, f"{symbol} jump", counts[happens])
    return sizes


def _night(seed: int, symbol: str, number: int) -> float:
    name, count = NAMES[symbol], np.array([number], np.uint64)
    market, own = normal(seed, "night", count)[0], normal(seed, f"{symbol} night", count)[0]
    move = name.share * market + np.sqrt(1.0 - name.share**2) * own
    return float(name.volatility * np.sqrt(NIGHT) * move - name.volatility**2 / 2.0 * NIGHT)


def _levels(seed: int, number: int, seconds: int, market: Floats, before: Day | None) -> Floats:
    """The volatility index, an element every LEVEL_STEP seconds."""
    steps = seconds // LEVEL_STEP + 1
    counts = np.arange(steps, dtype=np.uint64) + np.uint64(number * 1_000_000)
    share = LEVEL_STEP / SECONDS_A_SESSION
    shocks = LEVEL_VOLATILITY * np.sqrt(share) * normal(seed, "level", counts)
    moved = np.diff(market[::LEVEL_STEP], prepend=market[0])[:steps] * LEVEL_BETA
    level = np.log(before.levels[-1]) if before is not None else np.log(MEAN_LEVEL)
    levels = np.empty(steps)
    for step in range(steps):
        level += LEVEL_RETURN * share * (np.log(MEAN_LEVEL) - level) + shocks[step] + moved[step]
        levels[step] = level
    return np.exp(np.clip(levels, np.log(9.0), np.log(80.0)))
