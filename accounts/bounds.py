"""What a profile's numbers and ladders may be. It imports no Django; the database holds the same bounds as constraints.

Each function returns sentences; none means it is all right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from accounts.defaults import LADDERS, MAX_STEPS, PARAMETERS, Ladder, Parameter, Step, Unit
from accounts.wording import Value, is_far_out, percent, plain, refusal_sentence, show

SHARE_STEP = Decimal("0.0001")  # slices count shares in whole ten-thousandths
STEP_PLACES = Decimal("0.000001")  # a step is stored with six places

HIGHEST_STEP = {
    Unit.FRACTION: Decimal(5),  # a gain of 500%
    Unit.MULTIPLE: Decimal(10),
    Unit.VIX_POINTS: Decimal(200),
    Unit.HOURS: Decimal(24),
    Unit.DAYS: Decimal(365),
}

WHOLE = frozenset({Unit.COUNT, Unit.SECONDS, Unit.MINUTES, Unit.DAYS, Unit.SESSIONS, Unit.TICKS})


@dataclass(frozen=True, slots=True)
class Order:
    """Two parameters of one unit that must stand in this order; `strictly`: not equal."""

    name: str
    low: str
    high: str
    sentence: str
    strictly: bool = False


ORDERS = (
    Order(
        "min_bet_within_max_bet",
        "min_position_size",
        "max_position_size",
        "The minimum bet must not be more than the maximum bet.",
    ),
    Order(
        "min_multiplier_within_max",
        "min_size_multiplier",
        "max_size_multiplier",
        "The lowest multiplier must not be more than the highest.",
    ),
    Order(
        "l1_below_l2",
        "confirm_entries_loss",
        "max_daily_loss",
        "The loss limits must rise: L1 (confirm entries) must be below L2 (daily limit).",
        strictly=True,
    ),
    Order(
        "l2_below_l3",
        "max_daily_loss",
        "emergency_halt_loss",
        "The loss limits must rise: L2 (daily limit) must be below L3 (emergency halt).",
        strictly=True,
    ),
    Order(
        "min_expiration_within_max",
        "min_expiration_days",
        "max_expiration_days",
        "The earliest expiration must not be later than the latest.",
    ),
    Order(
        "moderate_within_strong",
        "earnings_moderate_percent",
        "earnings_strong_percent",
        "A moderate earnings surprise must not be larger than a strong one.",
    ),
    Order(
        "cheap_below_expensive",
        "pe_cheap_ratio",
        "pe_expensive_ratio",
        "A cheap P/E must be below an expensive one.",
        strictly=True,
    ),
    Order(
        "common_dates_within_window",
        "correlation_min_common_sessions",
        "correlation_window_sessions",
        "The common dates needed must fit into the correlation window.",
    ),
    Order(
        "large_bet_spread_within_spread",
        "max_spread_large_bet",
        "max_spread",
        "The widest spread of a large bet must not be wider than that of any bet.",
    ),
    Order(
        "drawdowns_rise",
        "drawdown_5_session",
        "drawdown_20_session",
        "The 5-session drawdown must not be more than the 20-session drawdown.",
    ),
)


def problem_of_number(parameter: Parameter, value: Value) -> str | None:
    """Why this value is refused, in a sentence."""
    if parameter.choices:
        fine = value in parameter.choices
    elif parameter.minimum is None or parameter.maximum is None:
        fine = isinstance(value, bool)
    else:
        number = Decimal(str(value))
        fine = number.is_finite() and parameter.minimum <= number <= parameter.maximum
        if fine and parameter.unit in WHOLE and number % 1:
            return f"{parameter.label} must be a whole number; you entered {plain(number)}."
    return None if fine else refusal_sentence(parameter, value)


def problems_of_orders(numbers: Mapping[str, Value]) -> dict[str, list[str]]:
    """Pairs of numbers in the wrong order, by the name of the lower one."""
    problems: dict[str, list[str]] = {}
    for order in ORDERS:
        low, high = Decimal(str(numbers[order.low])), Decimal(str(numbers[order.high]))
        if low > high or (order.strictly and low == high):
            unit = PARAMETERS[order.low].unit
            entered = f"you entered {show(low, unit)} and {show(high, unit)}."
            problems.setdefault(order.low, []).append(f"{order.sentence.removesuffix('.')}; {entered}")
    return problems


def problems_of_ladder(ladder: Ladder, steps: Sequence[Step]) -> list[str]:
    """Why these steps are refused, in sentences that name the ladder and the step."""
    if not steps:
        return [f"{ladder.label} needs at least one step."]
    if len(steps) > MAX_STEPS:
        return [f"{ladder.label} has {len(steps)} steps; at most {MAX_STEPS} are possible."]
    problems = [problem for number, step in enumerate(steps, 1) for problem in _problems_of_step(ladder, number, step)]
    if any(not number.is_finite() or is_far_out(number) for step in steps for number in (step.threshold, step.value)):
        return problems  # such steps can neither be compared nor added up
    for number, (lower, upper) in enumerate(pairwise(steps), 2):
        if upper.threshold <= lower.threshold:
            low, high = show(lower.threshold, ladder.threshold_unit), show(upper.threshold, ladder.threshold_unit)
            problems.append(
                f"{ladder.label}: thresholds must rise; step {number} starts at {high}, the one before at {low}."
            )
    if ladder.cumulative:
        total = sum((step.value for step in steps), Decimal(0))
        if total > 1:
            problems.append(f"{ladder.label}: the shares add up to {percent(total)}, more than 100.0%.")
    elif steps[0].threshold != 0 or not steps[0].inclusive:
        problems.append(f"{ladder.label} must begin from 0, so that every value has a step.")
    return problems


def _problems_of_step(ladder: Ladder, number: int, step: Step) -> list[str]:
    problems = []
    where = f"{ladder.label}, step {number}"
    for what, value, unit in (
        ("the threshold", step.threshold, ladder.threshold_unit),
        ("the share" if ladder.cumulative else "the value", step.value, ladder.value_unit),
    ):
        highest = Decimal(1) if what == "the share" else HIGHEST_STEP[unit]
        if not value.is_finite() or is_far_out(value) or not 0 <= value <= highest:
            problems.append(
                f"{where}: {what} must be between {show(Decimal(0), unit)} and {show(highest, unit)}; "
                f"you entered {show(value, unit)}."
            )
        elif value % STEP_PLACES:
            problems.append(f"{where}: {what} has more than six decimal places.")
    if not problems and ladder.cumulative:
        if step.threshold == 0:
            problems.append(f"{where}: a profit is taken above 0.0%.")
        if step.value == 0 or step.value % SHARE_STEP:
            problems.append(f"{where}: the share must be a whole number of 0.01%, and more than none.")
    return problems


def problems_of_profile(numbers: Mapping[str, Value], ladders: Mapping[str, Sequence[Step]]) -> dict[str, list[str]]:
    """Every refusal of a complete profile, by parameter or ladder name; unknown and missing names included."""
    problems: dict[str, list[str]] = {}
    for given, known, what in ((numbers, PARAMETERS, "parameter"), (ladders, LADDERS, "ladder")):
        for name in given.keys() - known.keys():
            problems[name] = [f"There is no {what} “{name}”."]
        for name in known.keys() - given.keys():
            problems[name] = [f"{known[name].label} is missing."]
    for name in PARAMETERS.keys() & numbers.keys():
        problem = problem_of_number(PARAMETERS[name], numbers[name])
        if problem:
            problems[name] = [problem]
    for name in LADDERS.keys() & ladders.keys():
        found = problems_of_ladder(LADDERS[name], ladders[name])
        if found:
            problems[name] = found
    return problems or problems_of_orders(numbers)
