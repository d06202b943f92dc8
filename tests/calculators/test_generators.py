"""Each component says up, down or nothing for the reason it gives; together they say how sure, or that they cannot."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from riskengine.calculators import generators
from riskengine.calculators.generators import (
    MAG7_7DTE_WEIGHTS,
    SMART_0DTE_WEIGHTS,
    analyst_tilt,
    combine,
    cross_asset,
    intraday_momentum,
    momentum,
    post_earnings_drift,
    trend,
    valuation_tilt,
    volatility_regime,
)

NAN = math.nan

walks = st.integers(0, 10_000).map(
    lambda seed: 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.015, (4, 60)), axis=1))
)
scales = st.floats(0.01, 1000)


def column(*values):
    return np.array(values, float)


def closes_of(*series):
    return np.array(series, float)


# --- prices -----------------------------------------------------------------------------------------------------------


@given(walks)
def test_trend_is_the_distance_from_both_averages_within_the_band(closes):
    logs = np.log(closes)
    expected = np.zeros(4)
    for sessions in (20, 50):
        average = np.array([math.fsum(row[-sessions:]) / sessions for row in logs])
        expected += 0.5 * np.clip((logs[:, -1] - average) / 0.01, -1, 1)
    np.testing.assert_allclose(trend(closes), expected, atol=1e-9)


def test_above_both_averages_the_trend_is_up_and_between_them_it_is_nothing():
    rising = 100 * 1.01 ** np.arange(50)
    between = np.concatenate((np.full(30, 100.0), np.full(19, 80.0), [90.0]))  # 20 sessions 80.5, 50 sessions 92.2
    assert trend(closes_of(rising, between, rising[::-1])).tolist() == [1.0, pytest.approx(0.0, abs=1e-9), -1.0]


@given(walks)
def test_momentum_is_the_return_of_twenty_sessions_in_its_own_deviations(closes):
    returns = np.diff(np.log(closes), axis=1)[:, -20:]
    expected = [math.tanh(math.fsum(row) / (np.std(row, ddof=1) * math.sqrt(20))) for row in returns]
    np.testing.assert_allclose(momentum(closes), expected, atol=1e-9)


@pytest.mark.parametrize("component", [trend, momentum])
class TestPrices:
    @given(closes=walks, scale=scales)
    def test_the_scale_of_prices_changes_nothing(self, component, closes, scale):
        np.testing.assert_allclose(component(closes * scale), component(closes), atol=1e-9)

    @given(closes=walks)
    def test_mirrored_prices_are_as_strong_the_other_way(self, component, closes):
        np.testing.assert_allclose(component(10_000 / closes), -component(closes), atol=1e-9)

    @given(closes=walks)
    def test_a_strength_is_within_one(self, component, closes):
        assert (np.abs(component(closes)) <= 1.0).all()

    @pytest.mark.parametrize("missing", [NAN, 0.0, -1.0, math.inf])
    def test_a_missing_close_is_missing_in_its_own_row(self, component, missing):
        closes = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.015, (2, 60)), axis=1))
        plain = component(closes)
        closes[0, -5] = missing
        found = component(closes)
        assert math.isnan(found[0])
        assert found[1] == plain[1]

    def test_an_old_gap_is_no_gap(self, component):
        closes = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.015, (2, 60)), axis=1))
        plain = component(closes)
        closes[0, 3] = NAN
        np.testing.assert_array_equal(component(closes), plain)

    def test_too_few_sessions_say_nothing(self, component):
        assert np.isnan(component(np.full((3, 19), 100.0))).all()

    def test_what_is_no_table_raises(self, component):
        with pytest.raises(ValueError):
            component(np.full(60, 100.0))


@pytest.mark.parametrize("growth", [1.0, 1.01])
def test_returns_that_do_not_differ_have_no_momentum(growth):
    assert math.isnan(momentum(closes_of(100 * growth ** np.arange(60)))[0])


def test_the_first_half_hour_counts_in_daily_deviations():
    found = intraday_momentum(column(0.01, -0.01, 0.0, NAN, 0.01, 0.01), column(0.01, 0.02, 0.01, 0.01, NAN, 0.0))
    np.testing.assert_allclose(found, [math.tanh(1), -math.tanh(0.5), 0, NAN, NAN, NAN])


# --- the regime and the others ----------------------------------------------------------------------------------------


def calm_of(vix, history, vix1d=NAN):
    return float(volatility_regime(column(vix), np.array([history], float), column(vix1d))[0])


def test_calm_is_the_median_variance_over_the_present_one_and_at_most_one():
    assert calm_of(20.0, [10, 15, 30]) == pytest.approx(225 / 400)
    assert calm_of(12.0, [10, 15, 30]) == 1.0


def test_a_wilder_day_than_month_halves_the_calm():
    assert calm_of(12.0, [15], vix1d=12.1) == 0.5
    assert calm_of(12.0, [15], vix1d=12.0) == 1.0
    assert calm_of(12.0, [15], vix1d=NAN) == 1.0


@pytest.mark.parametrize(("vix", "history"), [(NAN, [15]), (0.0, [15]), (12, []), (12, [NAN]), (12, [15, NAN, NAN])])
def test_without_vix_or_half_of_its_history_calm_is_not_known(vix, history):
    assert math.isnan(calm_of(vix, history))


def test_half_of_a_history_is_enough_and_one_row_says_nothing_of_another():
    found = volatility_regime(column(20, 20), np.array([[15, NAN], [NAN, NAN]]), column(NAN, NAN))
    np.testing.assert_allclose(found, [225 / 400, NAN])


@given(arrays(float, (3, 5), elements=st.floats(5, 90)), arrays(float, 3, elements=st.floats(5, 90)), scales)
def test_calm_is_within_one_and_the_unit_of_the_index_changes_nothing(history, vix, scale):
    found = volatility_regime(vix, history, np.full(3, NAN))
    assert ((found > 0.0) & (found <= 1.0)).all()
    np.testing.assert_allclose(volatility_regime(vix * scale, history * scale, np.full(3, NAN)), found)


def test_the_share_of_the_others_that_agree_has_the_sign_of_the_own_move():
    others = np.array([[0.01, 0.02, -0.01, 0.0]] * 3)
    np.testing.assert_allclose(cross_asset(column(0.5, -0.5, 0.0), others), [0.5, -0.25, 0.0])


def test_another_that_is_missing_is_left_out_and_without_any_nothing_is_known():
    others = np.array([[0.01, NAN], [NAN, NAN], [0.01, 0.01]])
    np.testing.assert_array_equal(cross_asset(column(0.1, 0.1, NAN), others), [1.0, NAN, NAN])
    assert math.isnan(cross_asset(column(0.1), np.empty((1, 0)))[0])


# --- figures of a company ---------------------------------------------------------------------------------------------


def test_a_surprise_counts_in_full_from_ten_percent_and_fades_over_ninety_days():
    found = post_earnings_drift(column(5, -20, 10, 10, 10, NAN, 10, 10), column(0, 0, 45, 90, 400, 1, NAN, -1))
    np.testing.assert_allclose(found, [0.5, -1.0, 0.5, 0.0, 0.0, NAN, NAN, NAN])


def test_half_the_ratio_of_the_sector_is_as_cheap_as_counts():
    found = valuation_tilt(column(15, 60, 30, 5, -5, 30, NAN), column(30, 30, 30, 30, 30, 0, 30))
    np.testing.assert_allclose(found, [1, -1, 0, 1, NAN, NAN, NAN])


def test_analysts_tilt_by_buys_less_sells():
    found = analyst_tilt(column(60, 10, 50, NAN, 101), column(10, 40, 50, 10, 0))
    np.testing.assert_allclose(found, [0.5, -0.3, 0, NAN, NAN])


@given(st.floats(1, 500), st.floats(1, 500), scales)
def test_a_valuation_mirrors_and_has_no_unit(pe, sector_pe, scale):
    found = valuation_tilt(column(pe), column(sector_pe))
    np.testing.assert_allclose(valuation_tilt(column(sector_pe), column(pe)), -found, atol=1e-12)
    np.testing.assert_allclose(valuation_tilt(column(pe * scale), column(sector_pe * scale)), found, atol=1e-9)


# --- the signal -------------------------------------------------------------------------------------------------------


def signal_of(strength, weight, calm=1.0):
    found = combine(np.array([strength], float), np.array(weight, float), column(calm))
    return int(found.direction[0]), float(found.confidence[0])


def test_the_confidence_is_half_and_half_of_the_weighted_mean_when_calm():
    assert signal_of([0.5, -0.1], [3, 1]) == (1, 0.675)
    assert signal_of([-0.5, 0.1], [3, 1], calm=0.5) == (-1, 0.5875)
    assert signal_of([1, 1], [1, 1]) == (1, 1.0)


def test_confidence_has_six_places_rounded_half_up():
    assert signal_of([0.123457], [1]) == (1, 0.561729)


def test_what_is_not_known_does_not_weigh():
    assert signal_of([0.4, NAN], [0.5, 0.5]) == (1, 0.7)


@pytest.mark.parametrize(
    ("strength", "weight", "calm"),
    [
        ([0.4, NAN], [0.49, 0.51], 1.0), ([NAN, NAN], [1, 1], 1.0), ([0.3, -0.3], [1, 1], 1.0),
        ([0.4, 0.4], [1, 1], NAN), ([0.7, -0.1, -0.6], [1, 1, 1], 1.0),
    ],
)  # fmt: skip
def test_too_little_known_nothing_said_or_an_unknown_regime_is_no_signal(strength, weight, calm):
    direction, confidence = signal_of(strength, weight, calm)
    assert direction == 0
    assert math.isnan(confidence)


def test_a_wild_market_leaves_the_direction_and_takes_the_confidence():
    assert signal_of([0.8], [1], calm=0.0) == (1, 0.5)


@pytest.mark.parametrize(
    ("strength", "weight", "calm"),
    [([1.1], [1], 1), ([0.1], [-1], 1), ([0.1], [0], 1), ([0.1], [NAN], 1), ([0.1], [1], 1.1), ([0.1], [1], -0.1),
     ([0.1], [1, 1], 1), ([math.inf], [1], 1)],
)  # fmt: skip
def test_what_is_out_of_bounds_raises(strength, weight, calm):
    with pytest.raises(ValueError):
        signal_of(strength, weight, calm)


strengths = arrays(float, (5, 4), elements=st.one_of(st.just(NAN), st.floats(-1, 1)))
weights = arrays(float, 4, elements=st.integers(1, 10).map(float))
calms = arrays(float, 5, elements=st.one_of(st.just(NAN), st.floats(0, 1)))


@given(strengths, weights, calms)
def test_mirrored_components_mirror_the_direction_with_the_same_confidence(strength, weight, calm):
    found, mirrored = combine(strength, weight, calm), combine(-strength, weight, calm)
    np.testing.assert_array_equal(mirrored.direction, -found.direction)
    np.testing.assert_array_equal(mirrored.confidence, found.confidence)


@given(strengths, weights, calms)
def test_a_confidence_is_from_a_half_to_one_where_there_is_a_signal_and_nowhere_else(strength, weight, calm):
    found = combine(strength, weight, calm)
    signal = found.direction != 0
    np.testing.assert_array_equal(signal, ~np.isnan(found.confidence))
    assert ((found.confidence[signal] >= 0.5) & (found.confidence[signal] <= 1.0)).all()
    assert (np.sign(found.strength[signal]) == found.direction[signal]).all()


@given(strengths, weights, calms)
def test_a_row_says_the_same_alone(strength, weight, calm):
    found = combine(strength, weight, calm)
    for row in range(5):
        alone = combine(strength[row : row + 1], weight, calm[row : row + 1])
        assert alone.direction[0] == found.direction[row]
        np.testing.assert_array_equal(alone.confidence[0], found.confidence[row])


@pytest.mark.parametrize("weights", [SMART_0DTE_WEIGHTS, MAG7_7DTE_WEIGHTS])
def test_the_weights_are_shares_of_components_that_exist(weights):
    assert math.isclose(sum(weights.values()), 1.0)
    assert all(callable(getattr(generators, name)) for name in weights)
    with pytest.raises(TypeError):
        weights["trend"] = 1.0


def test_missing_inputs_are_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nothing = np.full(3, NAN)
        table = np.full((3, 60), NAN)
        for found in (
            trend(table), momentum(table), intraday_momentum(nothing, nothing),
            volatility_regime(nothing, table, nothing), cross_asset(nothing, table),
            post_earnings_drift(nothing, nothing), valuation_tilt(nothing, nothing), analyst_tilt(nothing, nothing),
        ):  # fmt: skip
            assert np.isnan(found).all()
        assert not combine(table, np.ones(60), nothing).direction.any()
