"""Choosing a ladder on earlier trades, and what later ones say of the choice."""

import numpy as np
import pytest

from riskengine.calculators import walk_forward
from riskengine.calculators.walk_forward import choose, grid

MORNING = ((0.05, 0.33), (0.10, 0.33), (0.15, 0.34))
PARTIAL = ((0.20, 0.25), (0.35, 0.25), (0.50, 0.25))


@pytest.mark.parametrize("present", [MORNING, PARTIAL, ((0.05, 1.0),), ((0.03, 0.1), (0.04, 0.2))])
def test_the_grid_is_small_begins_with_the_present_ladder_and_each_could_be_a_profiles(
    present: walk_forward.Rows,
) -> None:
    ladders = grid(present)
    assert ladders[0] == present
    assert 1 < len(ladders) <= 60
    assert len(set(ladders)) == len(ladders)
    for each in ladders:
        thresholds, shares = zip(*each, strict=True)
        assert list(thresholds) == sorted(set(thresholds))
        assert min(shares) > 0.0
        assert sum(shares) <= 1.0 + 1e-9


def _times(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(n) * 10, np.arange(n) * 10 + 5


def test_a_ladder_that_is_always_better_is_found_and_confirmed_by_later_trades() -> None:
    noise = np.random.default_rng(1).normal(0.0, 0.1, 60)
    gain = np.array([noise, noise - 0.02, noise + 0.03])
    gain[2] += np.random.default_rng(2).normal(0.0, 0.01, 60)
    found = walk_forward.walk_forward(gain, *_times(60))
    assert found.suggested == 2
    assert [each.chosen for each in found.folds] == [2] * 5
    assert found.tested == 30
    assert found.holds
    assert found.difference.mean == pytest.approx(0.03, abs=0.01)


def test_the_best_of_many_that_differ_by_luck_is_seldom_confirmed() -> None:
    confirmed = 0
    for seed in range(40):
        gain = np.random.default_rng(seed).normal(0.0, 0.2, (40, 60))
        found = walk_forward.walk_forward(gain, *_times(60))
        assert found.in_sample.mean > 0.0 or found.suggested == 0
        confirmed += found.holds
    assert confirmed <= 4  # 2.5% at each end of 40, and some more by luck


def test_what_was_not_over_before_a_block_began_is_not_learned_from() -> None:
    gain = np.zeros((2, 60))
    gain[1] = np.random.default_rng(3).normal(0.1, 0.01, 60)
    entered, known = _times(60)
    found = walk_forward.walk_forward(gain, entered, known + 100)
    assert [each.learned for each in found.folds] == [20, 26, 32, 38, 44]


def test_too_few_trades_are_refused_and_so_is_a_gain_that_is_not_known() -> None:
    with pytest.raises(ValueError, match="at least 50"):
        walk_forward.walk_forward(np.zeros((2, 49)), *_times(49))
    gain = np.zeros((2, 50))
    gain[0, 3] = np.nan
    with pytest.raises(ValueError, match="known"):
        walk_forward.walk_forward(gain, *_times(50))


def test_the_present_ladder_stays_unless_it_is_beaten_by_the_standard_error() -> None:
    assert choose(np.array([[0.0, 0.0, 0.0, 0.0], [0.3, -0.2, 0.2, -0.2]])) == 0
    assert choose(np.array([[0.0, 0.0, 0.0, 0.0], [0.1, 0.2, 0.1, 0.2]])) == 1
    assert choose(np.array([[0.0, 0.0], [0.0, 0.0]])) == 0
    assert choose(np.zeros((3, 0))) == 0
