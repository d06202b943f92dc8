"""The fundamental score: the worked cases, exactness, and what a missing figure does."""

import json
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.defaults import MAG7_7DTE
from riskengine.calculators.fundamentals import (
    Fundamentals,
    breakdown,
    fundamental_factor,
    relative_factor,
    score_book,
)
from riskengine.loading.limits import default_limits, limits_with

CASES = json.loads((Path(__file__).parent.parent / "cases" / "cases_exits.json").read_text())["fundamental_score"]
LIMITS = default_limits(MAG7_7DTE)
NAMES = {
    "earn": "earnings_surprise",
    "buy": "buy_ratings",
    "sell": "sell_ratings",
    "pe": "pe",
    "sector_pe": "sector_pe",
}


def book_of(*rows):
    columns = {
        name: np.array([float(row.get(key) if row.get(key) is not None else "nan") for row in rows])
        for key, name in NAMES.items()
    }
    age = np.array([float(row.get("age", 0)) for row in rows])
    return Fundamentals(**columns, age_days=age, call=np.array([row.get("direction") != "PUT" for row in rows]))


def score_of(limits=LIMITS, **row):
    return score_book(book_of(row), limits).score[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_worked_case(case):
    score = score_book(book_of(case["input"]), LIMITS).score
    factor = fundamental_factor(score, np.array([0.9]))
    if case["expected_score"] is None:
        assert np.isnan(score[0])
        assert np.isnan(factor[0])
    else:
        assert score[0] == float(case["expected_score"])
        assert factor[0] == float(case["factor_at_conf_0_9"])


def test_all_cases_at_once_are_the_cases_one_by_one():
    together = score_book(book_of(*(case["input"] for case in CASES)), LIMITS).score
    alone = [score_book(book_of(case["input"]), LIMITS).score[0] for case in CASES]
    np.testing.assert_array_equal(together, alone)


figures = st.fixed_dictionaries(
    {},
    optional={
        "earn": st.decimals(-30, 30, places=2),
        "buy": st.decimals(0, 100, places=1),
        "sell": st.decimals(0, 100, places=1),
        "pe": st.decimals(-50, 200, places=2),
        "sector_pe": st.decimals(-5, 60, places=2),
        "direction": st.sampled_from(["CALL", "PUT"]),
    },
)


def exact_score(row) -> Fraction | None:
    """The source's ladder in fractions, each factor by itself (B-20), mirrored for puts (B-21)."""
    given_ = {key: None if row.get(key) is None else Fraction(row[key]) for key in NAMES}
    earn, buy, sell, pe, sector = (given_[key] for key in NAMES)
    tenth = Fraction(1, 10)
    points = []
    if earn is not None:
        size = 2 * tenth if abs(earn) > 10 else tenth if abs(earn) > 5 else 0
        points.append(size if earn > 0 else -size)
    if buy is not None or sell is not None:
        points.append(tenth if buy is not None and buy > 70 else -tenth if sell is not None and sell > 50 else 0)
    if pe is not None and sector is not None and pe > 0 and sector > 0:
        points.append(tenth if pe < sector * 7 / 10 else -tenth if pe > sector * 3 / 2 else 0)
    if not points:
        return None
    score = min(max(Fraction(1, 2) + sum(points), Fraction(0)), Fraction(1))
    return 1 - score if row.get("direction") == "PUT" else score


@given(figures)
def test_scores_are_exact(row):
    exact = exact_score(row)
    found = score_of(**row)
    assert math.isnan(found) if exact is None else found == float(exact)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_factors_are_the_nearest_float_of_the_exact_sum(score, confidence):
    found = fundamental_factor(np.array([score / 10**6]), np.array([confidence / 10**6]))
    exact = 1 + (Fraction(1, 2) + Fraction(score, 10**6) + Fraction(confidence, 10**6)) / 2
    assert found[0] == float(exact)


@given(figures)
def test_a_put_and_a_call_share_one(row):
    call, put = (score_of(**{**row, "direction": direction}) for direction in ("CALL", "PUT"))
    assert math.isnan(call) == math.isnan(put)
    assert math.isnan(call) or Decimal(str(call)) + Decimal(str(put)) == 1


@pytest.mark.parametrize("figure", ["earn", "buy", "sell"])
@pytest.mark.parametrize("unusable", [math.nan, math.inf, -math.inf])
def test_an_unusable_figure_is_missing(figure, unusable):
    assert math.isnan(score_of(**{figure: unusable}))


@pytest.mark.parametrize("share", [-1, 101])
def test_a_share_of_ratings_outside_a_hundred_percent_is_missing(share):
    assert math.isnan(score_of(buy=share))
    assert score_of(buy=share, sell=60) == 0.4


def test_one_share_of_ratings_is_enough():
    assert score_of(buy=71) == 0.6
    assert score_of(sell=51) == 0.4
    assert score_of(sell=50) == 0.5


@pytest.mark.parametrize(("pe", "sector_pe"), [(0, 30), (-5, 30), (20, 0), (20, -3), (math.inf, 30), (20, None)])
def test_what_is_no_ratio_is_no_valuation(pe, sector_pe):
    assert math.isnan(score_of(pe=pe, sector_pe=sector_pe))


@pytest.mark.parametrize(("age", "missing"), [(0, False), (100, False), (101, True), (math.nan, True)])
def test_old_figures_and_figures_of_unknown_age_are_missing(age, missing):
    assert math.isnan(score_of(earn=11, age=age)) == missing


def test_the_numbers_of_the_profile_are_the_numbers_of_the_score():
    limits = limits_with(MAG7_7DTE, {"earnings_strong_points": "0.25", "neutral_score": "0.4"})
    assert score_of(limits, earn=11) == 0.65


def test_a_score_never_leaves_zero_to_one():
    limits = limits_with(MAG7_7DTE, {"earnings_strong_points": "0.9"})
    assert score_of(limits, earn=11) == 1.0
    assert score_of(limits, earn=-11) == 0.0


def test_the_relative_factor_compares_with_a_neutral_score():
    """SPEC section 4: confidence 0.8, score 0.1: 1.7 / 1.9."""
    confidence = np.array([0.8, 0.8, 0.8])
    found = relative_factor(np.array([0.1, 0.5, math.nan]), confidence, 0.5)
    assert found.tolist() == pytest.approx([1.7 / 1.9, 1.0, math.nan], nan_ok=True)


def test_the_breakdown_names_each_factor_its_inputs_and_points():
    book = book_of({"earn": 11, "sell": 51, "pe": -3, "sector_pe": 30, "direction": "PUT"})
    assert breakdown(book, score_book(book, LIMITS), 0) == [
        {"factor": "earnings", "label": "Earnings surprise", "inputs": {"earnings_surprise": 11.0}, "points": 0.2},
        {
            "factor": "ratings",
            "label": "Analyst ratings",
            "inputs": {"buy_ratings": None, "sell_ratings": 51.0},
            "points": -0.1,
        },
        {
            "factor": "valuation",
            "label": "P/E against the sector",
            "inputs": {"pe": -3.0, "sector_pe": 30.0},
            "points": None,
        },
    ]
