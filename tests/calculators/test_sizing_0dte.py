"""Smart-0DTE sizes: the source's own tests, exact arithmetic as the referee, and what no input may ever do."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.calculators import codes, gates, sizing_0dte
from riskengine.calculators.sizing import Sizing
from tests import candidates, oracle
from tests.calculators.book import account, failed, limits_0dte, outcome, take, zero_book

pytestmark = pytest.mark.filterwarnings("error")

HEALTHY = {"confidence": "0.9", "vix": "15", "option_price": "2.50"}


def size(*rows: dict[str, Any], **overrides: Any) -> Sizing:
    limits = limits_0dte(**overrides)
    return sizing_0dte.size_book(zero_book(rows, limits), limits)


def refusal(sized: Sizing, row: int = 0) -> str | None:
    return codes.names(sized.refusal)[row]


# --- the source's tests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("confidence", "binding"), [(0.6, "FACTORS"), (0.7, "FACTORS"), (0.8, "FACTORS"), (0.9, "FACTORS")]
)
def test_source_t1_minimum_bet_size_enforcement(confidence: float, binding: str) -> None:
    sized = size({"confidence": confidence, "vix": 20.0, "direction": "LONG_CALL"}, account_size=60000)
    assert sized.dollars[0] >= 12000.0
    assert refusal(sized) is None
    assert sized.bindings() == [binding]


@pytest.mark.parametrize(
    ("confidence", "low", "high"),
    [(0.6, 12000.0, 12000.0), (0.7, 12000.0, 15000.0), (0.8, 15000.0, 18000.0), (0.9, 18000.0, 24000.0)],
)
def test_source_t2_position_scaling_with_confidence(confidence: float, low: float, high: float) -> None:
    sized = size({"confidence": confidence, "vix": 20.0, "direction": "LONG_CALL"}, account_size=60000)
    assert low <= sized.dollars[0] <= high
    assert refusal(sized) is None
    assert sized.bindings() == ["FACTORS"]


# --- the referee ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overrides", candidates.CFG_0DTE, ids=lambda o: "-".join(o) or "defaults")
def test_sizes_and_gates_equal_exact_arithmetic(overrides: dict[str, Any]) -> None:
    rows = candidates.zero_dte(candidates.Pick(len(str(overrides))), 250)
    limits = limits_0dte(**overrides)
    book = zero_book(rows, limits)
    sized = sizing_0dte.size_book(book, limits)
    gated = failed(gates.judge_account(account(rows, book, sized), limits, sized.checked.valid))
    names, bindings = codes.names(sized.refusal), sized.bindings()
    for i, row in enumerate(rows):
        exact = oracle.size_0dte(row, overrides)
        first_gate = exact["failed_gates"][0] if exact["failed_gates"] else None
        assert gated[i] == exact["failed_gates"], row
        assert (names[i] or (gated[i] or [None])[0]) == exact["refusal"], row
        assert names[i] == (None if exact["refusal"] == first_gate else exact["refusal"]), row
        assert (sized.contracts[i], bindings[i]) == (exact["contracts"], exact["binding"]), row
        assert sized.floor_lifted[i] == ("FLOOR_LIFTED" in exact["warnings"]), row
        assert money(sized.dollars[i]) == exact["dollars"], row
        assert money(sized.formula_dollars[i]) == exact["formula_dollars"], row
        assert_number(sized.asked[i], exact["raw_multiplier"])
        assert_number(sized.multiplier[i], exact["multiplier"])


def money(dollars: float) -> Fraction:
    return Fraction(round(float(dollars) * 100), 100)


def assert_number(ours: float, exact: Fraction | None) -> None:
    assert (None if np.isnan(ours) else ours) == (None if exact is None else pytest.approx(float(exact), rel=1e-12))


# --- what no input may do ---------------------------------------------------------------------------------------------

seeds = st.integers(0, 2**32 - 1)
overriding = st.sampled_from(candidates.CFG_0DTE)
anything = st.one_of(
    st.floats(),
    st.floats(0, 1),
    st.floats(0.01, 1e5),
    st.sampled_from([0.0, -0.0, 0.65, 0.7, 12.0, 30.0, 1e-300, 1e300]),
)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, overrides=overriding)
def test_a_size_is_nothing_or_between_the_minimum_and_every_limit(seed: int, overrides: dict[str, Any]) -> None:
    limits = limits_0dte(**overrides)
    book = zero_book(candidates.zero_dte(candidates.Pick(seed), 40), limits)
    assert_within_limits(book, sizing_0dte.size_book(book, limits))


@settings(max_examples=100, deadline=None)
@given(numbers=st.lists(anything, min_size=9, max_size=9), long=st.booleans(), dollars_only=st.booleans())
def test_no_rubbish_gives_a_size_outside_the_limits(numbers: list[float], long: bool, dollars_only: bool) -> None:
    names = [
        "confidence", "vix", "option_price", "equity_start_of_day", "exposure", "day_pnl", "buying_power",
        "correlation_risk", "other_symbols",
    ]  # fmt: skip
    columns = {name: np.array([number]) for name, number in zip(names, numbers, strict=True)}
    flags = {"long": np.array([long]), "dollars_only": np.array([dollars_only])}
    book = sizing_0dte.Book(**columns, **flags, multiplier_per_contract=np.array([100.0]))
    sized = sizing_0dte.size_book(book, limits_0dte())
    assert_within_limits(book, sized)
    usable = {
        name: number
        for name, number in zip(names, numbers, strict=True)
        if name not in {"buying_power", "correlation_risk"}
    }
    if dollars_only:
        del usable["option_price"]
    if not np.isfinite(list(usable.values())).all():
        assert refusal(sized) == "INVALID_INPUT"


def assert_within_limits(book: sizing_0dte.Book, sized: Sizing) -> None:
    """Half a cent is the rounding of dollars without contracts."""
    sized_rows = sized.dollars > 0
    dollars = sized.dollars[sized_rows]
    assert (dollars >= sized.minimum[sized_rows] - 0.005 - 1e-9 * sized.minimum[sized_rows]).all()
    for limit in (sized.amount("maximum"), sized.amount("room"), book.buying_power):
        assert (dollars <= limit[sized_rows] + 0.005 + 1e-9 * np.abs(limit[sized_rows])).all()
    assert (sized.refusal[sized_rows] == codes.NONE).all()
    assert (sized.contracts[~sized_rows] == 0).all()
    assert np.isfinite(sized.dollars).all()
    assert (sized.contracts >= 0).all()


NUMBERS = ["confidence", "vix", "option_price", "equity_start_of_day", "exposure", "other_symbols"]
MAY_BE_NEGATIVE = ["day_pnl", "buying_power"]


@pytest.mark.parametrize(
    ("key", "rubbish"),
    [(key, rubbish) for key in NUMBERS + MAY_BE_NEGATIVE for rubbish in (np.nan, -np.inf)]
    + [(key, -1.0) for key in NUMBERS],
)
def test_one_unusable_number_refuses_and_is_named(key: str, rubbish: float) -> None:
    limits = limits_0dte()
    book = replace(zero_book([HEALTHY], limits), **{key: np.array([rubbish])})
    sized = sizing_0dte.size_book(book, limits)
    assert (refusal(sized), sized.contracts[0], sized.dollars[0]) == ("INVALID_INPUT", 0, 0.0)
    field = {"equity_start_of_day": "equity_sod", "day_pnl": "daily_pnl", "other_symbols": "other_positions"}.get(
        key, key
    )
    assert (sized.checked.sentence(0) or "").startswith(f"{field} is ")


def test_a_price_that_rounds_to_nothing_is_unusable() -> None:
    assert refusal(size({**HEALTHY, "option_price": "0.00004"})) == "INVALID_INPUT"


def test_an_unusable_price_leaves_the_multipliers_known() -> None:
    sized = size({**HEALTHY, "option_price": "0"})
    assert (refusal(sized), sized.asked[0], sized.multiplier[0]) == ("INVALID_INPUT", 2.0, 2.0)


# --- limits of a profile ----------------------------------------------------------------------------------------------


def test_a_profile_whose_minimum_is_over_its_maximum_refuses() -> None:
    sized = size({"confidence": "0.9", "vix": 15}, max_position_size="0.10")
    assert (refusal(sized), sized.dollars[0]) == ("ACCOUNT_TOO_SMALL", 0.0)


def test_the_day_budget_binds_where_it_is_switched_on() -> None:
    row = {**HEALTHY, "daily_pnl": "-2500"}
    assert size(row).dollars[0] == 24000.0
    sized = size(row, enforce_day_budget=True)
    assert (sized.dollars[0], sized.bindings()) == (14000.0, ["DAY_BUDGET"])


def test_rounding_up_never_passes_the_day_budget() -> None:
    row = {"confidence": "0.65", "vix": 15, "option_price": "2.35", "daily_pnl": "-3000"}
    assert size(row).dollars[0] == 12220.0
    assert refusal(size(row, enforce_day_budget=True)) == "CONTRACT_GRANULARITY"


def test_a_profile_that_refuses_instead_of_raising_never_says_that_it_raised() -> None:
    row = {"confidence": "0.65", "vix": 22}
    raised, refused = size(row), size(row, below_minimum_policy="refuse")
    assert (raised.dollars[0], raised.floor_lifted[0], raised.bindings()) == (12000.0, True, ["FLOOR_1X"])
    assert (refusal(refused), refused.dollars[0], refused.floor_lifted[0]) == ("RISK_MODEL_BELOW_MINIMUM", 0.0, False)


@pytest.mark.parametrize(
    ("name", "tight", "loose"),
    [
        ("max_position_size", "0.25", "0.40"),
        ("max_total_exposure", "0.60", "0.95"),
        ("max_size_multiplier", "1.3", "2"),
        ("rounding_overshoot", "1.05", "1.25"),
    ],
)
def test_loosening_a_limit_never_lowers_a_size(name: str, tight: str, loose: str) -> None:
    """Looser exposure also counts an open position as a smaller share, so its factor never falls."""
    rows = candidates.zero_dte(candidates.Pick(7), 800)
    tightly, loosely = (size(*rows, **{name: value}) for value in (tight, loose))
    assert (loosely.dollars >= tightly.dollars).all()
    assert (loosely.dollars > tightly.dollars).any()


def test_more_buying_power_never_lowers_a_size() -> None:
    limits = limits_0dte()
    book = zero_book(candidates.zero_dte(candidates.Pick(8), 800), limits)
    less = replace(book, buying_power=np.minimum(book.buying_power, 13000.0))
    assert (sizing_0dte.size_book(book, limits).dollars >= sizing_0dte.size_book(less, limits).dollars).all()


# --- books ------------------------------------------------------------------------------------------------------------


def test_a_book_says_of_each_row_what_a_book_of_that_row_says() -> None:
    limits = limits_0dte()
    book = zero_book(candidates.zero_dte(candidates.Pick(9), 150), limits)
    whole = outcome(sizing_0dte.size_book(book, limits))
    assert whole == [outcome(sizing_0dte.size_book(take(book, [i]), limits))[0] for i in range(150)]


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_permuting_or_splitting_a_book_changes_no_row(seed: int) -> None:
    pick = candidates.Pick(seed)
    limits = limits_0dte()
    book = zero_book(candidates.zero_dte(pick, 30), limits)
    whole = outcome(sizing_0dte.size_book(book, limits))
    order, cut = pick.rng.permutation(30), int(pick.rng.integers(1, 30))
    permuted = outcome(sizing_0dte.size_book(take(book, order), limits))
    parts = [outcome(sizing_0dte.size_book(take(book, part), limits)) for part in (slice(cut), slice(cut, None))]
    assert permuted == [whole[i] for i in order]
    assert parts[0] + parts[1] == whole


def test_an_empty_book_has_no_sizes() -> None:
    limits = limits_0dte()
    sized = sizing_0dte.size_book(take(zero_book([HEALTHY], limits), slice(0)), limits)
    assert outcome(sized) == []


def test_rows_under_different_revisions_are_sized_as_if_each_stood_alone() -> None:
    rows = candidates.zero_dte(candidates.Pick(10), 60)
    minimums = np.where(np.arange(60) % 2 == 0, 0.20, 0.15)
    limits = replace(limits_0dte(), min_position_size=minimums)
    mixed = outcome(sizing_0dte.size_book(zero_book(rows, limits), limits))
    alone = [outcome(size(row, min_position_size=str(minimum)))[0] for row, minimum in zip(rows, minimums, strict=True)]
    assert mixed == alone
