"""The matrix against pandas' own figures and an independent pair-by-pair sum; what its two readers make of gaps.

The heavy packages are loaded by the tests that ask them: every worker of a run reads this file.
"""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskengine.calculators import correlation
from riskengine.calculators.correlation import (
    absolute_correlation,
    correlation_matrix,
    correlation_risk,
    ewma_matrix,
    ledoit_wolf_matrix,
    log_returns,
    simple_returns,
)

ROOT = Path(__file__).parent.parent.parent
RECORDED = json.loads((ROOT / "tests" / "cases" / "correlation_mag7_2022.json").read_text())["cases"]
NAN = math.nan


def table(closes):
    return np.array([[NAN if close is None else close for close in series] for series in closes], dtype=float)


def pearson(x, y, min_common):
    """One pair, summed exactly over the dates both exist."""
    common = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(a) and math.isfinite(b)]
    n = len(common)
    if n < max(min_common, 2):
        return NAN
    mean_x, mean_y = (math.fsum(side) / n for side in zip(*common, strict=True))
    xx = math.fsum((a - mean_x) ** 2 for a, _ in common)
    yy = math.fsum((b - mean_y) ** 2 for _, b in common)
    if xx <= 1e-24 * n or yy <= 1e-24 * n:
        return NAN
    return math.fsum((a - mean_x) * (b - mean_y) for a, b in common) / math.sqrt(xx * yy)


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case["name"])
def test_recorded_closes_correlate_as_pandas_says(case):
    symbols = list(case["closes"])
    closes = table(case["closes"].values())
    returns = log_returns(closes) if case["returns"] == "log" else simple_returns(closes)
    found = correlation_matrix(returns, window=case["window"], min_common=case["min_common"]).correlation
    expected = table([[case["matrix"][a][b] for b in symbols] for a in symbols])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def recorded_closes():
    """Adjusted closes of the seven stocks on every session of 2020 to 2022, one column a stock."""
    import pandas as pd

    rows = pd.read_csv(ROOT / "positions" / "recorded" / "mag7_daily_2010_2022.csv.gz", parse_dates=["date"])
    closes = rows.pivot_table(index="date", columns="symbol", values="adj_close").loc["2020":"2022"]
    assert closes.shape[1] == 7
    assert len(closes) > 700
    return closes


@pytest.mark.parametrize("window", [60, None])
@pytest.mark.parametrize("kind", ["log", "simple"])
def test_the_seven_stocks_of_2020_to_2022_correlate_as_pandas_and_empyrical_say(kind, window):
    """empyrical knows betas and no correlation; the beta of x to y times that of y to x is rho squared."""
    import empyrical

    closes = recorded_closes()
    theirs = closes.pct_change() if kind == "simple" else np.log(closes).diff()
    theirs = theirs.iloc[-(window or len(theirs)) :]
    ours = (simple_returns if kind == "simple" else log_returns)(closes.to_numpy().T)
    found = correlation_matrix(ours, window=window or len(closes), min_common=40).correlation
    np.testing.assert_allclose(found, theirs.corr(min_periods=40).to_numpy(), rtol=0, atol=1e-8)
    known = theirs.dropna()
    beta = np.array([[empyrical.beta(known[a], known[b]) for b in known] for a in known])
    np.testing.assert_allclose(found, np.sign(beta) * np.sqrt(beta * beta.T), rtol=0, atol=1e-8)


@pytest.mark.parametrize("window", [60, 500])
@pytest.mark.parametrize("decay", [0.94, 0.99])
def test_the_seven_stocks_weighed_by_age_are_as_pandas_says(window, decay):
    theirs = np.log(recorded_closes()).diff().iloc[-window:]
    expected = theirs.ewm(alpha=1 - decay, adjust=True, ignore_na=False).corr().loc[theirs.index[-1]].to_numpy()
    found = ewma_matrix(theirs.to_numpy().T, window=window, min_common=40, decay=decay).correlation
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)


def test_the_seven_stocks_shrunk_are_as_scikit_learn_says():
    """Six of the seven have no close on the last day of 2022, so 59 dates are common."""
    from sklearn import covariance

    theirs = np.log(recorded_closes()).diff().iloc[-60:]
    common = theirs.dropna()
    standard = (common - common.mean()) / common.std(ddof=0)
    expected = covariance.LedoitWolf().fit(standard.to_numpy()).covariance_
    found = ledoit_wolf_matrix(theirs.to_numpy().T, window=60, min_common=40)
    np.testing.assert_allclose(found.correlation, expected, rtol=0, atol=1e-8)
    assert (found.common_returns == len(common)).all()


def series_of(symbols, dates):
    move = st.one_of(st.just(NAN), st.floats(-0.2, 0.2).map(lambda r: round(r, 4)))
    return st.lists(st.lists(move, min_size=dates, max_size=dates), min_size=symbols, max_size=symbols).map(np.array)


tables = st.integers(2, 12).flatmap(lambda dates: series_of(4, dates))


@given(tables, st.integers(1, 12), st.integers(1, 6))
def test_every_pair_is_its_own_sum_over_common_dates(returns, window, min_common):
    found = correlation_matrix(returns, window=window, min_common=min_common)
    recent = returns[:, -window:]
    for i in range(4):
        for j in range(4):
            expected = pearson(recent[i], recent[j], min_common)
            assert found.correlation[i, j] == pytest.approx(expected, abs=1e-9, nan_ok=True)
            assert found.common_returns[i, j] == (np.isfinite(recent[i]) & np.isfinite(recent[j])).sum()


@given(tables)
def test_the_matrix_is_symmetric_and_within_one(returns):
    rho = correlation_matrix(returns, window=12, min_common=2).correlation
    np.testing.assert_array_equal(rho, rho.T)
    known = ~np.isnan(rho)
    assert (np.abs(rho[known]) <= 1.0).all()
    assert (np.diag(rho)[known.diagonal()] == 1.0).all()


@given(tables, st.permutations(range(4)))
def test_the_order_of_symbols_changes_no_pair(returns, order):
    plain = correlation_matrix(returns, window=12, min_common=2).correlation
    permuted = correlation_matrix(returns[order], window=12, min_common=2).correlation
    np.testing.assert_array_equal(permuted, plain[np.ix_(order, order)])


@given(st.floats(0.001, 1000), st.integers(0, 1000))
def test_the_scale_of_closes_changes_nothing(scale, seed):
    closes = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.02, (3, 50)), axis=1))
    scaled = closes * np.array([[1.0], [scale], [1.0]])
    for returns in (simple_returns, log_returns):
        plain = correlation_matrix(returns(closes), window=60, min_common=40).correlation
        np.testing.assert_allclose(
            correlation_matrix(returns(scaled), window=60, min_common=40).correlation, plain, rtol=0, atol=1e-9
        )


def test_many_symbols_are_the_blocks_of_few(monkeypatch):
    returns = np.random.default_rng(0).normal(0, 0.02, (30, 60))
    whole = correlation_matrix(returns, window=60, min_common=40)
    monkeypatch.setattr(correlation, "_CELLS", 30 * 60 * 4)
    blocks = correlation_matrix(returns, window=60, min_common=40)
    np.testing.assert_array_equal(whole.correlation, blocks.correlation)
    np.testing.assert_array_equal(whole.common_returns, blocks.common_returns)


@pytest.mark.parametrize("missing", [NAN, 0.0, -1.0, math.inf])
def test_a_return_needs_two_consecutive_positive_closes(missing):
    closes = np.array([[100.0, 110.0, missing, 121.0, 133.1]])
    assert simple_returns(closes)[0].tolist() == pytest.approx([0.1, NAN, NAN, 0.1], nan_ok=True)
    assert log_returns(closes)[0].tolist() == pytest.approx([math.log(1.1), NAN, NAN, math.log(1.1)], nan_ok=True)


def test_one_missing_return_less_than_needed_is_not_measurable():
    returns = np.random.default_rng(1).normal(0, 0.02, (2, 60))
    returns[0, :20] = NAN
    assert not np.isnan(correlation_matrix(returns, window=60, min_common=40).correlation[0, 1])
    returns[1, 59] = NAN
    assert np.isnan(correlation_matrix(returns, window=60, min_common=40).correlation[0, 1])


def test_the_window_counts_dates_not_common_returns():
    returns = np.random.default_rng(2).normal(0, 0.02, (2, 100))
    returns[0, -30:] = NAN
    found = correlation_matrix(returns, window=60, min_common=40)
    assert found.common_returns[0, 1] == 30
    assert np.isnan(found.correlation[0, 1])


@pytest.mark.parametrize("growth", [1.0, 1.01])
def test_a_series_that_does_not_move_is_not_measurable(growth):
    """At constant growth the returns differ by rounding only; correlating that would invent a number."""
    random = np.random.default_rng(3)
    closes = np.stack((100 * growth ** np.arange(61), 100 * np.exp(np.cumsum(random.normal(0, 0.02, 61)))))
    rho = correlation_matrix(simple_returns(closes), window=60, min_common=40).correlation
    assert np.isnan(rho[0]).all()
    assert rho[1, 1] == 1.0


def test_a_gap_in_one_symbol_is_no_gap_in_the_others():
    returns = np.random.default_rng(4).normal(0, 0.02, (3, 60))
    plain = correlation_matrix(returns, window=60, min_common=40).correlation
    returns[2] = NAN
    holed = correlation_matrix(returns, window=60, min_common=40).correlation
    np.testing.assert_array_equal(holed[:2, :2], plain[:2, :2])
    assert np.isnan(holed[2]).all()


@pytest.mark.parametrize(("window", "min_common", "shape"), [(0, 1, (2, 5)), (5, 0, (2, 5)), (5, 1, (5,))])
def test_what_is_no_table_or_no_window_raises(window, min_common, shape):
    with pytest.raises(ValueError):
        correlation_matrix(np.zeros(shape), window=window, min_common=min_common)


# --- recent dates weigh more ------------------------------------------------------------------------------------------


@given(tables, st.integers(1, 12), st.integers(2, 6), st.floats(0.8, 1.0, exclude_max=True))
def test_a_pair_weighed_by_age_is_that_of_pandas_on_its_common_dates(returns, window, min_common, decay):
    import pandas as pd

    found = ewma_matrix(returns, window=window, min_common=min_common, decay=decay)
    plain = correlation_matrix(returns, window=window, min_common=min_common)
    np.testing.assert_array_equal(found.common_returns, plain.common_returns)
    recent = pd.DataFrame(returns[:, -window:].T)
    for i in range(4):
        for j in range(4):
            pair = recent[[i, j]].where(recent[[i, j]].notna().all(axis=1))
            if np.isnan(plain.correlation[i, j]):
                assert np.isnan(found.correlation[i, j])
                continue
            x, y = pair.iloc[:, 0], pair.iloc[:, 1]
            expected = x.ewm(alpha=1 - decay, adjust=True, ignore_na=False).corr(y).iloc[-1]
            assert found.correlation[i, j] == pytest.approx(expected, abs=1e-8)


@given(tables, st.integers(1, 12), st.integers(1, 6))
def test_without_decay_weighing_by_age_changes_nothing(returns, window, min_common):
    found = ewma_matrix(returns, window=window, min_common=min_common, decay=1.0).correlation
    np.testing.assert_array_equal(found, correlation_matrix(returns, window=window, min_common=min_common).correlation)


@given(tables, st.floats(0.5, 1.0))
def test_a_matrix_weighed_by_age_is_symmetric_and_within_one(returns, decay):
    rho = ewma_matrix(returns, window=12, min_common=2, decay=decay).correlation
    np.testing.assert_array_equal(rho, rho.T)
    known = ~np.isnan(rho)
    assert (np.abs(rho[known]) <= 1.0).all()


def test_a_break_in_the_correlation_shows_sooner_where_recent_dates_weigh_more():
    random = np.random.default_rng(5)
    market = random.normal(0, 0.02, 60)
    sign = np.where(np.arange(60) < 40, 1.0, -1.0)
    returns = np.stack((market, sign * market))
    plain = correlation_matrix(returns, window=60, min_common=40).correlation[0, 1]
    assert ewma_matrix(returns, window=60, min_common=40, decay=0.9).correlation[0, 1] < -0.5 < 0.0 < plain


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.01, NAN])
def test_what_is_no_decay_raises(decay):
    with pytest.raises(ValueError):
        ewma_matrix(np.zeros((2, 5)), window=5, min_common=1, decay=decay)


# --- shrunk towards no correlation ------------------------------------------------------------------------------------


@given(tables, st.integers(2, 12), st.integers(2, 6), st.permutations(range(4)))
def test_a_shrunk_matrix_is_symmetric_within_one_and_the_same_in_any_order(returns, window, min_common, order):
    found = ledoit_wolf_matrix(returns, window=window, min_common=min_common)
    rho = found.correlation
    np.testing.assert_array_equal(rho, rho.T)
    known = ~np.isnan(rho)
    assert (np.abs(rho[known]) <= 1.0).all()
    measured = known.diagonal()
    assert (rho.diagonal()[measured] == 1.0).all()
    np.testing.assert_array_equal(known, np.outer(measured, measured))
    assert (found.common_returns[known] >= min_common).all()
    permuted = ledoit_wolf_matrix(returns[order], window=window, min_common=min_common).correlation
    np.testing.assert_allclose(permuted, rho[np.ix_(order, order)], rtol=0, atol=1e-9)


@given(st.integers(0, 1000), st.integers(10, 80), st.integers(2, 6))
def test_shrinking_leaves_the_signs_and_no_correlation_grows(seed, dates, symbols):
    returns = np.random.default_rng(seed).normal(0, 0.02, (symbols, dates))
    plain = correlation_matrix(returns, window=dates, min_common=10).correlation
    shrunk = ledoit_wolf_matrix(returns, window=dates, min_common=10).correlation
    assert (np.abs(shrunk) <= np.abs(plain) + 1e-12).all()
    assert (shrunk * plain >= 0.0).all()


def test_a_young_symbol_is_left_out_and_the_others_are_as_without_it():
    returns = np.random.default_rng(6).normal(0, 0.02, (4, 60))
    alone = ledoit_wolf_matrix(returns[:3], window=60, min_common=40)
    returns[3, :21] = NAN
    found = ledoit_wolf_matrix(returns, window=60, min_common=40)
    np.testing.assert_array_equal(found.correlation[:3, :3], alone.correlation)
    assert np.isnan(found.correlation[3]).all()
    assert found.common_returns[0].tolist() == [60, 60, 60, 39]


def test_of_gaps_that_are_shared_the_one_that_is_not_leaves():
    returns = np.random.default_rng(7).normal(0, 0.02, (4, 60))
    returns[:3, :10] = NAN
    returns[3, -15:] = NAN
    found = ledoit_wolf_matrix(returns, window=60, min_common=40)
    assert np.isnan(found.correlation[3]).all()
    assert (found.common_returns[:3, :3] == 50).all()


def test_a_symbol_that_does_not_move_is_no_gap_in_the_others():
    returns = np.random.default_rng(8).normal(0, 0.02, (3, 60))
    returns[1] = 0.01
    found = ledoit_wolf_matrix(returns, window=60, min_common=40).correlation
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(
        found[np.ix_([0, 2], [0, 2])], ledoit_wolf_matrix(returns[[0, 2]], window=60, min_common=40).correlation
    )


@pytest.mark.parametrize("returns", [np.full((3, 60), NAN), np.zeros((3, 60)), np.zeros((0, 60)), np.zeros((2, 0))])
def test_where_nothing_can_be_measured_nothing_is(returns):
    assert np.isnan(ledoit_wolf_matrix(returns, window=60, min_common=40).correlation).all()


def test_a_process_that_never_shrinks_does_not_load_scikit_learn():
    program = "import sys, riskengine.calculators.correlation as c; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


# --- the two readers --------------------------------------------------------------------------------------------------


def risk_of(*pairs, rows=1):
    """Pairs of (row, rho, direction, open direction, same symbol)."""
    columns = zip(*pairs, strict=True) if pairs else ((),) * 5
    row, rho, direction, open_direction, same = columns
    return correlation_risk(
        np.array(row, int),
        np.array(rho, float),
        np.array(direction, int),
        np.array(open_direction, int),
        np.array(same, bool),
        rows,
    ).tolist()


def test_with_nothing_open_the_risk_is_zero():
    assert risk_of(rows=2) == [0.0, 0.0]


def test_the_risk_is_the_worst_pair_of_each_candidate():
    pairs = (0, 0.3, 1, 1, False), (1, 0.9, 1, 1, False), (0, 0.7, 1, 1, False)
    assert risk_of(*pairs, rows=3) == [0.7, 0.9, 0.0]


def test_opposite_directions_hedge_and_negative_correlation_of_opposites_does_not():
    assert risk_of((0, 0.9, 1, -1, False)) == [0.0]
    assert risk_of((0, -0.9, 1, -1, False)) == [0.9]
    assert risk_of((0, -0.9, -1, -1, False)) == [0.0]
    assert risk_of((0, 0.9, -1, -1, False)) == [0.9]


@pytest.mark.parametrize("open_direction", [1, -1])
def test_a_pair_that_cannot_be_measured_is_the_worst_case(open_direction):
    assert risk_of((0, 0.1, 1, 1, False), (0, NAN, 1, open_direction, False)) == [1.0]


def test_the_same_symbol_is_left_out_even_unmeasured():
    assert risk_of((0, 1.0, 1, 1, True), (0, NAN, 1, 1, True)) == [0.0]


def test_absolute_correlations_are_summed_and_counted_by_candidate():
    row = np.array([0, 2, 0, 2, 2])
    found = absolute_correlation(row, np.array([0.5, -0.9, -0.25, NAN, NAN]), 4)
    assert found.total.tolist() == [0.75, 0.0, 0.9, 0.0]
    assert found.measured.tolist() == [2, 0, 1, 0]
    assert found.missing.tolist() == [0, 0, 2, 0]


def test_without_pairs_every_candidate_has_zeros():
    found = absolute_correlation(np.empty(0, int), np.empty(0), 2)
    assert found.total.tolist() == found.measured.tolist() == found.missing.tolist() == [0, 0]
