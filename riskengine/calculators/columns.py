"""Columns, and the only comparisons and roundings the rules may use.

A column is a float64 array of shape (n,); a limit is one number for the whole book or a column of its own. A missing
value is NaN: every comparison with it is false, so a rule that forgets to look refuses rather than allows.

A book of one row runs on numbers instead (`single`): the same rules, without paying numpy's price for each operation.
That is why rules use `where`, `lower_of`, `higher_of`, `ratio`, `unknown` and the like from here, which take both. What
leaves is a column again (`as_column`, `as_flags`).

Comparisons carry a tolerance of 1e-9 x max(1, |limit|), far below the data's resolution (confidence and correlation
6 places, prices 4): float64 then agrees with exact arithmetic, e.g. 0.20 x 1.05 is at least 0.21 (SPEC B-14).
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, reduce
from operator import and_, attrgetter
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from numpy import ndarray

FloatColumn: TypeAlias = npt.NDArray[np.float64]
IntColumn: TypeAlias = npt.NDArray[np.int64]
BoolColumn: TypeAlias = npt.NDArray[np.bool_]
Number: TypeAlias = FloatColumn | float

TOLERANCE = 1e-9
CONFIDENCE_PLACES = 6
PRICE_PLACES = 4


def tolerance(limit: Number) -> Number:
    """1e-9 x max(1, |limit|), in the unit of the limit."""
    if limit.__class__ is ndarray:
        return np.maximum(np.abs(limit) * TOLERANCE, TOLERANCE)
    return TOLERANCE if -1.0 < limit < 1.0 else TOLERANCE * abs(limit)  # type: ignore[operator]


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


# Typed for columns; a book of one row passes numbers through the same names.


def where(condition: Any, yes: Number, no: Number) -> FloatColumn:
    """`yes` where the condition holds, else `no`; all of one where the condition is one flag for the whole book."""
    if condition.__class__ is ndarray:
        return np.where(condition, yes, no)
    return yes if condition else no  # type: ignore[return-value]


def lower_of(a: Number, b: Number) -> FloatColumn:
    """The smaller of two; NaN where either is."""
    if a.__class__ is ndarray or b.__class__ is ndarray:
        return np.minimum(a, b)
    return b if b < a or b != b else a  # type: ignore[return-value]


def higher_of(a: Number, b: Number) -> FloatColumn:
    """The larger of two; NaN where either is."""
    if a.__class__ is ndarray or b.__class__ is ndarray:
        return np.maximum(a, b)
    return b if b > a or b != b else a  # type: ignore[return-value]


def rounded_down(value: Number) -> FloatColumn:
    """To the whole number under it; NaN and infinity as they are."""
    if value.__class__ is ndarray:
        return np.floor(value)
    whole = value // 1.0  # NaN for an infinity
    return whole if whole == whole else value  # type: ignore[return-value]


def unknown(value: Number) -> BoolColumn:
    """Whether a value is NaN."""
    return value != value  # type: ignore[return-value]


def negated(flags: BoolColumn | bool) -> BoolColumn:
    """Not; for a flag of Python's own too, whose `~` would be -2."""
    return ~flags if flags.__class__ is ndarray else not flags  # type: ignore[return-value]


def all_of(flags: Sequence[BoolColumn]) -> BoolColumn:
    """Where every one of them holds."""
    return reduce(and_, flags)


def ratio(dividend: Number, divisor: Number) -> FloatColumn:
    """A quotient; where the divisor is 0 it is NaN or infinite as in a column, where Python's own would raise."""
    if dividend.__class__ is ndarray or divisor.__class__ is ndarray or divisor:
        return dividend / divisor  # type: ignore[return-value]
    return dividend * math.inf  # type: ignore[return-value]


Record = TypeVar("Record")


class _Numbers:
    """The one row of a record: a number under the name of each column."""


def single(record: Record, kind: Any = None) -> Record:
    """A dataclass of columns of one row as numbers under the same names; of `kind`, where only the fields of that class
    are such columns. Raises ValueError where a column has more rows."""
    named: Any = kind or type(record)
    names, columns_of = _fields(named)
    numbers: Any = _Numbers()
    numbers.__dict__ = dict(zip(names, map(ndarray.item, columns_of(record)), strict=True))
    return numbers  # type: ignore[no-any-return]


@cache
def _fields(kind: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    names = tuple(each.name for each in fields(kind))
    return names, attrgetter(*names)


def as_column(value: Any) -> Any:
    """A number as a column of one row; a column as it is."""
    return value if value.__class__ is ndarray else np.array([value])


def as_flags(flags: BoolColumn | bool) -> BoolColumn:
    """One flag as a column of one row, which nobody may write to; a column as it is."""
    if flags.__class__ is ndarray:
        return flags
    return _TRUE if flags else _FALSE


_TRUE, _FALSE = np.array([True]), np.array([False])
_TRUE.flags.writeable = _FALSE.flags.writeable = False


def plain_number(value: Any) -> Any:
    """One number of numpy's as Python's own, which is five times as fast to reckon with; a column as it is."""
    return value if value.__class__ is ndarray else float(value)


def number_at(value: Any, row: int) -> Any:
    """A column's number in a row; what is one number for the whole book as it is."""
    return value.item(row if value.size > 1 else 0) if value.__class__ is ndarray else value


def half_up_places(value: Number, places: int) -> FloatColumn:
    """Round half up to so many decimal places; a value within a few ulp under the half counts as the half."""
    scale, nudged = _SCALES[places]
    return rounded_down(value * nudged + 0.5) / scale


_SCALES = [(10.0**places, 10.0**places * (1.0 + 1e-15)) for places in range(CONFIDENCE_PLACES + 1)]


def whole_contracts(dollars: Number, contract_cost: Number) -> FloatColumn:
    """The most whole contracts that `dollars` pays for: the largest n with n x cost <= dollars (within tolerance).

    The quotient is only a first guess; the comparison that decides is a multiplication (SPEC B-14).
    """
    guess = rounded_down(ratio(dollars, contract_cost))
    return guess + at_least(dollars, (guess + 1.0) * contract_cost)


def contracts_reaching(dollars: Number, contract_cost: Number) -> FloatColumn:
    """The fewest whole contracts worth at least `dollars`: the smallest n with n x cost >= dollars."""
    count = whole_contracts(dollars, contract_cost)
    return count + negated(at_least(count * contract_cost, dollars))


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
    _sign: FloatColumn = field(init=False, repr=False)
    _edges: FloatColumn = field(init=False, repr=False)
    _first: "_Ladder" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.thresholds.ndim == 2 or not self.thresholds.shape == self.values.shape == self.inclusive.shape:
            raise ValueError("a ladder has thresholds, values and inclusive of one shape (steps, rows or 1)")
        object.__setattr__(self, "_sign", np.where(self.inclusive, -1.0, 1.0))
        object.__setattr__(self, "_edges", self._scaled(1.0)[1:, 0])
        columns = (self.thresholds[1:, 0], self._sign[1:, 0], self._edges, self.values[:, 0])
        object.__setattr__(self, "_first", _Ladder(*(column.tolist() for column in columns)))

    @classmethod
    def of(cls, rows: Sequence[tuple[float, float, bool]]) -> "Steps":
        """One ladder for the whole book from (threshold, value, inclusive) rows."""
        thresholds, values, inclusive = (np.array(part)[:, None] for part in zip(*rows, strict=True))
        return cls(thresholds.astype(float), values.astype(float), inclusive.astype(bool))

    @property
    def shared(self) -> bool:
        """One ladder for the whole book."""
        return bool(self.thresholds.shape[1] == 1)

    def _scaled(self, scale: Number) -> FloatColumn:
        """The thresholds times `scale`, moved by the tolerance so that `value >= edge` decides both kinds of step."""
        edges = self.thresholds * scale
        return edges + self._sign * tolerance(edges)

    def at(self, value: Number, scale: Number = 1.0) -> FloatColumn:
        """The value that speaks for each row of `value`; thresholds are multiplied by `scale`, nothing is divided.

        A NaN in `value` gives one of the values: that its row is unusable is judged elsewhere, and refuses.
        """
        if not isinstance(value, ndarray):
            return self._first.at(value, scale)  # type: ignore[arg-type, return-value]
        if self.shared and isinstance(scale, float) and scale == 1.0:
            rank = self._edges.searchsorted(value, "right")
        else:
            rank = (value >= self._scaled(scale)[1:]).sum(axis=0)
        found: FloatColumn = self.values[rank, 0 if self.shared else np.arange(len(value))]
        return found


class _Ladder(NamedTuple):
    """The ladder of a book of one row: the same edges as numbers."""

    thresholds: list[float]
    signs: list[float]
    edges: list[float]
    values: list[float]

    def at(self, value: float, scale: float) -> float:
        if scale == 1.0:
            return self.values[bisect_right(self.edges, value) if value == value else 0]
        rank = 0
        for threshold, sign in zip(self.thresholds, self.signs, strict=True):
            edge = threshold * scale
            if not value >= edge + sign * tolerance(edge):
                break
            rank += 1
        return self.values[rank]
