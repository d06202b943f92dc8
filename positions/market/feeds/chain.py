"""The options of a made-up market: which are listed, what they are quoted at, how much they trade.

Black-Scholes on the variance that the world has still to draw until the contract's close: seconds of sessions, nights
and jumps. So an option at the money costs what it pays on average, and who buys it blindly loses the costs and nothing
else. Away from the money a smile makes options dearer than they pay, as in markets. A spread grows away from the money
and with volatility, and sizes shrink the same way. Bids and asks are on the exchange's ticks; a worthless option has no
bid.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from positions.market.calendar import Calendar
from positions.market.contracts import CLASSES
from positions.market.feeds.base import QuoteTick
from positions.market.feeds.world import (
    MARKET,
    MEAN_LEVEL,
    NAMES,
    SECONDS_A_SESSION,
    STOCKS,
    Day,
    World,
    draw_one,
    length,
)
from positions.market.symbols import RIGHTS, OptionSymbol
from positions.market.ticks import TickTable

STRIKES_EACH_WAY = 4
DAILY_STRIKES_EACH_WAY = 12  # a dollar apart: two standard deviations of a day
EXPIRES_ON = (0, 2, 4)  # Mondays, Wednesdays and Fridays, as the seven stocks have listed since 2026-01-26
LISTED_AHEAD = (0, 5, 6, 7, 8, 9)  # days ahead at which an expiration is listed: today's, and the weeklies
SMILE, SKEW = 0.05, -0.03  # of the volatility, by standard deviations from the money
MOST_DEVIATIONS = 4.0
HALF_A_DAY = SECONDS_A_SESSION / 2.0  # the smile of what expires sooner is that of half a session
HALF_SPREAD = 0.009  # of the time value at the money
HALF_SPREAD_INTRINSIC = 0.002  # of what is in the money
SPREAD_AWAY = 0.8  # more of both, a standard deviation away
DEPTH, LEAST_DEPTH = 300, 10  # contracts shown at the money, and far away
INTEREST, LEAST_INTEREST = 24_000, 50  # contracts outstanding
TURNOVER = 0.03  # of the interest, a quarter of an hour
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, order=True)
class Expiration:
    """`closes_at` ends the session of that day. Until then the world has `nights` and so many `seconds` of sessions."""

    day: date
    closes_at: datetime
    nights: int
    seconds: int


@dataclass(frozen=True, slots=True, order=True)
class Listed:
    """A contract with what quoting it needs."""

    occ_symbol: str
    stock: str
    strike: float
    is_call: bool
    expires: Expiration
    symbol: OptionSymbol

    @property
    def closes_at(self) -> datetime:
        return self.expires.closes_at

    @property
    def ticks(self) -> TickTable:
        return CLASSES[self.stock].ticks


Listings = tuple[tuple[Expiration, ...], ...]  # session by session


def listed_by(world: World, calendar: Calendar, on: date) -> Sequence[Listed]:
    """What was listed by a session of the world and has not expired: at each open so far, around the opening price."""
    sessions = world.sessions(calendar, on)
    known = expirations(world, calendar, on)
    listings = tuple(
        tuple(known[day] for day in _listed_ahead(session.day) if day in known and day.weekday() in EXPIRES_ON)
        for session in sessions
    )
    return _listed(world, tuple(length(session) for session in sessions), listings, on)


def _listed_ahead(on: date) -> Iterator[date]:
    return (on + timedelta(days=days) for days in LISTED_AHEAD)


def expirations(world: World, calendar: Calendar, on: date) -> dict[date, Expiration]:
    """Every session that something listed by a day could expire in, by its day."""
    found: dict[date, Expiration] = {}
    seconds = 0
    for nights, session in enumerate(world.sessions(calendar, min(max(_listed_ahead(on)), calendar.last))):
        seconds += length(session)
        found[session.day] = Expiration(session.day, session.closes_at, nights, seconds)
    return found


@lru_cache(maxsize=16)
def _listed(world: World, lengths: tuple[int, ...], listings: Listings, on: date) -> tuple[Listed, ...]:
    found = set()
    for number, expiring in enumerate(listings):
        if all(expires.day < on for expires in expiring):
            continue  # long expired: its opening prices need not be drawn again
        day = world.day_of(lengths[: number + 1])
        for expires in expiring:
            if expires.day < on:
                continue
            for stock in STOCKS:
                for strike in _strikes(float(day.prices[stock][0])):
                    for right in RIGHTS:
                        symbol = OptionSymbol(stock, expires.day, right, strike)
                        found.add(Listed(str(symbol), stock, float(strike), right == "C", expires, symbol))
    return tuple(sorted(found))


def dailies(world: World, calendar: Calendar, on: date) -> Sequence[Listed]:
    """Options on the market's own fund that expire in the session they are listed in. The demo's feed tells of the
    stocks' weeklies alone (`listed_by`): whoever wants these asks for them."""
    sessions = world.sessions(calendar, on)
    day, expires = world.day(sessions), expirations(world, calendar, on)[on]
    found = []
    for strike in _strikes(float(day.prices[MARKET][0]), step=Decimal(1), each_way=DAILY_STRIKES_EACH_WAY):
        for right in RIGHTS:
            symbol = OptionSymbol(MARKET, on, right, strike)
            found.append(Listed(str(symbol), MARKET, float(strike), right == "C", expires, symbol))
    return tuple(sorted(found))


def _strikes(opened_at: float, *, step: Decimal | None = None, each_way: int = STRIKES_EACH_WAY) -> list[Decimal]:
    step = step or (Decimal("2.5") if opened_at < 250.0 else Decimal(5))
    middle = (Decimal(opened_at) / step).to_integral_value() * step
    return [middle + step * count for count in range(-each_way, each_way + 1)]


# ---- Quotes ----


def quote(world: World, contract: Listed, day: Day, on: date, second: int, at: datetime) -> QuoteTick:
    """Bid and ask of a contract at a second of a session, with the contracts shown; USD a share."""
    theoretical, away, nervous = _theoretical(contract, day, second)
    ticks = contract.ticks
    intrinsic = _intrinsic(contract, float(day.prices[contract.stock][second]))
    half = HALF_SPREAD * max(theoretical - intrinsic, 0.0) + HALF_SPREAD_INTRINSIC * intrinsic
    half = half * (1.0 + SPREAD_AWAY * away) * nervous + float(ticks.under) / 2.0
    bid, ask = ticks.down(_decimal(max(theoretical - half, 0.0))), ticks.up(_decimal(theoretical + half))
    if ask == bid:
        ask = ticks.ticks_up(ask, 1)
    depth = DEPTH * math.exp(-away * away / 3.0) / nervous
    minute, what = second // 60, f"{contract.occ_symbol} {on}"
    bid_size = LEAST_DEPTH + int(depth * (0.5 + draw_one(world.seed, f"{what} bid", minute)))
    ask_size = LEAST_DEPTH + int(depth * (0.5 + draw_one(world.seed, f"{what} ask", minute)))
    return QuoteTick(contract.occ_symbol, bid or None, bid_size if bid else 0, ask, ask_size, at)


def worth(contract: Listed, day: Day, second: int) -> Decimal:
    """What a contract trades at, USD a share, on a tick."""
    ticks = contract.ticks
    return max(ticks.up(_decimal(_theoretical(contract, day, second)[0])), ticks.under)


def interest(world: World, contract: Listed, day: Day) -> int:
    """Contracts outstanding at the open of a session."""
    away = _theoretical(contract, day, 0)[1]
    share = 0.5 + draw_one(world.seed, f"{contract.occ_symbol} interest")
    return LEAST_INTEREST + int(INTEREST * share * math.exp(-away * away / 4.0))


def volume(world: World, contract: Listed, on: date, number: int, outstanding: int) -> int:
    """Contracts that trade in a quarter of an hour of a session, the first being 1."""
    return int(outstanding * TURNOVER * (0.5 + draw_one(world.seed, f"{contract.occ_symbol} {on} volume", number)))


def _theoretical(contract: Listed, day: Day, second: int) -> tuple[float, float, float]:
    """Price, USD a share; standard deviations from the money, never negative; volatility as a multiple of the name's
    own."""
    name, expires, spot = NAMES[contract.stock], contract.expires, float(day.prices[contract.stock][second])
    seconds, nights = max(expires.seconds - day.seconds - second, 0), max(expires.nights - day.nights, 0)
    flat = name.volatility * math.sqrt(day.level(second) / MEAN_LEVEL)
    scale = flat * math.sqrt(name.years(max(seconds, HALF_A_DAY), nights))
    away = max(-MOST_DEVIATIONS, min(MOST_DEVIATIONS, math.log(contract.strike / spot) / scale))
    volatility = flat * (1.0 + SMILE * away * away + SKEW * away)
    price = black_scholes(spot, contract.strike, name.years(seconds, nights), volatility, contract.is_call)
    return price, abs(away), volatility / name.volatility


def _intrinsic(contract: Listed, spot: float) -> float:
    return max(spot - contract.strike if contract.is_call else contract.strike - spot, 0.0)


def black_scholes(spot: float, strike: float, years: float, volatility: float, call: bool) -> float:
    """The price of a European option without dividends or interest, USD a share. Hull, chapter 15."""
    sign = 1.0 if call else -1.0
    deviation = volatility * math.sqrt(years)
    if deviation <= 0.0:
        return max(sign * (spot - strike), 0.0)
    d1 = math.log(spot / strike) / deviation + deviation / 2.0
    return sign * (spot * _normal(sign * d1) - strike * _normal(sign * (d1 - deviation)))


def _normal(value: float) -> float:
    """The standard normal distribution."""
    return 0.5 * math.erfc(-value / math.sqrt(2.0))


def _decimal(value: float) -> Decimal:
    return Decimal(f"{value:.6f}")
