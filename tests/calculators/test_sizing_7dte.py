"""Mag7-7DTE sizes: the source's own tests, exact arithmetic as the referee, and what no input may ever do."""

from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.calculators import codes, sizing_7dte
from riskengine.calculators.sizing import Sizing
from tests import candidates, oracle
from tests.calculators.book import limits_7dte, outcome, seven_book, seven_limits

pytestmark = pytest.mark.filterwarnings("error")

HEALTHY = {"confidence": "0.9", "option_price": "10", "portfolio_value": "100000"}


def size(*rows: dict[str, Any], **overrides: Any) -> Sizing:
    return sizing_7dte.size_book(seven_book(rows), seven_limits(rows, limits_7dte(**overrides)))


def refusal(sized: Sizing, row: int = 0) -> str | None:
    return codes.names(sized.refusal)[row]


# --- the source's tests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option_price", "confidence", "binding"),
    [
        (5.0, 0.6, "CONFIDENCE_TIER"),
        (10.0, 0.7, "MIN_OVERRIDES_ALLOCATION"),
        (15.0, 0.8, "MIN_OVERRIDES_ALLOCATION"),
        (20.0, 0.9, "MIN_OVERRIDES_ALLOCATION"),
    ],
)
def test_source_t4_minimum_bet_size_enforcement(option_price: float, confidence: float, binding: str) -> None:
    given = {"portfolio_value": 100000.0, "confidence": confidence, "option_price": option_price}
    sized = size({**given, "max_stock_allocation": 20.0, "max_portfolio_risk": 2.0})
    assert sized.contracts[0] * option_price * 100 >= 33000.0
    assert refusal(sized) is None
    assert sized.bindings() == [binding]


@pytest.mark.parametrize(
    ("confidence", "low", "high", "binding"),
    [
        (0.6, 33000.0, 33000.0, "CONFIDENCE_TIER"),
        (0.7, 33000.0, 41250.0, "CONFIDENCE_TIER"),
        (0.8, 41250.0, 49500.0, "CONFIDENCE_TIER"),
        (0.9, 49500.0, 66000.0, "STOCK_ALLOCATION"),
    ],
)
def test_source_t5_position_scaling_with_confidence(confidence: float, low: float, high: float, binding: str) -> None:
    given = {"portfolio_value": 100000.0, "confidence": confidence, "option_price": 10.0}
    sized = size({**given, "max_stock_allocation": 50.0, "max_portfolio_risk": 2.0})
    assert low <= sized.contracts[0] * 1000.0 <= high
    assert refusal(sized) is None
    assert sized.bindings() == [binding]


# --- the referee ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overrides", candidates.CFG_7DTE, ids=lambda o: "-".join(o) or "defaults")
def test_sizes_equal_exact_arithmetic(overrides: dict[str, Any]) -> None:
    rows = candidates.seven_dte(candidates.Pick(len(str(overrides))), 250)
    sized = size(*rows, **overrides)
    names, bindings = codes.names(sized.refusal), sized.bindings()
    for i, row in enumerate(rows):
        exact = oracle.size_7dte(row, overrides)
        assert (names[i], bindings[i]) == (exact["refusal"], exact["binding"]), row
        assert sized.contracts[i] == exact["contracts"], row
        assert Fraction(round(float(sized.dollars[i]) * 100), 100) == exact["dollars"], row
        assert sized.floor_lifted[i] == ("FLOOR_LIFTED" in exact["warnings"]), row
        assert sized.overridden[i] == ("MINIMUM_OVERRIDES_ALLOCATION" in exact["warnings"]), row
        for ours, key in ((sized.asked[i], "raw_multiplier"), (sized.multiplier[i], "multiplier")):
            expected = None if exact[key] is None else pytest.approx(float(exact[key]), rel=1e-12)
            assert (None if np.isnan(ours) else ours) == expected, row


# --- what no input may do ---------------------------------------------------------------------------------------------

seeds = st.integers(0, 2**32 - 1)
anything = st.one_of(
    st.floats(), st.floats(0, 1), st.floats(0.01, 1e6), st.sampled_from([0.0, -0.0, 0.3, 0.8, 1e-300, 1e300])
)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, overrides=st.sampled_from(candidates.CFG_7DTE))
def test_a_bet_is_nothing_or_between_the_minimum_and_every_limit(seed: int, overrides: dict[str, Any]) -> None:
    rows = candidates.seven_dte(candidates.Pick(seed), 40)
    sized = size(*rows, **overrides)
    assert_within_limits(seven_book(rows), sized)
    bet = sized.contracts > 0
    over = np.where(sized.overridden, sized.minimum * 2, sized.amount("allocation"))
    assert (sized.dollars[bet] <= over[bet] * (1 + 1e-9)).all()


@settings(max_examples=100, deadline=None)
@given(
    numbers=st.lists(anything, min_size=6, max_size=6),
    rhos=st.lists(st.one_of(anything, st.floats(-1, 1)), max_size=3),
    long=st.booleans(),
)
def test_no_rubbish_gives_a_size_outside_the_limits(numbers: list[float], rhos: list[float], long: bool) -> None:
    names = ["confidence", "option_price", "portfolio_value", "score", "current_allocation", "buying_power"]
    columns = {name: np.array([number]) for name, number in zip(names, numbers, strict=True)}
    book = sizing_7dte.Book(
        **columns,
        long=np.array([long]),
        multiplier_per_contract=np.array([100.0]),
        pair_row=np.zeros(len(rhos), np.int64),
        pair_correlation=np.array(rhos, np.float64),
    )
    sized = sizing_7dte.size_book(book, limits_7dte())
    assert_within_limits(book, sized)
    if any(abs(rho) > 1 for rho in rhos):
        assert refusal(sized) == "INVALID_INPUT"
    if not np.isfinite(
        [number for name, number in zip(names, numbers, strict=True) if name not in {"score", "buying_power"}]
    ).all():
        assert refusal(sized) == "INVALID_INPUT"


def assert_within_limits(book: sizing_7dte.Book, sized: Sizing) -> None:
    bet = sized.contracts > 0
    dollars = sized.dollars[bet]
    assert (dollars >= sized.minimum[bet] * (1 - 1e-9)).all()
    for limit in (sized.amount("maximum"), sized.amount("room"), book.buying_power):
        assert (dollars <= limit[bet] * (1 + 1e-9) + 1e-9).all()
    assert (sized.refusal[bet] == codes.NONE).all()
    assert (sized.dollars[~bet] == 0).all()
    assert (sized.contracts >= 0).all()


@pytest.mark.parametrize("key", ["confidence", "option_price", "portfolio_value", "current_allocation"])
@pytest.mark.parametrize("rubbish", [np.nan, np.inf, -np.inf, -1.0])
def test_one_unusable_number_refuses_and_is_named(key: str, rubbish: float) -> None:
    book = replace(seven_book([HEALTHY]), **{key: np.array([rubbish])})
    sized = sizing_7dte.size_book(book, limits_7dte())
    assert (refusal(sized), sized.contracts[0], sized.dollars[0]) == ("INVALID_INPUT", 0, 0.0)
    assert (sized.checked.sentence(0) or "").startswith(f"{key} is ")


def test_a_price_that_rounds_to_nothing_is_unusable() -> None:
    assert refusal(size({**HEALTHY, "option_price": "0.00004"})) == "INVALID_INPUT"


# --- the composition --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "contracts", "binding"),
    [
        ({"confidence": "0.9", "score": "0.5"}, 64, "FUNDAMENTALS"),
        ({"confidence": "0.9", "score": "0.5", "correlations": ["0.7"]}, 48, "CORRELATION"),
        ({"confidence": "0.8", "correlations": ["0.8"]}, 37, "CORRELATION"),
        ({"confidence": "0.9", "correlations": ["0.3"]}, 66, "CONFIDENCE_TIER"),
        ({"confidence": "0.7", "correlations": ["-0.7"]}, 33, "FLOOR_1X"),
    ],
)
def test_fundamentals_and_correlation_only_take_from_the_tier(
    row: dict[str, Any], contracts: int, binding: str
) -> None:
    sized = size({**HEALTHY, **row})
    assert (sized.contracts[0], sized.bindings()) == (contracts, [binding])


def test_the_relative_mode_lets_fundamentals_bite_under_the_top_tier() -> None:
    row = {**HEALTHY, "confidence": "0.8", "score": "0.1"}
    assert size(row).contracts[0] == 49
    assert size(row, fundamental_mode="relative").contracts[0] == 44


def test_a_correlation_that_changes_nothing_is_not_what_bound() -> None:
    row = {**HEALTHY, "confidence": "0", "score": "0", "correlations": ["0.1"]}
    sized = size(row, fundamental_mode="relative")
    assert (sized.asked[0], sized.bindings()) == (pytest.approx(1.0), ["FUNDAMENTALS"])


def test_an_enforced_risk_budget_refuses_every_bet_of_the_defaults() -> None:
    assert refusal(size(HEALTHY, enforce_risk_budget=True)) == "RISK_BUDGET_BELOW_MINIMUM"


@pytest.mark.parametrize(
    ("name", "tight", "loose"),
    [
        ("max_position_size", "0.50", "0.66"),
        ("max_size_multiplier", "1.3", "2"),
        ("rounding_overshoot", "1.05", "1.25"),
        ("min_overrides_allocation", False, True),
        ("enforce_risk_budget", True, False),
        ("below_minimum_policy", "refuse", "raise"),
    ],
)
def test_loosening_a_limit_never_lowers_a_size(name: str, tight: Any, loose: Any) -> None:
    rows = [{**row, "max_portfolio_risk": 12} for row in candidates.seven_dte(candidates.Pick(7), 800)]
    tightly, loosely = (size(*rows, **{name: value}) for value in (tight, loose))
    assert (loosely.dollars >= tightly.dollars).all()
    assert (loosely.dollars > tightly.dollars).any()


@pytest.mark.parametrize(
    ("key", "tight", "loose"), [("max_stock_allocation", 35, 60), ("buying_power", "40000", "60000")]
)
def test_loosening_a_row_s_own_limit_never_lowers_its_size(key: str, tight: Any, loose: Any) -> None:
    rows = candidates.seven_dte(candidates.Pick(8), 800)
    tightly, loosely = (size(*({**row, key: value} for row in rows)) for value in (tight, loose))
    assert (loosely.dollars >= tightly.dollars).all()
    assert (loosely.dollars > tightly.dollars).any()


# --- books ------------------------------------------------------------------------------------------------------------


def take(book: sizing_7dte.Book, at: np.ndarray) -> sizing_7dte.Book:
    """Some rows of a book with their correlations."""
    pairs = [(new, rho) for new, old in enumerate(at) for rho in book.pair_correlation[book.pair_row == old]]
    columns = {f.name: getattr(book, f.name)[at] for f in fields(book) if not f.name.startswith("pair")}
    return sizing_7dte.Book(
        **columns,
        pair_row=np.array([row for row, _ in pairs], np.int64),
        pair_correlation=np.array([rho for _, rho in pairs], np.float64),
    )


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_permuting_or_splitting_a_book_changes_no_row(seed: int) -> None:
    pick = candidates.Pick(seed)
    book, limits = seven_book(candidates.seven_dte(pick, 25)), limits_7dte()
    whole = outcome(sizing_7dte.size_book(book, limits))
    order, cut = pick.rng.permutation(25), int(pick.rng.integers(1, 25))
    permuted = outcome(sizing_7dte.size_book(take(book, order), limits))
    parts = [
        outcome(sizing_7dte.size_book(take(book, np.arange(25)[part]), limits))
        for part in (slice(cut), slice(cut, None))
    ]
    assert permuted == [whole[i] for i in order]
    assert parts[0] + parts[1] == whole


def test_a_book_says_of_each_row_what_a_book_of_that_row_says() -> None:
    rows = candidates.seven_dte(candidates.Pick(9), 150)
    assert outcome(size(*rows)) == [outcome(size(row))[0] for row in rows]


def test_an_empty_book_has_no_sizes() -> None:
    assert outcome(size()) == []
