"""What both systems' sizings share: the input check at the door, and the columns that come out."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from riskengine.calculators import codes
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.calculators.rules import BINDINGS, CodeColumn, Gates, Running
from riskengine.calculators.trace import Trace

LARGEST = 1e12  # no price, account or count is larger; infinity and NaN are outside every range
SMALLEST = 1e-9  # "more than zero"


@dataclass(frozen=True, slots=True)
class Field:
    """A required input: its inclusive range, and the range in words for the refusal."""

    name: str
    lowest: float
    highest: float
    must: str


@dataclass(frozen=True, slots=True, eq=False)
class Door:
    """Which rows may be sized. `values` has shape (fields, n) with the given inputs."""

    fields: tuple[Field, ...]
    values: npt.NDArray[np.float64]
    usable: npt.NDArray[np.bool_]
    valid: BoolColumn

    def problem(self, row: int) -> tuple[Field, float] | None:
        """The first unusable input of a row and its value, for the sentence."""
        if self.valid[row]:
            return None
        at = int((~self.usable[:, row]).argmax())
        return self.fields[at], float(self.values[at, row])


def check(fields: tuple[Field, ...], values: npt.NDArray[np.float64]) -> Door:
    """Judge each input of each row against its range, in three operations for all of them.

    A NaN compares false on both sides, so a missing or unusable number never passes.
    """
    lowest, highest = _ranges(fields)
    usable = (values >= lowest) & (values <= highest)
    return Door(fields, values, usable, usable.all(axis=0))


_CACHE: dict[tuple[Field, ...], tuple[FloatColumn, FloatColumn]] = {}


def _ranges(fields: tuple[Field, ...]) -> tuple[FloatColumn, FloatColumn]:
    ranges = _CACHE.get(fields)
    if ranges is None:
        ranges = np.array([[f.lowest] for f in fields]), np.array([[f.highest] for f in fields])
        _CACHE[fields] = ranges
    return ranges


@dataclass(frozen=True, slots=True, eq=False)
class Sizing:
    """The result, one row a candidate.

    `contracts` is the indicative size in whole contracts and `dollars` their cost (0DTE without a price: the dollars
    alone); `formula_dollars` what the arithmetic asked for before rounding to contracts. All are 0 where `refusal`
    names a sizing refusal. `asked` and `multiplier` are the product of the factors before and after the clamp, NaN
    where the input was unusable. `floor_lifted` and `overridden` say where the minimum-bet rule raised the size, and where
    the minimum bet overrode the allocation to the stock. Only an authorised entry can become an order; gates are judged apart.
    """

    contracts: IntColumn
    dollars: FloatColumn
    formula_dollars: FloatColumn
    asked: FloatColumn
    multiplier: FloatColumn
    refusal: CodeColumn
    binding: CodeColumn
    minimum: FloatColumn
    floor_lifted: BoolColumn
    overridden: BoolColumn
    door: Door
    trace: Trace

    def binding_name(self, row: int) -> str:
        """What set the size; a refused row's binding is the refusal itself."""
        refusal = self.refusal[row]
        return codes.CODES[refusal].name if refusal else BINDINGS[self.binding[row]]

    def explain(self, row: int, gates: Gates | None = None) -> dict[str, object]:
        """One row's trace as plain data."""
        refusal = codes.CODES[self.refusal[row]].name or None
        return self.trace.row(row, binding=self.binding_name(row), refusal=refusal, gates=gates)


def cents(dollars: FloatColumn) -> FloatColumn:
    """Money leaving the calculators: rounded once, half up, to the cent."""
    return np.floor(dollars * 100.0 + 0.5 + 1e-6) / 100.0


def result(
    running: Running,
    door: Door,
    *,
    contracts: FloatColumn,
    formula_dollars: FloatColumn,
    asked: FloatColumn,
    floor_lifted: BoolColumn,
    overridden: BoolColumn,
    multiplier_shown: BoolColumn,
) -> Sizing:
    """Zero every refused row, whatever its arithmetic came to: a refused or unusable row never leaves with a size."""
    sized = running.refusal == codes.NONE
    return Sizing(
        contracts=np.where(sized, contracts, 0.0).astype(np.int64),
        dollars=np.where(sized, cents(running.dollars), 0.0),
        formula_dollars=np.where(sized, cents(formula_dollars), 0.0),
        asked=np.where(multiplier_shown, asked, np.nan),
        multiplier=np.where(multiplier_shown, running.multiplier, np.nan),
        refusal=running.refusal,
        binding=running.binding,
        minimum=running.minimum,
        floor_lifted=floor_lifted,
        overridden=overridden,
        door=door,
        trace=running.trace,
    )
