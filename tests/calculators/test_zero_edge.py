"""The exits on a fairly priced option: the table of SPEC 7.4, and a mean of nothing before costs."""

import numpy as np
import pytest

from riskengine.calculators import zero_edge
from riskengine.calculators.columns import Steps
from riskengine.calculators.zero_edge import NO_STOP, Exits, Market, base_rate, looks_0dte, looks_7dte, simulate
from riskengine.loading.limits import default_limits

ZERO, SEVEN = default_limits("smart-0dte"), default_limits("mag7-7dte")
COSTS, FREE = (Market(volatility=0.15, half_spread=share) for share in (0.005, 0.0))
PATHS = 10_000
MORNING, MIDDAY, LATE = 22_500, 14_400, 5_400  # seconds to the close at 09:45, 12:00, 14:30
LADDERS = {MORNING: ZERO.take_profit_morning, MIDDAY: ZERO.take_profit_midday, LATE: ZERO.take_profit_late}


def gains_0dte(seconds: int, stop: float = 0.25, market: Market = COSTS, paths: int = PATHS, seed: int = 1):
    exits = Exits(limits=ZERO, ladder=LADDERS[seconds], stop_fraction=stop, seven_day=False)
    return simulate(exits, looks_0dte(seconds, 15), market, paths=paths, seed=seed)


def gains_7dte(market: Market, paths: int = PATHS, seed: int = 1):
    exits = Exits(limits=SEVEN, ladder=SEVEN.partial_profit, stop_fraction=0.2, seven_day=True)
    return simulate(exits, looks_7dte(15), market, paths=paths, seed=seed)


@pytest.mark.parametrize(
    ("seconds", "stop", "win_rate", "won", "lost", "mean"),
    [
        (MORNING, 0.25, 0.58, 0.130, 0.204, -0.010),
        (MORNING, NO_STOP, 0.83, 0.129, 0.711, -0.012),
        (MIDDAY, 0.25, 0.62, 0.111, 0.206, -0.011),
        (MIDDAY, NO_STOP, 0.85, 0.109, 0.693, -0.009),
        (LATE, 0.25, 0.73, 0.096, 0.294, -0.009),
        (LATE, NO_STOP, 0.90, 0.096, 0.917, -0.008),
    ],
)
def test_the_table_of_the_specification(seconds, stop, win_rate, won, lost, mean):
    """SPEC 7.4, 20,000 paths there and fewer here: within the sampling errors of both and the table's own rounding."""
    gains = gains_0dte(seconds, stop, paths=PATHS if stop < 1 else 4_000)
    found = base_rate(gains)
    assert found.win_rate == pytest.approx(win_rate, abs=4 * np.sqrt(0.24 / found.paths) * 0.6 + 0.005)
    assert found.average_win == pytest.approx(won, abs=0.004)
    assert found.average_loss == pytest.approx(lost, abs=0.03 if stop == NO_STOP else 0.007)
    assert found.expectancy == pytest.approx(mean, abs=4 * found.error + 0.002)


@pytest.mark.parametrize("seconds", [MORNING, MIDDAY, LATE])
def test_before_costs_a_dollar_gains_nothing(seconds):
    found = base_rate(gains_0dte(seconds, market=FREE))
    assert abs(found.expectancy) < 4 * found.error
    assert found.error < 0.002


def test_the_morning_ladder_wins_about_six_in_ten_without_any_edge():
    free, costly = (base_rate(gains_0dte(MORNING, market=each)).win_rate for each in (FREE, COSTS))
    assert 0.57 < costly < free < 0.615


def test_the_seven_day_exits_gain_nothing_before_costs_either():
    found = base_rate(gains_7dte(FREE))
    assert abs(found.expectancy) < 4 * found.error
    costs = base_rate(gains_7dte(COSTS))
    assert costs.expectancy < found.expectancy
    assert 0.40 < costs.win_rate < 0.46  # a stop of 20% against targets of 20% to 50%
    assert costs.average_win > costs.average_loss


def test_other_exits_change_how_often_one_wins_and_not_what_is_won():
    exits = Exits(limits=ZERO, ladder=Steps.of([(0.40, 1.0, True)]), stop_fraction=0.10, seven_day=False)
    found = base_rate(simulate(exits, looks_0dte(MORNING, 15), FREE, paths=PATHS, seed=3))
    assert abs(found.expectancy) < 4 * found.error
    assert found.win_rate < 0.35


def test_a_stop_overshoots_more_the_later_it_is():
    assert gains_0dte(MORNING).min() > -0.45
    late = gains_0dte(LATE).min()
    assert -0.65 < late < -0.40  # SPEC 7.4: worst -48%


def test_the_same_seed_gives_the_same_gains_and_another_one_does_not():
    one, again, other = (gains_0dte(LATE, paths=300, seed=seed) for seed in (5, 5, 6))
    assert one.tolist() == again.tolist()
    assert one.tolist() != other.tolist()


def test_looks_end_at_the_forced_close_and_variance_adds_up():
    day = looks_0dte(MORNING, 15)
    assert (len(day.to_close), int(day.to_close[-1]), sum(day.forced)) == (720, 900, 1)
    assert day.at_entry == pytest.approx(MORNING / 23_400 / 252)
    odd = looks_0dte(MORNING, 15.2)
    assert (int(odd.to_close[-1]), odd.forced[-1]) == (912, True)
    week = looks_7dte(15)
    assert week.forced[-1]
    assert sum(week.forced) == 1
    assert (week.variance > 0).all()
    # Six sessions and five nights, less the first half hour: 6 - 0.25 - 0.75 / 13 days of variance.
    assert week.at_entry == pytest.approx((6 - 0.25 - 0.75 / 13) / 252)
    assert week.left[-1] == pytest.approx(0.75 * 900 / 23_400 / 252)


def test_a_sample_keeps_the_mean():
    gains = gains_0dte(MORNING, paths=4_000)
    few = zero_edge.sample(gains, 400)
    assert len(few) == 400
    assert few.mean() == pytest.approx(gains.mean(), abs=1e-12)
    assert (few > 0).mean() == pytest.approx((gains > 0).mean(), abs=0.005)
