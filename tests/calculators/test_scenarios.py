"""What a book gains or loses when spot and volatility move: against prices one by one, and by what must hold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from positions.market.feeds.chain import black_scholes
from riskengine.calculators.greeks import greeks
from riskengine.calculators.scenarios import SPOT_MOVES, VOLATILITY_MOVES, scenario_pnl

HOUR = 3_600.0
DAY = 86_400.0
YEAR = 365.0 * DAY

bets = st.lists(
    st.tuples(
        st.integers(1, 600), st.floats(50, 5000), st.floats(0.9, 1.1), st.floats(HOUR, 30 * DAY),
        st.floats(0.08, 1.5), st.booleans(),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


def columns(book):
    contracts, spot, moneyness, seconds, volatility, call = (np.array(each) for each in zip(*book, strict=True))
    return {
        "contracts": contracts.astype(float),
        "multiplier": np.full(len(book), 100.0),
        "spot": spot,
        "strike": spot * moneyness,
        "seconds_to_expiry": seconds,
        "volatility": volatility,
        "rate": 0.0,
        "dividend_yield": 0.0,
        "call": call,
    }


@given(bets)
def test_each_cell_is_the_sum_of_the_options_repriced_one_by_one(book) -> None:
    given = columns(book)
    found = scenario_pnl(**given)
    assert found.shape == (len(VOLATILITY_MOVES), len(SPOT_MOVES))
    for i, wild in enumerate(VOLATILITY_MOVES):
        for j, up in enumerate(SPOT_MOVES):
            total = 0.0
            for contracts, spot, moneyness, seconds, volatility, call in book:
                rest = (spot * moneyness, seconds / YEAR)
                now = black_scholes(spot, *rest, volatility, call)
                then = black_scholes(spot * (1 + up), *rest, volatility * (1 + wild), call)
                total += contracts * 100.0 * (then - now)
            assert found[i, j] == pytest.approx(total, rel=1e-9, abs=1e-6)


@given(bets)
def test_nothing_moves_nothing_is_gained_and_no_more_is_lost_than_the_book_is_worth(book) -> None:
    given = columns(book)
    found = scenario_pnl(**given)
    worth = greeks(
        given["spot"], given["strike"], given["seconds_to_expiry"], given["volatility"], 0.0, 0.0, given["call"]
    ).price
    assert found[VOLATILITY_MOVES == 0.0, SPOT_MOVES == 0.0] == 0.0
    assert (found >= -(worth * given["contracts"] * 100.0).sum() - 1e-6).all()


def test_a_call_gains_when_the_spot_rises_and_any_option_when_volatility_does() -> None:
    found = scenario_pnl(**columns([(3, 3720.0, 1.0, 5 * HOUR, 0.2, True)]))
    assert (np.diff(found, axis=1) >= 0).all()
    assert (np.diff(found[:, 3:8], axis=1) > 0).all()
    assert (np.diff(found, axis=0) <= 0).all()  # the wildest first


def test_one_option_that_cannot_be_priced_makes_the_whole_unknown() -> None:
    given = columns([(3, 3720.0, 1.0, 5 * HOUR, 0.2, True), (1, 300.0, 1.0, DAY, math.nan, False)])
    assert np.isnan(scenario_pnl(**given)).all()


def test_an_empty_book_gains_and_loses_nothing() -> None:
    empty = {
        name: np.zeros(0) for name in ("contracts", "multiplier", "spot", "strike", "seconds_to_expiry", "volatility")
    }
    assert (scenario_pnl(**empty, rate=0.0, dividend_yield=0.0, call=np.zeros(0, bool)) == 0.0).all()
