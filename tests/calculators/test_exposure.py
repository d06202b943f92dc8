"""What a book has at risk: an unknown term makes its own total unknown, and nothing else."""

import random
from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.calculators import exposure
from riskengine.calculators.exposure import Terms

HUNDRED = 100.0


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def groups(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


NONE = Terms(column(), groups())


def worth(contracts: float, entry: float, mark: float) -> float:
    return float(exposure.position_exposure(column(contracts), column(HUNDRED), column(entry), column(mark))[0])


def test_a_losing_bet_does_not_free_room() -> None:
    assert worth(3, 44.40, 20.0) == pytest.approx(13_320)
    assert worth(3, 44.40, 60.0) == pytest.approx(18_000)


@pytest.mark.parametrize(
    ("contracts", "entry", "mark"),
    [(3, np.nan, 1), (3, 1, np.nan), (np.nan, 1, 1), (-1, 1, 1), (3, -1, 1), (3, 1, np.inf)],
)
def test_an_unusable_number_makes_the_position_unknown(contracts: float, entry: float, mark: float) -> None:
    assert np.isnan(worth(contracts, entry, mark))


def test_a_closed_position_is_worth_nothing_whatever_its_mark() -> None:
    assert worth(0, 1.0, np.nan) == 0


def test_reservations_count_at_the_worst_permitted_price() -> None:
    dollars = exposure.reservation(column(10, 0, 5), column(100, 100, 100), column(2.5, np.nan, np.nan))
    assert dollars[:2].tolist() == [2_500, 0]
    assert np.isnan(dollars[2])


def test_each_portfolio_adds_its_own_positions_and_reservations() -> None:
    positions = Terms(column(1_000, 2_000, 4_000), groups(0, 2, 0))
    reservations = Terms(column(500, 250), groups(2, 0))
    assert exposure.exposure(positions, reservations, 3).tolist() == [5_250, 0, 2_500]


def test_one_unknown_term_makes_only_its_own_portfolio_unknown() -> None:
    total = exposure.exposure(Terms(column(1_000, np.nan, 4_000), groups(0, 1, 2)), Terms(column(1.0), groups(2)), 3)
    assert np.isnan(total).tolist() == [False, True, False]


def test_an_empty_book_has_no_exposure() -> None:
    assert exposure.exposure(NONE, NONE, 2).tolist() == [0, 0]


def test_the_mark_is_a_fresh_mid_or_the_larger_of_entry_and_last_mark() -> None:
    marks = exposure.mark(
        column(5, 5, 5, np.nan, 5),
        np.array([True, False, False, True, False]),
        column(4, 4, 4, 4, 4),
        column(3, 3, 6, 3, np.nan),
    )
    np.testing.assert_array_equal(marks, [5, 4, 6, np.nan, np.nan])


# --- share-equivalents ----------------------------------------------------------------------------------------------


def equivalents(
    contracts: list[float], delta: list[float], gamma: list[float], spot: list[float], spy: float
) -> tuple[float, float]:
    n = len(contracts)
    both = exposure.share_equivalents(
        contracts=column(*contracts), multiplier=np.full(n, HUNDRED), delta=column(*delta), gamma=column(*gamma),
        spot=column(*spot), spy=np.full(n, spy), group=np.zeros(n, np.int64), groups=1,
    )  # fmt: skip
    return float(both.delta[0]), float(both.gamma[0])


def test_forty_spy_contracts_are_two_thousand_shares() -> None:
    assert equivalents([40], [0.5], [0.02], [600], 600) == pytest.approx((2_000, 80))


def test_an_spx_contract_counts_ten_times_in_delta_and_a_hundred_times_in_gamma() -> None:
    assert equivalents([1], [0.5], [0.002], [6_000], 600) == pytest.approx((500, 20))


def test_a_long_put_takes_delta_and_adds_gamma() -> None:
    assert equivalents([10, 10], [0.5, -0.4], [0.02, 0.02], [600, 600], 600) == pytest.approx((100, 40))


@pytest.mark.parametrize(
    ("delta", "spot", "spy"), [(np.nan, 600, 600), (0.5, np.nan, 600), (0.5, 0, 600), (0.5, 600, np.nan)]
)
def test_an_unknown_greek_or_price_makes_the_book_unknown(delta: float, spot: float, spy: float) -> None:
    assert np.isnan(equivalents([1, 1], [delta, 0.5], [0.01, 0.01], [spot, 600], spy)[0])


def test_a_closed_position_with_unknown_greeks_leaves_the_book_known() -> None:
    assert equivalents([0, 1], [np.nan, 0.5], [np.nan, 0.01], [np.nan, 600], 600) == pytest.approx((50, 1))


def test_spy_falls_back_to_a_tenth_of_spx() -> None:
    prices = exposure.spy_price(column(600, np.nan, np.nan, 0), column(6_100, 6_100, np.nan, 6_100))
    np.testing.assert_array_equal(prices, [600, 610, np.nan, 610])


# --- gap to zero ----------------------------------------------------------------------------------------------------


def test_the_gap_to_zero_in_dollars_equity_and_emergency_limits() -> None:
    gap = exposure.gap_to_zero(
        contracts=column(20, 2), multiplier=column(100, 100), marked=column(16.5, 6.0), equity=column(98_400),
        basis=column(98_400), emergency_halt_loss=0.20, group=groups(0, 0), groups=1,
    )  # fmt: skip
    assert gap.positions.tolist() == [33_000, 1_200]
    assert gap.dollars[0] == 34_200
    assert gap.equity_fraction[0] == pytest.approx(0.3476, abs=1e-4)
    assert gap.emergency_multiple[0] == pytest.approx(1.738, abs=1e-3)


def test_a_gap_against_no_equity_is_unknown() -> None:
    gap = exposure.gap_to_zero(
        contracts=column(1), multiplier=column(100), marked=column(1), equity=column(0), basis=column(-1),
        emergency_halt_loss=0.20, group=groups(0), groups=1,
    )  # fmt: skip
    assert np.isnan([gap.equity_fraction[0], gap.emergency_multiple[0]]).all()


# --- concentration --------------------------------------------------------------------------------------------------


def test_uncorrelated_bets_add_as_squares_and_one_bet_as_itself() -> None:
    apart, together = np.eye(2), np.ones((2, 2))
    w = np.array([[30_000.0, 40_000.0]])
    assert exposure.effective_exposure(w, apart)[0] == pytest.approx(50_000)
    assert exposure.effective_exposure(w, together)[0] == pytest.approx(70_000)


def test_a_long_put_on_a_correlated_stock_hedges() -> None:
    w = np.array([[30_000.0, -30_000.0]])
    assert exposure.effective_exposure(w, np.ones((2, 2)))[0] == pytest.approx(0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_pair_that_cannot_be_measured_counts_as_one_bet(sign: float) -> None:
    correlation = np.array([[1.0, np.nan], [np.nan, np.nan]])
    assert exposure.effective_exposure(np.array([[30_000.0, sign * 40_000.0]]), correlation)[0] == pytest.approx(70_000)


def test_an_unknown_exposure_makes_its_portfolio_unknown_alone() -> None:
    effective = exposure.effective_exposure(np.array([[1.0, np.nan], [3.0, 4.0]]), np.eye(2))
    assert np.isnan(effective).tolist() == [True, False]


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=6), st.randoms())
@settings(max_examples=100, deadline=None)
def test_effective_exposure_lies_between_the_largest_bet_and_the_sum(dollars: list[int], rng: random.Random) -> None:
    size = len(dollars)
    loads = np.array([[rng.random() for _ in range(3)] for _ in range(size)]) + 1e-3
    loads /= np.linalg.norm(loads, axis=1)[:, None]
    effective = exposure.effective_exposure(np.array([dollars], np.float64), loads @ loads.T)[0]
    assert max(dollars) - 1e-6 <= effective <= sum(dollars) + 1e-6
    exact = sum(Fraction(a) * Fraction(b) * Fraction(1 if i == j else float((loads @ loads.T)[i, j]))
                for i, a in enumerate(dollars) for j, b in enumerate(dollars))  # fmt: skip
    assert effective == pytest.approx(sqrt(max(exact, 0)), rel=1e-9, abs=1e-6)


def bets_of(dollars: list[float], correlation: np.ndarray) -> float:
    return float(exposure.effective_bets(np.array([dollars]), correlation)[0])


def test_equal_uncorrelated_bets_count_each_and_identical_ones_once() -> None:
    assert bets_of([100.0] * 4, np.eye(4)) == pytest.approx(4)
    assert bets_of([100.0] * 4, np.ones((4, 4))) == pytest.approx(1)
    assert bets_of([-100.0] * 4, np.ones((4, 4))) == pytest.approx(1)
    assert bets_of([100.0, 0.0], np.eye(2)) == pytest.approx(1)


def test_a_pair_that_cannot_be_measured_is_one_bet_not_two() -> None:
    correlation = np.array([[1.0, np.nan], [np.nan, np.nan]])
    assert bets_of([100.0, 100.0], correlation) == pytest.approx(1)
    assert bets_of([100.0, -100.0], correlation) == pytest.approx(1)


@pytest.mark.parametrize("dollars", [[0.0, 0.0], [np.nan, 1.0], [30_000.0, -30_000.0], [0.1, -0.1 - 1e-12]])
def test_nothing_held_an_unknown_exposure_and_a_full_hedge_have_no_number_of_bets(dollars: list[float]) -> None:
    assert np.isnan(bets_of(dollars, np.ones((2, 2))))


@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=6), st.floats(0, 1), st.floats(0.01, 100))
@settings(max_examples=100, deadline=None)
def test_bets_that_do_not_hedge_are_at_least_one_and_at_most_how_many_they_are(
    dollars: list[int], rho: float, scale: float
) -> None:
    correlation = np.full((len(dollars), len(dollars)), rho)
    np.fill_diagonal(correlation, 1.0)
    bets = bets_of([float(each) for each in dollars], correlation)
    assert 1 - 1e-9 <= bets <= len(dollars) + 1e-9
    assert bets_of([scale * each for each in dollars], correlation) == pytest.approx(bets)
    effective = exposure.effective_exposure(np.array([dollars], np.float64), correlation)[0]
    assert bets == pytest.approx((sum(dollars) / effective) ** 2)


def test_the_herfindahl_index_of_one_bet_is_one_and_of_four_equal_ones_a_quarter() -> None:
    index = exposure.herfindahl(column(10, 5, 5, 5, 5), groups(0, 1, 1, 1, 1), 3)
    np.testing.assert_array_equal(index, [1.0, 0.25, np.nan])


# --- for every book -------------------------------------------------------------------------------------------------

rows = st.lists(
    st.tuples(st.integers(0, 500), st.integers(1, 100_000), st.integers(0, 100_000), st.integers(0, 3)),
    min_size=1,
    max_size=20,
)


@given(rows, st.randoms())
@settings(max_examples=100, deadline=None)
def test_totals_are_exact_and_the_order_of_a_book_does_not_matter(book: list, rng: random.Random) -> None:
    def totals(lines: list) -> np.ndarray:
        contracts, entry, mark, group = (np.array(part) for part in zip(*lines, strict=True))
        dollars = exposure.position_exposure(
            contracts.astype(float), np.full(len(lines), HUNDRED), entry / 100, mark / 100
        )
        return exposure.exposure(Terms(dollars, group), NONE, 4)

    exact = [sum(Fraction(n * max(e, m)) for n, e, m, g in book if g == wanted) for wanted in range(4)]
    shuffled = rng.sample(book, len(book))
    np.testing.assert_allclose(totals(book), [float(x) for x in exact], rtol=1e-12)
    np.testing.assert_allclose(totals(shuffled), totals(book), rtol=1e-12)


# ---- Concentration over time ----


def over_time(*bets):
    start, end, dollars, group = (np.array(column, float) for column in zip(*bets, strict=True))
    return exposure.herfindahl_over_time(start, end, dollars, group.astype(np.int64))


def test_one_bet_after_another_is_one_bet_all_the_time():
    assert over_time((0, 10, 100, 0), (10, 20, 300, 1), (30, 31, 5, 0)) == 1.0


def test_two_equal_bets_held_half_of_the_time_together():
    assert over_time((0, 10, 100, 0), (5, 10, 100, 1)) == pytest.approx(0.75)
    assert over_time((0, 10, 100, 0), (5, 10, 100, 0)) == 1.0  # on the same underlying


def test_of_nothing_that_was_held_for_no_time_nothing_is_known():
    nothing = np.array([])
    assert np.isnan(exposure.herfindahl_over_time(nothing, nothing, nothing, np.array([], np.int64)))
    assert np.isnan(over_time((5, 5, 100, 0)))


times = st.integers(0, 40)
bets_held = st.lists(st.tuples(times, times, st.integers(1, 9), st.integers(0, 3)), min_size=1, max_size=8)


@given(bets_held)
def test_it_is_the_mean_of_every_moment(bets):
    bets = [(min(a, b), max(a, b), dollars, group) for a, b, dollars, group in bets]
    shares = []
    for moment in range(40):
        held = {}
        for start, end, dollars, group in bets:
            if start <= moment < end:
                held[group] = held.get(group, 0) + dollars
        if held:
            shares.append(sum(each**2 for each in held.values()) / sum(held.values()) ** 2)
    found = over_time(*bets)
    assert (np.isnan(found) and not shares) or found == pytest.approx(sum(shares) / len(shares))
