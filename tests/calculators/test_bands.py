"""Bands of luck: against the binomial, against the projection of one wager, and what is far from random."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.calculators import bands
from riskengine.calculators.kelly import growth_optimal_fraction
from riskengine.calculators.projection import Wager, project

PATHS = 20_000
COIN = np.array([1.0, -1.0])


def test_percentiles_are_those_of_the_binomial():
    """20 even-money flips at 10%: the median has ten wins, the 5th percentile six."""
    found = bands.walk(COIN, np.full(20, 0.1), paths=PATHS, seed=1)
    assert found.percentiles[2, -1] == pytest.approx(1.1**10 * 0.9**10)
    assert found.percentiles[0, -1] == pytest.approx(1.1**6 * 0.9**14)
    assert found.percentiles[:, 0].tolist() == [1.0] * 5
    assert found.after == tuple(range(21))


def test_it_agrees_with_the_projection_of_the_same_bet():
    outcomes = bands.two_outcomes(0.55, 0.2, 0.2)
    found = bands.walk(outcomes, np.full(100, 0.4), paths=PATHS, seed=2)
    wager = Wager(probability=np.array([0.55, 0.45]), payoff=np.array([0.2, -0.2]), fraction=0.4, bets=100, initial=1.0)
    other = project(wager, paths=PATHS, seed=2, drawdowns=[0.5])
    assert found.fell(0.5) == pytest.approx(other.drawdown[0], abs=0.015)
    assert found.percentiles[2, -1] == pytest.approx(other.median, rel=0.001)
    assert np.median(found.final) == pytest.approx(other.median, rel=0.001)
    assert float((found.drawdowns >= 0.5 - 1e-9).mean()) == pytest.approx(found.fell(0.5))


def test_each_bet_has_its_own_size():
    found = bands.walk(np.array([-1.0]), np.array([0.5, 0.2, 0.0]), paths=3, seed=1)
    assert found.final.tolist() == pytest.approx([0.4] * 3)
    assert bands.history(np.array([-1.0, 0.5]), np.array([0.5, 0.2])).tolist() == pytest.approx([1, 0.5, 0.55])


def test_nothing_follows_ruin():
    found = bands.walk(np.array([-1.5, 9.0]), np.full(30, 1.0), paths=500, seed=1)
    assert (found.final == 0.0).all()
    assert found.fell(1.0) == 1.0


def test_without_a_bet_everybody_stands_where_he_began():
    found = bands.walk(COIN, np.zeros(0), paths=10, seed=1)
    assert found.percentiles.shape == (5, 1)
    assert bands.at_least_as_well(found.final, 1.0) == 1.0
    assert bands.standing(found.final, 1.0) == 0.5


def test_a_long_record_is_drawn_at_so_many_points():
    found = bands.walk(COIN, np.full(1_000, 0.01), paths=50, seed=1)
    assert len(found.after) == found.percentiles.shape[1] == bands.MOST_POINTS + 1
    assert (found.after[0], found.after[-1]) == (0, 1_000)
    assert bands.paths_for(1_000) == 4_000
    assert bands.paths_for(10) == 10_000
    assert bands.paths_for(10**9) == 500


def test_standing_counts_ties_half():
    final = np.array([1.0, 2.0, 2.0, 3.0])
    assert bands.standing(final, 2.0) == 0.5
    assert bands.standing(final, 9.0) == 1.0
    assert bands.at_least_as_well(final, 2.0) == 0.75


def test_how_many_trades_tell_an_edge_from_nothing():
    """Mean 0.05, standard deviation 0.2: (2.802 x 4)^2 = 125.6."""
    assert bands.trades_needed(0.05, 0.2) == 126
    assert bands.trades_needed(5.0, 0.1) == 2
    for mean, deviation in ((0.0, 0.2), (-0.1, 0.2), (math.nan, 0.2), (0.1, math.nan), (0.1, math.inf), (1e-300, 1.0)):
        assert bands.trades_needed(mean, deviation) is None


@settings(max_examples=40)
@given(st.lists(st.floats(-1, 3).map(lambda gain: round(gain, 3)), min_size=1, max_size=12))
def test_many_kellys_are_those_of_one(gains):
    column = np.array(gains)
    alone = growth_optimal_fraction(np.full(len(column), 1 / len(column)), column)
    found = bands.growth_optimal_fractions(np.array([column, column]))
    assert found.tolist() == pytest.approx([alone] * 2, rel=1e-6, abs=1e-7)


def test_the_interval_of_kelly_is_wide_for_few_trades_and_narrows():
    few, many = (
        bands.resampled_kelly(np.tile([0.2, 0.2, 0.2, -0.2, -0.2], times), resamples=400, seed=1) for times in (4, 100)
    )
    assert few[0] == 0.0
    assert few[1] > 3 * many[0]
    assert 0.4 < many[0] < 1.0 < many[1] < 1.6  # Kelly itself is 1.0
    assert bands.resampled_kelly(np.array([0.1, 0.2]), resamples=50, seed=1) == (math.inf, math.inf)
