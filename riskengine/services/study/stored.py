"""Carrying out one stored replay, in a process of its own that `running` started (docs/decisions/0024).

The process says that it lives by an advisory lock that a session of its own holds: PostgreSQL lets go of it however the
process ends. A thread writes how far it is, and ends the replay when that was asked, when it takes too long, or when
nobody waits for it any more. What the process has to say counts only while the row is at its attempt.
"""

import logging
import os
import shutil
import signal
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg2
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone
from psycopg2 import extensions

from betsizing.scratch import ScratchRefused
from positions.market.calendar import Session
from riskengine.models import Replay, ReplayState
from riskengine.services.study.asking import ENTRIES_FILE, SIGNALS_FILE, parsed, sayable, write_text
from riskengine.services.study.comparisons import cash_at_start
from riskengine.services.study.recordings import files_of
from riskengine.services.study.replay import ReplayRefused, Request, Watcher, replay
from riskengine.services.study.report import text_of

LOCK = 0x62657472  # first key of our advisory locks; the second is the number of the replay
LOCK_NUMBERS = 2**31 - 1
LIMIT_SECONDS = 900  # of one attempt
LOOK_EVERY_SECONDS = 1.0
GRACE_SECONDS = 15  # to let go of its database
LOST = (OperationalError, InterfaceError, psycopg2.OperationalError, psycopg2.InterfaceError)
CANCELLED, TOO_LONG, NOT_WAITED_FOR = "cancelled", "too long", "not waited for"

log = logging.getLogger(__name__)


def lock_number(replay_id: int) -> int:
    return replay_id % LOCK_NUMBERS


def too_long(seconds: float) -> dict[str, str]:
    """The fields of a replay that was ended for its time."""
    error = f"It was not done after {seconds:,.0f} s; the limit is {LIMIT_SECONDS} s. Replay fewer entries at once."
    return {"error_code": "TIME_LIMIT", "error": error}


def run_stored(replay_id: int, attempt: int, *, limit_seconds: float = LIMIT_SECONDS) -> None:
    """Carry it out and write what came of it. Nothing is done when the row is not at this attempt. In the main thread:
    SIGTERM ends it, and the row is left to whoever looks after dead ones."""
    row = Replay.objects.filter(pk=replay_id, attempts=attempt, state=ReplayState.RUNNING).first()
    if row is None:
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        with _Watch(replay_id, attempt, limit_seconds) as watch:
            if watch.lives:
                _write(row, attempt, _outcome(row, watch))
    finally:
        signal.signal(signal.SIGTERM, before)


def _outcome(row: Replay, watch: "_Watch") -> dict[str, Any]:
    """The fields of a replay that has ended, none where another process is to try again."""
    folder = Path(settings.DATA) / "replays"
    shutil.rmtree(folder, ignore_errors=True)  # what a killed one left
    folder.mkdir(mode=0o700, parents=True)
    ended: dict[str, Any] = {}
    try:
        request = Request(
            files=files_of(row.day, folder / "report"),
            entries=write_text(folder, ENTRIES_FILE, row.entries) if row.entries else None,
            signals=write_text(folder, SIGNALS_FILE, row.signals) if row.signals else None,
            day=row.day,
            portfolio=row.portfolio,
            parameters=parsed(row.parameters),
            gates=row.gates,
            cash=cash_at_start(row),
            with_positions=row.comparison_id is not None,
        )
        report = replay(request, Watcher(log.debug, watch.reached))
        ended = {"state": ReplayState.DONE, "report": text_of(report), "share": 1.0}
    except (ReplayRefused, ScratchRefused) as refused:
        ended = {"state": ReplayState.FAILED, "error_code": "NOT_REPLAYED", "error": sayable(str(refused))}
    except KeyboardInterrupt:
        log.info("replay %s was ended", row.pk)
    except LOST:
        log.exception("replay %s lost its database", row.pk)
    except Exception:  # any fault of ours: another attempt would end the same
        log.exception("replay %s failed", row.pk)
        error = "The replay met a fault of the program, which is in its log. Nothing was wrong with what you asked."
        ended = {"state": ReplayState.FAILED, "error_code": "PROGRAM_FAULT", "error": error}
    finally:
        watch.stop()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is known now is written
        shutil.rmtree(folder, ignore_errors=True)
    if watch.reason == CANCELLED:
        return {"state": ReplayState.CANCELLED}
    if watch.reason == TOO_LONG:
        return {"state": ReplayState.FAILED, **too_long(watch.seconds)}
    return {} if watch.reason else ended


def _write(row: Replay, attempt: int, ended: dict[str, Any]) -> None:
    """By conditional update; a cancellation that was accepted is never answered by a result."""
    if not ended:
        return
    now = timezone.now()
    mine = Replay.objects.filter(pk=row.pk, attempts=attempt, state=ReplayState.RUNNING)
    if not mine.filter(cancel_requested_at=None).update(finished_at=now, **ended):
        mine.update(state=ReplayState.CANCELLED, finished_at=now)


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@dataclass
class _Watch:
    """The thread beside the replay, with a session of its own that holds the lock."""

    replay_id: int
    attempt: int
    limit_seconds: float
    lives: bool = False  # the lock is ours
    reason: str = ""  # why the replay was ended
    _at: datetime | None = None
    _share: float = 0.0
    _began: float = field(default_factory=time.monotonic)
    _over: threading.Event = field(default_factory=threading.Event)
    _session: extensions.connection | None = None
    _thread: threading.Thread | None = None

    def __enter__(self) -> "_Watch":
        self._session = psycopg2.connect(**{**connection.get_connection_params(), "cursor_factory": None})
        self._session.autocommit = True
        with self._session.cursor() as sql:
            sql.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK, lock_number(self.replay_id)])
            found = sql.fetchone()
        self.lives = found is not None and bool(found[0])
        if self.lives:
            self._thread = threading.Thread(target=self._look_after, args=(self._session,), daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.stop()
        if self._session is not None:
            self._session.close()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def reached(self, session: Session, at: datetime) -> None:
        share = (at - session.opens_at) / (session.closes_at - session.opens_at)
        self._at, self._share = at, min(max(share, 0.0), 1.0)

    def stop(self) -> None:
        """From now on it ends nothing."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _look_after(self, session: extensions.connection) -> None:
        while not self._over.wait(LOOK_EVERY_SECONDS):
            self.reason = self._look(session)
            if self.reason:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
                if not self._over.wait(GRACE_SECONDS):
                    os._exit(1)  # it hangs; what it leaves is removed by the next one
                return

    def _look(self, session: extensions.connection) -> str:
        """Write how far it is; why the replay is to end, or nothing."""
        if self.seconds > self.limit_seconds:
            return TOO_LONG
        try:
            with session.cursor() as sql:
                sql.execute(
                    "UPDATE riskengine_replay SET reached_at = %s, share = %s "
                    "WHERE id = %s AND attempts = %s AND state = 'running' RETURNING cancel_requested_at IS NOT NULL",
                    [self._at, self._share, self.replay_id, self.attempt],
                )
                found = sql.fetchone()
        except psycopg2.Error:
            return NOT_WAITED_FOR  # without its session it holds no lock: another process takes it on
        if found is None:
            return NOT_WAITED_FOR
        return CANCELLED if found[0] else ""
