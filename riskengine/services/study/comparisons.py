"""Asking for a comparison: one recorded period under two revisions, each day of each side a replay of its own.

The replays are rows in the same queue as all others, in the order A, B of the first day, A, B of the second: `running`
starts them one at a time and looks after them (decisions/0024, 0033). `now` is wall time.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.bounds import problems_of_profile
from accounts.defaults import PERCENT_AT_THE_DOOR
from accounts.models import RiskProfileRevision, User
from accounts.selectors import ladders_of, numbers_of
from positions.models import Portfolio
from riskengine.models import AskedBy, Comparison, Replay, ReplayState
from riskengine.services.study.asking import UNFINISHED, Asked, NotReplayable, cancel_replay, judged, parsed
from riskengine.services.study.period import BadPeriod, Period, by_day, decided_entries, example_entries
from riskengine.services.study.replay import ReplayRefused, read_parameters

MOST_UNFINISHED = 2  # comparisons of one person


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonAsked:
    """What is to be compared. Changes are numbers and ladders by name, as JSON gives them, on top of the revision; of
    `entries` and `signals`, texts of CSV files, the one that `asked_by` names is read."""

    days: Sequence[date]
    revision_a: int
    revision_b: int
    changes_a: Mapping[str, Any] = field(default_factory=dict)
    changes_b: Mapping[str, Any] = field(default_factory=dict)
    asked_by: str = str(AskedBy.EXAMPLES)
    entries: str = ""
    signals: str = ""
    gates: bool = True
    cash: Decimal | None = None


def request_comparison(*, user: User, portfolio: Portfolio, asked: ComparisonAsked, now: datetime) -> Comparison:
    """Queue its replays. Raises NotReplayable for what cannot be replayed, and when too many are unfinished."""
    try:
        period = Period.of(asked.days)
        texts = _texts(portfolio, asked, period)
    except BadPeriod as problem:
        code = {"days": "NO_RECORDING", "signals": "BAD_SIGNALS"}.get(problem.field, "BAD_ENTRIES")
        raise NotReplayable(code, str(problem), problem.field) from problem
    sides = []
    for side, number, changes in (("A", asked.revision_a, asked.changes_a), ("B", asked.revision_b, asked.changes_b)):
        revision = portfolio.profile.revisions.filter(number=number).first()
        if revision is None:
            message = f"{portfolio.profile.name} has no revision {number}."
            raise NotReplayable("NO_SUCH_REVISION", message, f"revision_{side.lower()}")
        sides.append((side, revision, dict(changes), _whole(revision, changes, side)))
    rows = []
    for number, day in enumerate(period.days, start=1):
        for side, _, _, parameters in sides:
            cash = asked.cash if number == 1 else None
            each = Asked(
                day=day,
                portfolio=portfolio.system,
                parameters=parameters,
                gates=asked.gates,
                cash=cash,
                **{texts.kind: texts.by_day[day]},
            )
            rows.append((side, number, each, judged(each)))
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # of two at the same time one sees the other
        unfinished = Comparison.objects.filter(requested_by=user, replays__state__in=UNFINISHED).distinct().count()
        if unfinished >= MOST_UNFINISHED:
            message = (
                f"{unfinished} comparisons of yours are not finished; at most {MOST_UNFINISHED} may be. Wait for one "
                "to end, or cancel one."
            )
            raise NotReplayable("TOO_MANY_COMPARISONS", message)
        (_, revision_a, changes_a, _), (_, revision_b, changes_b, _) = sides
        comparison = Comparison.objects.create(
            requested_by=user,
            requested_at=now,
            portfolio=portfolio,
            revision_a=revision_a,
            revision_b=revision_b,
            changes_a=json.dumps(changes_a, default=str),
            changes_b=json.dumps(changes_b, default=str),
            asked_by=asked.asked_by,
            gates=asked.gates,
            cash=asked.cash,
        )
        for side, number, each, written in rows:  # one by one: the queue takes them by id
            Replay.objects.create(
                requested_by=user,
                requested_at=now,
                comparison=comparison,
                side=side,
                number=number,
                day=each.day,
                portfolio=each.portfolio,
                entries=each.entries,
                signals=each.signals,
                parameters=written,
                gates=each.gates,
                cash=each.cash,
            )
    return comparison


def cancel_comparison(*, comparison: Comparison, now: datetime) -> None:
    """What waits is cancelled at once, the last day first, so that none of it is started in between; what runs is told
    to end. What is done stays."""
    for replay in comparison.replays.filter(state__in=UNFINISHED).order_by("-id"):
        cancel_replay(replay=replay, now=now)


def before_it(replays: Sequence[Replay]) -> int:
    """How many replays run or wait before the first of these that waits, these left out."""
    waiting = [each.pk for each in replays if each.state == ReplayState.QUEUED]
    if not waiting:
        return 0
    others = Replay.objects.filter(state__in=UNFINISHED, pk__lt=min(waiting))
    return others.exclude(pk__in=[each.pk for each in replays]).count()


def cash_at_start(replay: Replay) -> Decimal | None:
    """What a stored replay begins with: later days of a comparison with what their side ended the day before with.

    Raises ReplayRefused where that day has no report.
    """
    if replay.comparison_id is None or replay.number == 1:
        return replay.cash
    before = Replay.objects.get(comparison=replay.comparison_id, side=replay.side, number=(replay.number or 0) - 1)
    if before.report is None:
        ended = "was cancelled" if before.state == ReplayState.CANCELLED else f"is {before.state}"
        raise ReplayRefused(
            f"The day before, {before.day}, {ended} on this side: what {replay.day} begins with is not known."
        )
    return Decimal(str(json.loads(before.report)["end"]["equity"]))


def parameters_of(revision: RiskProfileRevision) -> dict[str, Any]:
    """A whole revision as the parameters of a replay: numbers as text, so that no digit is lost; ladders as rows."""
    found: dict[str, Any] = {}
    for name, value in numbers_of(revision).items():
        if isinstance(value, bool | str):
            found[name] = value
        else:
            number = Decimal(value) * (100 if name in PERCENT_AT_THE_DOOR else 1)
            found[name] = f"{number.normalize():f}"
    for name, steps in ladders_of(revision).items():
        found[name] = [[f"{s.threshold.normalize():f}", f"{s.value.normalize():f}", s.inclusive] for s in steps]
    return found


@dataclass(frozen=True, slots=True)
class _Texts:
    kind: str  # "entries" or "signals"
    by_day: Mapping[date, str]


def _texts(portfolio: Portfolio, asked: ComparisonAsked, period: Period) -> _Texts:
    if asked.asked_by == AskedBy.SIGNALS:
        return _Texts("signals", by_day(asked.signals, "as_of", "signals", period))
    if asked.asked_by == AskedBy.DECISIONS:
        text = decided_entries(portfolio, period.days)
    elif asked.asked_by == AskedBy.EXAMPLES:
        text = example_entries(period.days)
    else:
        text = asked.entries
    return _Texts("entries", by_day(text, "at", "entries", period))


def _whole(revision: RiskProfileRevision, changes: Mapping[str, Any], side: str) -> dict[str, Any]:
    """The revision with its changes. Raises NotReplayable for what no profile could carry."""
    where = f"changes_{side.lower()}"
    parameters = parameters_of(revision) | dict(changes)
    try:
        numbers, ladders = read_parameters(parsed(json.dumps(parameters, default=str)))
    except (ReplayRefused, RecursionError) as problem:
        raise NotReplayable("BAD_PARAMETERS", str(problem), where) from problem
    problems = [message for messages in problems_of_profile(numbers, ladders).values() for message in messages]
    if problems:
        raise NotReplayable("BAD_PARAMETERS", " ".join(problems), where)
    return parameters
