"""Which numbers are in force, which were, and what changed between them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from django.db.models import QuerySet

from accounts.defaults import LADDERS, PARAMETERS, Ladder, Step
from accounts.models import LadderStep, LimitHold, RiskProfile, RiskProfileRevision
from accounts.wording import Value, show

Numbers = Mapping[str, Value]
Ladders = Mapping[str, tuple[Step, ...]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One parameter or ladder that two revisions do not share, in words."""

    name: str
    label: str
    unit: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A revision and what it changed of the one before it."""

    revision: RiskProfileRevision
    differences: tuple[Difference, ...]


def latest_revision(profile: RiskProfile) -> RiskProfileRevision:
    """The newest revision, whose numbers new bets use. A profile always has one."""
    return profile.revisions.order_by("-number")[:1].get()


def numbers_of(revision: RiskProfileRevision) -> dict[str, Value]:
    """Every parameter of a revision by name, in the order of `defaults`."""
    return {name: getattr(revision, name) for name in PARAMETERS}


def ladders_of(revision: RiskProfileRevision) -> dict[str, tuple[Step, ...]]:
    """Every ladder of a revision by name, its steps from the lowest threshold up."""
    return ladders_by_revision([revision])[revision.pk]


def ladders_by_revision(revisions: Iterable[RiskProfileRevision]) -> dict[int, dict[str, tuple[Step, ...]]]:
    """Every ladder of each revision by name, by revision id. One statement."""
    found: dict[int, dict[str, tuple[Step, ...]]] = {r.pk: dict.fromkeys(LADDERS, ()) for r in revisions}
    rows = LadderStep.objects.filter(revision__in=found).order_by("revision_id", "ladder", "number")
    for row in rows.values_list("revision_id", "ladder", "threshold", "value", "inclusive"):
        found[row[0]][row[1]] += (Step(*row[2:]),)
    return found


def differences(old: RiskProfileRevision, new: RiskProfileRevision) -> tuple[Difference, ...]:
    """What changed from `old` to `new`: numbers first, then ladders, in the order of `defaults`."""
    ladders = ladders_by_revision([old, new])
    return differences_between(numbers_of(old), numbers_of(new), ladders[old.pk], ladders[new.pk])


def differences_between(
    old: Numbers, new: Numbers, old_ladders: Ladders, new_ladders: Ladders
) -> tuple[Difference, ...]:
    """What changed between two sets of numbers and ladders, whether or not either is a revision."""
    numbers = [
        Difference(p.name, p.label, p.unit, show(old[p.name], p.unit), show(new[p.name], p.unit))
        for p in PARAMETERS.values()
        if old[p.name] != new[p.name]
    ]
    ladders = [
        Difference(
            ladder.name,
            ladder.label,
            f"{ladder.value_unit} by {ladder.threshold_unit}",
            describe_ladder(ladder, old_ladders[ladder.name]),
            describe_ladder(ladder, new_ladders[ladder.name]),
        )
        for ladder in LADDERS.values()
        if old_ladders[ladder.name] != new_ladders[ladder.name]
    ]
    return (*numbers, *ladders)


def describe_ladder(ladder: Ladder, steps: Iterable[Step]) -> str:
    """The steps in one line: "from 0.0%: ×1; above 70.0%: ×1.25"."""
    return "; ".join(
        f"{'from' if step.inclusive else 'above'} {show(step.threshold, ladder.threshold_unit)}: "
        f"{show(step.value, ladder.value_unit)}"
        for step in steps
    )


def history(profile: RiskProfile) -> list[HistoryEntry]:
    """Every revision, the newest first, each with its differences to the one before. Two statements."""
    revisions = list(profile.revisions.select_related("author", "restored_from").order_by("number"))
    ladders = ladders_by_revision(revisions)
    entries = [HistoryEntry(revision, ()) for revision in revisions[:1]]
    for old, new in pairwise(revisions):
        changed = differences_between(numbers_of(old), numbers_of(new), ladders[old.pk], ladders[new.pk])
        entries.append(HistoryEntry(new, changed))
    return entries[::-1]


def holds_in_force(profile: RiskProfile) -> QuerySet[LimitHold]:
    """Limits that may not be loosened just now, because a tripped breaker reads them."""
    return profile.limit_holds.filter(lifted_at__isnull=True).order_by("id")
