"""The trace tells the whole story: every step follows from the one before, nothing but the floor ever raises a bet."""

import json
from typing import Any

import numpy as np
import pytest

from riskengine.calculators import codes, gates, sizing_0dte, sizing_7dte, trace
from riskengine.calculators.rules import Effect, rule
from riskengine.calculators.sizing import Sizing
from tests import candidates
from tests.calculators.book import account, limits_0dte, limits_7dte, seven_book, seven_limits, zero_book

pytestmark = pytest.mark.filterwarnings("error")

Told = list[tuple[Sizing, int, dict[str, Any]]]  # a sizing, a row of it, the row's trace
MULTIPLYING = {"scale", "ceiling", "floor"}


def explained(
    system: str, rows: list[dict[str, Any]], overrides: dict[str, Any]
) -> list[tuple[Any, int, dict[str, Any]]]:
    """(sizing, row, trace) of each row."""
    if system == "smart-0dte":
        limits = limits_0dte(**overrides)
        book = zero_book(rows, limits)
        sized = sizing_0dte.size_book(book, limits)
        judged = gates.judge_account(account(rows, book, sized), limits, sized.checked.valid)
        return [(sized, i, sized.explain(i, judged)) for i in range(len(rows))]
    sized = sizing_7dte.size_book(seven_book(rows), seven_limits(rows, limits_7dte(**overrides)))
    return [(sized, i, sized.explain(i)) for i in range(len(rows))]


@pytest.fixture(scope="module", params=["smart-0dte", "mag7-7dte"])
def told(request: pytest.FixtureRequest) -> Told:
    zero = request.param == "smart-0dte"
    draw, cfgs = (candidates.zero_dte, candidates.CFG_0DTE) if zero else (candidates.seven_dte, candidates.CFG_7DTE)
    pick = candidates.Pick(21)
    return [each for overrides in cfgs for each in explained(request.param, draw(pick, 40), dict(overrides))]


def test_the_dollars_after_a_step_are_the_dollars_before_the_next(told: Told) -> None:
    for _, _, story in told:
        for one, following in zip(story["steps"], story["steps"][1:], strict=False):
            assert following["before"] == pytest.approx(one["after"], abs=1e-5), story


def test_the_first_step_starts_from_one_minimum_bet_and_the_last_ends_at_the_bet(told: Told) -> None:
    for sized, i, story in told:
        assert story["steps"][0]["before"] == pytest.approx(sized.minimum[i], abs=1e-5)
        if story["refusal"] is None:
            assert story["steps"][-1]["after"] == pytest.approx(sized.dollars[i], abs=0.005)


def test_a_limit_never_raises_a_bet_and_rounding_never_raises_it_past_the_overshoot(told: Told) -> None:
    for sized, i, story in told:
        for step in story["steps"]:
            if step["effect"] == "limit":
                assert step["after"] <= step["before"], story
            if step["effect"] == "round" and story["refusal"] is None:
                assert step["after"] <= max(step["before"], 1.25 * sized.minimum[i]) * (1 + 1e-9), story


def test_a_failed_block_leaves_nothing_and_is_the_refusal(told: Told) -> None:
    for sized, i, story in told:
        refusing = [block["rule"] for block in story["blocks"] if not block["passed"]]
        assert story["refusal"] == (refusing[0] if refusing else None)
        if refusing:
            assert (sized.contracts[i], sized.dollars[i], sized.formula_dollars[i]) == (0, 0.0, 0.0)


def test_every_refusal_has_a_code_and_a_finished_sentence(told: Told) -> None:
    for _, _, story in told:
        for verdict in story["blocks"] + story["gates"]:
            assert verdict["rule"] in codes.INDEX
            assert ("sentence" in verdict) == (not verdict["passed"])
            assert verdict.get("sentence", ".").endswith(".")
            assert "{" not in verdict.get("sentence", "")


def test_the_trace_names_the_same_binding_rule_as_the_columns(told: Told) -> None:
    columns: dict[int, list[str]] = {}
    for sized, i, story in told:
        bindings = columns.setdefault(id(sized), sized.bindings())
        assert story["binding"] == bindings[i]
        marked = [step["rule"] for step in story["steps"] if step["binding"]]
        assert marked == [step["rule"] for step in story["steps"] if step["rule"] == bindings[i]]


def test_a_trace_is_plain_data_with_its_own_labels_and_units(told: Told) -> None:
    for _, _, story in told:
        assert json.loads(json.dumps(story, allow_nan=False)) == story
        for step in story["steps"]:
            assert step["label"]
            assert step["unit"]
            assert step["source"]
            assert step["changed"] == (step["before"] != step["after"])


def test_unusable_rows_have_no_steps_and_say_why() -> None:
    limits = limits_0dte()
    sized = sizing_0dte.size_book(zero_book([{"confidence": "0.9", "vix": "-1"}], limits), limits)
    story = sized.explain(0)
    assert (story["steps"], story["blocks"], story["gates"]) == ([], [], [])
    assert story["refusal"] == story["binding"] == "INVALID_INPUT"
    assert (
        sized.checked.sentence(0) == "vix is -1: it must be a number above 0. Nothing is sized from an unusable number."
    )


def test_a_row_of_a_book_is_told_like_the_row_alone() -> None:
    rows = candidates.zero_dte(candidates.Pick(22), 60)
    together = [story for _, _, story in explained("smart-0dte", rows, {})]
    alone = [explained("smart-0dte", [row], {})[0][2] for row in rows]
    assert together == alone


def test_missing_and_boundless_numbers_are_null_and_float_dust_is_gone() -> None:
    assert trace.plain([np.array([np.nan]), np.array([np.inf]), 0.1 + 0.2, True], 0) == [None, None, 0.3, 1.0]


@pytest.mark.filterwarnings("error")
def test_a_number_without_a_tenth_place_is_told_like_the_infinite_and_warns_nobody() -> None:
    assert trace.plain([1e299], 0) == [None]


def test_a_rule_that_blocks_without_a_code_cannot_be_written() -> None:
    with pytest.raises(ValueError, match=r"codes\.py"):
        rule("NO_SUCH_CODE", "Nothing", Effect.BLOCK, "USD", "nowhere")(lambda case: (0.0, 0.0, np.array([True])))


@pytest.mark.parametrize("module", [sizing_0dte, sizing_7dte])
def test_every_rule_is_listed_under_the_effect_it_has(module) -> None:
    limiting, blocking = ({r.effect for r in rules} for rules in (module.LIMITS, module.BLOCKS))
    assert (limiting, module.round_to_contracts.effect, blocking) == ({Effect.LIMIT}, Effect.ROUND, {Effect.BLOCK})
    asking = module.FACTORS if module is sizing_0dte else module.ASKING
    assert {r.effect.value for r in (*asking, *module.CLAMPS)} <= MULTIPLYING
