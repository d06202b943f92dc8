"""The parameters in words and pictures say what the numbers are, all of them, once."""

from decimal import Decimal

import pytest

from accounts.defaults import GROUPS, LADDERS, MAG7_7DTE, PARAMETERS, SMART_0DTE, SYSTEMS, Step
from accounts.described import Group, described
from accounts.templatetags.profile_pictures import HEAD, TALLEST, ladder_picture, scale

STEPS = {ladder.name: ladder.steps for ladder in LADDERS.values()}


def groups(system: str = SMART_0DTE, *, ladders=None, **changes) -> dict[str, Group]:
    numbers = {p.name: p.default(system) for p in PARAMETERS.values()} | changes
    return {group.name: group for group in described(system, numbers, STEPS | (ladders or {}))}


def number(name: str, system: str = SMART_0DTE, **changes):
    found = [each for group in groups(system, **changes).values() for each in group.numbers]
    return next(each for each in found if each.parameter.name == name)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_parameter_and_ladder_is_told_once_in_the_order_of_the_groups(system):
    told = groups(system)
    assert list(told) == list(GROUPS)
    assert [n.parameter.name for group in told.values() for n in group.numbers] == list(PARAMETERS)
    assert {x.ladder.name for group in told.values() for x in group.ladders} == set(LADDERS)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("account_size", "$60,000"),
        ("max_daily_loss", "10.0%"),
        ("rounding_overshoot", "×1.25"),
        ("max_vix_threshold", "30 VIX points"),
        ("fee_per_contract", "$0.65 per contract"),
        ("min_premium_index", "$2 per share"),
        ("risk_check_interval_seconds", "30 s"),
        ("neutral_score", "0.5 points"),
        ("halt_flattens", "yes"),
        ("below_minimum_policy", "raise"),
    ],
)
def test_a_value_carries_its_unit(name, words):
    assert number(name).value == words


def test_what_a_value_may_be_is_said_without_repeating_its_name():
    assert number("max_position_size").bounds == "Between 0.1% and 100.0%."
    assert number("below_minimum_policy").bounds == "One of: raise, refuse."
    assert number("halt_flattens").bounds == "Yes or no."


def test_what_differs_from_the_default_says_what_that_is():
    assert number("max_daily_loss").default == ""
    assert number("max_daily_loss", max_daily_loss=Decimal("0.08")).default == "10.0%"
    assert number("min_position_size", MAG7_7DTE).default == ""


def test_the_losses_run_to_the_left_and_each_further_one_stands_further():
    drawn = scale(groups()["breakers"].scale)
    assert [mark["value"] for mark in drawn["marks"]] == ["−5.0%", "−10.0%", "−20.0%"]
    l1, l2, l3 = (mark["at"] for mark in drawn["marks"])
    assert drawn["zero_at"] > l1 > l2 > l3
    assert l1 - l2 == pytest.approx((l2 - l3) / 2, abs=0.02)


def test_the_bets_stand_where_they_are_on_the_whole_account():
    drawn = scale(groups(MAG7_7DTE)["sizing"].scale)
    span = drawn["whole"] - drawn["zero_at"]
    places = [(mark["at"] - drawn["zero_at"]) / span for mark in drawn["marks"]]
    assert places == pytest.approx([0.33, 0.66, 0.80], abs=0.001)


def picture(name: str, group: str, steps: tuple[Step, ...] | None = None):
    told = groups(ladders={name: steps} if steps is not None else None)[group]
    return ladder_picture(next(each for each in told.ladders if each.ladder.name == name))


def test_a_ladder_is_drawn_a_column_a_step_as_high_as_its_value():
    columns = picture("confidence_factor", "factors")["columns"]
    assert [column["value"] for column in columns] == ["×1", "×1.25", "×1.5", "×2"]
    assert [column["starts"] for column in columns] == ["≥ 0.0%", "≥ 70.0%", "≥ 80.0%", "≥ 90.0%"]
    assert [column["height"] / TALLEST for column in columns] == pytest.approx([0.5, 0.625, 0.75, 1])
    assert all(column["top"] + column["height"] == pytest.approx(HEAD + TALLEST) for column in columns)


def test_what_starts_only_above_its_threshold_says_so():
    assert [column["starts"] for column in picture("vix_factor", "factors")["columns"]] == [
        "≥ 0", "≥ 12", "> 20", "> 25", "> 30",
    ]  # fmt: skip


def test_what_no_slice_sells_is_drawn_as_what_stays():
    columns = picture("partial_profit", "exits")["columns"]
    assert [(column["starts"], column["value"], column["open"]) for column in columns] == [
        ("+20.0%", "25.0%", False),
        ("+35.0%", "25.0%", False),
        ("+50.0%", "25.0%", False),
        ("stays", "25.0%", True),
    ]
    assert not any(column["open"] for column in picture("take_profit_morning", "exits")["columns"])


def test_a_ladder_of_nothing_but_zero_is_flat():
    assert [c["height"] for c in picture("profit_lock", "exits", (Step(Decimal(0), Decimal(0)),))["columns"]] == [0]


def test_a_changed_ladder_says_what_the_default_is():
    assert not picture("elapsed_factor", "exits")["changed"]
    changed = picture("elapsed_factor", "exits", (Step(Decimal(0), Decimal(1)),))
    assert changed["changed"]
    assert changed["default"] == "from 0 h: ×1; above 3 h: ×0.9"
