"""The batch evaluator's measures: the keys of cases/README.md, refusals and errors line by line."""

import json
import math
from pathlib import Path

import pytest

from riskengine.services.decide.evaluate.contract import LineError
from riskengine.services.decide.evaluate.measures import KINDS, MOST_SYMBOLS

CASES = Path(__file__).parent.parent / "cases"
KIND = {kind.name: kind for kind in KINDS}


def judge(kind, *lines):
    results = KIND[kind].judge(lines)
    json.dumps([r.as_result() if isinstance(r, LineError) else r for r in results], allow_nan=False)
    return results


def one(kind, line):
    return judge(kind, line)[0]


def error(kind, line):
    result = one(kind, line)
    assert isinstance(result, LineError), result
    return result.code, result.field


def without(line, key):
    return {name: value for name, value in line.items() if name != key}


def test_the_kinds_are_the_contracts():
    assert list(KIND) == ["fundamental-score", "greeks", "correlation", "metrics", "kelly"]


# --- fundamental-score


@pytest.mark.parametrize(
    "case", json.loads((CASES / "cases_exits.json").read_text())["fundamental_score"], ids=lambda case: case["name"]
)
def test_fundamental_score_case(case):
    found = one("fundamental-score", {**case["input"], "confidence": "0.9"})
    assert list(found) == ["score", "factor"]
    expected = (case["expected_score"], case["factor_at_conf_0_9"])
    assert [x if x is None else float(x) for x in found.values()] == [x if x is None else float(x) for x in expected]


@pytest.mark.parametrize("nothing", [{}, {"confidence": None}])
def test_without_confidence_there_is_no_factor(nothing):
    assert one("fundamental-score", {"earn": 11, **nothing}) == {"score": "0.7"}
    assert one("fundamental-score", nothing) == {"score": None}


@pytest.mark.parametrize("unusable", [None, "NaN", math.nan, math.inf, "-Infinity", 10**400])
def test_an_unusable_figure_is_ignored(unusable):
    assert one("fundamental-score", {"earn": unusable, "buy": 80}) == {"score": "0.6"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"earn": "much"}, ("NOT_A_NUMBER", "earn")),
        ({"pe": [20]}, ("NOT_A_NUMBER", "pe")),
        ({"buy": True}, ("NOT_A_NUMBER", "buy")),
        ({"direction": "SHORT"}, ("NOT_A_CHOICE", "direction")),
        ({"confidence": "NaN"}, ("NOT_A_NUMBER", "confidence")),
        ({"confidence": 1.01}, ("OUT_OF_RANGE", "confidence")),
    ],
)
def test_a_line_that_is_no_fundamentals_is_an_error(line, expected):
    assert error("fundamental-score", line) == expected


# --- greeks

OPTION = {
    "spot": 42,
    "strike": "40",
    "seconds_to_expiry": 365 * 86_400 // 2,
    "volatility": 0.2,
    "rate": "0.10",
    "dividend_yield": 0,
    "right": "C",
}


def test_greeks_have_the_contracts_keys_and_hulls_price():
    found = one("greeks", OPTION)
    assert list(found) == ["price", "delta", "gamma", "theta_per_day", "vega_per_point"]
    assert round(found["price"], 2) == 4.76
    assert round(one("greeks", {**OPTION, "right": "P"})["price"], 2) == 0.81


@pytest.mark.parametrize("key", ["spot", "strike", "seconds_to_expiry", "volatility", "rate", "dividend_yield"])
@pytest.mark.parametrize("unusable", [None, "NaN", math.inf])
def test_greeks_of_an_unusable_number_are_refused(key, unusable):
    assert one("greeks", {**OPTION, key: unusable}) == {"refusal": "INVALID_INPUT"}


@pytest.mark.parametrize("key", ["spot", "strike", "volatility"])
def test_greeks_of_nothing_are_refused(key):
    assert one("greeks", {**OPTION, key: 0}) == {"refusal": "INVALID_INPUT"}


def test_greeks_beyond_float64_are_refused():
    assert one("greeks", {**OPTION, "rate": -1e6}) == {"refusal": "INVALID_INPUT"}


@pytest.mark.parametrize("seconds", [0, -1])
def test_greeks_of_an_expired_option_are_refused(seconds):
    assert one("greeks", {**OPTION, "seconds_to_expiry": seconds}) == {"refusal": "EXPIRED"}
    assert one("greeks", {**OPTION, "seconds_to_expiry": seconds, "spot": -1}) == {"refusal": "INVALID_INPUT"}


@pytest.mark.parametrize("key", list(OPTION))
def test_a_missing_key_of_an_option_is_an_error(key):
    assert error("greeks", without(OPTION, key)) == ("NOT_A_CHOICE" if key == "right" else "MISSING", key)


def test_a_bad_line_costs_the_others_nothing():
    lines = [OPTION, {**OPTION, "spot": "high"}, {**OPTION, "volatility": 0}, {**OPTION, "right": "P"}]
    first, bad, refused, last = judge("greeks", *lines)
    assert isinstance(bad, LineError)
    assert refused == {"refusal": "INVALID_INPUT"}
    assert (first, last) == (one("greeks", lines[0]), one("greeks", lines[3]))


# --- correlation


@pytest.mark.parametrize(
    "case", json.loads((CASES / "correlation_mag7_2022.json").read_text())["cases"], ids=lambda case: case["name"]
)
def test_correlation_is_what_pandas_says(case):
    line = {key: case[key] for key in ("closes", "returns", "window", "min_common")}
    assert list(one("correlation", line)) == ["matrix"]
    found = one("correlation", line)["matrix"]
    assert list(found) == list(case["matrix"])
    for symbol, row in case["matrix"].items():
        assert found[symbol] == {s: rho if rho is None else pytest.approx(rho, abs=1e-8) for s, rho in row.items()}


def test_correlation_defaults_are_the_specifications():
    case = json.loads((CASES / "correlation_mag7_2022.json").read_text())["cases"][0]
    named = {"closes": case["closes"], "returns": "log", "window": 60, "min_common": 40}
    assert one("correlation", {"closes": case["closes"]}) == one("correlation", named)


def test_closes_that_are_no_closes_are_missing():
    closes = {"A": [1, 2, 4, 3, 5], "B": ["2", 3, 5, 4, 7], "C": [1, None, "NaN", 0, -1]}
    matrix = one("correlation", {"closes": closes, "returns": "simple", "window": 4, "min_common": 2})["matrix"]
    assert matrix["A"]["B"] is not None
    assert matrix["C"] == {"A": None, "B": None, "C": None}


@pytest.mark.parametrize("closes", [{}, {"A": []}, {"A": [1]}])
def test_too_little_to_correlate_is_null_not_an_error(closes):
    assert one("correlation", {"closes": closes}) == {"matrix": {symbol: {symbol: None} for symbol in closes}}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({}, ("NOT_AN_OBJECT", "closes")),
        ({"closes": [[1, 2]]}, ("NOT_AN_OBJECT", "closes")),
        ({"closes": {"A": 5}}, ("NOT_A_LIST", "closes.A")),
        ({"closes": {"A": [1, "x"]}}, ("NOT_A_NUMBER", "closes.A")),
        ({"closes": {"A": [1, 2], "B": [1]}}, ("UNEQUAL_LENGTH", "closes")),
        ({"closes": {str(i): [] for i in range(MOST_SYMBOLS + 1)}}, ("TOO_LARGE", "closes")),
        ({"closes": {}, "returns": "percent"}, ("NOT_A_CHOICE", "returns")),
        ({"closes": {}, "window": 0}, ("OUT_OF_RANGE", "window")),
        ({"closes": {}, "min_common": 1.5}, ("OUT_OF_RANGE", "min_common")),
    ],
)
def test_a_line_that_is_no_table_of_closes_is_an_error(line, expected):
    assert error("correlation", line) == expected


# --- metrics


def test_metrics_are_the_eleven_of_the_contract():
    found = one("metrics", {"returns": ["0.1", -0.2, 0.05, 0], "periods_per_year": "4"})
    assert list(found) == [
        "total_return", "annual_return", "volatility", "max_drawdown", "sharpe", "sortino", "calmar", "win_rate",
        "profit_factor", "var_95", "cvar_95",
    ]  # fmt: skip
    assert found["total_return"] == pytest.approx(-0.076)
    assert all(value is None for value in one("metrics", {"returns": [], "periods_per_year": 252}).values())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"periods_per_year": 252}, ("MISSING", "returns")),
        ({"returns": 0.1, "periods_per_year": 252}, ("NOT_A_LIST", "returns")),
        ({"returns": [0.1, None], "periods_per_year": 252}, ("NOT_A_NUMBER", "returns")),
        ({"returns": [0.1, "NaN"], "periods_per_year": 252}, ("NOT_A_NUMBER", "returns")),
        ({"returns": [0.1]}, ("MISSING", "periods_per_year")),
        ({"returns": [0.1], "periods_per_year": 0}, ("OUT_OF_RANGE", "periods_per_year")),
    ],
)
def test_a_line_that_is_no_series_is_an_error(line, expected):
    assert error("metrics", line) == expected


# --- kelly

COIN = {
    "outcomes": [{"probability": "0.6", "payoff": 1}, {"probability": 0.4, "payoff": -1}],
    "fraction": 0.2,
    "bets": 20,
    "paths": 2000,
    "seed": 1,
    "initial": 25,
    "levels": [25, "100", 0.5],
    "drawdowns": [0.5, "0.90"],
}


def test_kelly_has_the_contracts_keys_named_as_given():
    found = one("kelly", COIN)
    assert list(found) == ["kelly", "growth_per_bet", "final", "above", "drawdown"]
    assert list(found["final"]) == ["median", "mean", "p5", "p95"]
    assert list(found["above"]) == ["25", "100", "0.5"]
    assert list(found["drawdown"]) == ["0.5", "0.90"]
    assert found["kelly"] == pytest.approx(0.2)
    assert found["growth_per_bet"] == pytest.approx(0.6 * math.log(1.2) + 0.4 * math.log(0.8))
    assert found == one("kelly", COIN)


def test_growth_is_null_where_ruin_is_possible_and_kelly_where_nothing_can_be_lost():
    assert one("kelly", {**COIN, "fraction": 1})["growth_per_bet"] is None
    sure = [{"probability": 1, "payoff": 0.01}]
    assert one("kelly", {**COIN, "outcomes": sure})["kelly"] is None


def test_a_cap_ends_the_play_and_a_largest_bet_bounds_one_bet():
    sure = {**COIN, "outcomes": [{"probability": 1, "payoff": 1}], "levels": [], "drawdowns": []}
    assert one("kelly", {**sure, "cap": 40})["final"]["median"] == pytest.approx(40)
    assert one("kelly", {**sure, "max_bet": "5"})["final"]["median"] == pytest.approx(25 + 20 * 5)
    assert one("kelly", {**sure, "cap": None, "max_bet": None})["final"]["median"] == pytest.approx(25 * 1.2**20)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"outcomes": []}, ("OUT_OF_RANGE", "outcomes")),
        ({"outcomes": [{"probability": 1}]}, ("NOT_AN_OUTCOME", "outcomes")),
        ({"outcomes": [{"probability": 1, "payoff": 1, "odds": 2}]}, ("NOT_AN_OUTCOME", "outcomes")),
        ({"outcomes": [{"probability": 0.9, "payoff": 1}]}, ("PROBABILITIES", "outcomes.probability")),
        (
            {"outcomes": [{"probability": 1.5, "payoff": 1}, {"probability": -0.5, "payoff": 1}]},
            ("PROBABILITIES", "outcomes.probability"),
        ),
        ({"outcomes": [{"probability": 1, "payoff": "NaN"}]}, ("NOT_A_NUMBER", "outcomes.payoff")),
        ({"fraction": -0.1}, ("OUT_OF_RANGE", "fraction")),
        ({"bets": 0}, ("OUT_OF_RANGE", "bets")),
        ({"paths": 5_000_001}, ("OUT_OF_RANGE", "paths")),
        ({"bets": 1001, "paths": 1_000_000}, ("TOO_LARGE", "paths")),
        ({"seed": -1}, ("OUT_OF_RANGE", "seed")),
        ({"initial": 0}, ("OUT_OF_RANGE", "initial")),
        ({"levels": 25}, ("NOT_A_LIST", "levels")),
        ({"levels": [None]}, ("NOT_A_NUMBER", "levels")),
        ({"drawdowns": [1.1]}, ("OUT_OF_RANGE", "drawdowns")),
        ({"cap": 25}, ("OUT_OF_RANGE", "cap")),
        ({"max_bet": 0}, ("OUT_OF_RANGE", "max_bet")),
    ],
)
def test_a_line_that_is_no_wager_is_an_error(change, expected):
    assert error("kelly", {**COIN, **change}) == expected


@pytest.mark.parametrize("key", ["outcomes", "fraction", "bets", "paths", "seed", "initial"])
def test_a_missing_key_of_a_wager_is_an_error(key):
    assert error("kelly", without(COIN, key)) == ("MISSING", key)
