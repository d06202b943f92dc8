"""`up` as its users run it: real processes that tick, and come back when they are killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psutil
import psycopg2
import pytest

from betsizing.embedded.cluster import CHECKOUT, Cluster
from tests.embedded.conftest import command_of, eventually, lives

pytestmark = pytest.mark.slow
PATIENCE = 180  # seconds: on a busy machine the demo alone takes a minute


class Running:
    def __init__(self, data: Path) -> None:
        self.cluster = Cluster(data / "postgres")
        self.output = (data / "output").open("w+")
        environment = os.environ | {"BETSIZING_DATA": str(data), "DJANGO_SETTINGS_MODULE": "betsizing.settings"}
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", "0"],
            cwd=CHECKOUT,
            env=environment,
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )

    def said(self) -> str:
        self.output.seek(0)
        return self.output.read()

    def child(self, words: list[str]) -> psutil.Process:
        """The process of the tree whose command has these words next to one another."""
        wanted = " ".join(words)
        assert eventually(lambda: self._find(wanted) is not None, 30), wanted
        found = self._find(wanted)
        assert found is not None
        return found

    def _find(self, wanted: str) -> psutil.Process | None:
        for process in psutil.Process(self.process.pid).children():
            if wanted in command_of(process):
                return process
        return None

    def beat_of(self, scope: str) -> datetime | None:
        """The latest heartbeat of any portfolio."""
        session = psycopg2.connect(dbname="betsizing", **self.cluster.access())
        try:
            with session.cursor() as sql:
                sql.execute("SELECT max(finished_at) FROM positions_heartbeat WHERE scope = %s", [scope])
                return sql.fetchone()[0]
        finally:
            session.close()

    def ticks(self, scope: str, seconds: float = PATIENCE) -> bool:
        """Whether the scope's heartbeat moves."""
        before = self.beat_of(scope)
        return eventually(lambda: self.beat_of(scope) not in (None, before), seconds)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    tree = Running(tmp_path_factory.mktemp("up"))
    assert eventually(lambda: "ready on" in tree.said() or tree.process.poll() is not None, PATIENCE)
    assert tree.process.poll() is None, tree.said()
    yield tree
    tree.process.kill()
    tree.process.wait()


def test_both_checks_tick(running: Running) -> None:
    assert running.ticks("exit"), running.said()
    assert running.ticks("risk"), running.said()


def test_the_exit_check_comes_every_second(running: Running) -> None:
    running.ticks("exit")
    seen, began = set(), time.monotonic()
    while time.monotonic() - began < 10:
        seen.add(running.beat_of("exit"))
        time.sleep(0.1)
    assert len(seen) >= 7, sorted(seen)


@pytest.mark.parametrize("words", [["--queues", "exit"], [" beat "]])
def test_what_is_killed_comes_back_and_the_check_goes_on(running: Running, words: list[str]) -> None:
    killed = running.child(words)
    killed.send_signal(signal.SIGKILL)
    assert eventually(lambda: not lives(killed), 10)
    assert running.child(words).pid != killed.pid
    assert running.ticks("exit"), running.said()


def test_a_worker_that_is_not_the_exits_may_hang_without_delaying_them(running: Running) -> None:
    hung = [running.child(["--queues", queue]) for queue in ("orders", "risk", "work", "market")]
    for process in hung:
        process.suspend()
    try:
        time.sleep(2)
        assert running.ticks("exit", 20)
    finally:
        for process in hung:
            process.resume()


def test_told_to_end_it_ends_with_every_process(running: Running) -> None:
    members = psutil.Process(running.process.pid).children(recursive=True)
    workers = [process for process in members if "celery" in command_of(process)]
    running.process.terminate()
    assert running.process.wait(40) == 0, running.said()
    assert len(workers) == 6
    assert not any(lives(process) for process in workers)
    said = running.said().splitlines()
    errors = [line for line in said if line.startswith(("exit ", "risk ", "orders")) and "ERROR" in line]
    assert errors == []
