"""A running `up` on a data folder of its own, with somebody who trades in it: started, hurt, and started again."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from psycopg2 import extensions

from betsizing.embedded.cluster import CHECKOUT, Cluster
from betsizing.embedded.server import Server
from tests.crash.invariants import BUSY, GUARDED
from tests.embedded.conftest import eventually, keepers

START_SECONDS = 180  # on a busy machine the demo alone takes a minute
BACK_SECONDS = 60  # until everything goes again after a kill
WORDS = {
    "web": "betsizing.embedded.web",
    "exit": "--queues exit",
    "orders": "--queues orders",
    "risk": "--queues risk",
    "market": "--queues market",
    "work": "--queues work",
    "beat": " beat ",
}
VICTIMS = (*WORDS, "database", "tree", "trader")


class Session:
    """`seed` is the trader's. Everything it starts ends with `end`."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.data = Path(tempfile.mkdtemp(prefix="betsizing crash "))
        self.data.chmod(0o711)  # postgres may run as another account
        self.cluster = Cluster(self.data / "postgres")
        self.environment = os.environ | {
            "BETSIZING_DATA": str(self.data),
            "DJANGO_SETTINGS_MODULE": "tests.crash.settings",
        }
        self.log = (self.data / "output").open("a+")
        self.up: subprocess.Popen[Any] | None = None
        self.trader: subprocess.Popen[Any] | None = None
        self._database: extensions.connection | None = None

    # ---- Starting and ending ----

    def start(self) -> None:
        """Return when the product is ready to be used and somebody trades in it."""
        began = self.log.seek(0, os.SEEK_END)
        self.up = self._run("manage.py", "up", "--port", "0")
        assert eventually(lambda: "ready on" in self.said(began) or self._ended, START_SECONDS), self.said(began)
        assert not self._ended, self.said(began)
        if self.trader is None:
            self._start_trader()

    def _start_trader(self) -> None:
        self.trader = self._run("-m", "tests.crash.trading", str(self.seed))

    def _run(self, *command: str) -> subprocess.Popen[Any]:
        return subprocess.Popen(
            [sys.executable, *command], cwd=CHECKOUT, env=self.environment, stdout=self.log, stderr=subprocess.STDOUT
        )

    @property
    def _ended(self) -> bool:
        return self.up is None or self.up.poll() is not None

    def said(self, after: int = 0) -> str:
        self.log.flush()
        return (self.data / "output").read_text(errors="replace")[after:]

    def end(self) -> None:
        for process in (self.trader, self.up):
            if process is not None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(40)
                process.kill()
        if self._database is not None:
            self._database.close()
        for keeper in keepers(self.cluster):
            keeper.terminate()
        eventually(lambda: not self.cluster.kept(), 20)
        self.log.close()
        shutil.rmtree(self.data, ignore_errors=True)

    # ---- Hurting ----

    def kill(self, victim: str) -> None:
        """kill -9, and start again what nothing else starts again."""
        if victim == "database":
            with suppress(ProcessLookupError, FileNotFoundError):
                os.kill(int((Server(self.cluster).data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        elif victim == "trader":
            self._kill_trader()
            self._start_trader()
        elif victim == "tree":
            self._kill_tree()
            self.start()
        else:
            self._kill_child(victim)

    def _kill_child(self, victim: str) -> None:
        """Return when the supervisor has started another in its place."""
        killed = self.child(victim)
        killed.kill()
        again = eventually(lambda: any(each.pid != killed.pid for each in self._children(WORDS[victim])), BACK_SECONDS)
        assert again, f"{victim} was not started again: {self.said()[-2000:]}"

    def _kill_trader(self) -> None:
        assert self.trader is not None
        self.trader.kill()
        self.trader.wait()

    def _kill_tree(self) -> None:
        assert self.up is not None
        children = psutil.Process(self.up.pid).children(recursive=True)
        keep = {process.pid for process in keepers(self.cluster)}
        mine = [each for each in children if each.pid not in keep and not _is_postgres(each)]
        self.up.kill()
        self.up.wait()
        _, alive = psutil.wait_procs(mine, 15)
        assert not alive, f"these outlived their supervisor: {alive}"

    def child(self, victim: str) -> psutil.Process:
        found: list[psutil.Process] = []

        def find() -> bool:
            found[:] = self._children(WORDS[victim])
            return bool(found)

        assert eventually(find, 30), f"{victim} does not run: {self.said()[-6000:]}"
        return found[0]

    def _children(self, words: str) -> list[psutil.Process]:
        assert self.up is not None
        found = []
        for process in psutil.Process(self.up.pid).children():
            with suppress(psutil.Error):
                if words in " ".join(process.cmdline()):
                    found.append(process)
        return found

    # ---- Looking ----

    @contextmanager
    def database(self) -> Iterator[extensions.connection]:
        """A session that is renewed when the server was killed meanwhile."""
        if self._database is None or self._database.closed:
            self._database = self._connect()
        try:
            yield self._database
        except psycopg2.Error:
            self._database.close()
            self._database = None
            raise

    def _connect(self) -> extensions.connection:
        deadline = time.monotonic() + BACK_SECONDS
        while True:
            try:
                return psycopg2.connect(dbname="betsizing", **self.cluster.access())
            except psycopg2.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def ask(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows; asked again where the server was killed between two questions."""
        for attempt in range(20):
            try:
                with self.database() as database, database, database.cursor() as sql:
                    sql.execute(statement, values)
                    return sql.fetchall()
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                if attempt == 19:
                    raise
                time.sleep(0.2)
        return []

    def look(self, check: Callable[[extensions.connection], list[str]]) -> list[str]:
        for attempt in range(5):
            try:
                with self.database() as database:
                    return check(database)
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                if attempt == 4:
                    raise
                time.sleep(0.2)
        return []

    def goes_on(self) -> str:
        """Wait until both checks and the orders move again and the web answers; what does not, or nothing."""
        waits = {
            "exit check": lambda before: self._beat("exit") > before,
            "orders": lambda before: not self._overdue(),
        }
        before = self._beat("exit")
        for what, moved in waits.items():
            if not eventually(lambda moved=moved: moved(before), BACK_SECONDS):
                return f"{what}: stands still {BACK_SECONDS} s after the kill. Overdue: {self._overdue()}"
        if not eventually(self._answers, BACK_SECONDS):
            return f"web: no answer {BACK_SECONDS} s after the kill"
        if self._ended:
            return f"up ended: {self.said()[-6000:]}"
        if not self._trades():
            return f"the trader ended: {self.said()[-2000:]}"
        return ""

    def _beat(self, scope: str) -> Any:
        """The oldest heartbeat: it moves when every portfolio was checked."""
        rows = self.ask("SELECT min(finished_at) FROM positions_heartbeat WHERE scope = %s", scope)
        return rows[0][0]

    def _overdue(self) -> list[str]:
        """Orders that should have been looked at 10 s of wall time ago or earlier, in the markets of the trader, with
        what was sent for them and the last quote."""
        rows = self.ask(
            """
            SELECT concat_ws(' ', p.slug, p.state, o.id, o.intent, o.status, o.filled_quantity || '/' || o.quantity,
                             o.created_at, o.next_step_at, 'market', m.at, 'sent', k.sent, 'quote', q.said)
            FROM positions_order o JOIN positions_portfolio p ON p.id = o.portfolio_id
            JOIN positions_marketclock c ON c.portfolio_id = p.id
            CROSS JOIN LATERAL (
                SELECT c.market_started_at + c.speed * (clock_timestamp() - c.wall_started_at) AS at) m
            LEFT JOIN LATERAL (
                SELECT string_agg(concat_ws(' ', s.id, s.status, s.limit_price, s.reject_reason), ', ') AS sent
                FROM positions_order s WHERE s.parent_id = o.id) k ON true
            LEFT JOIN LATERAL (
                SELECT concat_ws(' ', bid, bid_size, ask, quoted_at) AS said FROM positions_optionquote
                WHERE contract_id = o.contract_id ORDER BY quoted_at DESC LIMIT 1) q ON true
            WHERE p.slug IN (%s, %s) AND o.parent_id IS NULL
              AND o.status IN ('planned', 'submitting', 'working', 'cancelling', 'unknown')
              AND coalesce(o.next_step_at, o.created_at) < m.at - c.speed * interval '10 s'
            """,
            BUSY,
            GUARDED,
        )
        return [row[0] for row in rows]

    def _answers(self) -> bool:
        found = re.findall(r"ready on http://127\.0\.0\.1:(\d+)/", self.said())
        request = http.client.HTTPConnection("127.0.0.1", int(found[-1]), timeout=5)
        try:
            request.request("GET", "/healthz", headers={"Host": "localhost"})
            return request.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            request.close()

    def _trades(self) -> bool:
        return self.trader is not None and self.trader.poll() is None

    def flatten(self) -> None:
        """Nobody bets any more, and what is held is sold; prices stay as they are."""
        self._kill_trader()
        command = [sys.executable, "-m", "tests.crash.trading", "--flatten"]
        subprocess.run(command, cwd=CHECKOUT, env=self.environment, check=True, stdout=self.log, stderr=self.log)


def _is_postgres(process: psutil.Process) -> bool:
    try:
        return "postgres" in process.name() or "betsizing.embedded.keeper" in " ".join(process.cmdline())
    except psutil.Error:
        return True
