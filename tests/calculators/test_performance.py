"""The eleven figures against a plain reading of their definitions, and what is not defined."""

import math
import statistics
from dataclasses import asdict, fields
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskengine.calculators.performance import Metrics, expectancy, metrics, wilson_interval

NAMES = [field.name for field in fields(Metrics)]
returns_of = st.lists(st.integers(-900, 900).map(lambda n: n / 1000), min_size=1, max_size=60)


def of(*returns, periods_per_year=252):
    return metrics(np.array(returns, dtype=float), periods_per_year)


def by_definition(returns, periods):
    """cases/README.md, line by line, in exact fractions as far as they go."""
    exact = [Fraction(str(r)) for r in returns]
    n = len(exact)
    wealth, peak, drawdown = Fraction(1), Fraction(1), Fraction(0)
    for r in exact:
        wealth *= 1 + r
        peak = max(peak, wealth)
        drawdown = min(drawdown, wealth / peak - 1)
    mean = sum(exact) / n
    sd = statistics.stdev(exact) if n > 1 else None
    downside = math.sqrt(sum(min(r, 0) ** 2 for r in exact) / n)
    gains, losses = [r for r in exact if r > 0], [r for r in exact if r < 0]
    annual = float(wealth) ** (periods / n) - 1
    ranked = sorted(exact)
    position = Fraction(n - 1, 20)
    k = math.floor(position)
    after = ranked[min(k + 1, n - 1)]
    return {
        "total_return": float(wealth - 1),
        "annual_return": annual,
        "volatility": None if sd is None else sd * math.sqrt(periods),
        "max_drawdown": float(drawdown),
        "sharpe": None if not sd else float(mean) / sd * math.sqrt(periods),
        "sortino": None if not downside else float(mean) * periods / (downside * math.sqrt(periods)),
        "calmar": None if not drawdown else annual / abs(float(drawdown)),
        "win_rate": None if not gains and not losses else len(gains) / (len(gains) + len(losses)),
        "profit_factor": None if not losses else float(sum(gains) / -sum(losses)),
        "var_95": float(ranked[k] + (after - ranked[k]) * (position - k)),
        "cvar_95": float(sum(ranked[: k + 1]) / (k + 1)),
    }


@given(returns_of, st.sampled_from([12, 52, 252]))
def test_every_figure_is_its_definition(returns, periods):
    found = asdict(of(*returns, periods_per_year=periods))
    expected = by_definition(returns, periods)
    assert list(found) == NAMES == list(expected)
    for name, value in expected.items():
        assert found[name] == (value if value is None else pytest.approx(value, rel=1e-9, abs=1e-12)), name


def test_a_worked_year():
    """Up 10%, down 20%, up 5%, flat, one year of quarters: 1.1, 0.88, 0.924, 0.924."""
    found = of(0.10, -0.20, 0.05, 0.0, periods_per_year=4)
    assert found.total_return == pytest.approx(-0.076)
    assert found.annual_return == pytest.approx(-0.076)
    assert found.max_drawdown == pytest.approx(-0.20)
    assert found.win_rate == pytest.approx(2 / 3)
    assert found.profit_factor == pytest.approx(0.75)
    assert found.sortino == pytest.approx(-0.0125 * 4 / (0.1 * 2))
    assert found.calmar == pytest.approx(-0.38)
    assert found.var_95 == pytest.approx(-0.20 + 0.15 * 0.20)
    assert found.cvar_95 == pytest.approx(-0.20)


def test_a_first_loss_is_a_drawdown_from_the_baseline():
    assert of(-0.25, 0.10).max_drawdown == pytest.approx(-0.25)


def test_without_returns_nothing_is_defined():
    assert asdict(of()) == dict.fromkeys(NAMES)


def test_one_return_has_no_spread():
    found = of(0.02)
    assert (found.volatility, found.sharpe) == (None, None)
    assert found.var_95 == found.cvar_95 == 0.02


def test_a_constant_series_has_no_sharpe_ratio_rather_than_one_of_rounding():
    found = of(*[0.1] * 3)
    assert found.volatility == 0.0
    assert found.sharpe is None


def test_without_losses_what_divides_by_them_is_not_defined():
    found = of(0.1, 0.2, 0.0)
    assert (found.sortino, found.calmar, found.profit_factor) == (None, None, None)
    assert found.max_drawdown == 0.0
    assert found.win_rate == 1.0


def test_flat_periods_alone_win_nothing():
    assert of(0.0, 0.0).win_rate is None


def test_ruin_is_a_total_loss_and_debt_has_no_annual_return():
    assert of(0.5, -1.0).annual_return == -1.0
    assert of(0.5, -1.0).max_drawdown == -1.0
    assert of(-1.5).annual_return is None
    assert of(-1.5).total_return == -1.5


def test_what_is_beyond_float64_is_not_defined():
    found = of(*[1e6] * 60)
    assert found.total_return is None
    assert found.annual_return is None
    assert found.win_rate == 1.0


def test_a_spread_beyond_float64_makes_no_ratio_of_nothing():
    found = of(1e200, -1e200)
    assert (found.volatility, found.sharpe, found.sortino) == (None, None, None)


@given(returns_of, st.sampled_from([0.125, 0.5, 2.0]))
def test_ratios_do_not_depend_on_the_size_of_the_bet(returns, scale):
    plain, scaled = of(*returns), of(*(scale * r for r in returns))
    for name in ("sharpe", "sortino", "win_rate", "profit_factor"):
        expected = getattr(plain, name)
        assert getattr(scaled, name) == (expected if expected is None else pytest.approx(expected, rel=1e-9)), name
    for name in ("volatility", "var_95", "cvar_95"):
        expected = getattr(plain, name)
        assert getattr(scaled, name) == (expected if expected is None else pytest.approx(scale * expected, rel=1e-9))


@given(returns_of, st.randoms(use_true_random=False))
def test_only_the_drawdown_and_its_ratio_depend_on_the_order(returns, random):
    shuffled = random.sample(returns, len(returns))
    plain, other = asdict(of(*returns)), asdict(of(*shuffled))
    for name in set(NAMES) - {"max_drawdown", "calmar"}:
        assert other[name] == (plain[name] if plain[name] is None else pytest.approx(plain[name], rel=1e-9, abs=1e-12))


@pytest.mark.parametrize(
    ("returns", "periods"),
    [([math.nan], 252), ([math.inf], 252), ([[0.1]], 252), ([0.1], 0), ([0.1], -1), ([0.1], math.nan)],
)
def test_what_is_no_series_raises(returns, periods):
    with pytest.raises(ValueError):
        metrics(np.array(returns), periods)


@pytest.mark.parametrize(
    ("wins", "trades", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_are_newcombes(wins, trades, low, high):
    """R. G. Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3."""
    found = wilson_interval(np.array([wins]), np.array([trades]))
    assert (round(found[0][0], 4), round(found[1][0], 4)) == (low, high)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_wilson_interval_holds_its_rate_and_mirrors(sample):
    wins, trades = sample
    low, high = (end[0] for end in wilson_interval(np.array([wins]), np.array([trades])))
    assert 0.0 <= low <= wins / trades <= high <= 1.0
    mirrored = wilson_interval(np.array([trades - wins]), np.array([trades]))
    assert (1 - mirrored[1][0], 1 - mirrored[0][0]) == pytest.approx((low, high), abs=1e-12)


def test_without_trades_there_is_no_interval():
    low, high = wilson_interval(np.array([0, 1]), np.array([0, 2]))
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [True, False]


@pytest.mark.parametrize(("wins", "trades"), [(-1, 5), (6, 5)])
def test_impossible_counts_raise(wins, trades):
    with pytest.raises(ValueError):
        wilson_interval(np.array([wins]), np.array([trades]))


def test_expectancy_is_the_mean_with_students_interval():
    """Five trades, mean 2%, sd sqrt(0.001): t(0.975, 4) = 2.776445."""
    found = expectancy(np.array([0.06, 0.02, -0.02, 0.04, 0.0]))
    half = 2.7764451 * math.sqrt(0.001) / math.sqrt(5)
    assert (found.mean, found.low, found.high) == pytest.approx((0.02, 0.02 - half, 0.02 + half))
    assert found.trades == 5


def test_expectancy_of_one_trade_has_no_interval_and_of_none_no_mean():
    assert asdict(expectancy(np.array([0.1]))) == {"mean": 0.1, "low": None, "high": None, "trades": 1}
    assert asdict(expectancy(np.array([]))) == {"mean": None, "low": None, "high": None, "trades": 0}


def test_expectancy_of_an_unknown_trade_raises():
    with pytest.raises(ValueError):
        expectancy(np.array([0.1, math.nan]))
