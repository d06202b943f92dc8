"""Random paths against published experiments and exact binomials."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.calculators import projection
from riskengine.calculators.kelly import growth_optimal_fraction
from riskengine.calculators.projection import Wager, project

PATHS = 40_000
ERROR = 4 * 0.5 / math.sqrt(PATHS)  # four standard errors of a probability of one half


def wager(*rows, fraction, bets, initial=1.0, **limits):
    probability, payoff = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return Wager(probability=probability, payoff=payoff, fraction=fraction, bets=bets, initial=initial, **limits)


def binomial_above(level, p, gain, loss, fraction, bets):
    """Exactly: the probability that (1 + f gain)^k (1 - f loss)^(n - k) is above `level`."""
    total = 0.0
    for k in range(bets + 1):
        log_wealth = k * math.log1p(fraction * gain) + (bets - k) * math.log1p(-fraction * loss)
        if log_wealth > math.log(level) + 1e-9:
            total += math.comb(bets, k) * p**k * (1 - p) ** (bets - k)
    return total


# Ziemba and Hausch (1986): 700 wagers from $1,000; in "The Kelly Capital Growth Investment Criterion" (2011), part VI.
CHANCES = (0.1, 0.3, 0.3, 0.2, 0.1)
WINS = (0.57, 0.38, 0.285, 0.228, 0.19)
SHARES = (0.14, 0.07, 0.0467, 0.035, 0.028)
FIVE_WAGERS = [
    row
    for chance, win, odds, share in zip(CHANCES, WINS, range(1, 6), SHARES, strict=True)
    for row in ((chance * win, share * odds), (chance * (1 - win), -share))
]


@pytest.mark.parametrize(("fraction", "median", "ahead"), [(1.0, 16_750, 0.881), (0.5, 8_400, 0.961)])
def test_ziemba_and_hausch_full_and_half_kelly(fraction, median, ahead):
    bet = wager(*FIVE_WAGERS, fraction=fraction, bets=700, initial=1000.0)
    found = project(bet, paths=PATHS, seed=1, levels=[1000])
    assert found.above[0] == pytest.approx(ahead, abs=ERROR)
    # The published median is of a simulation too; log wealth spreads by 2.3 (1.2 at half), so medians agree to 6%.
    assert found.median == pytest.approx(median, rel=0.06)


def test_the_five_wagers_carry_their_kelly_shares():
    bet = wager(*FIVE_WAGERS, fraction=1.0, bets=1)
    assert growth_optimal_fraction(bet.probability, bet.payoff) == pytest.approx(1.0, abs=1e-3)


def test_vinces_coin_makes_ten_and_a_half_of_one_in_the_middle():
    """R. Vince: 2:1 coin, f = 0.25, 40 plays: 10.545."""
    found = project(wager((0.5, 2), (0.5, -1), fraction=0.25, bets=40), paths=PATHS, seed=1)
    assert found.median == pytest.approx(1.5**20 * 0.75**20, rel=1e-12)
    assert round(found.median, 3) == 10.545


def test_the_coin_with_a_maximum_payout_pays_what_haghani_and_dewey_say():
    """60/40 coin, $25, 300 flips, paid out at $250 (2016): at 12% a flip 95% reach it, the mean is $242.03."""
    coin = wager((0.6, 1), (0.4, -1), fraction=0.12, bets=300, initial=25.0, ceiling=250.0)
    found = project(coin, paths=PATHS, seed=1, levels=[249.99, 250])
    assert found.above[0] == pytest.approx(0.95, abs=0.005)
    assert found.above[1] == 0.0  # strictly above
    assert found.mean == pytest.approx(242.03, abs=1.0)
    assert found.median == found.p95 == 250.0


@pytest.mark.parametrize(
    ("gain", "loss", "p", "fraction", "median", "halved"),
    [
        (1.0, 1.0, 0.55, 0.20, 0.986, 0.999),
        (0.2, 0.2, 0.55, 0.33, 1.56, 0.306),
        (0.2, 0.2, 0.55, 0.66, 1.57, 0.928),
        (0.1005, 0.25, 0.80, 0.66, 4.62, 0.508),
    ],
)
def test_the_drawdown_table_of_the_specification(gain, loss, p, fraction, median, halved):
    """SPEC 7.3: 100 bets, 200,000 paths; sampling error 0.12 points there."""
    bet = wager((p, gain), (1 - p, -loss), fraction=fraction, bets=100)
    found = project(bet, paths=PATHS, seed=2, drawdowns=[0.5])
    assert found.drawdown[0] == pytest.approx(halved, abs=ERROR + 0.0012)
    assert found.median == pytest.approx(median, rel=0.01)


@pytest.mark.parametrize("level", [0.5, 1.0, 2.0])
def test_the_share_above_a_level_is_the_binomials(level):
    bet = wager((0.55, 1), (0.45, -1), fraction=0.2, bets=50)
    found = project(bet, paths=PATHS, seed=3, levels=[level])
    assert found.above[0] == pytest.approx(binomial_above(level, 0.55, 1, 1, 0.2, 50), abs=ERROR)


def test_wealth_that_comes_back_exactly_is_not_above_where_it_began():
    """x1.25 then x0.8: rounding leaves 1.0000000000000002 or less, and neither is above 1."""
    bet = wager((0.5, 0.25), (0.5, -0.2), fraction=1.0, bets=2)
    found = project(bet, paths=PATHS, seed=4, levels=[1.0])
    assert found.above[0] == pytest.approx(0.25, abs=ERROR)


def test_a_drawdown_met_exactly_counts():
    """Two losses of 30% leave 0.49: a fall of exactly 51%, which float64 puts on either side."""
    bet = wager((0.5, 0.3), (0.5, -0.3), fraction=1.0, bets=2)
    found = project(bet, paths=PATHS, seed=5, drawdowns=[0.3, 0.51, 0.5101])
    assert found.drawdown[0] == pytest.approx(0.75, abs=ERROR)
    assert found.drawdown[1] == pytest.approx(0.25, abs=ERROR)
    assert found.drawdown[2] == 0.0


@pytest.mark.parametrize("limits", [{}, {"largest_bet": 1e9}])
@pytest.mark.parametrize(("fraction", "loss"), [(1.0, -1.0), (1.0, -1.5), (0.7, -1 / 0.7)])
def test_ruin_absorbs(fraction, loss, limits):
    bet = wager((0.9, 1.0), (0.1, loss), fraction=fraction, bets=10, **limits)
    found = project(bet, paths=PATHS, seed=6, levels=[0], drawdowns=[0.5, 1])
    assert found.above[0] == pytest.approx(0.9**10, abs=ERROR)
    assert found.drawdown == pytest.approx([1 - 0.9**10] * 2, abs=ERROR)
    assert found.p5 == 0.0


def test_next_to_nothing_is_not_ruin():
    found = project(
        wager((0.5, 0), (0.5, -0.99999), fraction=1.0, bets=20), paths=1000, seed=7, levels=[0], drawdowns=[1.0]
    )
    assert found.drawdown == (0.0,)
    assert found.above == (1.0,)


def test_a_level_far_under_a_dollar_is_told_from_ruin():
    """100 bets of 66% on a fair coin leave 3.8e-13 of a dollar in the middle: little, and above a tenth of it."""
    bet = wager((0.5, 1), (0.5, -1), fraction=0.66, bets=100)
    levels = (0.0, 1e-13, 1e-9)
    found = project(bet, paths=PATHS, seed=7, levels=levels)
    assert found.above[0] == 1.0
    for share, level in zip(found.above[1:], levels[1:], strict=True):
        assert share == pytest.approx(binomial_above(level, 0.5, 1, 1, 0.66, 100), abs=ERROR)


def test_the_largest_bet_bounds_every_gain_and_loss():
    """10 straight wins from $1,000 at 20%, at most $250 a bet: the cap acts from the third bet on."""
    bet = wager((1.0, 1.0), (0.0, -1.0), fraction=0.2, bets=10, initial=1000.0, largest_bet=250.0)
    expected = 1000.0
    for _ in range(10):
        expected += min(0.2 * expected, 250.0)
    found = project(bet, paths=1, seed=0)
    assert found.median == pytest.approx(expected, rel=1e-12)


def test_a_largest_bet_that_never_acts_changes_nothing():
    plain = wager((0.6, 1), (0.4, -1), fraction=0.2, bets=30, initial=25.0)
    capped = wager((0.6, 1), (0.4, -1), fraction=0.2, bets=30, initial=25.0, largest_bet=1e9)
    found = [project(bet, paths=2000, seed=8, levels=[25], drawdowns=[0.5]) for bet in (plain, capped)]
    assert found[0].median == pytest.approx(found[1].median, rel=1e-12)
    assert (found[0].above, found[0].drawdown) == (found[1].above, found[1].drawdown)


def test_a_capped_bet_can_ruin_only_a_wealth_under_the_cap():
    bet = wager((0.5, 1.0), (0.5, -1.0), fraction=1.0, bets=1, initial=1000.0, largest_bet=250.0)
    found = project(bet, paths=1000, seed=9, levels=[749.99], drawdowns=[0.25, 0.26, 1.0])
    assert found.above == (1.0,)
    assert found.drawdown[0] > 0.4
    assert found.drawdown[1:] == (0.0, 0.0)


def test_the_same_seed_gives_the_same_result_and_another_another():
    bet = wager((0.55, 1), (0.45, -1), fraction=0.2, bets=20)
    first, again, other = (project(bet, paths=5000, seed=seed, levels=[1]) for seed in (1, 1, 2))
    assert (first.mean, first.above) == (again.mean, again.above)
    assert first.mean != other.mean


def test_more_bets_than_float64_holds_keep_their_drawdowns():
    """Wealth overflows; the share of its peak does not."""
    bet = wager((0.99, 1.0), (0.01, -0.5), fraction=1.0, bets=1500)
    found = project(bet, paths=500, seed=10, levels=[1], drawdowns=[0.5, 0.99])
    assert not math.isfinite(found.median)
    assert found.above == (1.0,)
    assert found.drawdown == (1.0, 0.0)


def test_what_is_ruined_stays_so_whatever_would_be_won_after():
    """Also where the gain, or the wealth before it, is beyond float64."""
    for payoff, fraction in ((1e299, 1e299), (1e200, 1.0)):
        bet = wager((0.5, payoff), (0.5, -1.0), fraction=fraction, bets=10)
        found = project(bet, paths=4_000, seed=12, levels=[1], drawdowns=[1.0])
        assert found.drawdown[0] == pytest.approx(1 - 0.5**10, abs=0.003)
        assert found.above[0] == pytest.approx(0.5**10, abs=0.003)
        assert found.median == 0.0


def test_blocks_of_paths_add_up(monkeypatch):
    monkeypatch.setattr(projection, "_PATHS", 1000)
    bet = wager((0.5, 1), (0.5, -1), fraction=0.5, bets=1)
    found = project(bet, paths=2500, seed=11, levels=[1], drawdowns=[0.5])
    assert found.above[0] + found.drawdown[0] == pytest.approx(1.0)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.floats(-2, 3)), min_size=1, max_size=8),
    st.floats(0, 2),
    st.integers(0, 1000),
)
def test_more_is_never_more_likely(rows, fraction, seed):
    """A higher level or a deeper fall is met by no more paths; percentiles are in order; wealth is never negative."""
    weight = sum(w for w, _ in rows)
    bet = wager(*((w / weight, b) for w, b in rows), fraction=fraction, bets=12)
    found = project(bet, paths=200, seed=seed, levels=[0.5, 1, 2], drawdowns=[0.1, 0.5, 1.0])
    assert list(found.above) == sorted(found.above, reverse=True)
    assert list(found.drawdown) == sorted(found.drawdown, reverse=True)
    assert 0.0 <= found.p5 <= found.median <= found.p95


def test_too_many_outcomes_and_a_ceiling_already_reached_raise():
    with pytest.raises(ValueError, match="256"):
        project(wager(*((1 / 300, 0.0),) * 300, fraction=1.0, bets=1), paths=1, seed=0)
    with pytest.raises(ValueError, match="ceiling"):
        project(wager((1.0, 0.0), fraction=1.0, bets=1, initial=5.0, ceiling=5.0), paths=1, seed=0)


# ---- Thorp, "The Kelly Criterion in Blackjack, Sports Betting, and the Stock Market" (2006), section 7 ----


@pytest.mark.parametrize(("share", "steps"), [(0.5, 6), (0.5, 12), (1.0, 7), (1.0, 14), (1.5, 5)])
def test_thorp_the_chance_of_ever_falling_to_a_share_of_the_start(share, steps):
    """x^(2/c - 1) at the fraction c of Kelly: of a coin with p = 0.55, whose Kelly is 10%. Levels that its steps meet,
    so that nothing overshoots; 3,000 bets stand for ever where c is not above 1.5."""
    fraction = 0.1 * share
    level = (1 - fraction) ** steps
    bet = wager((0.55, 1), (0.45, -1), fraction=fraction, bets=3_000)
    found = project(bet, paths=4_000, seed=12, floors=[level])
    assert found.fallen[0] == pytest.approx(level ** (2 / share - 1), abs=4 * 0.5 / math.sqrt(4_000) + 0.01)


@pytest.mark.parametrize("share", [0.5, 1.0, 1.5])
def test_thorp_the_chance_of_doubling_before_halving(share):
    """(1 - x^(1 - 2/c)) / (y^(1 - 2/c) - x^(1 - 2/c)) reaches y = 2 before x = 1/2; at full Kelly two thirds."""
    bet = wager((0.55, 1), (0.45, -1), fraction=0.1 * share, bets=3_000, ceiling=2.0)
    found = project(bet, paths=4_000, seed=13, floors=[0.5])
    power = 1 - 2 / share
    doubles = (1 - 0.5**power) / (2**power - 0.5**power)
    # Steps of up to 15% overshoot both ends, by about the same.
    assert 1 - found.fallen[0] == pytest.approx(doubles, abs=4 * 0.5 / math.sqrt(4_000) + 0.015)


@pytest.mark.parametrize("share", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("level", [0.8, 1.0, 2.0])
def test_thorp_the_final_wealth_is_log_normal(share, level):
    """ln of it has the mean n g and the deviation sqrt(n) s f, g = m f - s^2 f^2 / 2: at twice Kelly it is 0."""
    p, bets, fraction = 0.52, 400, 0.04 * share
    mean, deviation = 2 * p - 1, math.sqrt(1 - (2 * p - 1) ** 2)
    growth = mean * fraction - deviation**2 * fraction**2 / 2
    z = (math.log(level) - bets * growth) / (math.sqrt(bets) * deviation * fraction)
    expected = 0.5 * math.erfc(z / math.sqrt(2))
    found = project(wager((p, 1), (1 - p, -1), fraction=fraction, bets=bets), paths=8_000, seed=14, levels=[level])
    # A lattice of 400 steps is half a step (at most 2% of probability) from the continuous curve.
    assert found.above[0] == pytest.approx(expected, abs=4 * 0.5 / math.sqrt(8_000) + 0.025)


def test_a_floor_is_met_by_wealth_and_not_by_the_fall_from_the_peak():
    bet = wager((1.0, 1.0), fraction=1.0, bets=3)
    found = project(bet, paths=10, seed=15, floors=[1.0, 2.0], drawdowns=[0.1])
    assert found.fallen == (1.0, 1.0)  # it begins at 1, which counts
    assert found.drawdown == (0.0,)
    twice = project(
        wager((0.5, 1), (0.5, -0.5), fraction=1.0, bets=1, initial=500.0), paths=PATHS, seed=15, floors=[250]
    )
    assert twice.fallen[0] == pytest.approx(0.5, abs=ERROR)
