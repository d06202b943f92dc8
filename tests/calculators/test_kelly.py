"""Kelly's fraction: the table of SPEC 7.2, the closed form, and that nothing grows faster."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from riskengine.calculators.kelly import expected_log_growth, growth_optimal_fraction, ruins, two_outcome_fraction

# SPEC 7.2: payoff, then full Kelly in percent by win rate; the ladder's losing columns are 0.
RATES = (0.50, 0.52, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80)
SPEC_TABLE = {
    (1.0, 1.0): (0, 4, 10, 20, 30, 40, 50, 60),
    (0.5, 0.5): (0, 8, 20, 40, 60, 80, 100, 120),
    (0.2, 0.2): (0, 20, 50, 100, 150),
    (0.1005, 0.25): (0, 0, 0, 0, 0, 0, 51, 121),
}


def outcomes(*rows):
    probability, payoff = zip(*rows, strict=True)
    return np.array(probability, dtype=float), np.array(payoff, dtype=float)


@pytest.mark.parametrize(("payoff", "percents"), SPEC_TABLE.items())
def test_the_table_of_the_specification(payoff, percents):
    gain, loss = payoff
    rates = np.array(RATES[: len(percents)])
    closed = two_outcome_fraction(rates, gain, loss)
    assert np.round(closed * 100).tolist() == list(percents)
    solved = [growth_optimal_fraction(*outcomes((p, gain), (1 - p, -loss))) for p in rates]
    assert solved == pytest.approx(closed.tolist(), abs=1e-12)


def test_one_total_loss_among_twenty_lowers_kelly_from_half_to_three_percent():
    """SPEC 7.2, the whole case for these sizes."""
    assert growth_optimal_fraction(*outcomes((0.55, 0.2), (0.45, -0.2))) == pytest.approx(0.5)
    gapping = outcomes((0.55, 0.2), (0.45 * 0.95, -0.2), (0.45 * 0.05, -1.0))
    assert round(growth_optimal_fraction(*gapping), 2) == 0.03


def test_twice_kelly_at_a_small_edge_grows_nothing():
    """SPEC 7.2: p 0.55 even money at 20%: -0.0001 a bet."""
    assert round(expected_log_growth(*outcomes((0.55, 1), (0.45, -1)), 0.20), 4) == -0.0001


def test_vinces_coin_grows_by_its_geometric_mean():
    """R. Vince, "Portfolio Management Formulas" (1990): 2:1 coin, f = 0.25, 10.545 after 40 plays."""
    coin = outcomes((0.5, 2), (0.5, -1))
    assert growth_optimal_fraction(*coin) == pytest.approx(0.25, abs=1e-14)
    assert round(math.exp(40 * expected_log_growth(*coin, 0.25)), 3) == 10.545


lists_of_outcomes = st.lists(
    st.tuples(st.integers(1, 20), st.floats(-1, 3).map(lambda b: round(b, 3))), min_size=2, max_size=6
).map(lambda rows: outcomes(*((w / sum(w for w, _ in rows), b) for w, b in rows)))


@given(lists_of_outcomes, st.floats(0, 1))
def test_no_fraction_grows_faster_than_kellys(bet, share):
    probability, payoff = bet
    best = growth_optimal_fraction(probability, payoff)
    assume(math.isfinite(best))
    most = -1 / payoff.min() if payoff.min() < 0 else 1.0
    growth = expected_log_growth(probability, payoff, best)
    assert growth >= expected_log_growth(probability, payoff, share * most) - 1e-12
    assert growth >= 0.0 or best == 0.0


@given(lists_of_outcomes, st.floats(0.1, 10))
def test_payoffs_of_another_unit_scale_the_fraction(bet, unit):
    probability, payoff = bet
    best = growth_optimal_fraction(probability, payoff)
    assume(math.isfinite(best))
    assert growth_optimal_fraction(probability, payoff * unit) == pytest.approx(best / unit, rel=1e-9, abs=1e-12)


@given(lists_of_outcomes)
def test_an_outcome_that_never_happens_changes_nothing(bet):
    probability, payoff = bet
    best = growth_optimal_fraction(probability, payoff)
    assert growth_optimal_fraction(np.append(probability, 0.0), np.append(payoff, -100.0)) == best


@given(st.integers(0, 100), st.integers(1, 300), st.integers(1, 300))
def test_the_closed_form_is_the_solved_root(percent, gain, loss):
    p, b, a = percent / 100, gain / 100, loss / 100
    solved = growth_optimal_fraction(*outcomes((p, b), (1 - p, -a)))
    if percent == 100:
        assert solved == math.inf
    else:
        assert solved == pytest.approx(float(two_outcome_fraction(p, b, a)), rel=1e-9, abs=1e-12)


def test_where_nothing_can_be_lost_no_fraction_is_largest():
    assert growth_optimal_fraction(*outcomes((0.5, 1), (0.5, 0))) == math.inf


@pytest.mark.parametrize(
    "rows", [((0.5, 1), (0.5, -1)), ((0.4, 1), (0.6, -1)), ((1.0, 0.0),), ((0.1, 0.7), (0.7, -0.1))]
)
def test_without_an_edge_nothing_is_bet(rows):
    assert growth_optimal_fraction(*outcomes(*rows)) == 0.0


@pytest.mark.parametrize(
    ("p", "gain", "loss"), [(-0.1, 1, 1), (1.1, 1, 1), (0.5, 0, 1), (0.5, 1, -1), (math.nan, 1, 1)]
)
def test_the_closed_form_of_an_unusable_bet_is_nan(p, gain, loss):
    assert math.isnan(two_outcome_fraction(p, gain, loss))


def test_growth_is_minus_infinity_where_ruin_is_possible():
    bet = outcomes((0.9, 1), (0.1, -1))
    assert expected_log_growth(*bet, 1.0) == -math.inf
    assert ruins(*bet, 1.0).tolist() == [False, True]
    assert math.isfinite(expected_log_growth(*bet, 0.999))
    assert math.isfinite(expected_log_growth(*outcomes((1.0, 1), (0.0, -1)), 1.0))


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0, 1.5, 2.0])
def test_thorp_the_fraction_c_of_kelly_grows_by_c_times_2_minus_c(share):
    """Thorp (2006), section 7: g(c f*) = c (2 - c) g(f*), and g(f*) = m^2 / 2 s^2, where the edge is small."""
    coin = outcomes((0.505, 1), (0.495, -1))
    best = growth_optimal_fraction(*coin)
    assert best == pytest.approx(0.01, abs=1e-12)
    most = expected_log_growth(*coin, best)
    assert most == pytest.approx(0.01**2 / 2, rel=1e-3)
    assert expected_log_growth(*coin, share * best) == pytest.approx(share * (2 - share) * most, abs=1e-3 * most)
