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
from typing import Any

import numpy as np
import numpy.typing as npt

from riskengine.calculators import codes
from riskengine.calculators.columns import BoolColumn, FloatColumn, Number, higher_of, lower_of, number_at

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
# What a trace says of a rule beside its own words, to be filled in: of one that acts, and of one that refuses.
STEP_SAYS = {"input": None, "value": None, "before": None, "after": None, "changed": False, "binding": False}
VERDICT_SAYS = {"input": None, "limit": None, "passed": True}


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One rule. `unit` is the unit of what it looked at, `source` where its number comes from; `on_multiplier` whether
    it works on the multiplier or on dollars; `row` its row of a trace, ready to be copied and filled in: most of it is
    the same every time."""

    code: str
    label: str
    effect: Effect
    unit: str
    source: str
    judge: Callable[[Any], Any]
    on_multiplier: bool
    row: dict[str, Any]


def rule(code: str, label: str, effect: Effect, unit: str, source: str) -> Callable[[Callable[[Any], Any]], Rule]:
    """Make a rule of a function `case -> (saw, says)`, or for BLOCK `case -> (saw, limit, passes)`."""

    def decorate(judge: Callable[[Any], Any]) -> Rule:
        if effect is Effect.BLOCK and code not in codes.INDEX:
            raise ValueError(f"rule {code} refuses, so its code and sentence belong in codes.py")
        words = {"rule": code, "label": label, "effect": effect, "unit": unit, "source": source}
        if effect is Effect.BLOCK:
            del words["effect"]
        row = words | (VERDICT_SAYS if effect is Effect.BLOCK else STEP_SAYS)
        return Rule(code, label, effect, unit, source, judge, effect in ON_MULTIPLIER, row)

    return decorate


@dataclass(slots=True, eq=False)
class Step:
    """One rule's finding and the size around it: columns, or numbers once a row is taken out.

    `before` and `after` are multipliers for SCALE, CEILING and FLOOR and dollars for LIMIT and ROUND.
    """

    rule: Rule
    saw: Any
    says: Any
    before: Any
    after: Any


def steps_at(steps: Sequence[Step], row: int) -> Sequence[Step]:
    """The steps of a row as numbers; those of a book of one row are numbers already."""
    if not steps or steps[0].after.__class__ is not np.ndarray:
        return steps
    return [
        Step(each.rule, *(number_at(column, row) for column in (each.saw, each.says, each.before, each.after)))
        for each in steps
    ]


@dataclass(slots=True, eq=False)
class Running:
    """The size while rules are applied: first a multiplier of the minimum bet, then dollars."""

    multiplier: FloatColumn
    dollars: FloatColumn
    steps: list[Step]


def apply(rules: Sequence[Rule], case: Any, running: Running) -> None:
    """Let each rule speak and act on what it says. `case` may carry `running`, so that a rule can read the size."""
    steps = running.steps
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
        steps.append(Step(each, saw, says, before, after))


@dataclass(slots=True, eq=False)
class Verdicts:
    """Every BLOCK's verdict on every row. Rows with unusable input are not judged.

    `flags` has shape (rules, n); of a book of one row they are the rules' own booleans, as `saw` and `limits` are their
    own numbers.
    """

    rules: tuple[Rule, ...]
    saw: tuple[Saw, ...]
    limits: tuple[Number, ...]
    flags: npt.NDArray[np.bool_] | list[bool]

    @property
    def passes(self) -> npt.NDArray[np.bool_]:
        """Whether each row passes each rule, shape (rules, n)."""
        return np.array(self.flags)[:, None] if isinstance(self.flags, list) else self.flags

    def at(self, row: int) -> tuple[Sequence[Any], Sequence[Any], list[bool]]:
        """What each rule saw in a row, its limit, and whether the row passes, as numbers."""
        if isinstance(self.flags, list):
            return self.saw, self.limits, self.flags
        saw, limits = ([number_at(column, row) for column in columns] for columns in (self.saw, self.limits))
        return saw, limits, self.flags[:, row].tolist()

    def failed(self, row: int) -> list[str]:
        """The codes of all that refused a row, in order."""
        return [each.code for each, ok in zip(self.rules, self.passes[:, row].tolist(), strict=True) if not ok]

    def first_failed(self) -> CodeColumn:
        """The code of the first that refused each row; NONE where all passed."""
        return as_codes(self.refusal())

    def refusal(self) -> CodeColumn | int:
        """As `first_failed`; one number for a book of one row."""
        if isinstance(self.flags, list):
            return codes.NONE if all(self.flags) else codes.INDEX[self.rules[self.flags.index(False)].code]
        if np.logical_and.reduce(self.flags, axis=None):
            return np.zeros(self.flags.shape[1], np.int16)
        own = np.array([codes.INDEX[each.code] for each in self.rules], np.int16)
        first = self.flags.argmin(axis=0)
        return np.where(self.flags[first, np.arange(self.flags.shape[1])], np.int16(codes.NONE), own[first])


def as_codes(refusal: CodeColumn | int) -> CodeColumn:
    """A code as a column of one row, which nobody may write to; a column as it is."""
    return refusal if isinstance(refusal, np.ndarray) else _EACH_CODE[refusal : refusal + 1]


_EACH_CODE: CodeColumn = np.arange(len(codes.CODES), dtype=np.int16)
_EACH_CODE.flags.writeable = False


def judge(rules: Sequence[Rule], case: Any, valid: BoolColumn | bool) -> Verdicts:
    """Judge every BLOCK on every row, not only the first that refuses. Rows not `valid` pass unjudged: they are
    refused for their input already. A case of numbers comes with one `valid` of Python's own."""
    saw, limits, passes = zip(*[each.judge(case) for each in rules], strict=True)
    if isinstance(valid, bool):
        return Verdicts(tuple(rules), saw, limits, list(passes) if valid else [True] * len(passes))
    return Verdicts(tuple(rules), saw, limits, np.array(passes, np.bool_).reshape(len(passes), -1) | ~valid)
