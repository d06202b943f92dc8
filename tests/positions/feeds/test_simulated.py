"""Quotes of the made-up market: the same for the same moment, on ticks, with a smile, wider away from the money."""

import math
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import brentq

from positions.market.calendar import new_york_instant
from positions.market.contracts import CLASSES
from positions.market.feeds import chain
from positions.market.feeds.base import Batch, QuoteTick
from positions.market.feeds.simulated import QUOTED_EVERY, SimulatedFeed
from positions.market.feeds.world import LEVEL_STEP, MEAN_LEVEL, NAMES, STOCKS
from positions.market.symbols import OptionSymbol, parse
from riskengine.calculators import greeks
from tests.positions.feeds.calendar import CALENDAR, HALF_DAY, MONDAY, feed, session

WEEK = MONDAY + timedelta(days=7)
TEN = new_york_instant(MONDAY, time(10))


def at(seconds: float) -> datetime:
    return TEN + timedelta(seconds=seconds)


def last_known(batches: list[Batch]) -> dict[str, QuoteTick]:
    return {tick.contract: tick for batch in batches for tick in batch.quotes}


@pytest.fixture(scope="module")
def minute() -> Batch:
    return feed().between(at(-60), TEN)


@pytest.fixture(scope="module")
def quotes(minute: Batch) -> dict[OptionSymbol, QuoteTick]:
    """Every contract's quote at ten."""
    return {parse(contract): tick for contract, tick in last_known([minute]).items()}


# ---- The same for the same moment ----


def test_an_interval_says_the_same_in_any_steps(minute: Batch) -> None:
    for steps in (range(-60, 1), range(-60, 1, 5), (-60, -47, -46, 0)):
        parts = [feed().between(at(start), at(end)) for start, end in pairwise(steps)]
        assert [tick for part in parts for tick in part.quotes] == list(minute.quotes)
        assert [tick for part in parts for tick in part.prices] == list(minute.prices)
        assert [tick for part in parts for tick in part.volatility] == list(minute.volatility)


@pytest.mark.parametrize("step", [1, 2, 5, 7, 60])
def test_steps_of_any_length_end_at_the_same_quotes(step: int, minute: Batch) -> None:
    """What is stored of each step, one market second or sixty at a time: the speed of the clock."""
    steps = [*range(-60, 0, step), 0]
    stored = last_known([feed().latest(at(start), at(end)) for start, end in pairwise(steps)])
    assert stored == last_known([minute])


def test_half_seconds_change_nothing() -> None:
    assert feed().between(at(0.4), at(1.9)) == feed().between(at(0), at(1))
    assert feed().between(at(0.4), at(0.9)) == Batch([], [], [])


def test_another_seed_quotes_otherwise() -> None:
    assert feed(8).between(at(0), at(5)).quotes != feed(7).between(at(0), at(5)).quotes


def test_every_contract_is_quoted_every_five_seconds(minute: Batch) -> None:
    times: dict[str, list[datetime]] = {}
    for tick in minute.quotes:
        times.setdefault(tick.contract, []).append(tick.at)
    gaps = {later - earlier for each in times.values() for earlier, later in pairwise(each)}
    assert gaps == {timedelta(seconds=QUOTED_EVERY)}
    assert len(times) == len(feed().chain(MONDAY))


def test_every_name_has_a_price_a_second_and_the_index_a_level_every_fifteen(minute: Batch) -> None:
    assert len(minute.prices) == 60 * len(NAMES)
    assert len(minute.volatility) == 60 // LEVEL_STEP
    assert all(tick.price == tick.price.quantize(Decimal("0.01")) > 0 for tick in minute.prices)


def test_nothing_is_told_while_the_market_is_closed() -> None:
    evening, morning = new_york_instant(MONDAY, time(16)), new_york_instant(MONDAY + timedelta(days=1), time(9, 29, 59))
    assert feed().between(evening, morning) == Batch([], [], [])
    assert feed().between(evening - timedelta(seconds=1), evening).prices
    half = new_york_instant(HALF_DAY, time(13))
    assert feed().between(half, half + timedelta(hours=2)) == Batch([], [], [])
    before = new_york_instant(MONDAY, time(9, 29))
    assert feed().between(before - timedelta(days=3), before) == Batch([], [], [])


# ---- What is listed ----


def test_weeklies_five_to_nine_days_ahead_and_what_expires_today() -> None:
    assert sorted({each.symbol.expires_on for each in feed().chain(MONDAY)}) == [
        MONDAY, WEEK, MONDAY + timedelta(days=9),
    ]  # fmt: skip


def test_what_was_listed_stays_until_it_expires() -> None:
    listed = {each.symbol for each in feed().chain(MONDAY) if each.symbol.expires_on == WEEK}
    for days in range(1, 8):
        day = MONDAY + timedelta(days=days)
        if day.weekday() < 5:
            assert listed <= {each.symbol for each in feed().chain(day)}
    assert not listed & {each.symbol for each in feed().chain(WEEK + timedelta(days=1))}


def test_strikes_stand_around_the_money_of_the_seven_stocks() -> None:
    for stock in STOCKS:
        strikes = sorted({each.strike for each in feed().chain(MONDAY) if each.stock == stock})
        assert len(strikes) == 9
        assert strikes[0] < NAMES[stock].starts_at < strikes[-1]


def test_where_the_calendar_ends_fewer_are_listed() -> None:
    last = CALENDAR.last
    assert {each.symbol.expires_on for each in SimulatedFeed(feed().world, CALENDAR).chain(last)} <= {
        day for day in CALENDAR.by_day if day >= last
    }


# ---- Prices ----


def test_bids_and_asks_are_on_the_exchanges_ticks(quotes: dict[OptionSymbol, QuoteTick]) -> None:
    for symbol, tick in quotes.items():
        ticks = CLASSES[symbol.root].ticks
        assert tick.ask is not None
        assert ticks.is_valid(tick.ask)
        assert tick.bid is None or (ticks.is_valid(tick.bid) and 0 < tick.bid < tick.ask)
        assert (tick.bid_size > 0) == (tick.bid is not None)
        assert tick.ask_size > 0


def test_the_price_is_black_scholes() -> None:
    spots, strikes = np.array([100.0, 100.0]), np.array([105.0, 95.0])
    seconds, volatility, calls = np.array([604_800.0, 3_600.0]), np.array([0.4, 0.9]), np.array([True, False])
    told = greeks.greeks(spots, strikes, seconds, volatility, 0.0, 0.0, calls).price
    year = 365 * 86_400
    assert chain.black_scholes(100, 105, 604_800 / year, 0.4, True) == pytest.approx(told[0], abs=1e-9)
    assert chain.black_scholes(100, 95, 3_600 / year, 0.9, False) == pytest.approx(told[1], abs=1e-9)
    assert chain.black_scholes(100, 95, 0.0, 0.4, True) == 5.0
    assert chain.black_scholes(100, 105, 0.0, 0.4, True) == 0.0


def years_left(symbol: OptionSymbol, at: datetime) -> float:
    ahead = CALENDAR.between(MONDAY, symbol.expires_on)
    seconds = sum((each.closes_at - each.opens_at).total_seconds() for each in ahead)
    return NAMES[symbol.root].years(seconds - (at - ahead[0].opens_at).total_seconds(), len(ahead) - 1)


def volatility_of(symbol: OptionSymbol, tick: QuoteTick, spot: float) -> float:
    """Implied by the mid, on the market's own clock."""
    years = years_left(symbol, tick.at)
    mid = float((tick.bid or 0) + tick.ask) / 2
    return brentq(
        lambda v: chain.black_scholes(spot, float(symbol.strike), years, v, symbol.right == "C") - mid, 0.01, 5
    )


def spot_of(minute: Batch, tick: QuoteTick, stock: str) -> float:
    return next(float(each.price) for each in minute.prices if each.symbol == stock and each.at == tick.at)


@pytest.mark.parametrize("stock", STOCKS)
def test_volatility_smiles(stock: str, minute: Batch, quotes: dict[OptionSymbol, QuoteTick]) -> None:
    smile = {}
    for symbol, tick in quotes.items():
        spot = spot_of(minute, tick, symbol.root)
        out_of_the_money = (symbol.right == "C") == (float(symbol.strike) > spot)
        if symbol.root == stock and symbol.expires_on == WEEK and out_of_the_money:
            smile[float(symbol.strike)] = volatility_of(symbol, tick, spot)
    strikes = sorted(smile)
    lowest = min(strikes, key=smile.__getitem__)
    spot = NAMES[stock].starts_at
    deviation = NAMES[stock].volatility * math.sqrt(NAMES[stock].years(6 * 23_400, 5))
    assert abs(math.log(lowest / spot)) < deviation
    assert smile[strikes[0]] > smile[lowest]
    middle = min(strikes, key=lambda strike: abs(strike - spot))
    nervous = math.sqrt(feed().world.day_of((23_400,)).level(1800) / MEAN_LEVEL)
    assert smile[middle] == pytest.approx(NAMES[stock].volatility * nervous, rel=0.03)


@pytest.mark.parametrize(("name", "sessions"), [("SPY", 0.96), ("SPY", 0.3), ("AAPL", 5.96), ("TSLA", 3.0)])
def test_at_the_money_an_option_costs_what_it_pays_on_average(name: str, sessions: float) -> None:
    """Drawn from the law of the prices itself, jump by jump: 400,000 ends of the contract."""
    law, random, count = NAMES[name], np.random.default_rng(5), 400_000
    seconds, nights = 23_400 * sessions, int(sessions)
    jumps = random.poisson(law.jumps * sessions, count)
    variance = law.volatility**2 * (sessions / 252 + nights * 0.25 / 252) + jumps * law.jump_size**2
    drift = law.drift * seconds - law.volatility**2 / 2 * nights * 0.25 / 252
    ends = np.exp(drift + np.sqrt(variance) * random.standard_normal(count))
    assert ends.mean() == pytest.approx(1.0, abs=4 * ends.std() / math.sqrt(count))
    for call in (True, False):
        pays = np.maximum(ends - 1 if call else 1 - ends, 0)
        costs = chain.black_scholes(1.0, 1.0, law.years(seconds, nights), law.volatility, call)
        assert costs == pytest.approx(pays.mean(), abs=4 * pays.std() / math.sqrt(count) + 0.004 * costs)


def test_prices_move_by_what_their_options_are_priced_on() -> None:
    """Seconds of three weeks, nights and jumps together; the made-up names taken together."""
    world, count = feed().world, 15
    days = [world.day_of((23_400,) * (number + 1)) for number in range(count)]
    assert [(day.nights, day.seconds) for day in days[:2]] == [(0, 0), (1, 23_400)]
    moved = []
    for stock in STOCKS:
        logs = np.log(np.concatenate([day.prices[stock] for day in days]))
        told = NAMES[stock].volatility ** 2 * NAMES[stock].years(23_400 * count, count - 1)
        moved.append((np.diff(logs) ** 2).sum() / told)
    assert np.mean(moved) == pytest.approx(1.0, rel=0.1)


def relative_spread(tick: QuoteTick) -> float:
    assert tick.bid is not None
    assert tick.ask is not None
    return float((tick.ask - tick.bid) / (tick.ask + tick.bid) * 2)


def test_at_the_money_weeklies_are_tight_enough_to_enter(quotes: dict[OptionSymbol, QuoteTick], minute: Batch) -> None:
    for stock in STOCKS:
        nearest = min(
            (symbol for symbol in quotes if symbol.root == stock and symbol.expires_on == WEEK),
            key=lambda symbol: abs(float(symbol.strike) - spot_of(minute, quotes[symbol], stock)),
        )
        assert relative_spread(quotes[nearest]) < 0.05
        assert quotes[nearest].ask_size > 100


def listed(stock: str, strike: float, right: str = "C") -> chain.Listed:
    symbol = OptionSymbol(stock, WEEK, right, Decimal(strike))
    return chain.Listed(str(symbol), stock, strike, right == "C", expirations()[WEEK], symbol)


def expirations() -> dict[date, chain.Expiration]:
    return chain.expirations(feed().world, CALENDAR, MONDAY)


def test_an_expiration_ends_after_its_sessions_and_the_nights_between() -> None:
    """A half day is shorter, a holiday and a weekend are one night."""
    for day, told in expirations().items():
        sessions = CALENDAR.between(MONDAY, day)
        assert told.seconds == sum((each.closes_at - each.opens_at).total_seconds() for each in sessions)
        assert (told.nights, told.closes_at) == (len(sessions) - 1, sessions[-1].closes_at)
    assert max(expirations()) == MONDAY + timedelta(days=9)


def test_the_spread_grows_away_from_the_money_and_sizes_shrink() -> None:
    """META, where a tick is small beside the spread; out of the money, from near to far."""
    world, day = feed().world, feed().world.day_of((23_400,))
    told = [
        chain.quote(world, listed("META", strike), day, MONDAY, 1800, TEN) for strike in (620.0, 640.0, 660.0, 680.0)
    ]
    spreads = [relative_spread(each) for each in told]
    assert spreads == sorted(spreads)
    assert spreads[-1] > 2 * spreads[0]
    depths = [
        np.mean(
            [chain.quote(world, listed("META", strike), day, MONDAY, 60 * minute, TEN).ask_size for minute in range(60)]
        )
        for strike in (620.0, 660.0, 700.0)
    ]
    assert depths == sorted(depths, reverse=True)


def test_the_spread_grows_with_volatility() -> None:
    world, day = feed().world, feed().world.day_of((23_400,))
    calm, wild = (replace(day, levels=np.full_like(day.levels, level)) for level in (14.0, 45.0))
    told = [chain.quote(world, listed("META", 620.0), each, MONDAY, 1800, TEN) for each in (calm, wild)]
    widths = [float(each.ask - each.bid) for each in told]
    assert widths[1] > 2 * widths[0]
    assert told[1].ask > told[0].ask
    assert told[1].ask_size < told[0].ask_size


def test_a_worthless_option_has_no_bid() -> None:
    """Far from the money, half a minute before it expires."""
    closes_at = session(MONDAY).closes_at
    quotes = feed().latest(closes_at - timedelta(seconds=60), closes_at - timedelta(seconds=30)).quotes
    worthless = [tick for tick in quotes if tick.bid is None]
    assert worthless
    assert all(tick.ask <= Decimal("0.03") for tick in worthless)


def test_at_its_close_an_option_is_worth_what_it_is_in_the_money() -> None:
    day = feed().world.day_of((23_400,))
    for each in feed().chain(MONDAY):
        if each.symbol.expires_on == MONDAY:
            spot = float(day.prices[each.stock][-1])
            intrinsic = max(spot - each.strike if each.is_call else each.strike - spot, 0)
            assert float(chain.worth(each, day, 23_400)) == pytest.approx(intrinsic, abs=0.05)


# ---- Activity ----


def test_interest_and_volume_let_a_minimum_bet_through() -> None:
    interest = feed().interest(MONDAY)
    assert interest.keys() == {each.occ_symbol for each in feed().chain(MONDAY)}
    traded = feed().activity(session(MONDAY).opens_at, TEN)
    assert {each.at for each in traded} == {at(-900), TEN}
    volume: dict[str, int] = {}
    for each in traded:
        volume[each.contract] = volume.get(each.contract, 0) + each.volume
    for symbol, contracts in interest.items():
        assert 0 <= volume[symbol] < contracts
    weeklies = [each for each in feed().chain(MONDAY) if each.symbol.expires_on == WEEK]
    near = [each for each in weeklies if abs(math.log(each.strike / NAMES[each.stock].starts_at)) < 0.01]
    assert len({each.stock for each in near}) == 7
    for each in near:
        assert interest[each.occ_symbol] > 5_000
        assert volume[each.occ_symbol] > 200


def test_activity_is_told_once_a_quarter() -> None:
    whole = feed().activity(session(MONDAY).opens_at, at(1800))
    parts = [feed().activity(at(start), at(start + 100)) for start in range(-1800, 1800, 100)]
    assert [each for part in parts for each in part] == whole
