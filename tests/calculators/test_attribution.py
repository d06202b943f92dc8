"""Where a bet's profit came from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskengine.calculators.attribution import Marks, greek_parts, to_the_cent
from riskengine.calculators.greeks import greeks

DAY = 86_400.0


def marks(spot, volatility, seconds, held=None, trade=None, strike=100.0, call=True):
    spot, volatility, seconds = (np.asarray(each, np.float64) for each in (spot, volatility, seconds))
    m = len(spot)
    calls, strikes = np.full(m, call), np.full(m, strike)
    mid = greeks(spot, strikes, seconds, volatility, 0.0, 0.0, calls).price
    return Marks(
        trade=np.zeros(m, np.int64) if trade is None else np.asarray(trade),
        mid=mid,
        spot=spot,
        strike=strikes,
        seconds=seconds,
        call=calls,
        held=np.full(m, 300.0) if held is None else np.asarray(held, np.float64),
    )


def test_an_hour_that_nothing_moves_in_costs_time_alone():
    found = greek_parts(marks([100.0] * 61, [0.2] * 61, 5 * DAY - 60.0 * np.arange(61)), 1)
    assert found.theta[0] < 0.0
    assert abs(found.delta[0]) + abs(found.gamma[0]) + abs(found.vega[0]) < 1e-3 * abs(found.theta[0])


def test_a_small_move_is_delta_and_its_square_gamma():
    spot = np.linspace(100.0, 101.0, 101)
    given_marks = marks(spot, [0.2] * 101, [5 * DAY] * 101)
    found = greek_parts(given_marks, 1)
    gained = 300.0 * (given_marks.mid[-1] - given_marks.mid[0])
    assert found.total[0] == pytest.approx(gained, rel=1e-4)
    assert found.delta[0] > 100.0 * found.gamma[0] > 0.0


def test_a_rise_of_volatility_is_vega():
    given_marks = marks([100.0] * 11, np.linspace(0.2, 0.3, 11), [5 * DAY] * 11)
    found = greek_parts(given_marks, 1)
    assert found.vega[0] == pytest.approx(300.0 * (given_marks.mid[-1] - given_marks.mid[0]), rel=1e-3)


def test_what_is_sold_moves_no_more():
    spot = np.linspace(100.0, 101.0, 11)
    held = [300.0] * 5 + [100.0] * 6
    whole = greek_parts(marks(spot, [0.2] * 11, [5 * DAY] * 11), 1)
    part = greek_parts(marks(spot, [0.2] * 11, [5 * DAY] * 11, held=held), 1)
    assert part.delta[0] == pytest.approx(whole.delta[0] * (5 + 5 / 3) / 10, rel=0.05)


@pytest.mark.parametrize("m", [0, 1])
def test_without_two_minutes_nothing_is_known(m):
    assert not greek_parts(marks([100.0] * m, [0.2] * m, [DAY] * m), 1).known.any()


def test_a_trade_with_too_many_minutes_without_a_price_is_not_known_and_stops_no_other():
    two = marks([100.0] * 20, [0.2] * 20, [DAY] * 20, trade=[0] * 10 + [1] * 10)
    two.mid[3:6] = np.nan
    assert greek_parts(two, 2).known.tolist() == [False, True]


@given(st.lists(st.floats(-0.3, 0.3), min_size=5, max_size=60), st.booleans())
def test_the_parts_are_the_profit_but_for_little(moves, call):
    spot = 100.0 + np.cumsum(moves)
    seconds = 5 * DAY - 60.0 * np.arange(len(spot))
    given_marks = marks(spot, np.full(len(spot), 0.25), seconds, call=call)
    found = greek_parts(given_marks, 1)
    gained = 300.0 * (given_marks.mid[-1] - given_marks.mid[0])
    assert found.total[0] == pytest.approx(gained, abs=0.05 * len(spot))


usd = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(usd, usd, usd, st.integers(-(10**9), 10**9)), min_size=1, max_size=6))
def test_the_parts_and_what_is_left_over_are_the_profit_to_the_cent(trades):
    delta, theta, fees, cents = (np.array(column, np.float64) for column in zip(*trades, strict=True))
    found = to_the_cent({"delta": delta, "theta": theta, "fees": fees}, cents / 100.0)
    assert list(found) == ["delta", "theta", "fees", "unexplained"]
    assert sum(found.values()).tolist() == cents.tolist()
    assert all((each == np.round(each)).all() for each in found.values())
    np.testing.assert_allclose(found["delta"] / 100.0, delta, rtol=0, atol=0.005001)


def test_a_trade_with_an_unknown_part_has_none():
    found = to_the_cent({"delta": np.array([1.0, np.nan]), "fees": np.array([-1.0, -1.0])}, np.array([5.0, 5.0]))
    assert [each.tolist() for each in found.values()] == [
        [100.0, pytest.approx(np.nan, nan_ok=True)],
        [-100.0, pytest.approx(np.nan, nan_ok=True)],
        [500.0, pytest.approx(np.nan, nan_ok=True)],
    ]
