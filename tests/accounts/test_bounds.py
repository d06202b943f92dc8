"""Numbers and ladders out of bounds are refused with a sentence that says what was entered."""

from dataclasses import replace
from decimal import Decimal

import pytest

from accounts.bounds import ORDERS, problem_of_number, problems_of_ladder, problems_of_orders, problems_of_profile
from accounts.defaults import LADDERS, PARAMETERS, SYSTEMS, Step
from accounts.wording import bounds_sentence, show

DEFAULTS = {p.name: p.default("smart-0dte") for p in PARAMETERS.values()}
STEPS = {ladder.name: ladder.steps for ladder in LADDERS.values()}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("max_position_size", Decimal("1.4"), "Maximum bet must be between 0.1% and 100.0%; you entered 140.0%."),
        (
            "account_size",
            Decimal("999.5"),
            "Configured account must be between $1,000 and $1,000,000,000; you entered $999.50.",
        ),
        ("max_total_positions", 0, "Open positions must be between 1 and 1,000; you entered 0."),
        ("max_total_positions", Decimal("2.5"), "Open positions must be a whole number; you entered 2.5."),
        ("max_size_multiplier", Decimal(11), "Highest multiplier must be between ×1 and ×10; you entered ×11."),
        ("max_position_size", Decimal("NaN"), "Maximum bet must be between 0.1% and 100.0%; you entered NaN."),
        ("quote_max_age_seconds", 0, "Oldest quote, others must be between 1 s and 3,600 s; you entered 0 s."),
        ("below_minimum_policy", "guess", "Below-minimum policy must be one of: raise, refuse; you entered guess."),
        ("halt_flattens", 1, "The halt flattens must be yes or no; you entered 1."),
    ],
)
def test_a_number_out_of_bounds_is_refused_with_a_sentence(name, value, sentence):
    assert problem_of_number(PARAMETERS[name], value) == sentence


@pytest.mark.parametrize("name", PARAMETERS)
def test_both_bounds_belong_to_the_range_and_what_lies_outside_does_not(name):
    parameter = PARAMETERS[name]
    if parameter.minimum is None:
        return
    assert problem_of_number(parameter, parameter.minimum) is None
    assert problem_of_number(parameter, parameter.maximum) is None
    assert problem_of_number(parameter, parameter.minimum - Decimal("0.0001"))
    assert problem_of_number(parameter, parameter.maximum + Decimal("0.0001"))


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
def test_pairs_in_the_wrong_order_are_refused(order):
    swapped = DEFAULTS | {order.low: DEFAULTS[order.high], order.high: DEFAULTS[order.low]}
    if swapped[order.low] == swapped[order.high]:
        swapped[order.low] += 1
    assert any(order.sentence.removesuffix(".") in text for text in problems_of_orders(swapped)[order.low])


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
def test_equal_numbers_pass_unless_the_order_is_strict(order):
    equal = DEFAULTS | {order.low: DEFAULTS[order.high]}
    refused = [text for text in problems_of_orders(equal).get(order.low, []) if text.startswith(order.sentence[:-1])]
    assert bool(refused) is order.strictly


@pytest.mark.parametrize(
    ("name", "steps", "sentence"),
    [
        ("confidence_factor", [], "Confidence factor needs at least one step."),
        (
            "confidence_factor",
            [Step(Decimal(0), Decimal(1)), Step(Decimal("0.8"), Decimal("1.5")), Step(Decimal("0.7"), Decimal(2))],
            "Confidence factor: thresholds must rise; step 3 starts at 70.0%, the one before at 80.0%.",
        ),
        (
            "vix_factor",
            [
                Step(Decimal(0), Decimal(1)),
                Step(Decimal(20), Decimal("0.9")),
                Step(Decimal(20), Decimal("0.8"), inclusive=False),
            ],
            "VIX factor: thresholds must rise; step 3 starts at 20, the one before at 20.",
        ),
        (
            "vix_factor",
            [Step(Decimal(12), Decimal(1))],
            "VIX factor must begin from 0, so that every value has a step.",
        ),
        (
            "vix_factor",
            [Step(Decimal(0), Decimal(11))],
            "VIX factor, step 1: the value must be between ×0 and ×10; you entered ×11.",
        ),
        (
            "partial_profit",
            [Step(Decimal("0.2"), Decimal("0.5")), Step(Decimal("0.3"), Decimal("0.6"))],
            "Partial profit: the shares add up to 110.0%, more than 100.0%.",
        ),
        (
            "partial_profit",
            [Step(Decimal("0.2"), Decimal("0.00005"))],
            "Partial profit, step 1: the share must be a whole number of 0.01%, and more than none.",
        ),
        ("partial_profit", [Step(Decimal(0), Decimal("0.5"))], "Partial profit, step 1: a profit is taken above 0.0%."),
        (
            "time_factor",
            [Step(Decimal(hour), Decimal(1)) for hour in range(9)],
            "Time factor has 9 steps; at most 8 are possible.",
        ),
    ],
)
def test_a_ladder_out_of_shape_is_refused_with_a_sentence(name, steps, sentence):
    assert sentence in problems_of_ladder(LADDERS[name], steps)


@pytest.mark.parametrize("number", ["NaN", "sNaN", "-Infinity", "1e9999999", "1e-9999999"])
@pytest.mark.parametrize("name", ["vix_factor", "partial_profit"])
@pytest.mark.parametrize("field", ["threshold", "value"])
def test_a_step_that_cannot_be_compared_is_refused_and_shown_as_entered(name, field, number):
    step = replace(Step(Decimal("0.5"), Decimal("0.5")), **{field: Decimal(number)})
    [problem] = problems_of_ladder(LADDERS[name], [step, step])[:1]
    assert "must be between" in problem
    assert problem.endswith(f"you entered {Decimal(number)}.")


def test_shares_that_add_up_to_exactly_the_whole_pass():
    assert (
        problems_of_ladder(
            LADDERS["partial_profit"], [Step(Decimal("0.2"), Decimal("0.5")), Step(Decimal("0.3"), Decimal("0.5"))]
        )
        == []
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_defaults_pass(system):
    assert problems_of_profile({p.name: p.default(system) for p in PARAMETERS.values()}, STEPS) == {}


def test_unknown_and_missing_names_are_refused():
    numbers = {name: value for name, value in DEFAULTS.items() if name != "max_vix_threshold"} | {"luck": Decimal(1)}
    assert problems_of_profile(numbers, STEPS | {"charm": ()}) == {
        "luck": ["There is no parameter “luck”."],
        "charm": ["There is no ladder “charm”."],
        "max_vix_threshold": ["Highest VIX for entries is missing."],
    }


@pytest.mark.parametrize(
    ("value", "unit_of", "words"),
    [
        (Decimal("0.40"), "max_position_size", "40.0%"),
        (Decimal("0.333"), "max_position_size", "33.3%"),
        (Decimal("0.0001"), "max_daily_loss", "0.01%"),
        (Decimal(60000), "account_size", "$60,000"),
        (Decimal("0.65"), "fee_per_contract", "$0.65"),
        (Decimal("1.2500"), "rounding_overshoot", "×1.25"),
        (True, "halt_flattens", "yes"),
    ],
)
def test_values_are_shown_as_a_trader_reads_them(value, unit_of, words):
    assert show(value, PARAMETERS[unit_of].unit) == words


def test_every_parameter_has_a_sentence_for_its_bounds():
    assert all(bounds_sentence(p).endswith(".") for p in PARAMETERS.values())
