"""Clusters of their own, far from the one that the other tests use."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from betsizing.embedded.cluster import CHECKOUT, Cluster
from betsizing.embedded.server import Server

CLIENT = """
import sys
from pathlib import Path
import psycopg2
from betsizing.embedded.cluster import Cluster
cluster = Cluster(Path(sys.argv[1]), throwaway=True, idle_seconds=float(sys.argv[2]))
for _ in sys.stdin:
    session = psycopg2.connect(dbname="betsizing", **cluster.access())
    with session.cursor() as sql:
        sql.execute("SELECT pg_postmaster_start_time()::text")
        print(sql.fetchone()[0], flush=True)
    session.close()
"""


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def lives(process: psutil.Process) -> bool:
    """Neither ended nor waiting to be reaped, however soon after the question it ends."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def command_of(process: psutil.Process) -> str:
    """Nothing for one that is gone by now."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


class Client:
    """A process of its own that uses the database once for each call of `ask`, and stays a client in between."""

    def __init__(self, cluster: Cluster, **popen: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(cluster.home), str(cluster.idle_seconds)],
            cwd=CHECKOUT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **popen,
        )

    def send(self) -> None:
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        """When the server that it reached was started."""
        line = self.process.stdout.readline().strip()
        assert line, self.process.stderr.read()
        return line

    def ask(self) -> str:
        self.send()
        return self.answer()

    def leave(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)


def processes_of(cluster: Cluster, word: str) -> list[psutil.Process]:
    """Those whose command line names the cluster's folder and `word`."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if word in " ".join(line) and any(part.startswith(str(cluster.home)) for part in line):
            found.append(process)
    return found


def keepers(cluster: Cluster) -> list[psutil.Process]:
    return processes_of(cluster, "betsizing.embedded.keeper")


def postmaster(cluster: Cluster) -> psutil.Process:
    return psutil.Process(int((Server(cluster).data / "postmaster.pid").read_text().split()[0]))


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a space in its path, which other accounts may pass through (pytest's tmp_path they may not)."""
    with tempfile.TemporaryDirectory(prefix="bet sizing ", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture
def cluster(place: Path) -> Iterator[Cluster]:
    cluster = Cluster(place / "data" / "postgres", throwaway=True, idle_seconds=60)
    yield cluster
    end(cluster)


def end(cluster: Cluster) -> None:
    if not cluster.home.exists():
        return
    for keeper in keepers(cluster):
        keeper.terminate()
    assert eventually(lambda: not cluster.kept())


@pytest.fixture
def client(cluster: Cluster) -> Iterator[Callable[..., Client]]:
    started: list[Client] = []

    def start(**popen: object) -> Client:
        started.append(Client(cluster, **popen))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()
