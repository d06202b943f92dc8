"""The numbers of a revision as a page tells them: grouped, in words, with what each does. It imports no Django."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from accounts.defaults import GROUPS, LADDERS, PARAMETERS, Ladder, Parameter, Step
from accounts.wording import Value, bounds_sentence, show, with_unit


@dataclass(frozen=True, slots=True)
class DescribedNumber:
    """One parameter: what it is set to, and the default where that is another."""

    parameter: Parameter
    value: str
    bounds: str
    default: str


@dataclass(frozen=True, slots=True)
class DescribedLadder:
    """One ladder: its steps, and whether they are the default ones."""

    ladder: Ladder
    steps: tuple[Step, ...]
    changed: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """A number that stands on a scale with others of its kind."""

    label: str
    value: str
    fraction: float


@dataclass(frozen=True, slots=True)
class Scale:
    """Shares of the account on one line. `losses` run to the left, as on the desk."""

    title: str
    marks: tuple[Mark, ...]
    losses: bool


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    title: str
    scale: Scale | None
    numbers: tuple[DescribedNumber, ...]
    ladders: tuple[DescribedLadder, ...]


SCALES: Mapping[str, tuple[str, bool, tuple[tuple[str, str], ...]]] = {
    "sizing": (
        "One bet and all of them, as shares of the account",
        False,
        (
            ("min_position_size", "minimum bet"),
            ("max_position_size", "maximum bet"),
            ("max_total_exposure", "exposure limit"),
        ),
    ),
    "breakers": (
        "The day's loss at which each level trips, as a share of the basis",
        True,
        (("confirm_entries_loss", "L1"), ("max_daily_loss", "L2"), ("emergency_halt_loss", "L3")),
    ),
}


def described(system: str, numbers: Mapping[str, Value], ladders: Mapping[str, Sequence[Step]]) -> list[Group]:
    """Everything in the order of `defaults`."""
    return [
        Group(
            name=name,
            title=title,
            scale=_scale(name, numbers),
            numbers=tuple(_number(p, system, numbers[p.name]) for p in PARAMETERS.values() if p.group == name),
            ladders=tuple(
                DescribedLadder(ladder, tuple(ladders[ladder.name]), tuple(ladders[ladder.name]) != ladder.steps)
                for ladder in LADDERS.values()
                if ladder.group == name
            ),
        )
        for name, title in GROUPS.items()
    ]


def _number(parameter: Parameter, system: str, value: Value) -> DescribedNumber:
    default = parameter.default(system)
    return DescribedNumber(
        parameter=parameter,
        value=with_unit(value, parameter.unit),
        bounds=_bounds(parameter),
        default="" if value == default else with_unit(default, parameter.unit),
    )


def _bounds(parameter: Parameter) -> str:
    """What it may be, without its name, which stands beside it: "Between 0.1% and 100.0%."."""
    may_be = bounds_sentence(parameter).removeprefix(f"{parameter.label} must be ")
    return may_be[0].upper() + may_be[1:]


def _scale(group: str, numbers: Mapping[str, Value]) -> Scale | None:
    if group not in SCALES:
        return None
    title, losses, names = SCALES[group]
    marks = tuple(
        Mark(label, show(numbers[name], PARAMETERS[name].unit), float(Decimal(numbers[name]))) for name, label in names
    )
    return Scale(title, marks, losses)
