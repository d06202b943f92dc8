"""Black-Scholes-Merton: textbook values, the identities between the Greeks, and the way back from a price."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from riskengine.calculators.greeks import SECONDS_PER_YEAR, Greeks, greeks, implied_volatility

DAY = 86_400.0
NAMES = ("price", "delta", "gamma", "theta_per_day", "vega_per_point")


def one(spot, strike, seconds, volatility, rate=0.0, dividend_yield=0.0, *, call=True):
    columns = (np.array([float(value)]) for value in (spot, strike, seconds, volatility))
    return greeks(*columns, rate, dividend_yield, np.array([call]))


def implied(price, spot, strike, seconds, rate=0.0, dividend_yield=0.0, *, call=True):
    columns = (np.array([float(value)]) for value in (price, spot, strike, seconds))
    return implied_volatility(*columns, rate, dividend_yield, np.array([call]))[0]


options = st.fixed_dictionaries(
    {
        "spot": st.floats(1, 5000),
        "moneyness": st.floats(0.7, 1.4),
        "seconds": st.floats(60, 2 * SECONDS_PER_YEAR),
        "volatility": st.floats(0.03, 2.0),
        "rate": st.floats(-0.02, 0.12),
        "dividend_yield": st.floats(0, 0.08),
    }
)


def priced(option, *, call=True, **changed):
    values = {**option, "strike": option["spot"] * option["moneyness"], **changed}
    keys = ("spot", "strike", "seconds", "volatility", "rate", "dividend_yield")
    return one(*(values[key] for key in keys), call=call)


@pytest.mark.parametrize(
    ("source", "inputs", "call", "price", "places"),
    [
        ("Hull, example 15.6", (42, 40, 0.5, 0.20, 0.10, 0.0), True, 4.76, 2),
        ("Hull, example 15.6", (42, 40, 0.5, 0.20, 0.10, 0.0), False, 0.81, 2),
        ("Hull, example 17.1: index with a yield", (930, 900, 2 / 12, 0.20, 0.08, 0.03), True, 51.83, 2),
        ("Haug, Merton 1973: put with a yield", (100, 95, 0.5, 0.20, 0.10, 0.05), False, 2.4648, 4),
    ],
)
def test_prices_are_the_textbooks(source, inputs, call, price, places):
    spot, strike, years, volatility, rate, dividend_yield = inputs
    found = one(spot, strike, years * SECONDS_PER_YEAR, volatility, rate, dividend_yield, call=call)
    assert round(found.price[0], places) == price, source


def test_greeks_are_the_textbooks_in_our_units():
    """Hull, chapter 19: 49 on 50, 20 weeks, 20%, 5%: delta 0.522, gamma 0.066, theta -4.31 a year, vega 12.1 per 1."""
    found = one(49, 50, 0.3846 * SECONDS_PER_YEAR, 0.20, 0.05)
    assert round(found.delta[0], 3) == 0.522
    assert round(found.gamma[0], 3) == 0.066
    assert round(found.theta_per_day[0] * 365, 2) == -4.31
    assert round(found.vega_per_point[0] * 100, 1) == 12.1


@given(options)
def test_put_call_parity_holds_for_price_and_greeks(option):
    call, put = priced(option), priced(option, call=False)
    years = option["seconds"] / SECONDS_PER_YEAR
    held = option["spot"] * math.exp(-option["dividend_yield"] * years)
    owed = option["spot"] * option["moneyness"] * math.exp(-option["rate"] * years)
    scale = max(held, owed)
    assert call.price[0] - put.price[0] == pytest.approx(held - owed, abs=1e-12 * scale)
    assert call.delta[0] - put.delta[0] == pytest.approx(held / option["spot"], abs=1e-12)
    assert call.gamma[0] == put.gamma[0]
    assert call.vega_per_point[0] == put.vega_per_point[0]


@given(options, st.booleans())
def test_greeks_are_the_slopes_of_the_price(option, call):
    """Central differences; a step is a share of one standard deviation, or the price would be curved within it."""
    found = priced(option, call=call)
    strike = option["spot"] * option["moneyness"]
    deviation = option["volatility"] * math.sqrt(option["seconds"] / SECONDS_PER_YEAR)
    assume(deviation > 1e-3)

    def price(**changed):
        return priced(option, call=call, strike=strike, **changed).price[0]

    h = 1e-4 * deviation * option["spot"]
    up, down = price(spot=option["spot"] + h), price(spot=option["spot"] - h)
    assert found.delta[0] == pytest.approx((up - down) / (2 * h), abs=1e-6)
    h *= 30
    up, down = price(spot=option["spot"] + h), price(spot=option["spot"] - h)
    assert found.gamma[0] == pytest.approx(
        (up - 2 * found.price[0] + down) / h**2, abs=1e-4 / (deviation * option["spot"])
    )
    h = 1e-4 * option["volatility"]
    slope = (price(volatility=option["volatility"] + h) - price(volatility=option["volatility"] - h)) / (2 * h)
    assert found.vega_per_point[0] == pytest.approx(slope / 100, abs=1e-8 * option["spot"])
    h = 1e-4 * option["seconds"]
    slope = (price(seconds=option["seconds"] - h) - price(seconds=option["seconds"] + h)) / (2 * h / DAY)
    assert found.theta_per_day[0] == pytest.approx(
        slope, abs=1e-6 * abs(found.theta_per_day[0]) + 1e-8 * option["spot"]
    )


def test_an_option_on_its_last_minute_has_finite_greeks():
    """60 s, at the money: price S v sqrt(T / 2 pi), delta 1/2; whole days would make it 0 or infinite."""
    found = one(600, 600, 60, 0.20)
    assert found.price[0] == pytest.approx(600 * 0.20 * math.sqrt(60 / SECONDS_PER_YEAR / (2 * math.pi)), rel=1e-6)
    assert found.delta[0] == pytest.approx(0.5, abs=1e-4)
    assert math.isfinite(found.gamma[0])
    assert math.isfinite(found.theta_per_day[0])


@pytest.mark.parametrize("column", range(6))
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_unusable_input_is_nan_throughout_and_spoils_no_other_row(column, bad):
    rows = [np.array([value] * 3) for value in (100.0, 100.0, DAY, 0.2, 0.03, 0.01)]
    rows[column][1] = bad
    found = greeks(*rows, np.array([True, True, False]))
    for name in NAMES:
        assert np.isnan(getattr(found, name)).tolist() == [False, True, False]


@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_nothing_at_or_under_zero_is_priced(column, bad):
    inputs = [100.0, 100.0, DAY, 0.2]
    inputs[column] = bad
    assert all(np.isnan(getattr(one(*inputs), name)[0]) for name in NAMES)


def test_columns_of_unequal_length_raise():
    with pytest.raises(ValueError):
        greeks(np.ones(3), np.ones(2), np.ones(3), np.ones(3), 0.0, 0.0, np.ones(3, bool))


def random_book(n, seed=0):
    random = np.random.default_rng(seed)
    spot = random.uniform(20, 600, n)
    strike = spot * np.exp(random.normal(0, 0.1, n))
    seconds = random.uniform(60, 9 * DAY, n)
    return spot, strike, seconds, random.uniform(0.05, 1.5, n), 0.05, 0.01, random.random(n) < 0.5


def test_a_book_is_its_rows_one_by_one():
    spot, strike, seconds, volatility, rate, dividend_yield, call = random_book(40)
    book = greeks(spot, strike, seconds, volatility, rate, dividend_yield, call)
    for i in range(40):
        row = one(spot[i], strike[i], seconds[i], volatility[i], rate, dividend_yield, call=call[i])
        assert [getattr(row, name)[0] for name in NAMES] == [getattr(book, name)[i] for name in NAMES]


def test_a_book_longer_than_a_block_is_its_halves():
    columns = random_book(40_000)
    whole = greeks(*columns)

    def part(rows):
        return greeks(*(column[rows] if isinstance(column, np.ndarray) else column for column in columns))

    halves = part(slice(0, 20_001)), part(slice(20_001, None))
    for name in NAMES:
        joined = np.concatenate([getattr(half, name) for half in halves])
        np.testing.assert_array_equal(getattr(whole, name), joined)


def test_an_empty_book_is_empty():
    empty = np.empty(0)
    assert isinstance(greeks(empty, empty, empty, empty, 0.0, 0.0, empty.astype(bool)), Greeks)
    assert implied_volatility(empty, empty, empty, empty, 0.0, 0.0, empty.astype(bool)).shape == (0,)


def test_the_way_back_from_price_to_volatility_ends_where_it_began():
    spot, strike, seconds, volatility, rate, dividend_yield, call = random_book(20_000, seed=3)
    found = greeks(spot, strike, seconds, volatility, rate, dividend_yield, call)
    back = implied_volatility(found.price, spot, strike, seconds, rate, dividend_yield, call)
    # The price is rounded to about 1e-16 of the larger of spot and strike; vega says what that hides of the volatility.
    with np.errstate(divide="ignore"):
        hidden = 32 * np.spacing(np.maximum(spot, strike)) / (100 * found.vega_per_point)
    solved = ~np.isnan(back)
    assert (np.abs(back - volatility)[solved] <= 1e-11 + hidden[solved]).all()
    assert (hidden[~solved] > 1e-4).all()  # only where the price has no time value left to tell
    assert solved.mean() > 0.9


@given(options, st.booleans())
def test_the_implied_volatility_prices_the_option(option, call):
    price = priced(option, call=call).price[0]
    strike = option["spot"] * option["moneyness"]
    rates = option["rate"], option["dividend_yield"]
    volatility = implied(price, option["spot"], strike, option["seconds"], *rates, call=call)
    assume(not math.isnan(volatility))
    assert priced(option, call=call, volatility=volatility).price[0] == pytest.approx(
        price, abs=1e-12 * max(option["spot"], strike)
    )


@pytest.mark.parametrize("volatility", [0.001, 0.01, 0.2, 3.0, 20.0])
@pytest.mark.parametrize("strike", [50.0, 99.0, 100.0, 101.0, 200.0])
def test_far_wings_and_extreme_volatilities_are_solved(volatility, strike):
    """Out of the money, where the price keeps its digits; a price under the smallest float64 has no volatility."""
    call = strike >= 100
    price = one(100, strike, 30 * DAY, volatility, call=call).price[0]
    back = implied(price, 100, strike, 30 * DAY, call=call)
    if price == 0.0:
        assert math.isnan(back)
    else:
        assert back == pytest.approx(volatility, rel=1e-10)


@pytest.mark.parametrize(
    ("price", "call"),
    [(0.0, True), (-1.0, True), (10.0, True), (9.99, True), (100.0, True), (101.0, True), (90.0, False), (0.0, False)],
)
def test_a_price_at_or_outside_its_bounds_has_no_volatility(price, call):
    assert math.isnan(implied(price, 100, 90, DAY, call=call))


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan])
def test_without_time_there_is_no_volatility(seconds):
    assert math.isnan(implied(5.0, 100, 100, seconds))


@pytest.mark.parametrize("column", range(6))
def test_an_unusable_input_has_no_volatility_and_spoils_no_other_row(column):
    rows = [np.array([value] * 3) for value in (2.0, 100.0, 100.0, 30 * DAY, 0.03, 0.01)]
    rows[column][1] = math.nan
    found = implied_volatility(*rows, np.array([True] * 3))
    assert np.isnan(found).tolist() == [False, True, False]
