"""One row of a sizing as plain data: what every rule saw and said, what every gate found, and what bound.

In memory a trace is columns by reference, so a million traced rows cost no more than their arithmetic. API, page,
admin, audit export and breaker trips all show the one shape made here. Labels and units travel inside it: a stored
trace is readable after its rule is gone. `VERSION` rises when a key changes its meaning.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from riskengine.calculators import codes, wording
from riskengine.calculators.rules import ON_MULTIPLIER, YES_NO, Rule, Step, Verdicts

VERSION = 1
ENGINE = "1.0"  # rises when a rule's arithmetic changes, so that a stored decision says which arithmetic made it

Plain = float | bool | None
_HUGE = 1e300


def row_steps(steps: Sequence[Step], i: int) -> list[Step]:
    """The steps with row i's numbers in place of the columns."""
    numbers = plain([c for s in steps for c in (s.saw, s.says, s.before, s.after)], i)
    return [Step(s.rule, *numbers[4 * k : 4 * k + 4]) for k, s in enumerate(steps)]


def describe(steps: Sequence[Step], minimum: float | None, binding: str | None) -> list[dict[str, Any]]:
    """Row steps as dicts; `before` and `after` in dollars for every effect (multipliers times the minimum bet)."""
    rows = []
    for step in steps:
        rule, before, after = step.rule, step.before, step.after
        if rule.effect in ON_MULTIPLIER:
            before, after = _times(before, minimum), _times(after, minimum)
        rows.append(
            {
                "rule": rule.code,
                "label": rule.label,
                "effect": rule.effect.value,
                "unit": rule.unit,
                "source": rule.source,
                "input": step.saw,
                "value": step.says,
                "before": before,
                "after": after,
                "changed": before != after,
                "binding": binding == rule.code,
            }
        )
    return rows


def describe_verdicts(verdicts: Verdicts, i: int) -> list[dict[str, Any]]:
    """Row i's verdicts as dicts, each with its measured value and limit; a refusal with its sentence."""
    saw, limits = plain(verdicts.saw, i), plain(verdicts.limits, i)
    passes = verdicts.passes[:, i].tolist()
    return [_verdict(*found) for found in zip(verdicts.rules, saw, limits, passes, strict=True)]


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
    text = codes.CODES[codes.INDEX[code]].sentence
    return text.format(field="An input", saw=wording.show(saw, unit), limit=wording.show(limit, unit))


def amounts_at(amounts: Mapping[str, Any], i: int) -> dict[str, Plain]:
    return dict(zip(amounts, plain(list(amounts.values()), i), strict=True))


def plain(columns: Sequence[Any], i: int) -> list[Plain]:
    """Row i of each column (or the book's one number), rounded to 10 places: float dust such as 0.30000000000000004
    never reaches a reader. Missing and infinite are None: JSON has neither."""
    raw = [c.item(i if c.size > 1 else 0) if c.__class__ is np.ndarray else c for c in columns]
    return [v if -_HUGE < v < _HUGE else None for v in np.array(raw, np.float64).round(10).tolist()]


def _times(value: Plain, scale: float | None) -> float | None:
    return None if value is None or scale is None else round(value * scale, 6)
