"""The engine: a rule looks and speaks, the engine acts.

A rule is a function of the case that returns what it looked at and what it says, as columns. It never touches the
running size. The engine applies what is said in the order of the list, and every system lists its rules by effect:
SCALE and CEILING and CLAMP work on the multiplier of the minimum bet; LIMIT and ROUND on the dollars; BLOCK refuses.
LIMIT and BLOCK never raise a size.

0DTE limits dollars and then rounds to contracts; 7DTE rounds and then limits whole contracts, because SPEC sections 4
and 5 name what cut the contracts and the dollars respectively (docs/decisions/0011).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from riskengine.calculators import codes
from riskengine.calculators.columns import BoolColumn, FloatColumn, Number, above
from riskengine.calculators.trace import Step, Trace

CodeColumn = npt.NDArray[np.int16]
Saw = Number | BoolColumn
Finding = tuple[Saw, Number]
Verdict = tuple[Saw, Number, BoolColumn]


class Effect(StrEnum):
    SCALE = "scale"  # says a factor: the multiplier times it
    CEILING = "ceiling"  # says a multiplier: no more than it
    CLAMP_LOW = "floor"  # says a multiplier: no less than it
    LIMIT = "limit"  # says dollars: no more than them
    ROUND = "round"  # says the dollars of whole contracts
    BLOCK = "block"  # says whether the bet passes


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `unit` is the unit of what it looked at, `source` where its number comes from."""

    code: str
    label: str
    effect: Effect
    unit: str
    source: str
    judge: Callable[[Any], Any]


def rule(code: str, label: str, effect: Effect, unit: str, source: str) -> Callable[[Callable[[Any], Any]], Rule]:
    """Make a rule of a function `case -> (saw, says)`, or for BLOCK `case -> (saw, limit, passes)`."""

    def decorate(judge: Callable[[Any], Any]) -> Rule:
        if effect is Effect.BLOCK and code not in codes.INDEX:
            raise ValueError(f"rule {code} refuses, so its code and sentence belong in codes.py")
        return Rule(code, label, effect, unit, source, judge)

    return decorate


@dataclass(slots=True, eq=False)
class Running:
    """The size while rules are applied: rows of `minimum` dollars, the multiplier asked for, then dollars."""

    minimum: FloatColumn
    multiplier: FloatColumn
    dollars: FloatColumn
    refusal: CodeColumn
    binding: npt.NDArray[np.int16]
    trace: Trace


def start(minimum: FloatColumn, valid: BoolColumn, system: str) -> Running:
    """One minimum bet a row, before any rule has spoken. Rows that are not `valid` are refused INVALID_INPUT."""
    n = len(minimum)
    refusal = np.where(valid, np.int16(codes.NONE), np.int16(codes.INDEX["INVALID_INPUT"]))
    return Running(minimum, np.ones(n), minimum, refusal, np.zeros(n, np.int16), Trace(system, minimum))


def apply(rules: Sequence[Rule], case: Any, running: Running) -> None:
    """Let each rule speak and act on what it says. `case` carries `running`, so a rule may read the size so far."""
    trace = running.trace
    for each in rules:
        effect = each.effect
        if effect is Effect.BLOCK:
            saw, says, passes = each.judge(case)
            fails = ~passes & (running.refusal == codes.NONE)
            running.refusal = np.where(fails, np.int16(codes.INDEX[each.code]), running.refusal)
            trace.blocks.append(Step(each, saw, says, None, passes))
            continue
        saw, says = each.judge(case)
        if effect is Effect.LIMIT or effect is Effect.ROUND:
            before = running.dollars
            after = np.minimum(before, says) if effect is Effect.LIMIT else says
            changed = above(before, after) if effect is Effect.LIMIT else above(after, before)
            running.binding = np.where(changed, np.int16(BINDING_INDEX[each.code]), running.binding)
            running.dollars = after
        else:
            before = running.multiplier
            if effect is Effect.SCALE:
                after = before * says
            elif effect is Effect.CEILING:
                after = np.minimum(before, says)
            else:
                after = np.maximum(before, says)
            running.multiplier = after
        trace.steps.append(Step(each, saw, says, before, after))


# What can have set a size. Column results carry the index; a refused row's binding is its refusal's own code.
BINDINGS: tuple[str, ...] = (
    "FACTORS",
    "FLOOR_1X",
    "CAP_2X",
    "CONFIDENCE_TIER",
    "FUNDAMENTALS",
    "CORRELATION",
    "MAX_POSITION",
    "MAX_66",
    "EXPOSURE_ROOM",
    "STOCK_ALLOCATION",
    "MIN_OVERRIDES_ALLOCATION",
    "BUYING_POWER",
    "RISK_BUDGET",
    "DAY_BUDGET",
    "CEIL_TO_MINIMUM",
)
BINDING_INDEX: dict[str, int] = {name: index for index, name in enumerate(BINDINGS)}


@dataclass(frozen=True, slots=True, eq=False)
class Gates:
    """Every gate's verdict on every row: `passes` has shape (gates, n). Rows with unusable input are not judged."""

    rules: tuple[Rule, ...]
    saw: tuple[Saw, ...]
    limits: tuple[Number, ...]
    passes: npt.NDArray[np.bool_]

    def failed(self, row: int) -> list[str]:
        return [each.code for each, ok in zip(self.rules, self.passes[:, row].tolist(), strict=True) if not ok]

    def first_failed(self) -> CodeColumn:
        """The code of the first gate that failed in each row; NONE where all passed."""
        own = np.array([codes.INDEX[each.code] for each in self.rules], np.int16)
        return np.where(self.passes.all(axis=0), np.int16(codes.NONE), own[(~self.passes).argmax(axis=0)])


def judge(gates: Sequence[Rule], case: Any, valid: BoolColumn) -> Gates:
    """Judge every gate on every row, not only the first that fails. `valid` rows only; the others pass unjudged."""
    findings = [each.judge(case) for each in gates]
    passes = np.empty((len(gates), len(valid)), np.bool_)
    for row, (_, _, ok) in zip(passes, findings, strict=True):
        row[:] = ok
    passes |= ~valid
    return Gates(tuple(gates), tuple(f[0] for f in findings), tuple(f[1] for f in findings), passes)
