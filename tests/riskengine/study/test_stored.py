"""Stored replays: started one at a time in processes of their own, looked after, and never running for ever."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from positions import recorded
from riskengine.models import Replay, ReplayState
from riskengine.services.study import running, stored
from riskengine.services.study.recordings import RECORDED
from riskengine.services.study.running import MOST_ATTEMPTS, STARTS_WITHIN, run_replays
from riskengine.services.study.stored import LIMIT_SECONDS, LOCK, lock_number, run_stored
from tests import factories
from tests.embedded.conftest import eventually

pytestmark = pytest.mark.django_db(transaction=True)

DAY = date(2021, 1, 4)
CALL, PUT = "SPXW210104C03700000", "SPXW210104P03700000"
ENTRIES = f"at,contract,side,confidence,contracts\n09:40,{CALL},buy,0.7,3\n10:10,{PUT},buy,0.8,2\n"
NOW = datetime(2026, 3, 2, 15, 50, tzinfo=UTC)


def busy(hours: int) -> str:
    """Entries that take seconds to replay: how far it is, is written once a second."""
    return ENTRIES + "".join(f"10:{minute:02},{CALL},buy,0.7,1\n" for minute in range(60)) * hours


@pytest.fixture(autouse=True)
def nobody_else_s() -> Iterator[None]:
    yield
    for process in running._started.values():
        process.kill()
        process.wait()
    running._started.clear()


def asked(**fields: Any) -> Replay:
    given: dict[str, Any] = {"day": DAY, "portfolio": "smart-0dte", "entries": ENTRIES, "gates": False}
    user = fields.pop("requested_by", None) or factories.user("owner")
    return Replay.objects.create(requested_by=user, requested_at=NOW, **given | fields)


def started(**fields: Any) -> Replay:
    return asked(**{"state": ReplayState.RUNNING, "attempts": 1, "started_at": timezone.now()} | fields)


def look(replay: Replay) -> Replay:
    replay.refresh_from_db()
    return replay


# ---- Carrying it out ----


def test_the_report_is_that_of_the_command_byte_for_byte(tmp_path: Path) -> None:
    parameters = {"stop_fraction": 0.3, "take_profit_morning": [[0.02, 0.5], [0.06, 0.5]]}
    replay = started(parameters=json.dumps(parameters), cash="250000.50")
    run_stored(replay.pk, 1)
    assert (look(replay).state, replay.error, replay.share) == ("done", "", 1.0)
    entries, numbers, report = (tmp_path / name for name in ("entries.csv", "numbers.json", "report.json"))
    entries.write_text(ENTRIES)
    numbers.write_text(json.dumps(parameters))
    found = RECORDED[DAY]
    call_command(
        "replay",
        *("--quotes", str(found.quotes), "--underlying", str(recorded.UNDERLYING_BARS), "--date", str(DAY)),
        *("--portfolio", "smart-0dte", "--entries", str(entries), "--report", str(report), "--no-gates"),
        *("--parameters", str(numbers), "--cash", "250000.50"),
        *("--trades", str(found.trades), "--open-interest", str(found.open_interest)),
        stderr=StringIO(),
    )
    assert replay.report is not None
    assert replay.report.encode() == report.read_bytes()
    assert json.loads(replay.report)["fills"]


def test_every_recorded_day_is_in_its_files() -> None:
    for day, found in RECORDED.items():
        for path in (found.quotes, found.trades):
            with gzip.open(path, "rt") as rows:
                assert any(row.startswith(str(day)) for row in rows), (day, path)
    assert {each.quotes for each in RECORDED.values()} == set(recorded.QUOTES)


def test_what_the_replay_refuses_is_why_it_failed() -> None:
    replay = started(entries="at,contract,confidence\n09:40,ZZZZ210104C00010000,0.7\n")
    run_stored(replay.pk, 1)
    assert (look(replay).state, replay.error_code) == ("failed", "NOT_REPLAYED")
    assert "ZZZZ210104C00010000" in replay.error


def test_a_fault_of_the_program_is_said_and_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "replay", lambda *given: 1 / 0)
    replay = started()
    run_stored(replay.pk, 1)
    assert (look(replay).state, replay.error_code) == ("failed", "PROGRAM_FAULT")


@pytest.mark.parametrize("error", [OperationalError, psycopg2.OperationalError])
def test_a_lost_database_leaves_it_to_another_attempt(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def lost(*given: Any) -> None:
        raise error("the server closed the connection")

    monkeypatch.setattr(stored, "replay", lost)
    replay = started()
    run_stored(replay.pk, 1)
    assert look(replay).state == "running"


@pytest.mark.parametrize("fields", [{"attempts": 2}, {"state": "queued"}, {"state": "cancelled", "finished_at": NOW}])
def test_an_attempt_that_nobody_waits_for_does_nothing(fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "replay", lambda *given: pytest.fail("it was carried out"))
    replay = started(**fields)
    run_stored(replay.pk, 1)
    assert look(replay).report is None


def waits(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object] = lambda: None) -> None:
    """A replay that takes for ever."""

    def replay(request: object, watcher: Any) -> None:
        meanwhile()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            time.sleep(0.05)

    monkeypatch.setattr(stored, "replay", replay)
    monkeypatch.setattr(stored, "LOOK_EVERY_SECONDS", 0.1)


def test_one_that_is_cancelled_ends_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = started()
    waits(monkeypatch, lambda: Replay.objects.update(cancel_requested_at=NOW))
    run_stored(replay.pk, 1)
    assert (look(replay).state, replay.report) == ("cancelled", None)


def test_a_cancellation_that_was_accepted_is_never_answered_by_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = started()

    def quick(*given: Any) -> dict[str, Any]:
        Replay.objects.update(cancel_requested_at=NOW)
        return {}

    monkeypatch.setattr(stored, "replay", quick)
    run_stored(replay.pk, 1)
    assert (look(replay).state, replay.report) == ("cancelled", None)


def test_one_that_takes_too_long_is_ended_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = started()
    waits(monkeypatch)
    run_stored(replay.pk, 1, limit_seconds=0.2)
    assert (look(replay).state, replay.error_code) == ("failed", "TIME_LIMIT")
    assert f"the limit is {LIMIT_SECONDS} s" in replay.error


def test_one_that_another_process_took_on_writes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = started()
    waits(monkeypatch, lambda: Replay.objects.update(attempts=2))
    run_stored(replay.pk, 1)
    assert (look(replay).state, replay.attempts) == ("running", 2)


def test_while_it_runs_the_row_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    replay, seen = started(), []
    monkeypatch.setattr(stored, "LOOK_EVERY_SECONDS", 0.05)
    original = stored.replay

    def slow(request: Any, watcher: Any) -> Any:
        def reached(session: Any, at: datetime) -> None:
            watcher.reached(session, at)
            if len(seen) < 3 and at.minute % 30 == 0:
                time.sleep(0.3)
                seen.append(progress())

        return original(request, stored.Watcher(watcher.say, reached))

    def progress() -> tuple[Any, ...]:
        session = psycopg2.connect(**{**connection.get_connection_params(), "dbname": product, "cursor_factory": None})
        with session.cursor() as sql:
            sql.execute("SELECT reached_at, share FROM riskengine_replay")
            [found] = sql.fetchall()
        session.close()
        return found

    product = connection.settings_dict["NAME"]
    monkeypatch.setattr(stored, "replay", slow)
    run_stored(replay.pk, 1)
    assert look(replay).state == "done"
    assert [at.minute for at, _ in seen] == [at.minute for at, _ in sorted(seen)]
    assert len({share for _, share in seen}) == 3
    assert all(0 <= share <= 1 for _, share in seen)


# ---- Starting and looking after ----


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What would have been started."""
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(running, "_spawn", lambda replay_id, attempt: calls.append((replay_id, attempt)))
    return calls


class Held:
    """A session that holds the lock of a replay, as its process would."""

    def __init__(self, replay: Replay) -> None:
        self.session = psycopg2.connect(**{**connection.get_connection_params(), "cursor_factory": None})
        self.session.autocommit = True
        with self.session.cursor() as sql:
            sql.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK, lock_number(replay.pk)])

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *problem: object) -> None:
        self.session.close()


def test_the_oldest_is_started_and_the_others_wait(spawned: list[tuple[int, int]]) -> None:
    first = asked()
    asked(requested_by=first.requested_by)
    run_replays(now=timezone.now())
    run_replays(now=timezone.now())
    assert spawned == [(first.pk, 1)]
    assert (look(first).state, first.attempts) == ("running", 1)
    assert list(Replay.objects.values_list("state", flat=True).order_by("id")) == ["running", "queued"]


def test_two_never_run_at_once() -> None:
    first = started()
    with pytest.raises(IntegrityError, match="replay_one_runs"), transaction.atomic():
        started(requested_by=first.requested_by)


def test_two_workers_that_look_at_the_same_moment_start_one(spawned: list[tuple[int, int]]) -> None:
    first = asked()
    second = asked(requested_by=first.requested_by)
    seen = running._look()
    running._start(seen[0], timezone.now())
    running._start(seen[0], timezone.now())
    running._start(seen[1], timezone.now())
    assert spawned == [(first.pk, 1)]
    assert look(second).state == "queued"


def test_one_whose_process_lives_is_left_alone(spawned: list[tuple[int, int]]) -> None:
    replay = started(started_at=timezone.now() - timedelta(seconds=300))
    with Held(replay):
        run_replays(now=timezone.now())
    assert (look(replay).state, replay.attempts, spawned) == ("running", 1, [])


@pytest.mark.parametrize("sign", [1, -1], ids=["in order", "the clock was set back"])
def test_one_whose_process_is_gone_is_tried_again(spawned: list[tuple[int, int]], sign: int) -> None:
    replay = started(share=0.5)
    now = replay.started_at + sign * (STARTS_WITHIN + timedelta(seconds=1))
    run_replays(now=now)
    assert (look(replay).state, replay.share) == ("queued", 0)
    run_replays(now=now)
    assert spawned == [(replay.pk, 2)]


def test_one_that_dies_again_and_again_fails_with_a_sentence(spawned: list[tuple[int, int]]) -> None:
    replay = started(attempts=MOST_ATTEMPTS)
    run_replays(now=replay.started_at + STARTS_WITHIN + timedelta(seconds=1))
    assert (look(replay).state, replay.error_code) == ("failed", "PROCESS_DIED")
    assert f"ended {MOST_ATTEMPTS} times" in replay.error


def test_one_that_was_cancelled_and_whose_process_is_gone_is_cancelled(spawned: list[tuple[int, int]]) -> None:
    replay = started(cancel_requested_at=NOW)
    run_replays(now=replay.started_at + STARTS_WITHIN + timedelta(seconds=1))
    assert look(replay).state == "cancelled"


def test_one_that_hangs_beyond_its_limit_is_ended_from_outside(spawned: list[tuple[int, int]]) -> None:
    replay = started(started_at=timezone.now() - timedelta(seconds=LIMIT_SECONDS + 60))
    waiting = asked(requested_by=replay.requested_by)
    with Held(replay) as held:
        run_replays(now=timezone.now())
        with pytest.raises(psycopg2.Error), held.session.cursor() as sql:
            sql.execute("SELECT 1")
    assert (look(replay).state, replay.error_code) == ("failed", "TIME_LIMIT")
    assert spawned == [(waiting.pk, 1)]


def test_a_quiet_look_is_one_statement(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        run_replays(now=timezone.now())


# ---- The process itself ----


@pytest.fixture
def as_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are started from here work on the database of this test."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.batch_settings")
    monkeypatch.setenv("BETSIZING_TEST_DATABASE", connection.settings_dict["NAME"])


def until(replay: Replay, *states: str, seconds: float = 240) -> str:
    def there() -> bool:
        run_replays(now=timezone.now())
        return look(replay).state in states

    assert eventually(there, seconds), (replay.state, replay.error)
    return replay.state


@pytest.mark.slow
def test_a_killed_process_is_replaced_at_once_and_the_report_is_whole(as_a_worker: None) -> None:
    replay = asked(entries=busy(1))
    until(replay, "running")
    [(key, process)] = running._started.items()
    assert eventually(lambda: look(replay).reached_at is not None, 240)
    process.kill()
    process.wait()
    assert until(replay, "done") == "done"
    assert (key, replay.attempts) == ((replay.pk, 1), 2)
    assert json.loads(replay.report or "")["fills"]


@pytest.mark.slow
def test_a_process_that_runs_is_cancelled_within_seconds(as_a_worker: None) -> None:
    replay = asked(entries=busy(20))
    until(replay, "running")
    assert eventually(lambda: look(replay).reached_at is not None, 240)
    Replay.objects.update(cancel_requested_at=timezone.now())
    until(replay, "cancelled", seconds=15)


@pytest.mark.slow
def test_a_replay_ends_with_the_worker_that_started_it(as_a_worker: None) -> None:
    replay = asked(entries=busy(20))
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER], env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.batch_settings"}
    )
    assert eventually(lambda: look(replay).reached_at is not None, 240)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert eventually(lambda: running._look()[0].session is None, 15)
    assert look(replay).state == "running"
    run_replays(now=replay.started_at + STARTS_WITHIN + timedelta(seconds=1))
    assert look(replay).state in ("queued", "running")


WORKER = """
import time, django
django.setup()
from django.utils import timezone
from riskengine.services.study.running import run_replays
while True:
    run_replays(now=timezone.now())
    time.sleep(0.2)
"""
