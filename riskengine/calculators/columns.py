"""Columns, and the only comparisons and roundings the rules may use.

A column is a float64 array of shape (n,); a limit is one number for the whole book or a column of its own. A missing
value is NaN: every comparison with it is false, so a rule that forgets to look refuses rather than allows.

Comparisons carry a tolerance of 1e-9 x max(1, |limit|), far below the data's resolution (confidence and correlation
6 places, prices 4): float64 then agrees with exact arithmetic, e.g. 0.20 x 1.05 is at least 0.21 (SPEC B-14).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatColumn: TypeAlias = npt.NDArray[np.float64]
IntColumn: TypeAlias = npt.NDArray[np.int64]
BoolColumn: TypeAlias = npt.NDArray[np.bool_]
Number: TypeAlias = FloatColumn | float

TOLERANCE = 1e-9
CONFIDENCE_PLACES = 6
PRICE_PLACES = 4


def tolerance(limit: Number) -> Number:
    """1e-9 x max(1, |limit|), in the unit of the limit."""
    if limit.__class__ is float:
        return TOLERANCE * max(1.0, abs(limit))
    return np.maximum(np.abs(limit) * TOLERANCE, TOLERANCE)


def at_least(value: Number, limit: Number) -> BoolColumn:
    """value >= limit within the tolerance. NaN on either side is False."""
    return value >= limit - tolerance(limit)  # type: ignore[return-value]


def above(value: Number, limit: Number) -> BoolColumn:
    """value > limit beyond the tolerance. NaN on either side is False."""
    return value > limit + tolerance(limit)  # type: ignore[return-value]


def at_most(value: Number, limit: Number) -> BoolColumn:
    """value <= limit within the tolerance. NaN on either side is False (unlike `not above`)."""
    return value <= limit + tolerance(limit)  # type: ignore[return-value]


def below(value: Number, limit: Number) -> BoolColumn:
    """value < limit beyond the tolerance. NaN on either side is False (unlike `not at_least`)."""
    return value < limit - tolerance(limit)  # type: ignore[return-value]


def half_up_places(value: FloatColumn, places: int) -> FloatColumn:
    """Round half up to so many decimal places; a value within a few ulp under the half counts as the half."""
    scale = 10.0**places
    return np.floor(value * (scale * (1.0 + 1e-15)) + 0.5) / scale


def whole_contracts(dollars: FloatColumn, contract_cost: Number) -> FloatColumn:
    """The most whole contracts that `dollars` pays for: the largest n with n x cost <= dollars (within tolerance).

    The quotient is only a first guess; the comparison that decides is a multiplication (SPEC B-14).
    """
    guess = np.floor(dollars / contract_cost)
    return guess + at_least(dollars, (guess + 1.0) * contract_cost)


def contracts_reaching(dollars: FloatColumn, contract_cost: Number) -> FloatColumn:
    """The fewest whole contracts worth at least `dollars`: the smallest n with n x cost >= dollars."""
    count = whole_contracts(dollars, contract_cost)
    return count + ~at_least(count * contract_cost, dollars)


def half_up(quantity: IntColumn, ten_thousandths: IntColumn) -> IntColumn:
    """quantity x share rounded half up to whole contracts, in integer arithmetic. Shares in ten-thousandths."""
    return (2 * quantity * ten_thousandths + 10_000) // 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """A ladder to look a value up in. Arrays of shape (k, 1) for the whole book, or (k, n) when rows differ.

    `thresholds` ascend; a step speaks from its threshold on (`inclusive`) or only above it. Under the first threshold
    the first value speaks. A shorter ladder of a row is padded with thresholds of infinity.
    """

    thresholds: FloatColumn
    values: FloatColumn
    inclusive: BoolColumn
    _edges: FloatColumn = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.thresholds.ndim == 2 or not self.thresholds.shape == self.values.shape == self.inclusive.shape:
            raise ValueError("a ladder has thresholds, values and inclusive of one shape (steps, rows or 1)")
        object.__setattr__(self, "_edges", self._scaled(1.0))

    @classmethod
    def of(cls, rows: Sequence[tuple[float, float, bool]]) -> "Steps":
        """One ladder for the whole book from (threshold, value, inclusive) rows."""
        thresholds, values, inclusive = (np.array(part)[:, None] for part in zip(*rows, strict=True))
        return cls(thresholds.astype(float), values.astype(float), inclusive.astype(bool))

    def _scaled(self, scale: Number) -> FloatColumn:
        """The thresholds times `scale`, moved by the tolerance so that `value >= edge` decides both kinds of step."""
        edges = self.thresholds * scale
        return edges + np.where(self.inclusive, -1.0, 1.0) * tolerance(edges)

    def at(self, value: FloatColumn, scale: Number = 1.0) -> FloatColumn:
        """The value that speaks for each row of `value`; thresholds are multiplied by `scale`, nothing is divided.

        A NaN in `value` gives one of the values: that its row is unusable is judged elsewhere, and refuses.
        """
        shared = self.thresholds.shape[1] == 1
        if shared and isinstance(scale, float) and scale == 1.0:
            rank = np.searchsorted(self._edges[:, 0], value, side="right") - 1
        else:
            rank = (value >= self._scaled(scale)).sum(axis=0) - 1
        rank = np.maximum(rank, 0)
        return self.values[rank, 0] if shared else self.values[rank, np.arange(len(value))]
