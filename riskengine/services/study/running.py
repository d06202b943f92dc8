"""Looking after stored replays, every two seconds in the queue `work`: the oldest is started, what died is tried again.

Nothing is carried out here: each replay is a process of its own, so that neither its time nor its memory is the
worker's (docs/decisions/0024). `now` is wall time.
"""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from betsizing.embedded.process import die_with_parent
from riskengine.models import Replay, ReplayState
from riskengine.services.study.stored import GRACE_SECONDS, LIMIT_SECONDS, LOCK, LOCK_NUMBERS, too_long

STARTS_WITHIN = timedelta(seconds=60)  # a process that was started holds its lock by then, on a busy machine too
GIVEN_UP_AFTER = timedelta(seconds=LIMIT_SECONDS + 2 * GRACE_SECONDS)  # it would have ended itself
MOST_ATTEMPTS = 3

# Who holds the lock of a replay is its process.
_LOOK = """
    SELECT r.id, r.state, r.attempts, r.started_at, r.cancel_requested_at IS NOT NULL, l.pid
    FROM riskengine_replay r
    LEFT JOIN pg_locks l ON r.state = 'running' AND l.locktype = 'advisory' AND l.granted
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.classid::bigint = %s AND l.objid::bigint = r.id %% %s AND l.objsubid = 2
    WHERE r.state IN ('queued', 'running') ORDER BY r.id
"""

_started: dict[tuple[int, int], "subprocess.Popen[bytes]"] = {}  # by replay and attempt: those of this process


@dataclass(frozen=True, slots=True)
class _Seen:
    """One that has not ended. `session` is the database session of its process."""

    id: int
    state: str
    attempt: int
    started_at: datetime | None
    is_cancelled: bool
    session: int | None


def run_replays(*, now: datetime) -> None:
    """One statement when there is nothing to do."""
    exited = {key for key, process in _started.items() if process.poll() is not None}
    for key in exited:
        del _started[key]
    seen = _look()
    running = [each for each in seen if each.state == ReplayState.RUNNING]
    goes_on = [each for each in running if not _has_ended(each, exited, now)]
    queued = [each for each in seen if each.state == ReplayState.QUEUED]
    if queued and not goes_on:
        _start(queued[0], now)


def _look() -> list[_Seen]:
    with connection.cursor() as cursor:
        cursor.execute(_LOOK, [LOCK, LOCK_NUMBERS])
        return [_Seen(*row) for row in cursor.fetchall()]


def _has_ended(seen: _Seen, exited: set[tuple[int, int]], now: datetime) -> bool:
    """Whether its process is gone, and then what becomes of it is written. Ages are taken without their sign: a clock
    that was set back must not keep it running for ever."""
    age = abs(now - (seen.started_at or now))
    if seen.session is not None:
        if age <= GIVEN_UP_AFTER:
            return False
        _end_process(seen)  # it is stopped, or hangs where no thread of its own comes to run
    elif age <= STARTS_WITHIN and (seen.id, seen.attempt) not in exited:
        return False
    mine = Replay.objects.filter(pk=seen.id, attempts=seen.attempt, state=ReplayState.RUNNING)
    if seen.is_cancelled:
        mine.update(state=ReplayState.CANCELLED, finished_at=now)
    elif age > timedelta(seconds=LIMIT_SECONDS):
        mine.update(state=ReplayState.FAILED, finished_at=now, **too_long(age.total_seconds()))
    elif seen.attempt >= MOST_ATTEMPTS:
        error = (
            f"The process that ran it ended {seen.attempt} times before it was done; that is how often it is tried. "
            "The program was stopped, or the machine has too little memory. Ask for it again."
        )
        mine.update(state=ReplayState.FAILED, finished_at=now, error_code="PROCESS_DIED", error=error)
    else:
        mine.update(state=ReplayState.QUEUED, reached_at=None, share=0)
    return True


def _end_process(seen: _Seen) -> None:
    process = _started.get((seen.id, seen.attempt))
    if process is not None:
        process.kill()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [seen.session])


def _start(seen: _Seen, now: datetime) -> None:
    """The row first, then the process: what the row says of an attempt that never came is found by its lock."""
    attempt = seen.attempt + 1
    queued = Replay.objects.filter(pk=seen.id, attempts=seen.attempt, state=ReplayState.QUEUED)
    try:
        with transaction.atomic():
            mine = queued.update(state=ReplayState.RUNNING, attempts=attempt, started_at=now, reached_at=None, share=0)
    except IntegrityError:  # another worker has started one: one runs at a time
        return
    if mine:
        _spawn(seen.id, attempt)


def _spawn(replay_id: int, attempt: int) -> None:
    environment = dict(os.environ)
    if environment.get("DJANGO_SETTINGS_MODULE") == "betsizing.settings":
        del environment["DJANGO_SETTINGS_MODULE"]  # manage.py takes those of a batch command: half the memory
    _started[replay_id, attempt] = subprocess.Popen(
        [sys.executable, str(settings.CHECKOUT / "manage.py"), "run_stored_replay", str(replay_id), str(attempt)],
        cwd=settings.CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        preexec_fn=die_with_parent(signal.SIGTERM),
    )
