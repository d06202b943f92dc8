"""The most confident first, each accepted one open for the next, and no two that are one bet."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.defaults import MAG7_7DTE
from riskengine.calculators import sizing_7dte
from riskengine.calculators.correlation import absolute_correlation, factor_of
from riskengine.calculators.selection import ACCEPTED, NOBODY, NOT_DROPPED, OPEN, select
from riskengine.loading.limits import default_limits

NAN = math.nan
LIMITS = default_limits(MAG7_7DTE)
LIMIT = 0.8


def selection_of(
    confidence, *, direction=None, underlying=None, rho_open=None, open_direction=(), same_open=None, rho_each=None,
    skip_same_open=False,
):  # fmt: skip
    n, k = len(confidence), len(open_direction)
    return select(
        confidence=np.array(confidence, float),
        direction=np.ones(n, int) if direction is None else np.array(direction),
        underlying=np.arange(n) if underlying is None else np.array(underlying),
        rho_open=np.zeros((n, k)) if rho_open is None else np.array(rho_open, float),
        open_direction=np.array(open_direction, int),
        same_open=np.zeros((n, k), bool) if same_open is None else np.array(same_open),
        rho_each=np.zeros((n, n)) if rho_each is None else np.array(rho_each, float),
        correlation_factor=LIMITS.correlation_factor,
        correlation_missing_factor=LIMITS.correlation_missing_factor,
        high_pair_correlation=LIMIT,
        skip_same_open=skip_same_open,
    )


def pair(rho):
    return [[1.0, rho], [rho, 1.0]]


def test_alone_a_candidate_keeps_its_confidence():
    found = selection_of([0.75])
    assert (found.order.tolist(), found.factor.tolist(), found.score.tolist()) == ([0], [1.0], [0.75])
    assert math.isnan(found.average_rho[0])
    assert (found.dropped_for[0], found.dropped_index[0]) == (NOT_DROPPED, NOBODY)


def test_the_most_confident_is_accepted_and_its_double_is_dropped_with_the_reason():
    found = selection_of([0.7, 0.9], rho_each=pair(0.85))
    assert found.order.tolist() == [1]
    assert found.dropped_for.tolist() == [ACCEPTED, NOT_DROPPED]
    assert (found.dropped_index[0], found.dropped_rho[0]) == (1, 0.85)


@pytest.mark.parametrize(
    ("rho", "direction", "both"),
    [
        (0.85, (1, 1), False), (0.85, (-1, -1), False), (0.85, (1, -1), True), (-0.85, (1, -1), False),
        (-0.85, (1, 1), True), (0.8, (1, 1), True), (0.8000004, (1, 1), True), (NAN, (1, 1), True),
    ],
)  # fmt: skip
def test_two_bets_are_one_above_the_limit_where_both_gain_from_the_same_move(rho, direction, both):
    assert selection_of([0.9, 0.7], direction=direction, rho_each=pair(rho)).accepted.tolist() == [True, both]


def test_the_factor_is_that_of_the_average_absolute_correlation_with_open_and_accepted():
    """0.7 with the position and -0.7 with the accepted one: 0.7 on average, x0.75."""
    found = selection_of([0.9, 0.8], rho_open=[[0.5], [0.7]], open_direction=[1], rho_each=pair(-0.7))
    assert found.average_rho.tolist() == [0.5, 0.7]
    assert found.factor.tolist() == [1.0, 0.75]
    assert found.score.tolist() == [0.9, pytest.approx(0.6)]


def test_a_dropped_candidate_does_not_count_for_the_next():
    rho = [[1, 0.9, 0.0], [0.9, 1, 0.9], [0.0, 0.9, 1]]
    found = selection_of([0.9, 0.8, 0.7], rho_each=rho)
    assert found.order.tolist() == [0, 2]
    assert found.average_rho[2] == 0.0


@pytest.mark.parametrize(
    ("rho", "factor"), [((NAN,), 0.8), ((NAN, 0.1), 0.8), ((NAN, 0.7), 0.75), ((0.1, 0.1), 1.2), ((0.7, 0.75), 0.75)]
)
def test_a_pair_that_is_not_measurable_lowers_the_factor_and_drops_nobody(rho, factor):
    found = selection_of([0.9], rho_open=[rho], open_direction=[1] * len(rho))
    assert (found.accepted[0], found.factor[0]) == (True, factor)


@given(st.lists(st.one_of(st.just(NAN), st.integers(-10, 10).map(lambda tenths: tenths / 10)), max_size=6))
def test_the_factor_is_the_one_that_sizes_a_bet(rho):
    pairs = absolute_correlation(np.zeros(len(rho), int), np.array(rho, float), 1)
    with np.errstate(invalid="ignore"):
        _, sized = sizing_7dte.correlation_factor.judge(SimpleNamespace(limits=LIMITS, pairs=pairs))
    found = factor_of(pairs, LIMITS.correlation_factor, LIMITS.correlation_missing_factor)
    np.testing.assert_array_equal(found, sized)


def test_a_second_bet_on_the_same_stock_in_the_same_direction_is_a_double_measured_or_not():
    found = selection_of([0.9, 0.8], underlying=[5, 5], rho_each=pair(NAN))
    assert found.order.tolist() == [0]
    assert (found.dropped_for[1], found.dropped_index[1], found.dropped_rho[1]) == (ACCEPTED, 0, 1.0)
    assert selection_of([0.9, 0.8], underlying=[5, 5], direction=[1, -1]).order.tolist() == [0, 1]


def test_a_position_in_the_same_stock_is_a_double_unless_a_limit_per_symbol_governs_it():
    given_ = {"rho_open": [[NAN, 0.2]], "open_direction": [1, 1], "same_open": [[True, False]]}
    dropped = selection_of([0.9], **given_)
    assert (dropped.dropped_for[0], dropped.dropped_index[0], dropped.dropped_rho[0]) == (OPEN, 0, 1.0)
    kept = selection_of([0.9], **given_, skip_same_open=True)
    assert (kept.accepted[0], kept.average_rho[0]) == (True, 0.2)


def test_of_several_doubles_the_nearest_is_named_and_a_position_before_a_candidate():
    near = selection_of([0.9, 0.8], rho_open=[[0, 0], [0.85, 0.95]], open_direction=[1, 1], rho_each=pair(0.9))
    assert (near.dropped_for[1], near.dropped_index[1], near.dropped_rho[1]) == (OPEN, 1, 0.95)
    even = selection_of([0.9, 0.8], rho_open=[[0], [0.9]], open_direction=[1], rho_each=pair(0.9))
    assert (even.dropped_for[1], even.dropped_index[1]) == (OPEN, 0)


def test_equal_confidences_are_judged_in_the_order_given():
    assert selection_of([0.8, 0.8], rho_each=pair(0.9)).order.tolist() == [0]


@pytest.mark.parametrize("signal", [{"confidence": [NAN, 0.7]}, {"confidence": [0.9, 0.7], "direction": [0, 1]}])
def test_without_confidence_or_direction_there_is_no_candidate(signal):
    found = selection_of(**signal, rho_each=pair(0.9))
    assert (found.order.tolist(), found.dropped_for.tolist()) == ([1], [NOT_DROPPED, NOT_DROPPED])
    assert math.isnan(found.score[0])


def test_without_candidates_nothing_is_selected():
    assert len(selection_of([], open_direction=[1]).order) == 0


def test_tables_that_do_not_fit_raise():
    with pytest.raises(ValueError):
        selection_of([0.9], rho_open=[[0.1]], open_direction=[1, 1])
    with pytest.raises(ValueError):
        selection_of([0.9, 0.8], direction=[1])


@st.composite
def books(draw):
    n, k = draw(st.integers(1, 6)), draw(st.integers(0, 3))
    rho = st.one_of(st.just(NAN), st.integers(-100, 100).map(lambda cents: cents / 100))
    sign = st.sampled_from([1, -1])
    each = np.eye(n)
    for i, j in itertools.combinations(range(n), 2):
        each[i, j] = each[j, i] = draw(rho)
    return {
        "confidence": np.array(draw(st.lists(st.integers(0, 100), min_size=n, max_size=n, unique=True))) / 100,
        "direction": np.array(draw(st.lists(sign, min_size=n, max_size=n))),
        "underlying": np.array(draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))),
        "rho_open": np.array([[draw(rho) for _ in range(k)] for _ in range(n)]).reshape(n, k),
        "open_direction": np.array(draw(st.lists(sign, min_size=k, max_size=k)), int),
        "same_open": np.array([[draw(st.booleans()) for _ in range(k)] for _ in range(n)], bool).reshape(n, k),
        "rho_each": each,
        "skip_same_open": draw(st.booleans()),
    }


def permuted(book, order):
    rows = {name: book[name][order] for name in ("confidence", "direction", "underlying", "rho_open", "same_open")}
    return book | rows | {"rho_each": book["rho_each"][np.ix_(order, order)]}


@given(books(), st.randoms(use_true_random=False))
def test_the_order_in_which_candidates_are_given_changes_nothing(book, rng):
    order = np.array(rng.sample(range(len(book["confidence"])), len(book["confidence"])))
    plain, other = selection_of(**book), selection_of(**permuted(book, order))
    np.testing.assert_array_equal(order[other.order], plain.order)
    for name in ("accepted", "score", "factor", "average_rho", "dropped_for", "dropped_rho"):
        np.testing.assert_array_equal(getattr(other, name), getattr(plain, name)[order])
    candidate = np.where(other.dropped_for == ACCEPTED, other.dropped_index, 0)
    named = np.where(other.dropped_for == ACCEPTED, order[candidate], other.dropped_index)
    np.testing.assert_array_equal(named, plain.dropped_index[order])


@given(books())
def test_the_best_is_dropped_for_an_open_position_only_and_no_two_accepted_are_one_bet(book):
    found = selection_of(**book)
    assert found.dropped_for[np.argmax(book["confidence"])] != ACCEPTED
    same = book["underlying"][:, None] == book["underlying"][None, :]
    rho = np.where(same, 1.0, book["rho_each"])
    for i, j in itertools.combinations(found.order, 2):
        assert not (abs(rho[i, j]) > LIMIT and rho[i, j] * book["direction"][i] * book["direction"][j] > 0)
    assert sorted(found.order) == np.flatnonzero(found.accepted).tolist()
    assert (found.accepted == (found.dropped_for == NOT_DROPPED)).all()
    assert (np.diff(book["confidence"][found.order]) < 0).all()
