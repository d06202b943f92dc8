"""What both systems' sizings share: the input check at the door, and the columns that come out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from riskengine.calculators import codes, trace
from riskengine.calculators.columns import (
    BoolColumn,
    FloatColumn,
    IntColumn,
    above,
    all_of,
    as_column,
    as_flags,
    number_at,
    rounded_down,
    where,
)
from riskengine.calculators.rules import LIMIT, ROUND, CodeColumn, Running, Step, Verdicts

LARGEST = 1e12  # no price, account or count is larger; infinity and NaN are outside every range
SMALLEST = 1e-9  # "more than zero"


@dataclass(frozen=True, slots=True)
class Field:
    """A required input: its inclusive range, and the range in words for the refusal."""

    name: str
    lowest: float
    highest: float
    must: str


class Door:
    """The input check of one system: every input against its range."""

    def __init__(self, *fields: Field) -> None:
        self.fields = fields
        self._ranges = [(field.lowest, field.highest) for field in fields]

    def check(self, *inputs: FloatColumn) -> "Checked":
        """Judge the inputs, in the order of the fields. A NaN compares false on both sides, so a missing or unusable
        number never passes."""
        if inputs[0].__class__ is np.ndarray and len({each.shape for each in inputs}) > 1:
            raise ValueError("the columns of a book are of one shape")
        usable = [(v >= lowest) & (v <= highest) for v, (lowest, highest) in zip(inputs, self._ranges, strict=True)]
        return Checked(self.fields, inputs, usable, all_of(usable))


@dataclass(slots=True, eq=False)
class Checked:
    """Which rows may be sized: the inputs, which of them are usable, and whether all are. Columns, or numbers for a
    book of one row."""

    fields: tuple[Field, ...]
    values: Sequence[FloatColumn]
    usable: Sequence[BoolColumn]
    all_usable: BoolColumn

    @property
    def valid(self) -> BoolColumn:
        """Which rows may be sized, as a column."""
        return as_flags(self.all_usable)

    def sentence(self, row: int) -> str | None:
        """Which input of a row is unusable, and what it must be; None for a valid row."""
        usable = [number_at(flags, row) for flags in self.usable]
        if all(usable):
            return None
        at = usable.index(False)
        value, field = number_at(self.values[at], row), self.fields[at]
        given = "missing or not a finite number" if not np.isfinite(value) else f"{value:g}"
        return codes.CODES[codes.INDEX["INVALID_INPUT"]].sentence.format(field=field.name, saw=given, limit=field.must)


@dataclass(slots=True, eq=False)
class Sizing:
    """The result, one row a candidate.

    `contracts` is the indicative size in whole contracts and `dollars` their cost (0DTE without a price: the dollars
    alone); `formula_dollars` what the arithmetic asked for before rounding to contracts. All are 0 where `refusal`
    names a sizing refusal. `basis` is the equity that the limits are shares of. `asked` and `multiplier` are the
    product of the factors before and after the clamp. `floor_lifted` and `overridden` say where the minimum-bet rule
    raised the size, and where the minimum bet overrode the allocation to the stock. Only an authorised entry can become
    an order; gates are judged apart.
    """

    system: str
    contracts: IntColumn
    dollars: FloatColumn
    formula_dollars: FloatColumn
    asked: FloatColumn
    multiplier: FloatColumn
    refusal: CodeColumn
    basis: FloatColumn
    minimum: FloatColumn
    floor_lifted: BoolColumn
    overridden: BoolColumn
    checked: Checked
    steps: list[Step]
    blocks: Verdicts
    amounts: Mapping[str, Any]
    multiplier_changes: Callable[[Sequence[Step]], list[tuple[str, Any]]]

    def amount(self, name: str) -> FloatColumn:
        """A dollar term that the rules shared, as a column."""
        return np.broadcast_to(self.amounts[name], self.dollars.shape)

    def saw(self, code: str) -> FloatColumn:
        """What a step looked at, as a column."""
        return np.broadcast_to(self._step(code).saw, self.dollars.shape)

    def says(self, code: str) -> FloatColumn:
        """What a step said, as a column."""
        return np.broadcast_to(self._step(code).says, self.dollars.shape)

    def _step(self, code: str) -> Step:
        return next(step for step in self.steps if step.rule.code == code)

    def bindings(self) -> list[str]:
        """What set each row's size: the last step that changed it, or the refusal's own code."""
        names = np.full(len(self.dollars), "", dtype=object)
        with np.errstate(invalid="ignore"):
            for name, changed in _changes(self.multiplier_changes, self.steps):
                names[np.broadcast_to(changed, names.shape)] = name
        refused = self.refusal != codes.NONE
        names[refused] = codes.NAMES[self.refusal[refused]]
        return names.tolist()

    def explain(self, row: int, gates: Verdicts | None = None) -> dict[str, Any]:
        """One row's trace as plain data: dollars before and after each rule, every block and gate with its limit.

        A row with an unusable input has no steps: nothing was sized.
        """
        refusal = codes.CODES[self.refusal.item(row)].name or None
        taken = trace.at_row(self.steps, (self.blocks,) if gates is None else (self.blocks, gates), self.amounts, row)
        valid = number_at(self.checked.all_usable, row)
        binding = refusal or ""
        if valid and not refusal:
            binding = [name for name, changed in _changes(self.multiplier_changes, taken.steps) if changed][-1]
        return {
            "version": trace.VERSION,
            "engine": trace.ENGINE,
            "system": self.system,
            "amounts": taken.amounts,
            "steps": trace.describe(taken, self.minimum.item(row), binding) if valid else [],
            "blocks": taken.verdicts[0] if valid else [],
            "gates": taken.verdicts[1] if gates is not None else [],
            "binding": binding,
            "refusal": refusal,
        }


def _changes(multiplier_changes: Callable[[Sequence[Step]], list[tuple[str, Any]]], steps: Sequence[Step]) -> Any:
    """(name, where it set the size) in order: first the system's own multiplier steps, then limits that cut and
    rounding that raised. Works on columns and on one row's numbers alike."""
    found = multiplier_changes(steps)
    for step in steps:
        rule = step.rule
        if rule.effect is LIMIT:
            found.append((rule.code, above(step.before, step.after)))
        elif rule.effect is ROUND:
            found.append((rule.code, above(step.after, step.before)))
    return found


def cents(dollars: FloatColumn) -> FloatColumn:
    """Money leaving the calculators: rounded once, half up, to the cent."""
    return rounded_down(dollars * 100.0 + (0.5 + 1e-6)) / 100.0


def refusals(checked: Checked, blocks: Verdicts) -> CodeColumn:
    """The first refusal of each row: an unusable input before any block."""
    return where(checked.all_usable, blocks.refusal(), _INVALID)  # type: ignore[arg-type, return-value]


_INVALID = codes.INDEX["INVALID_INPUT"]


def zero_refused(sized: BoolColumn, *columns: FloatColumn) -> list[FloatColumn]:
    """A refused or unusable row never leaves with a size, whatever its arithmetic came to. Columns come out."""
    return [as_column(where(sized, column, 0.0)) for column in columns]


def begin(ones: Any) -> Running:
    """One minimum bet a row, before any rule has spoken."""
    return Running(ones, ones, [])
