"""Profit slices as `manage.py evaluate` tells them: the worked cases, and what is said of a bad line."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from riskengine.services.decide.evaluate import exits, slices
from riskengine.services.decide.evaluate.contract import LineError

CASES = json.loads((Path(__file__).parents[1] / "cases" / "cases_exits.json").read_text())
KINDS = {kind.name: kind for kind in (*slices.KINDS, *exits.KINDS)}


def evaluate(kind: str, *lines: dict) -> list:
    return KINDS[kind].judge(lines)


def same(given: object, expected: object) -> bool:
    """Equal, with decimal strings compared as numbers and keys exactly the expected ones."""
    if isinstance(expected, dict):
        return (
            isinstance(given, dict)
            and given.keys() == expected.keys()
            and all(same(given[k], expected[k]) for k in expected)
        )
    if isinstance(expected, list):
        return isinstance(given, list) and len(given) == len(expected) and all(map(same, given, expected))
    if isinstance(expected, str) and isinstance(given, str) and expected[:1].isdigit():
        return Fraction(given) == Fraction(expected)
    return type(given) is type(expected) and given == expected


def named(cases: list[dict]) -> list:
    return [pytest.param(case, id=case.get("name", str(i))) for i, case in enumerate(cases)]


# --- the worked cases -----------------------------------------------------------------------------------------------


def steps_of(case: dict) -> list[dict]:
    return [{key: value for key, value in step.items() if key != "expected"} for step in case["steps"]]


@pytest.mark.parametrize("case", named(CASES["tiers"]))
def test_tiers_case(case: dict) -> None:
    line = {**{key: case[key] for key in ("regime", "entry", "quantity")}, "steps": steps_of(case)}
    (result,) = evaluate("tiers", line)
    assert same(result, {"steps": [step["expected"] for step in case["steps"]]}), result


@pytest.mark.parametrize("given_as", ["dte", "factor", "both"])
@pytest.mark.parametrize("case", named(CASES["partial_profit"]))
def test_partial_profit_case(case: dict, given_as: str) -> None:
    keys = {"dte": ("dte",), "factor": ("factor",), "both": ("dte", "factor")}[given_as]
    line = {**{key: case[key] for key in ("entry", "quantity", *keys)}, "steps": steps_of(case)}
    (result,) = evaluate("partial-profit", line)
    assert same(result, {"steps": [step["expected"] for step in case["steps"]]}), result


def test_days_rolling_off_release_slices_once() -> None:
    case = CASES["dte_roll"]
    steps = [{"price": case["price"], "dte": dte} for dte in case["dte_sequence"]]
    (result,) = evaluate("partial-profit", {"entry": case["entry"], "quantity": case["quantity"], "steps": steps})
    assert [step and step["contracts"] for step in result["steps"]] == case["expected_contracts"]


@pytest.mark.parametrize("case", named(CASES["time_decay"]))
def test_time_decay_case(case: dict) -> None:
    line = {key: case[key] for key in ("entry", "now", "close", "regime") if key in case}
    (result,) = evaluate("time-decay", line)
    if case["expected_factor"] == "EXPIRED":
        assert result == {"refusal": "EXPIRED"}
    else:
        assert same(result, {"factor": case["expected_factor"], "effective_tiers": case["effective_tiers"]})


@pytest.mark.parametrize("case", named(CASES["regime"]))
def test_regime_case(case: dict) -> None:
    assert evaluate("regime", {"entry_utc": case["entry_utc"]}) == [{"regime": case["expected"]}]


@pytest.mark.parametrize("case", named(CASES["dte"]))
def test_dte_case(case: dict) -> None:
    (result,) = evaluate("dte", {key: case[key] for key in ("dte", "expiry", "now") if key in case})
    if "expected_dte" in case:
        assert result["dte"] == case["expected_dte"]
    elif "refusal" in case:
        assert result == {"refusal": case["refusal"]}
    else:
        assert same(result, case)


def test_a_missing_expiration_is_no_expiry() -> None:
    assert evaluate("dte", {"dte": None, "expiry": None}, {}) == [{"refusal": "NO_EXPIRY"}] * 2


def test_an_entry_after_now_is_a_wrong_clock() -> None:
    line = {
        "entry": "2026-03-02T10:00:00-05:00",
        "now": "2026-03-02T09:59:59-05:00",
        "close": "2026-03-02T16:00:00-05:00",
    }
    assert evaluate("time-decay", line) == [{"refusal": "CLOCK"}]


# --- lines that are not what the kind takes -------------------------------------------------------------------------

GOOD = {"entry": "10", "quantity": 12, "steps": [{"price": "10.5"}]}


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"entry": None}, "MISSING", "entry"),
        ({"entry": "NaN"}, "NOT_A_NUMBER", "entry"),
        ({"entry": "0"}, "OUT_OF_RANGE", "entry"),
        ({"quantity": 0}, "OUT_OF_RANGE", "quantity"),
        ({"quantity": "1.5"}, "OUT_OF_RANGE", "quantity"),
        ({"regime": "noon"}, "NOT_A_CHOICE", "regime"),
        ({"steps": None}, "NOT_A_LIST", "steps"),
        ({"steps": [3]}, "NOT_AN_OBJECT", "steps[0]"),
        ({"steps": [{"price": "10"}, {}]}, "BAD_STEP", "steps[1].price"),
        ({"steps": [{"price": "10", "reject": [1]}]}, "BAD_STEP", "steps[0].reject"),
        ({"steps": [{"price": "10", "expected": None}]}, "UNKNOWN_KEY", "steps[0].expected"),
        ({"steps": [{"price": "10", "factor": "x"}]}, "NOT_A_NUMBER", "steps[0].factor"),
        ({"steps": [{"price": "10", "factor": 0}]}, "OUT_OF_RANGE", "steps[0].factor"),
        ({"steps": [{"reject": 1}]}, "NOT_A_LIST", "steps[0].reject"),
        ({"steps": [{"reject": [4]}]}, "OUT_OF_RANGE", "steps[0].reject"),
        ({"steps": [{"reject": [True]}]}, "OUT_OF_RANGE", "steps[0].reject"),
    ],
)
def test_a_bad_line_names_its_field_and_costs_no_other(change: dict, code: str, field: str) -> None:
    before, bad, after = evaluate("tiers", GOOD, {**GOOD, **change}, GOOD)
    assert isinstance(bad, LineError)
    assert (bad.code, bad.field) == (code, field)
    assert before == after == evaluate("tiers", GOOD)[0]


@pytest.mark.parametrize("price", [None, "NaN", "-1", -0.5, "ten", True, float("inf")])
def test_an_unusable_price_refuses_its_step_and_the_run_goes_on(price: object) -> None:
    (result,) = evaluate("tiers", {**GOOD, "steps": [{"price": price}, {"price": "10.5"}]})
    assert result["steps"][0] == {"refusal": "INVALID_INPUT"}
    assert result["steps"][1]["contracts"] == 4


def test_lines_of_different_lengths_keep_their_places() -> None:
    lines = [{**GOOD, "steps": [{"price": "10.5"}] * k} for k in (2, 0, 3, 1)]
    assert [len(result["steps"]) for result in evaluate("tiers", *lines)] == [2, 0, 3, 1]


def test_an_expired_option_takes_no_profit() -> None:
    steps = [{"price": "12", "dte": 1}, {"price": "20", "dte": -1}]
    (result,) = evaluate("partial-profit", {"entry": "10", "quantity": 33, "steps": steps})
    assert result["steps"][1] == {"refusal": "EXPIRED"}


def test_an_offsetless_or_impossible_time_is_an_error() -> None:
    naive, wrong, edge = evaluate(
        "regime", {"entry_utc": "2026-03-02T10:00:00"}, {"entry_utc": 5}, {"entry_utc": "0001-01-01T00:00:00+00:00"}
    )
    assert (naive.code, wrong.code, edge.code) == ("NO_OFFSET", "NOT_A_TIME", "NOT_A_TIME")
    assert evaluate("dte", {"expiry": "soon", "now": "2026-03-02T10:00:00-05:00"})[0].code == "NOT_A_DATE"
