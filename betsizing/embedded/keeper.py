"""The process that owns `postgres`: starts it, restarts it when it dies, stops it when the last client has gone.

Run by the first client in a session of its own (see cluster.py), so that no client's end is the server's end.
"""

import argparse
import fcntl
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

from betsizing.embedded.cluster import Cluster, ClusterError
from betsizing.embedded.server import Server

LOOK_EVERY_SECONDS = 0.25
QUICK_DEATHS_ALLOWED = 8  # about 15 s of trying: a killed server's processes hold its shared memory for a moment
LONG_LIFE_SECONDS = 10


class Stop(Exception):
    """Somebody asked the keeper to end."""


def stop(*_: object) -> None:
    raise Stop


def take(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def keep(server: Server, users: TextIO) -> None:
    """Return with `users` locked: nobody can become a client until this process has ended."""
    deaths = 0
    while True:
        started = time.monotonic()
        postgres = server.start()
        try:
            idle = idle_before_dead(postgres, users, server.cluster.idle_seconds)
        finally:
            postgres.send_signal(signal.SIGINT)  # fast shutdown: ends the sessions, writes everything
            postgres.wait()
        if idle:
            return
        deaths = 1 if time.monotonic() - started > LONG_LIFE_SECONDS else deaths + 1
        if deaths > QUICK_DEATHS_ALLOWED:
            raise ClusterError(f"postgres ended {deaths} times in a row. {server.last_words()}")
        time.sleep(min(0.1 * 2 ** (deaths - 1), 5))


def idle_before_dead(postgres: subprocess.Popen[bytes], users: TextIO, idle_seconds: float) -> bool:
    """Wait until nobody has used the server for `idle_seconds` (then `users` stays locked) or it has died."""
    last_use = time.monotonic()
    while postgres.poll() is None:
        if not take(users):
            last_use = time.monotonic()
        elif time.monotonic() - last_use > idle_seconds:
            return True
        else:
            fcntl.flock(users, fcntl.LOCK_UN)
        time.sleep(LOOK_EVERY_SECONDS)
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--idle-seconds", type=float, required=True)
    parser.add_argument("--throwaway", action="store_true")
    options = parser.parse_args()
    cluster = Cluster(options.home, throwaway=options.throwaway, idle_seconds=options.idle_seconds)
    signal.signal(signal.SIGTERM, stop)
    server = Server(cluster)
    with (cluster.home / "keeper").open("a") as lock, (cluster.home / "users").open("a") as users:
        try:
            for _ in range(40):  # a second: a client that looks whether a keeper lives holds the lock for an instant
                if take(lock):
                    break
                time.sleep(LOOK_EVERY_SECONDS / 10)
            else:
                return
            server.prepare()
            server.stop_orphan()
            keep(server, users)
        except Stop:
            pass
        except ClusterError as error:
            sys.exit(str(error))
        server.remove_socket_folder()


if __name__ == "__main__":
    main()
