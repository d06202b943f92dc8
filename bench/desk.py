"""What the desk costs: one page with many open positions, and many viewers of it at once.

    python -m bench.desk [--positions 200] [--viewers 200] [--seconds 30]

The page is asked for as a browser asks, through all of Django, by a person who is signed in. The viewers are streams of
the product's own web process, opened one by one with a cookie that the page set; meanwhile a check is announced every
second, as the exit check does. Beside its processor time stands that of the same viewers asking for the fragment every
two seconds instead, which is what pages without streams do.
"""

import argparse
import http.client
import multiprocessing
import os
import selectors
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import django
import psutil
import uvicorn
from django.conf import settings
from django.db import connection

from bench.exits import CONTRACTS, FILL, SOURCE, START, execute
from bench.stopwatch import machine, shown
from betsizing.scratch import scratch_database

PAGE_SECONDS, QUERIES, CORE_SHARE = 0.3, 25, 0.15
FILL_DESK = """
    UPDATE positions_portfolio SET owner_id = %(owner)s WHERE quote_source = %(source)s;
    INSERT INTO positions_equitysnapshot (portfolio_id, session_on, equity_start_of_day, cash_start_of_day,
        net_deposits, taken_at)
    SELECT id, %(start)s::date, cash, cash, 0, %(start)s FROM positions_portfolio WHERE quote_source = %(source)s;
"""


def page(user: object, runs: int) -> None:
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client()
    client.force_login(user)
    client.get("/desk/")  # compiles the templates
    walls = []
    for _ in range(runs):
        start = time.perf_counter()
        answer = client.get("/desk/")
        walls.append(time.perf_counter() - start)
    with CaptureQueriesContext(connection) as sent:
        client.get("/desk/")
    bets = answer.content.count(b"bet-bid")
    took = f"best {shown(min(walls))}, median {shown(statistics.median(walls))} (at most {shown(PAGE_SECONDS)})"
    size = f"{len(sent)} queries (at most {QUERIES}), {len(answer.content) / 1000:,.0f} kB"
    print(f"The desk with {bets} open positions: {took}, {size}")


# ---- Viewers ----


def serve(door: socket.socket) -> None:
    """The web process as `up` runs it, on the database of this bench."""
    connection.connection = None  # the parent's: it goes on with it
    config = uvicorn.Config("betsizing.asgi:application", lifespan="off", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[door])


@contextmanager
def server() -> Iterator[tuple[int, psutil.Process]]:
    door = socket.create_server(("127.0.0.1", 0))
    process = multiprocessing.get_context("fork").Process(target=serve, args=(door,), daemon=True)
    process.start()
    try:
        yield door.getsockname()[1], psutil.Process(process.pid)
    finally:
        process.terminate()
        process.join()


def cpu_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def cookies_of(user: object) -> str:
    """A signed-in person's session with the cookie that opens a stream."""
    from django.test import Client

    client = Client()
    client.force_login(user)
    client.get("/desk/")
    return "; ".join(f"{name}={each.value}" for name, each in client.cookies.items())


class Viewers:
    """Streams that read what they are sent, in one thread."""

    def __init__(self, port: int, user: object, count: int) -> None:
        self.events, self.size, self._over = 0, 0, False
        self._selector = selectors.DefaultSelector()
        for _ in range(count):
            # As a browser asks: packed.
            stream = socket.create_connection(("127.0.0.1", port))
            stream.sendall(
                f"GET /sse/desk/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n"
                f"Cookie: {cookies_of(user)}\r\n\r\n".encode()
            )
            self._selector.register(stream, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._over:
            for key, _ in self._selector.select(0.2):
                data = key.fileobj.recv(1_000_000)
                if not data:
                    raise SystemExit("a stream has ended")
                self.size += len(data)
                self.events += data.count(b"\x00\x00\xff\xff")  # ends a packed event

    def close(self) -> None:
        self._over = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()


def streams(user: object, count: int, seconds: float) -> None:
    from riskengine.services.watch.announcing import announce

    with server() as (port, process):
        viewers = Viewers(port, user, count)
        time.sleep(5.0)
        before, events, size = cpu_of(process), viewers.events, viewers.size
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            announce()
            time.sleep(1.0)
        took = time.perf_counter() - start
        share = (cpu_of(process) - before) / took
        events, size = viewers.events - events, viewers.size - size
        viewers.close()
    if events < count * seconds / 6:
        raise SystemExit(f"only {events} events for {count} viewers in {took:.0f} s")
    print(
        f"{count} live viewers, a check a second: {share:.1%} of one core (at most {CORE_SHARE:.0%}); each was sent a "
        f"desk every {took * count / events:.1f} s, {size / took / 1e6:.1f} MB/s in all"
    )


def polling(user: object, count: int, seconds: float) -> None:
    """The yardstick: as many fragments as the same viewers would ask for, one after the other."""
    asked = 0
    with server() as (port, process):
        headers = {"Cookie": cookies_of(user)}
        link = http.client.HTTPConnection("127.0.0.1", port)
        link.request("GET", "/desk/live/", headers=headers)
        link.getresponse().read()
        before, start = cpu_of(process), time.perf_counter()
        while time.perf_counter() - start < seconds / 3:
            link.request("GET", "/desk/live/", headers=headers)
            if link.getresponse().read() and (asked := asked + 1):
                continue
        each = (cpu_of(process) - before) / asked
    print(f"    yardstick: asking every 2 s would take them {each * count / 2:.1f} cores ({shown(each)} a fragment)")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the desk.")
    parser.add_argument("--positions", type=int, default=200)
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "betsizing.settings")
    django.setup()
    settings.ALLOWED_HOSTS = ["testserver", "127.0.0.1"]
    from accounts.models import User
    from riskengine.services.study.foundation import foundation

    print(machine())
    with scratch_database(foundation(), when_filling=lambda: print("making a database to begin with")):
        user = User.objects.create_user(username="bench")
        filled = {"contracts": CONTRACTS, "portfolios": 2, "source": SOURCE, "start": START, "owner": user.pk}
        execute(FILL, positions=given.positions, **filled)
        execute(FILL_DESK, **filled)
        execute("ANALYZE")
        page(user, 9)
        streams(user, given.viewers, given.seconds)
        polling(user, given.viewers, given.seconds)


if __name__ == "__main__":
    main()
