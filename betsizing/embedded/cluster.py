"""The embedded PostgreSQL as its clients see it: where it lives, how to have it run, how to reach it.

Files in `home` settle who does what. The first three are kernel locks (flock): a process killed at any instruction
leaves none behind.

* `users`     shared by each client for its life: while one is held, the keeper keeps the server.
* `start`     exclusive while a client starts the server: eight commands at once start one.
* `keeper`    exclusive for the life of the keeper, the only process that starts and stops `postgres`.
* `server/`   what belongs to the account that `postgres` runs as: `pgdata` and, where needed, a copy of the binaries.
"""

import fcntl
import hashlib
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from betsizing.secret import read_or_create

ROLE = "betsizing"
START_SECONDS = 60  # crash recovery after a kill -9 under load takes a few seconds; a minute means something is wrong
SIGNS_OF_ABSENCE = (
    "No such file or directory",
    "Connection refused",
    "the database system is",  # starting up, shutting down, in recovery mode
    "server closed the connection unexpectedly",
)
CHECKOUT = Path(__file__).resolve().parents[2]

_joined: dict[Path, int] = {}  # home -> descriptor of the shared lock, open until this process ends


def private(path: str | Path, flags: int) -> int:
    return os.open(path, flags, 0o600)


class ClusterError(psycopg2.OperationalError):
    """The embedded database cannot run. Django shows it as its own OperationalError, as for any lost server."""


@dataclass(frozen=True)
class Cluster:
    home: Path
    throwaway: bool = False  # fsync off: a power cut may destroy it, so for tests only
    idle_seconds: float = 10

    @property
    def keeper_log(self) -> Path:
        return self.home / "keeper.log"

    @property
    def socket_folder(self) -> Path | None:
        """Named in a file because it cannot live in `home`: a socket's path has room for about 107 characters."""
        try:
            folder = Path((self.home / "socket").read_text())
        except FileNotFoundError:
            return None
        return folder if folder.name.startswith(f"betsizing-{self.mark}") else None

    @property
    def mark(self) -> str:
        """Stands for this very folder: a copy of it must not reach the original's server."""
        return hashlib.sha256(bytes(self.home.resolve())).hexdigest()[:8] + "-"

    def access(self) -> dict[str, str]:
        """Host, user and password for libpq; starts the server if nobody has."""
        self.join()
        if not self.answers():
            self.start()
        return {"host": str(self.socket_folder), "user": ROLE, "password": read_or_create(self.home / "password")}

    def join(self) -> None:
        """Make this process count as a client until it ends. Waits while a keeper is stopping the server."""
        home = self.home.resolve()
        if home not in _joined:
            self.make_home()
            handle = private(home / "users", os.O_RDWR | os.O_CREAT)
            fcntl.flock(handle, fcntl.LOCK_SH)
            _joined[home] = handle

    def make_home(self) -> None:
        try:
            for folder in (self.home.parent, self.home):  # one by one: mkdir(parents=True) ignores `mode` for parents
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self.home, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError
        except OSError as error:
            reason = error.strerror or "Permission denied"
            raise ClusterError(
                f"The data folder cannot be written: {self.home}: {reason}. Choose another with BETSIZING_DATA."
            ) from error

    def answers(self) -> bool:
        """Whether a server listens. A look of microseconds; it may still be recovering (see `ready`)."""
        folder = self.socket_folder
        if folder is None:
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(folder / ".s.PGSQL.5432"))
            except OSError:
                return False
        return True

    def ready(self) -> bool:
        """Whether the server lets the application in now."""
        folder = self.socket_folder
        if folder is None:
            return False
        password = read_or_create(self.home / "password")
        try:
            psycopg2.connect(host=str(folder), user=ROLE, password=password, dbname="postgres").close()
        except psycopg2.OperationalError as error:
            # Any other refusal (too many clients, wrong password) comes from a running server: the caller will see it.
            return not any(sign in str(error) for sign in SIGNS_OF_ABSENCE)
        return True

    def start(self) -> None:
        """Return when the server is ready. One client at a time starts it; the others wait here and find it running."""
        with open(self.home / "start", "w", opener=private) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            deadline = time.monotonic() + START_SECONDS
            keeper = None
            while not self.ready():
                if not self.kept():
                    if keeper is not None and keeper.poll() is not None:
                        raise ClusterError(f"The embedded database cannot run. {self.last_words()}")
                    keeper = keeper or self.spawn_keeper()
                if time.monotonic() > deadline:
                    raise ClusterError(
                        f"The embedded database is not ready after {START_SECONDS} s. {self.last_words()}"
                    )
                time.sleep(0.03)

    def kept(self) -> bool:
        """Whether a keeper lives."""
        with open(self.home / "keeper", "w", opener=private) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def spawn_keeper(self) -> subprocess.Popen[bytes]:
        """A keeper in a session of its own: neither Ctrl-C nor the end of this process reaches it."""
        with open(self.keeper_log, "w", opener=private) as log:
            return subprocess.Popen(
                [
                    sys.executable,
                    *("-m", "betsizing.embedded.keeper", str(self.home.resolve())),
                    *("--idle-seconds", str(self.idle_seconds)),
                    *(["--throwaway"] if self.throwaway else []),
                ],
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=0o077,
            )

    def last_words(self) -> str:
        lines = self.keeper_log.read_text().strip().splitlines()
        return f"{lines[-1] if lines else 'It said nothing.'} (all of it: {self.keeper_log})"
