"""Asking for a replay, and taking it back: rows, which `running` starts and `stored` carries out (decisions/0024).

What can be judged without a database of its own is judged here, so that a line that cannot be read is an answer and not
a replay that fails a minute later. `now` is wall time.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.models import User
from riskengine.models import Replay, ReplayState
from riskengine.services.study.entries import BadEntries, read_entries
from riskengine.services.study.recordings import KNOWN_DAYS, RECORDED
from riskengine.services.study.replay import MOST_CASH, ReplayRefused, read_parameters
from riskengine.services.study.signals import read_signals

UNFINISHED = (ReplayState.QUEUED, ReplayState.RUNNING)
MOST_UNFINISHED = 5  # of one person
KEPT = 100  # of one person: the oldest that have ended go, but for those of a comparison
LARGEST_ENTRIES = 1_000_000  # characters; of signals too
LARGEST_PARAMETERS = 50_000
LONGEST_SENTENCE = 1_000
ENTRIES_FILE, SIGNALS_FILE = "entries.csv", "signals.csv"


class NotReplayable(ValueError):
    """Nothing was queued. `code` and `field` say what is to be mended."""

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(sayable(message))
        self.code, self.field = code, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be replayed. `entries` and `signals` are texts of CSV files, an empty one is not given; `parameters`
    by name as JSON gives them."""

    day: date
    portfolio: str
    entries: str = ""
    signals: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    gates: bool = True
    cash: Decimal | None = None


def request_replay(*, user: User, asked: Asked, now: datetime) -> Replay:
    """Queue it. Raises NotReplayable for what cannot be replayed, and when the user has too many queued."""
    parameters = judged(asked)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # of two at the same time one sees the other
        mine = Replay.objects.filter(requested_by=user, comparison=None)
        unfinished = mine.filter(state__in=UNFINISHED).count()
        if unfinished >= MOST_UNFINISHED:
            raise NotReplayable(
                "TOO_MANY_REPLAYS",
                f"{unfinished} replays of yours are queued or running; at most {MOST_UNFINISHED} may be. Wait for one "
                "to end, or cancel one.",
            )
        old = mine.exclude(state__in=UNFINISHED).order_by("-id").values_list("pk", flat=True)[KEPT - 1 :]
        Replay.objects.filter(pk__in=list(old)).delete()
        return Replay.objects.create(
            requested_by=user,
            requested_at=now,
            day=asked.day,
            portfolio=asked.portfolio,
            entries=asked.entries,
            signals=asked.signals,
            parameters=parameters,
            gates=asked.gates,
            cash=asked.cash,
        )


def cancel_replay(*, replay: Replay, now: datetime) -> Replay:
    """A queued one is cancelled at once; one that runs is told to end, which takes a second or two. One that has ended
    is left as it is."""
    mine = Replay.objects.filter(pk=replay.pk)
    queued = mine.filter(state=ReplayState.QUEUED)
    if not queued.update(state=ReplayState.CANCELLED, cancel_requested_at=now, finished_at=now):
        mine.filter(state=ReplayState.RUNNING, cancel_requested_at=None).update(cancel_requested_at=now)
        # It was put back into the queue in between: a process that died.
        mine.filter(state=ReplayState.QUEUED).update(
            state=ReplayState.CANCELLED, cancel_requested_at=now, finished_at=now
        )
    replay.refresh_from_db()
    return replay


def _written(parameters: Mapping[str, Any]) -> str:
    try:
        return json.dumps(parameters)
    except RecursionError as problem:
        message = "The parameters are nested too deeply: a ladder is rows of [threshold, value]."
        raise NotReplayable("BAD_PARAMETERS", message, "parameters") from problem


def judged(asked: Asked) -> str:
    """The parameters as they are stored. Raises NotReplayable for what cannot be replayed."""
    parameters = _written(asked.parameters)
    if asked.day not in RECORDED:
        raise NotReplayable("NO_RECORDING", f"{asked.day} is not recorded. These days are: {KNOWN_DAYS}.", "date")
    _judge_size(asked)
    if len(parameters) > LARGEST_PARAMETERS:
        message = f"The parameters have {len(parameters):,} characters; at most {LARGEST_PARAMETERS:,} are taken."
        raise NotReplayable("PARAMETERS_TOO_LARGE", message, "parameters")
    if asked.cash is not None and not 0 < asked.cash < MOST_CASH:
        message = f"The cash to start with is {asked.cash}: give an amount above 0 and below {MOST_CASH:,} USD."
        raise NotReplayable("CASH_OUT_OF_RANGE", message, "cash")
    try:
        read_parameters(parsed(parameters))
    except ReplayRefused as problem:
        raise NotReplayable("BAD_PARAMETERS", str(problem), "parameters") from problem
    _judge_lines(asked)
    return parameters


def _judge_size(asked: Asked) -> None:
    if not (asked.entries or asked.signals):
        raise NotReplayable("NOTHING_TO_REPLAY", "Give entries, signals or both: there is nothing to do.", "entries")
    if asked.signals and not asked.gates:
        raise NotReplayable("GATES_NOT_WAIVED", "Signals enter past every gate: no gate is waived for them.", "gates")
    for field_name, text in (("entries", asked.entries), ("signals", asked.signals)):
        if len(text) > LARGEST_ENTRIES:
            message = f"The {field_name} have {len(text):,} characters; at most {LARGEST_ENTRIES:,} are taken."
            raise NotReplayable(f"{field_name.upper()}_TOO_LARGE", f"{message} Split them.", field_name)


def _judge_lines(asked: Asked) -> None:
    with tempfile.TemporaryDirectory(prefix="betsizing-replay-") as folder:
        try:
            if asked.entries:
                read_entries(write_text(Path(folder), ENTRIES_FILE, asked.entries), asked.day)
        except BadEntries as problem:
            raise NotReplayable("BAD_ENTRIES", str(problem), "entries") from problem
        try:
            if asked.signals:
                read_signals(write_text(Path(folder), SIGNALS_FILE, asked.signals), asked.day)
        except BadEntries as problem:
            raise NotReplayable("BAD_SIGNALS", str(problem), "signals") from problem


def sayable(message: str) -> str:
    """What came from outside and is named in a sentence may be long, and hold what no database or answer can."""
    cut = message if len(message) <= LONGEST_SENTENCE else f"{message[:LONGEST_SENTENCE]} ..."
    return cut.replace("\x00", "").encode("utf-8", "backslashreplace").decode()


def parsed(parameters: str) -> dict[str, Any]:
    """Parameters as the command reads them from its file: fractions as they are written."""
    return json.loads(parameters, parse_float=Decimal)


def write_text(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path
