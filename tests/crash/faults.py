"""What goes wrong beside the kills: prices that stand still, a clock that was set, a broker that loses, repeats or
refuses, a database out of reach. Each is a context: it begins, lasts as long as the block, and is over."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import psutil

from betsizing.embedded.server import Server
from tests.crash import faulty_broker
from tests.crash.invariants import BUSY, GUARDED
from tests.crash.session import Session

Fault = Callable[[Session], AbstractContextManager[None]]

AHEAD, BACK = 90, -20  # market seconds
LONGEST_CUT = 3.0  # seconds: a server that is away longer is a dead one


@contextmanager
def _frozen_quotes(session: Session) -> Iterator[None]:
    """The feed says nothing: what was quoted grows old."""
    assert session.trader is not None
    session.trader.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        session.trader.send_signal(signal.SIGCONT)


def _clock_moved(seconds: int) -> Fault:
    """The market's clock is set and stays so."""

    @contextmanager
    def moved(session: Session) -> Iterator[None]:
        session.ask(
            "UPDATE positions_marketclock SET market_started_at = market_started_at + %s * interval '1 s' "
            "WHERE portfolio_id IN (SELECT id FROM positions_portfolio WHERE slug IN (%s, %s)) RETURNING id",
            seconds,
            BUSY,
            GUARDED,
        )
        yield

    return moved


def _broker(fault: str) -> Fault:
    @contextmanager
    def faulty(session: Session) -> Iterator[None]:
        told = faulty_broker.file_in(session.data)
        told.write_text(fault)
        try:
            yield
        finally:
            told.unlink()

    return faulty


@contextmanager
def _database_stopped(session: Session) -> Iterator[None]:
    """As if the network to it were cut: nothing is answered, no connection is closed, and then all goes on."""
    server = psutil.Process(int((Server(session.cluster).data / "postmaster.pid").read_text().split()[0]))
    stopped: list[psutil.Process] = []
    try:
        for process in [server, *server.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
                stopped.append(process)
        time.sleep(LONGEST_CUT)
    finally:
        for process in reversed(stopped):
            with suppress(psutil.NoSuchProcess):
                process.resume()
    yield


@contextmanager
def _sessions_ended(session: Session) -> Iterator[None]:
    """Every connection of everybody is closed, between two statements or within one."""
    session.ask(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    yield


FAULTS: dict[str, Fault] = {
    "quotes frozen": _frozen_quotes,
    "clock ahead": _clock_moved(AHEAD),
    "clock back": _clock_moved(BACK),
    **{name: _broker(name) for name in faulty_broker.FAULTS},
    "database stopped": _database_stopped,
    "sessions ended": _sessions_ended,
}


@contextmanager
def refused_exits(session: Session) -> Iterator[None]:
    with FAULTS[faulty_broker.REFUSED](session):
        yield
