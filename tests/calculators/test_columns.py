"""Comparisons and roundings that agree with exact arithmetic, and a ladder that agrees with reading it aloud."""

import importlib
import pkgutil
import subprocess
import sys
from dataclasses import dataclass, fields
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.defaults import LADDERS, PARAMETERS
from riskengine import calculators
from riskengine.calculators.columns import (
    Steps,
    above,
    as_flags,
    at_least,
    at_most,
    below,
    contracts_reaching,
    half_up,
    half_up_places,
    higher_of,
    lower_of,
    ratio,
    rounded_down,
    single,
    where,
    whole_contracts,
)
from riskengine.calculators.limits import Limits

prices = st.integers(1, 5_000_000).map(lambda ten_thousandths: Decimal(ten_thousandths) / 10_000)
dollars = st.integers(1, 500_000_000).map(lambda cents: Decimal(cents) / 100)
shares = st.integers(0, 1_000_000).map(lambda millionths: Decimal(millionths) / 1_000_000)


@pytest.mark.parametrize(
    ("value", "limit"), [(0.20 * 1.05, 0.21), (0.1 + 0.2, 0.3), (60000 * 0.2 * 1.1, 13200.0), (4.35 * 100, 435.0)]
)
def test_float_dust_on_either_side_of_a_limit_is_the_limit(value: float, limit: float) -> None:
    assert at_least(value, limit)
    assert at_most(value, limit)
    assert not above(value, limit)
    assert not below(value, limit)


@pytest.mark.parametrize("compare", [at_least, above, at_most, below])
def test_a_comparison_with_an_unknown_number_is_false(compare) -> None:
    unknown, known = np.array([np.nan]), np.array([1.0])
    assert not compare(unknown, known)
    assert not compare(known, unknown)


@settings(max_examples=200, deadline=None)
@given(value=dollars, limit=dollars)
def test_comparisons_of_cents_are_exact(value: Decimal, limit: Decimal) -> None:
    a, b = float(value), float(limit)
    assert (at_least(a, b), above(a, b), at_most(a, b), below(a, b)) == (
        value >= limit,
        value > limit,
        value <= limit,
        value < limit,
    )


@settings(max_examples=300, deadline=None)
@given(amount=dollars, price=prices)
def test_whole_contracts_are_the_exact_floor_and_ceiling(amount: Decimal, price: Decimal) -> None:
    column, cost = np.array([float(amount)]), float(price) * 100.0
    exact = Fraction(amount) / (100 * Fraction(price))
    assert whole_contracts(column, cost)[0] == floor(exact)
    assert contracts_reaching(column, cost)[0] == ceil(exact)


@pytest.mark.parametrize("contracts", [1, 3, 7, 48, 131, 999])
@pytest.mark.parametrize("price", ["0.0125", "0.07", "1.1", "2.35", "3.3333", "19.99"])
def test_dollars_that_are_whole_contracts_buy_exactly_those(contracts: int, price: str) -> None:
    amount, cost = np.array([float(contracts * 100 * Decimal(price))]), float(price) * 100.0
    assert whole_contracts(amount, cost)[0] == contracts
    assert contracts_reaching(amount, cost)[0] == contracts
    assert whole_contracts(amount - 0.01, cost)[0] == contracts - 1
    assert contracts_reaching(amount + 0.01, cost)[0] == contracts + 1


@settings(max_examples=300, deadline=None)
@given(value=st.decimals(min_value=0, max_value=700, places=9), places=st.sampled_from([4, 6]))
def test_rounding_half_up_is_the_decimal_rounding(value: Decimal, places: int) -> None:
    expected = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    assert half_up_places(np.array([float(value)]), places)[0] == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize(("value", "rounded"), [("0.6999995", 0.7), ("0.6999994", 0.699999), ("0.8999995", 0.9)])
def test_a_confidence_half_a_millionth_under_a_tier_belongs_to_the_tier(value: str, rounded: float) -> None:
    assert half_up_places(np.array([float(value)]), 6)[0] == rounded


@settings(max_examples=300, deadline=None)
@given(quantity=st.integers(0, 1_000_000), share=st.integers(0, 10_000))
def test_shares_of_contracts_round_half_up_in_whole_numbers(quantity: int, share: int) -> None:
    exact = floor(Fraction(quantity * share, 10_000) + Fraction(1, 2))
    assert half_up(np.array([quantity]), np.array([share]))[0] == exact


@pytest.mark.parametrize(
    "ladder", [ladder for ladder in LADDERS.values() if not ladder.cumulative], ids=lambda x: x.name
)
def test_every_step_speaks_from_its_own_side_of_its_threshold(ladder) -> None:
    steps = Steps.of([(float(s.threshold), float(s.value), s.inclusive) for s in ladder.steps])
    for before, step in zip((ladder.steps[0], *ladder.steps), ladder.steps, strict=False):
        at = float(step.threshold)
        under, on, over = steps.at(np.array([at - 1e-6, at, at + 1e-6])).tolist()
        assert under == float(before.value)
        assert on == float(step.value if step.inclusive or step is ladder.steps[0] else before.value)
        assert over == float(step.value)


@settings(max_examples=200, deadline=None)
@given(value=dollars, scale=dollars)
def test_scaled_thresholds_decide_like_a_division_done_exactly(value: Decimal, scale: Decimal) -> None:
    steps = Steps.of([(0.0, 1.0, True), (0.4, 0.9, False), (0.6, 0.7, False), (0.8, 0.5, False)])
    share = Fraction(value) / Fraction(scale)
    exact = (
        0.5 if share > Fraction(8, 10) else 0.7 if share > Fraction(6, 10) else 0.9 if share > Fraction(4, 10) else 1.0
    )
    assert steps.at(np.array([float(value)]), np.array([float(scale)]))[0] == exact


def test_a_ladder_may_differ_from_row_to_row() -> None:
    thresholds = np.array([[0.0, 0.0], [0.5, 0.7]])
    steps = Steps(thresholds, np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones((2, 2), bool))
    assert steps.at(np.array([0.6, 0.6])).tolist() == [3.0, 2.0]


# --- a book of one row runs on numbers -------------------------------------------------------------------------------

ODD = [0.0, 0.5, -0.5, 1.0, -1.0, 0.7, 12000.0, 12000.000001, 1e12, -3.75, float("inf"), float("-inf"), float("nan")]


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("other", ODD)
def test_a_number_is_compared_and_chosen_like_a_column_of_it(value: float, other: float) -> None:
    columns = np.array([value]), np.array([other])
    for rule in (at_least, above, at_most, below, lower_of, higher_of, ratio):
        np.testing.assert_array_equal(rule(value, other), rule(*columns)[0], err_msg=rule.__name__)
    for flag in (True, False):
        np.testing.assert_array_equal(where(flag, value, other), where(np.array([flag]), *columns)[0])


@pytest.mark.parametrize("value", ODD)
def test_a_number_is_rounded_like_a_column_of_it(value: float) -> None:
    np.testing.assert_array_equal(rounded_down(value), rounded_down(np.array([value]))[0])
    np.testing.assert_array_equal(half_up_places(value, 4), half_up_places(np.array([value]), 4)[0])


@pytest.mark.parametrize("scale", [1.0, 60000.0])
def test_a_ladder_says_the_same_of_a_number_as_of_a_column(scale: float) -> None:
    steps = Steps.of([(0.0, 1.0, True), (0.4, 0.9, False), (0.6, 0.7, True), (0.8, 0.5, False)])
    values = [at * scale * (1 + nudge) for at in (0.0, 0.4, 0.6, 0.8, 2.0) for nudge in (-1e-6, -1e-12, 0, 1e-12, 1e-6)]
    assert [steps.at(value, scale) for value in values] == steps.at(np.array(values), np.full(25, scale)).tolist()
    assert Steps.of([(0.0, 1.5, True)]).at(7.0) == 1.5


@dataclass
class Pair:
    price: np.ndarray
    long: np.ndarray


def test_one_row_of_columns_becomes_numbers_and_more_rows_are_refused() -> None:
    one = single(Pair(np.array([2.5]), np.array([True])))
    assert (one.price, one.long) == (2.5, True)
    assert [type(each) for each in vars(one).values()] == [float, bool]
    with pytest.raises(ValueError, match="size 1"):
        single(Pair(np.array([2.5]), np.array([True, False])))


def test_nobody_writes_to_the_flag_that_all_books_of_one_row_share() -> None:
    with pytest.raises(ValueError, match="read-only"):
        as_flags(True)[0] = False
    assert as_flags(True).tolist() == [True]


def test_the_limits_carry_every_parameter_and_ladder_of_a_profile_under_its_name() -> None:
    assert sorted(f.name for f in fields(Limits)) == sorted([*PARAMETERS, *LADDERS])


MODULES = ["riskengine.calculators"] + [
    f"riskengine.calculators.{m.name}" for m in pkgutil.iter_modules(calculators.__path__)
]


def test_no_calculator_loads_django_or_a_database() -> None:
    assert importlib.import_module("riskengine.calculators.sizing_0dte").__name__ in MODULES
    look = (
        "import sys\n"
        f"for name in {MODULES!r}:\n"
        "    __import__(name)\n"
        "    found = {'django', 'psycopg2', 'celery', 'rest_framework'} & sys.modules.keys()\n"
        "    assert not found, (name, found)\n"
    )
    subprocess.run([sys.executable, "-c", look], check=True, timeout=60)
