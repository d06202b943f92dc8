"""One row of a sizing as plain data: what every rule saw and said, what every gate found, and what bound.

In memory a trace is columns by reference, so a million traced rows cost no more than their arithmetic. API, page,
admin, audit export and breaker trips all show the one shape made here. Labels and units travel inside it: a stored
trace is readable after its rule is gone. `VERSION` rises when a key changes its meaning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from riskengine.calculators import codes, wording
from riskengine.calculators.columns import number_at
from riskengine.calculators.rules import YES_NO, Rule, Step, Verdicts, steps_at

VERSION = 1
ENGINE = "1.0"  # rises when a rule's arithmetic changes, so that a stored decision says which arithmetic made it

Plain = float | bool | None


@dataclass(slots=True, eq=False)
class Row:
    """One row: its steps as numbers, and in plain data what they say, the dollar terms, and each group of verdicts."""

    steps: Sequence[Step]
    said: list[Plain]
    amounts: dict[str, Plain]
    verdicts: list[list[dict[str, Any]]]


def at_row(steps: Sequence[Step], verdicts: Sequence[Verdicts], amounts: Mapping[str, Any], i: int) -> Row:
    """Row i of everything in one go: rounding its numbers one by one would cost more than the arithmetic."""
    taken = steps_at(steps, i)
    numbers: list[Any] = []
    for step in taken:
        numbers += (step.saw, step.says, step.before, step.after)
    numbers += amounts.values() if taken is steps else [number_at(amount, i) for amount in amounts.values()]
    found = [each.at(i) for each in verdicts]
    for saw, limits, _ in found:
        numbers += saw
        numbers += limits
    told = rounded(numbers)
    at = 4 * len(taken)
    end = at + len(amounts)
    said, named = told[:at], dict(zip(amounts, told[at:end], strict=True))
    at = end
    judged = []
    for each, (_, _, passed) in zip(verdicts, found, strict=True):
        k = len(passed)
        judged.append(_judged(each.rules, told[at : at + k], told[at + k : at + 2 * k], passed))
        at += 2 * k
    return Row(taken, said, named, judged)


def describe(row: Row, minimum: float, binding: str) -> list[dict[str, Any]]:
    """A row's steps as dicts; `before` and `after` in dollars for every effect (multipliers times the minimum bet)."""
    rows = []
    multiplier = dollars = None
    saw, says, before, after = row.said[::4], row.said[1::4], row.said[2::4], row.said[3::4]
    for step, looked_at, value, start, end in zip(row.steps, saw, says, before, after, strict=True):
        rule = step.rule
        if rule.on_multiplier and start is not None and end is not None:
            # Each step starts where the one before it ended, and many leave it there.
            if start != multiplier:
                multiplier, dollars = start, round(start * minimum, 6)
            start = dollars
            if end != multiplier:
                multiplier, dollars = end, round(end * minimum, 6)
            end = dollars
        told = rule.row.copy()
        told["input"] = looked_at
        told["value"] = value
        told["before"] = start
        told["after"] = end
        told["changed"] = start != end
        told["binding"] = rule.code == binding
        rows.append(told)
    return rows


def _judged(
    rules: tuple[Rule, ...], saw: Sequence[Plain], limits: Sequence[Plain], passed: Sequence[bool]
) -> list[dict[str, Any]]:
    templates, flags = _templates(rules)
    rows = list(map(dict.copy, templates))
    for row, looked_at, limit in zip(rows, saw, limits, strict=True):
        row["input"] = looked_at
        row["limit"] = limit
    for at in flags:
        row = rows[at]
        row["input"], row["limit"] = bool(row["input"]), bool(row["limit"])
    if not all(passed):
        for rule, row, ok in zip(rules, rows, passed, strict=True):
            if not ok:
                row["passed"] = False
                row["sentence"] = sentence(rule.code, rule.unit, row["input"], row["limit"])
    return rows


@cache
def _templates(rules: tuple[Rule, ...]) -> tuple[list[dict[str, Any]], list[int]]:
    """The rows of these rules where all pass, to be copied, and the places of those that look at a flag."""
    return [rule.row for rule in rules], [at for at, rule in enumerate(rules) if rule.unit == YES_NO]


def sentence(code: str, unit: str, saw: Plain, limit: Plain) -> str:
    """Why a rule refused, in words, with the measured value and the limit."""
    known = codes.CODES[codes.INDEX[code]]
    text = known.unknown if saw is None and known.unknown else known.sentence
    return text.format(field="An input", saw=wording.show(saw, unit), limit=wording.show(limit, unit))


def plain(columns: Sequence[Any], i: int) -> list[Plain]:
    """Row i of each column (or the book's one number), as `rounded`."""
    return rounded([number_at(column, i) for column in columns])


def rounded(numbers: Sequence[Any]) -> list[Plain]:
    """Numbers to 10 places: float dust such as 0.30000000000000004 never reaches a reader. Missing and infinite are
    None: JSON has neither."""
    with np.errstate(over="ignore"):  # 1e299 has no tenth place; it is told like the infinite
        column = np.fromiter(numbers, np.float64, len(numbers)).round(10)
    values: list[Plain] = column.tolist()
    for at in (~np.isfinite(column)).nonzero()[0].tolist():
        values[at] = None
    return values
