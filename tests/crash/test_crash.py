"""Real processes of a running session are killed at random moments, and nothing is lost, doubled or forgotten."""

import fcntl
import random
from collections.abc import Iterator

import pytest

from tests.conftest import the_machine
from tests.crash.plan import run
from tests.crash.session import Session

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with the_machine(fcntl.LOCK_EX):
        yield


def test_whatever_is_killed_no_promise_is_broken(request: pytest.FixtureRequest) -> None:
    seed = request.config.getoption("--crash-seed", default=None)
    session = Session(random.SystemRandom().randrange(1_000_000) if seed is None else seed)
    try:
        session.start()
        figures = run(session, 100 if request.config.getoption("--long", default=False) else 10)
        print(figures)
        assert not figures.failures, (
            f"pytest tests/crash --crash-seed {session.seed}\n{figures}\n{session.said()[-4000:]}"
        )
        assert figures.counts["fills"] > 5  # on a busy machine, with faults between, few are made
    finally:
        session.end()
