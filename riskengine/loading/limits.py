"""From a profile's numbers to the calculators' limits: by name, Decimal to float64 here and nowhere else."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from accounts.bounds import WHOLE, problems_of_ladder
from accounts.defaults import LADDERS, MAX_STEPS, PARAMETERS, PERCENT_AT_THE_DOOR, Parameter, Step, Unit
from accounts.wording import is_far_out
from riskengine.calculators.columns import Steps
from riskengine.calculators.limits import Limits

MOST_DIGITS = 40  # float64 writes 17; more would be rounded in the arithmetic here

_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)  # Decimal would also take 1_000

Numbers = Mapping[str, Any]
Ladders = Mapping[str, tuple[Step, ...]]


class ConfigError(ValueError):
    """An override that no profile could carry. `name` is the parameter or ladder."""

    def __init__(self, code: str, message: str, name: str = "") -> None:
        super().__init__(message)
        self.code, self.name = code, name


def limits_of(numbers: Numbers, ladders: Ladders) -> Limits:
    """The limits of one revision: `numbers` by parameter name (Decimal, bool or word), `ladders` by ladder name."""
    values: dict[str, Any] = {name: _inside(PARAMETERS[name], numbers[name]) for name in PARAMETERS}
    for name in LADDERS:
        values[name] = Steps.of([(float(s.threshold), float(s.value), s.inclusive) for s in ladders[name]])
    return Limits(**values)


def _inside(parameter: Parameter, value: Any) -> float | bool | int:
    if parameter.unit is Unit.YES_NO:
        return bool(value)
    if parameter.unit is Unit.CHOICE:
        return parameter.choices.index(value)
    return float(value)


def default_numbers(system: str) -> tuple[dict[str, Any], dict[str, tuple[Step, ...]]]:
    """Every parameter and ladder of a system at its default."""
    numbers = {name: parameter.default(system) for name, parameter in PARAMETERS.items()}
    return numbers, {name: ladder.steps for name, ladder in LADDERS.items()}


@lru_cache(maxsize=8)
def default_limits(system: str) -> Limits:
    return limits_of(*default_numbers(system))


def limits_with(system: str, overrides: object) -> Limits:
    """The system's defaults with `overrides` by name, each checked against its bounds.

    Raises ConfigError with UNKNOWN_PARAMETER, NOT_A_NUMBER, OUT_OF_RANGE, NOT_A_SWITCH, NOT_A_CHOICE or BAD_LADDER.
    """
    if overrides is None or overrides == {}:
        return default_limits(system)
    if not isinstance(overrides, Mapping):
        raise ConfigError("NOT_AN_OBJECT", "cfg takes an object of parameter names and values.")
    numbers, ladders = default_numbers(system)
    for name, value in overrides.items():
        if name in PARAMETERS:
            numbers[name] = parameter_value(PARAMETERS[name], value)
        elif name in LADDERS:
            ladders[name] = ladder_steps(name, value)
        else:
            raise ConfigError("UNKNOWN_PARAMETER", f"{name} is no parameter: `evaluate --list` names them all.", name)
    return limits_of(numbers, ladders)


def parameter_value(parameter: Parameter, value: object) -> Decimal | bool | str:
    """A parameter's value from the door: bounds checked, percents (`PERCENT_AT_THE_DOOR`) made fractions."""
    name = parameter.name
    if parameter.unit is Unit.YES_NO:
        if not isinstance(value, bool):
            raise ConfigError("NOT_A_SWITCH", f"{name} is {value!r}: give true or false.", name)
        return value
    if parameter.unit is Unit.CHOICE:
        if value not in parameter.choices:
            raise ConfigError("NOT_A_CHOICE", f"{name} is {value!r}: give one of {', '.join(parameter.choices)}.", name)
        return str(value)
    number = _decimal(value, name, too_far="OUT_OF_RANGE")
    if name in PERCENT_AT_THE_DOOR:
        number /= 100
    low, high = parameter.minimum, parameter.maximum
    if low is None or high is None or not low <= number <= high:
        raise ConfigError(
            "OUT_OF_RANGE", f"{name} is {value}: it must be from {low} to {high} ({parameter.unit}).", name
        )
    if parameter.unit in WHOLE and number % 1:
        raise ConfigError("OUT_OF_RANGE", f"{name} is {value}: give a whole number ({parameter.unit}).", name)
    return number


def ladder_steps(name: str, rows: object) -> tuple[Step, ...]:
    """A ladder from rows `[threshold, value]` or `[threshold, value, inclusive]`, as a profile could carry it."""
    if not isinstance(rows, list | tuple) or not 1 <= len(rows) <= MAX_STEPS:
        raise ConfigError("BAD_LADDER", f"{name} takes 1 to {MAX_STEPS} rows of [threshold, value].", name)
    steps = []
    for row in rows:
        if (
            not isinstance(row, list | tuple)
            or len(row) not in (2, 3)
            or not isinstance(row[-1], bool) == (len(row) == 3)
        ):
            raise ConfigError(
                "BAD_LADDER", f"{name}: {row!r} is no [threshold, value] or [threshold, value, true].", name
            )
        threshold, says = (_decimal(number, name, too_far="BAD_LADDER") for number in row[:2])
        steps.append(Step(threshold, says, row[2] if len(row) == 3 else True))
    problems = problems_of_ladder(LADDERS[name], steps)
    if problems:
        raise ConfigError("BAD_LADDER", f"{name}: {problems[0]}", name)
    return tuple(steps)


def _decimal(value: object, name: str, *, too_far: str) -> Decimal:
    """A finite number; `too_far` is the code of one that the arithmetic here could not hold."""
    text = "" if isinstance(value, bool) else str(value).strip()
    try:
        number = Decimal(text if _PLAIN.fullmatch(text) else "NaN")
    except InvalidOperation:  # an exponent beyond Decimal's own
        number = Decimal("NaN")
    if not number.is_finite():
        raise ConfigError("NOT_A_NUMBER", f"{name} is {value!r}: give a finite number.", name)
    if is_far_out(number) or len(number.as_tuple().digits) > MOST_DIGITS:
        raise ConfigError(
            too_far, f"{name} is {value!r}: give a number inside its bounds, of at most {MOST_DIGITS} digits.", name
        )
    return number
