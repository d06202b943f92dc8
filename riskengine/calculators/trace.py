"""One row of a sizing as plain data: what every rule saw and said, what every gate found, and what bound.

In memory a trace is columns by reference, so a million traced rows cost no more than their arithmetic. API, page,
admin, audit export and breaker trips all show the one shape made here. Labels and units travel inside it: a stored
trace is readable after its rule is gone. `VERSION` rises when a key changes its meaning.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from riskengine.calculators import codes, wording
from riskengine.calculators.rules import YES_NO, Rule, Step, Verdicts

VERSION = 1
ENGINE = "1.0"  # rises when a rule's arithmetic changes, so that a stored decision says which arithmetic made it

Plain = float | bool | None


def at_row(steps: Sequence[Step], verdicts: Sequence[Verdicts], amounts: Mapping[str, Any], i: int) -> "Row":
    """Row i's numbers of everything in one go: taking them out one by one would cost more than the arithmetic."""
    columns = [column for step in steps for column in step[1:]]
    columns += amounts.values()
    for each in verdicts:
        columns += each.saw
        columns += each.limits
    numbers = plain(columns, i)
    at = 4 * len(steps)
    taken = [Step(step.rule, *numbers[4 * k : 4 * k + 4]) for k, step in enumerate(steps)]
    named = dict(zip(amounts, numbers[at : at + len(amounts)], strict=True))
    at += len(amounts)
    judged = []
    for each in verdicts:
        k = len(each.rules)
        found = zip(
            each.rules, numbers[at : at + k], numbers[at + k : at + 2 * k], each.passes[:, i].tolist(), strict=True
        )
        judged.append([_verdict(*one) for one in found])
        at += 2 * k
    return Row(taken, named, judged)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its steps as numbers, the dollar terms by name, and each group of verdicts as dicts."""

    steps: list[Step]
    amounts: dict[str, Plain]
    verdicts: list[list[dict[str, Any]]]


def describe(steps: Sequence[Step], minimum: float, binding: str) -> list[dict[str, Any]]:
    """Row steps as dicts; `before` and `after` in dollars for every effect (multipliers times the minimum bet)."""
    rows = []
    for rule, saw, says, before, after in steps:
        if rule.on_multiplier and before is not None and after is not None:
            before, after = round(before * minimum, 6), round(after * minimum, 6)
        rows.append(
            {
                "rule": rule.code,
                "label": rule.label,
                "effect": rule.effect,
                "unit": rule.unit,
                "source": rule.source,
                "input": saw,
                "value": says,
                "before": before,
                "after": after,
                "changed": before != after,
                "binding": binding == rule.code,
            }
        )
    return rows


def _verdict(rule: Rule, saw: Plain, limit: Plain, passed: bool) -> dict[str, Any]:
    if rule.unit == YES_NO:
        saw, limit = bool(saw), bool(limit)
    verdict = {
        "rule": rule.code,
        "label": rule.label,
        "unit": rule.unit,
        "source": rule.source,
        "input": saw,
        "limit": limit,
        "passed": passed,
    }
    if not passed:
        verdict["sentence"] = sentence(rule.code, rule.unit, saw, limit)
    return verdict


def sentence(code: str, unit: str, saw: Plain, limit: Plain) -> str:
    """Why a rule refused, in words, with the measured value and the limit."""
    known = codes.CODES[codes.INDEX[code]]
    text = known.unknown if saw is None and known.unknown else known.sentence
    return text.format(field="An input", saw=wording.show(saw, unit), limit=wording.show(limit, unit))


def plain(columns: Sequence[Any], i: int) -> list[Plain]:
    """Row i of each column (or the book's one number), rounded to 10 places: float dust such as 0.30000000000000004
    never reaches a reader. Missing and infinite are None: JSON has neither."""
    raw = [c.item(i if c.size > 1 else 0) if c.__class__ is np.ndarray else c for c in columns]
    values: list[Plain] = np.array(raw, np.float64).round(10).tolist()
    if math.isfinite(sum(values)):  # type: ignore[arg-type]  # then each of them is
        return values
    return [v if math.isfinite(v) else None for v in values]  # type: ignore[arg-type]
