"""The engine: a rule looks and speaks, the engine acts.

A rule is a function of the case that returns what it looked at and what it says, as columns. It never touches the
running size. The engine applies what is said in the order of the list, and every system lists its rules by effect:
SCALE, CEILING and FLOOR work on the multiplier of the minimum bet; LIMIT and ROUND on the dollars; BLOCK refuses.
LIMIT and BLOCK never raise a size.

0DTE limits dollars and then rounds to contracts; 7DTE rounds and then limits whole contracts, because SPEC sections 5
and 4 name what cut the dollars and the contracts respectively (docs/decisions/0011).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from riskengine.calculators import codes
from riskengine.calculators.columns import BoolColumn, FloatColumn, Number, higher_of, lower_of

CodeColumn = npt.NDArray[np.int16]
Saw = Number | BoolColumn
Finding = tuple[Saw, Number]
Verdict = tuple[Saw, Number, BoolColumn]


class Effect(StrEnum):
    SCALE = "scale"  # says a factor: the multiplier times it
    CEILING = "ceiling"  # says a multiplier: no more than it
    FLOOR = "floor"  # says a multiplier: no less than it
    LIMIT = "limit"  # says dollars: no more than them
    ROUND = "round"  # says the dollars of whole contracts
    BLOCK = "block"  # says whether the bet passes


# By name: looking a member up on its class costs more than applying it to one row.
SCALE, CEILING, LIMIT, ROUND = Effect.SCALE, Effect.CEILING, Effect.LIMIT, Effect.ROUND
ON_MULTIPLIER = frozenset({Effect.SCALE, Effect.CEILING, Effect.FLOOR})
YES_NO = "yes/no"  # the unit of a rule that looks at a flag


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `unit` is the unit of what it looked at, `source` where its number comes from; `on_multiplier` whether
    it works on the multiplier or on dollars."""

    code: str
    label: str
    effect: Effect
    unit: str
    source: str
    judge: Callable[[Any], Any]
    on_multiplier: bool


def rule(code: str, label: str, effect: Effect, unit: str, source: str) -> Callable[[Callable[[Any], Any]], Rule]:
    """Make a rule of a function `case -> (saw, says)`, or for BLOCK `case -> (saw, limit, passes)`."""

    def decorate(judge: Callable[[Any], Any]) -> Rule:
        if effect is Effect.BLOCK and code not in codes.INDEX:
            raise ValueError(f"rule {code} refuses, so its code and sentence belong in codes.py")
        return Rule(code, label, effect, unit, source, judge, effect in ON_MULTIPLIER)

    return decorate


class Step(NamedTuple):
    """One rule's finding and the size around it: columns, or numbers once a row is taken out.

    `before` and `after` are multipliers for SCALE, CEILING and FLOOR and dollars for LIMIT and ROUND.
    """

    rule: Rule
    saw: Any
    says: Any
    before: Any
    after: Any


@dataclass(slots=True, eq=False)
class Running:
    """The size while rules are applied: first a multiplier of the minimum bet, then dollars."""

    multiplier: FloatColumn
    dollars: FloatColumn
    steps: list[Step]


def apply(rules: Sequence[Rule], case: Any, running: Running) -> None:
    """Let each rule speak and act on what it says. `case` may carry `running`, so that a rule can read the size."""
    for each in rules:
        saw, says = each.judge(case)
        effect = each.effect
        if each.on_multiplier:
            before = running.multiplier
            if effect is SCALE:
                after = before * says
            elif effect is CEILING:
                after = lower_of(before, says)
            else:
                after = higher_of(before, says)
            running.multiplier = after
        else:
            before = running.dollars
            after = lower_of(before, says) if effect is LIMIT else says
            running.dollars = after
        running.steps.append(Step(each, saw, says, before, after))


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """Every BLOCK's verdict on every row: `passes` has shape (rules, n). Rows with unusable input are not judged."""

    rules: tuple[Rule, ...]
    saw: tuple[Saw, ...]
    limits: tuple[Number, ...]
    passes: npt.NDArray[np.bool_]

    def failed(self, row: int) -> list[str]:
        """The codes of all that refused a row, in order."""
        return [each.code for each, ok in zip(self.rules, self.passes[:, row].tolist(), strict=True) if not ok]

    def first_failed(self) -> CodeColumn:
        """The code of the first that refused each row; NONE where all passed."""
        if np.logical_and.reduce(self.passes, axis=None):
            return np.zeros(self.passes.shape[1], np.int16)
        own = np.array([codes.INDEX[each.code] for each in self.rules], np.int16)
        first = self.passes.argmin(axis=0)
        return np.where(self.passes[first, np.arange(self.passes.shape[1])], np.int16(codes.NONE), own[first])


def judge(rules: Sequence[Rule], case: Any, valid: BoolColumn) -> Verdicts:
    """Judge every BLOCK on every row, not only the first that refuses. Rows not `valid` pass unjudged: they are
    refused for their input already."""
    saw, limits, passes = zip(*[each.judge(case) for each in rules], strict=True)
    return Verdicts(tuple(rules), saw, limits, np.array(passes, np.bool_).reshape(len(passes), -1) | ~valid)
