"""Calibration lowers what the trades do not bear out, and says nothing before there are any.

The heavy packages are loaded by the tests that ask them: every worker of a run reads this file.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.calculators.confidence import (
    brier,
    brier_of_base,
    calibrate,
    reliability,
    scaling_confidence,
    tier_of,
)

NAN = math.nan
EDGES = np.array([0.0, 0.7, 0.8, 0.9])
GRID = np.linspace(0.0, 1.0, 201)

confidences = st.integers(0, 10**6).map(lambda millionths: millionths / 10**6)
trades = st.lists(st.tuples(confidences, st.booleans()), min_size=1, max_size=60)
raws = st.lists(st.floats(0, 1), min_size=1, max_size=20).map(lambda raw: np.array(sorted(raw)))
priors = st.floats(0.5, 200)


def columns(pairs):
    confidence, won = zip(*pairs, strict=True) if pairs else ((), ())
    return np.array(confidence, float), np.array(won, bool)


def calibration_of(pairs, prior=20.0, certain=30):
    return calibrate(*columns(pairs), prior_trades=prior, certain_trades=certain)


def test_without_trades_the_raw_confidence_stands():
    raw = np.array([0.0, 0.123456789, 1.0, NAN])
    calibration = calibration_of([])
    np.testing.assert_array_equal(calibration.of(raw), raw)
    np.testing.assert_array_equal(scaling_confidence(raw, calibration), raw)


def test_ten_trades_move_a_third_of_the_way_to_the_base_rate_and_a_ninth_to_the_fit():
    """w = 10 / 30; base 0.5; all at one confidence, so the fit is the base rate: 2/3 x 0.9 + 1/3 x 0.5."""
    calibration = calibration_of([(0.9, k < 5) for k in range(10)])
    assert calibration.of(np.array([0.9]))[0] == pytest.approx(0.9 * 2 / 3 + 0.5 / 3)


def test_the_formula_in_full():
    """40 trades, w = 40 / 60: 10 of 20 won at 0.6 and 18 of 20 at 0.8, base 0.7, fit 0.7 at 0.7."""
    pairs = [(0.6, k < 10) for k in range(20)] + [(0.8, k < 18) for k in range(20)]
    found = calibration_of(pairs).of(np.array([0.5, 0.7, 0.95]))
    w = 2 / 3
    for raw, fit, value in zip((0.5, 0.7, 0.95), (0.5, 0.7, 0.9), found, strict=True):
        assert value == pytest.approx((1 - w) * raw + w * (w * fit + (1 - w) * 0.7))


@given(trades, raws, priors)
def test_the_fit_is_the_one_of_scikit_learn(pairs, raw, prior):
    from sklearn import isotonic

    confidence, won = columns(pairs)
    fit = isotonic.IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(confidence, won)
    found = calibration_of(pairs, prior).isotonic(raw)
    np.testing.assert_allclose(found, fit.predict(raw), rtol=0, atol=1e-9)


@given(trades, raws, priors, st.integers(0, 60))
def test_more_raw_confidence_is_never_less_calibrated(pairs, raw, prior, certain):
    for confidence in (raw, GRID, np.repeat(raw, 2) + np.tile([0.0, 1e-16], len(raw))):
        found = calibration_of(pairs, prior, certain).of(np.sort(np.minimum(confidence, 1.0)))
        assert (np.diff(found) >= 0.0).all()


@given(trades, raws, priors)
def test_with_few_trades_it_lies_between_raw_and_base(pairs, raw, prior):
    calibration = calibration_of(pairs, prior, certain=len(pairs) + 1)
    found = calibration.of(raw)
    assert (found >= np.minimum(raw, calibration.base)).all()
    assert (found <= np.maximum(raw, calibration.base)).all()


@given(trades, raws, priors, st.randoms(use_true_random=False))
def test_the_order_of_the_trades_changes_not_one_bit(pairs, raw, prior, rng):
    shuffled = rng.sample(pairs, len(pairs))
    np.testing.assert_array_equal(calibration_of(shuffled, prior).of(raw), calibration_of(pairs, prior).of(raw))


@given(trades, raws, priors, st.integers(0, 60))
def test_it_stays_within_zero_and_one_and_scaling_never_raises(pairs, raw, prior, certain):
    calibration = calibration_of(pairs, prior, certain)
    found, scaling = calibration.of(raw), scaling_confidence(raw, calibration)
    assert ((found >= 0.0) & (found <= 1.0)).all()
    assert (scaling <= raw).all()
    np.testing.assert_array_equal(scaling, np.minimum(raw, found))


@given(trades, priors)
@settings(max_examples=30, deadline=None)
def test_the_more_trades_say_the_same_the_nearer_it_comes_to_the_fit(pairs, prior):
    fit = calibration_of(pairs, prior).isotonic(GRID)

    def distance(times):
        return np.abs(calibration_of(pairs * times, prior, certain=1).of(GRID) - fit).max()

    most = 3.0 * prior / (prior + 1000 * len(pairs))  # (1 - w) |raw - fit| + w (1 - w) |base - fit|
    assert distance(1000) <= most
    assert distance(1000) <= distance(100) + 1e-12


def test_a_curve_of_few_trades_cannot_carry_past_the_base_rate():
    """Nine of ten won, the one at 0.95 lost: the curve is flat at 0.9, and raw 0.95 goes no lower than 0.9."""
    pairs = [(0.6, True)] * 9 + [(0.95, False)]
    assert calibration_of(pairs, prior=0.5).of(np.array([0.95]))[0] >= 0.9


def test_what_is_no_confidence_stays_as_it_is():
    raw = np.array([NAN, -0.1, 1.5])
    calibration = calibration_of([(0.8, True), (0.9, False)])
    np.testing.assert_array_equal(calibration.of(raw), raw)
    assert math.isnan(scaling_confidence(raw, calibration)[0])


@pytest.mark.parametrize(
    ("confidence", "won"),
    [([NAN], [True]), ([-0.1], [True]), ([1.1], [True]), ([0.5, 0.6], [True]), ([[0.5]], [[True]])],
)
def test_unusable_trades_raise(confidence, won):
    with pytest.raises(ValueError):
        calibrate(np.array(confidence), np.array(won), prior_trades=20, certain_trades=30)


@pytest.mark.parametrize("prior", [0.0, -1.0, NAN, math.inf])
def test_a_prior_of_no_trades_raises(prior):
    with pytest.raises(ValueError):
        calibration_of([(0.5, True)], prior)


@given(trades)
def test_the_brier_score_is_the_one_of_scikit_learn(pairs):
    from sklearn import metrics

    confidence, won = columns(pairs)
    assert brier(confidence, won) == pytest.approx(metrics.brier_score_loss(won, confidence, pos_label=True), abs=1e-12)
    base = np.full(len(won), won.mean())
    assert brier_of_base(won) == pytest.approx(brier(base, won), abs=1e-12)


def test_without_trades_there_is_no_brier_score():
    assert brier(*columns([])) is None
    assert brier_of_base(np.empty(0, bool)) is None


def test_a_confidence_on_an_edge_belongs_to_the_tier_above():
    confidence = np.array([0.0, 0.6999999, 0.7, 0.1 + 0.7 - 1e-16, 0.899999, 0.9, 1.0])
    assert tier_of(confidence, EDGES).tolist() == [0, 1, 1, 2, 2, 3, 3]


def table_of(*rows, certain=1):
    confidence, gain = (np.array(part) for part in zip(*rows, strict=True))
    return reliability(confidence, gain > 0.0, gain, EDGES, certain_trades=certain)


def test_each_tier_has_its_own_average_gain_and_loss():
    found = table_of((0.75, 0.3), (0.72, 0.1), (0.78, -0.5), (0.95, 0.2))
    assert found.trades.tolist() == [0, 3, 0, 1]
    assert found.wins.tolist() == [0, 2, 0, 1]
    np.testing.assert_allclose(found.win_rate, [NAN, 2 / 3, NAN, 1])
    np.testing.assert_allclose(found.mean_confidence, [NAN, 0.75, NAN, 0.95])
    np.testing.assert_allclose(found.average_gain, [NAN, 0.2, NAN, 0.2])
    np.testing.assert_allclose(found.average_loss, [NAN, 0.5, NAN, NAN])
    np.testing.assert_allclose(found.expectancy, [NAN, -0.1 / 3, NAN, 0.2])


def test_the_break_even_rate_is_one_without_winners_zero_without_losers_and_unknown_without_trades():
    found = table_of((0.1, -0.5), (0.75, 0.2), (0.75, -0.6), (0.95, 0.2))
    np.testing.assert_allclose(found.break_even, [1.0, 0.75, NAN, 0.0])


def test_a_trade_that_ends_even_lost_nothing_and_did_not_win():
    found = table_of((0.95, 0.0), (0.95, 0.5))
    assert (found.wins[3], found.average_loss[3], found.break_even[3]) == (1, 0.0, 0.0)


def test_a_tier_wholly_under_break_even_is_marked_once_the_account_has_enough_trades():
    """Ten of 40 won with equal gains and losses: the interval ends at 0.40, break-even is 0.5."""
    rows = [(0.85, 0.2 if k < 10 else -0.2) for k in range(40)]
    assert table_of(*rows, certain=40).under_break_even.tolist() == [False, False, True, False]
    assert not table_of(*rows, certain=41).under_break_even.any()
    assert not table_of(*[(0.85, 0.2 if k < 16 else -0.2) for k in range(40)]).under_break_even.any()


@given(st.lists(st.tuples(confidences, st.integers(-100, 300).map(lambda cents: cents / 100)), max_size=40))
def test_at_the_break_even_rate_nothing_is_expected(rows):
    found = table_of(*rows) if rows else reliability(*columns([]), np.empty(0), EDGES, certain_trades=30)
    expected = found.break_even * found.average_gain - (1.0 - found.break_even) * found.average_loss
    assert np.abs(expected[~np.isnan(expected)]).max(initial=0.0) < 1e-12
    assert found.trades.sum() == len(rows)
    inside = found.trades > 0
    assert (found.low[inside] <= found.win_rate[inside]).all()
    assert (found.win_rate[inside] <= found.high[inside]).all()


@pytest.mark.parametrize(
    ("gain", "edges"), [([NAN], EDGES), ([-0.1], EDGES), ([0.1, 0.2], EDGES), ([0.1], EDGES[::-1]), ([0.1], EDGES[:0])]
)
def test_a_gain_that_contradicts_or_edges_that_do_not_ascend_raise(gain, edges):
    with pytest.raises(ValueError):
        reliability(np.array([0.9]), np.array([True]), np.array(gain), edges, certain_trades=30)
