"""What a kind of the batch evaluator is, and how its lines are read.

A kind takes a batch of lines (parsed JSON objects) and gives one result each, in order: a dict, or a `LineError` for a
line that is not what the kind takes. One bad line never costs the others.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

Line = Mapping[str, Any]
Result = dict[str, Any]

_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class LineError(Exception):
    """A line that cannot be judged. `field` names the key to mend, "" for the line itself."""

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.field = code, message, field

    def as_result(self) -> Result:
        return {"error": {"code": self.code, "message": self.message, "field": self.field}}


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a line: what it takes, in which unit, and its default (`required` has none)."""

    name: str
    takes: str
    unit: str = ""
    default: Any = None
    required: bool = False
    help: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A calculator behind `manage.py evaluate NAME`. `judge` is given lines whose keys are all known."""

    name: str
    summary: str
    keys: tuple[Key, ...]
    judge: Callable[[Sequence[Line]], list[Result | LineError]]
    codes: tuple[str, ...] = ()


def each(judge_line: Callable[[Line], Result]) -> Callable[[Sequence[Line]], list[Result | LineError]]:
    """A kind's `judge` made of a function for one line, for kinds whose lines are whole batches themselves."""

    def judge(lines: Sequence[Line]) -> list[Result | LineError]:
        results: list[Result | LineError] = []
        for line in lines:
            try:
                results.append(judge_line(line))
            except LineError as error:
                results.append(error)
        return results

    return judge


Row = TypeVar("Row")


def by_columns(
    read: Callable[[Line], Row], judge: Callable[[list[Row]], list[Result]]
) -> Callable[[Sequence[Line]], list[Result | LineError]]:
    """A kind's `judge`: read each line into a row, judge all readable rows as one batch of columns, and answer a bad
    line at its own place."""

    def judge_lines(lines: Sequence[Line]) -> list[Result | LineError]:
        results: list[Result | LineError] = []
        rows: list[Row] = []
        places: list[int] = []
        for place, line in enumerate(lines):
            try:
                rows.append(read(line))
            except LineError as error:
                results.append(error)
            else:
                results.append({})
                places.append(place)
        for place, result in zip(places, judge(rows) if rows else [], strict=True):
            results[place] = result
        return results

    return judge_lines


def as_number(value: Any) -> float | None:
    """A finite number given as a JSON number or a decimal string; None for everything else, true and false included."""
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value.strip()):
            return None
        value = float(value)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        value = float(value)
    except OverflowError:
        return None
    return value if -1e300 < value < 1e300 else None


def number(line: Line, key: str, *, default: float | None = None) -> float:
    """The number under `key`, or `default` when the key is absent or null. LineError when it is neither."""
    given = line.get(key)
    if given is None:
        if default is None:
            raise LineError("MISSING", f"{key} is required: give a number.", key)
        return default
    value = as_number(given)
    if value is None:
        raise LineError("NOT_A_NUMBER", f"{key} is {given!r}: give a finite number or a decimal string.", key)
    return value


def whole(line: Line, key: str, *, lowest: int, highest: int = 10**9, default: int | None = None) -> int:
    """The whole number under `key` within its bounds (inclusive)."""
    value = number(line, key, default=default)
    if value != int(value) or not lowest <= value <= highest:
        raise LineError(
            "OUT_OF_RANGE", f"{key} is {line.get(key)!r}: give a whole number from {lowest} to {highest}.", key
        )
    return int(value)


def choice(line: Line, key: str, options: Sequence[str], *, default: str | None = None) -> str:
    """One of the words under `key`."""
    given = line.get(key, default)
    if given not in options:
        raise LineError("NOT_A_CHOICE", f"{key} is {given!r}: give one of {', '.join(options)}.", key)
    return str(given)


def moment(line: Line, key: str) -> datetime:
    """The ISO 8601 time with offset under `key`."""
    given = line.get(key)
    try:
        at = datetime.fromisoformat(given)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise LineError(
            "NOT_A_TIME", f"{key} is {given!r}: give an ISO time such as 2026-03-02T09:45:00-05:00.", key
        ) from None
    if at.tzinfo is None:
        raise LineError(
            "NO_OFFSET", f"{key} is {given!r}: a time without an offset could be any hour; add one, e.g. -05:00.", key
        )
    return at


def text(value: float, places: int = 12) -> str:
    """A result number as a decimal string without needless zeros."""
    rounded = f"{value:.{places}f}"
    return (rounded.rstrip("0").rstrip(".") if "." in rounded else rounded) if float(rounded) else "0"


def money(value: float) -> str:
    """Dollars as a decimal string to the cent."""
    return str(Decimal(repr(value)).quantize(Decimal("0.01")))
