"""What every rule saw and said, kept as columns; `Trace.row` turns one row into the dict that everything shows.

Keeping a step costs five references, not a copy, so a million traced rows cost no more than their arithmetic. API,
page, admin, audit export and breaker trips all show this one shape. Labels and units travel inside it: a stored trace
is readable after its rule is gone. `VERSION` rises when a key changes its meaning.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from riskengine.calculators import codes, wording

if TYPE_CHECKING:
    from riskengine.calculators.rules import Gates, Rule

VERSION = 1
ENGINE = "1.0"  # rises when a rule's arithmetic changes, so that a stored decision says which arithmetic made it


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One rule's finding: columns or single numbers. For a BLOCK `after` is whether the row passes."""

    rule: "Rule"
    saw: Any
    says: Any
    before: Any
    after: Any


@dataclass(slots=True, eq=False)
class Trace:
    """The steps of one system over a book. `amounts` are the dollar terms the rules share (label, column)."""

    system: str
    minimum: Any
    steps: list[Step] = field(default_factory=list)
    blocks: list[Step] = field(default_factory=list)
    amounts: dict[str, Any] = field(default_factory=dict)

    def row(self, i: int, *, binding: str | None, refusal: str | None, gates: "Gates | None" = None) -> dict[str, Any]:
        """One row's trace as plain data: dollars before and after each rule, every block and gate with its limit."""
        minimum = _at(self.minimum, i)
        steps = []
        for step in self.steps:
            scale = minimum if step.rule.effect in _ON_MULTIPLIER and minimum is not None else 1.0
            before, after = _times(step.before, i, scale), _times(step.after, i, scale)
            steps.append(
                {
                    "rule": step.rule.code,
                    "label": step.rule.label,
                    "effect": step.rule.effect.value,
                    "unit": step.rule.unit,
                    "source": step.rule.source,
                    "input": _at(step.saw, i),
                    "value": _at(step.says, i),
                    "before": before,
                    "after": after,
                    "changed": before != after,
                    "binding": binding == step.rule.code,
                }
            )
        blocks = [_verdict(s.rule, _at(s.saw, i), _at(s.says, i), bool(_at(s.after, i))) for s in self.blocks]
        if gates is not None:
            judged = zip(gates.rules, gates.saw, gates.limits, gates.passes[:, i].tolist(), strict=True)
            verdicts = [_verdict(rule, _at(saw, i), _at(limit, i), ok) for rule, saw, limit, ok in judged]
        else:
            verdicts = []
        return {
            "version": VERSION,
            "engine": ENGINE,
            "system": self.system,
            "amounts": {label: _at(column, i) for label, column in self.amounts.items()},
            "steps": steps,
            "blocks": blocks,
            "gates": verdicts,
            "binding": binding,
            "refusal": refusal,
        }


_ON_MULTIPLIER = frozenset({"scale", "ceiling", "floor"})


def _verdict(rule: "Rule", saw: Any, limit: Any, passed: bool) -> dict[str, Any]:
    return {
        "rule": rule.code,
        "label": rule.label,
        "unit": rule.unit,
        "source": rule.source,
        "input": saw,
        "limit": limit,
        "passed": passed,
    }


def sentence(verdict: dict[str, Any]) -> str:
    """Why a block or gate of a trace refused, with its measured value and limit."""
    text = codes.CODES[codes.INDEX[verdict["rule"]]].sentence
    unit = verdict["unit"]
    return text.format(
        field="An input", saw=wording.show(verdict["input"], unit), limit=wording.show(verdict["limit"], unit), unit=unit
    )


def _at(column: Any, i: int) -> float | bool | None:
    """Row i of a column (or the book's one number) as plain Python; missing and infinite are None: JSON has neither."""
    value = column.item(i if column.size > 1 else 0) if isinstance(column, np.ndarray) else column
    if isinstance(value, float):
        return round(value, 10) if -_HUGE < value < _HUGE else None
    return value


_HUGE = 1e300


def _times(column: Any, i: int, scale: float) -> float | None:
    value = _at(column, i)
    return None if value is None else round(value * scale, 6)
