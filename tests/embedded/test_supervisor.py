"""The process tree of `up` lives and dies as one."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from betsizing.embedded.cluster import CHECKOUT
from tests.embedded.conftest import eventually, lives

TREE = """
import sys
from betsizing.embedded.supervisor import Child, Supervisor
children = [Child(f"child{number}", [sys.executable, "-c", code]) for number, code in enumerate(sys.argv[1:])]
print("reason:", Supervisor(children, when_started=lambda: None).run())
"""
SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
GRANDPARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEPER!r}])"


class Tree:
    def __init__(self, *children: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", TREE, *children], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
        )

    def members(self, count: int) -> list[psutil.Process]:
        """The descendants, once there are that many."""
        assert eventually(lambda: len(psutil.Process(self.process.pid).children(recursive=True)) == count)
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def sleepers() -> Iterator[Tree]:
    tree = Tree(SLEEPER, GRANDPARENT)
    yield tree
    tree.process.kill()
    tree.process.communicate()


def gone(processes: list[psutil.Process]) -> bool:
    return not any(lives(one) for one in processes)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_in_good_order(sleepers: Tree, number: signal.Signals) -> None:
    members = sleepers.members(3)
    sleepers.process.send_signal(number)
    output, _ = sleepers.process.communicate(timeout=10)
    assert output.endswith("reason: \n")
    assert gone(members)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a child of its parent's death")
def test_kill_of_the_supervisor_leaves_no_child(sleepers: Tree) -> None:
    children = [process for process in sleepers.members(3) if process.ppid() == sleepers.process.pid]
    sleepers.process.kill()
    assert eventually(lambda: gone(children))


DEAF = """
import signal, sys
from betsizing.embedded.supervisor import Child, Supervisor
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
Supervisor([Child("deaf", [sys.executable, "-c", child], orphaned_by=signal.SIGKILL)], when_started=lambda: None).run()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a child of its parent's death")
def test_a_child_that_hears_no_asking_goes_with_a_killed_supervisor() -> None:
    with subprocess.Popen([sys.executable, "-c", DEAF], cwd=CHECKOUT) as process:
        seen = psutil.Process(process.pid)
        assert eventually(lambda: len(seen.children()) == 1)
        time.sleep(1.0)  # it is deaf by now
        children = seen.children()
        process.kill()
        assert eventually(lambda: gone(children))


def test_killed_child_is_started_again_and_its_leftovers_ended(sleepers: Tree) -> None:
    members = sleepers.members(3)
    children = [process for process in members if process.ppid() == sleepers.process.pid]
    for child in children:
        child.kill()
    assert eventually(lambda: gone(members))
    assert not set(sleepers.members(3)) & set(members)


@pytest.mark.slow
def test_child_that_cannot_live_ends_all_with_its_last_words() -> None:
    began = time.monotonic()
    tree = Tree(SLEEPER, "import time; time.sleep(0.1); raise SystemExit('no such broker')")
    output, _ = tree.process.communicate(timeout=40)
    assert "reason: child1 ended 6 times in a row: no such broker" in output
    assert time.monotonic() - began > 5, "it was given time to recover"


CLOCK_SET = """
import sys, threading, time
from betsizing.embedded import supervisor
from betsizing.embedded.supervisor import Child, Supervisor
children = [
    Child("beat", [sys.executable, "-c", sys.argv[1]], lives_by_the_clock=True),
    Child("other", [sys.executable, "-c", sys.argv[1]]),
]
true_time = time.time
def set_the_clock():
    time.sleep(2)
    time.time = lambda: true_time() + float(sys.argv[2])
Supervisor(children, when_started=set_the_clock).run()
"""


@pytest.mark.parametrize(("seconds", "restarts"), [(-60, True), (60, True), (1.5, False)])
def test_what_lives_by_the_clock_starts_again_when_it_is_set(seconds: float, restarts: bool) -> None:
    """A scheduler that waits for a wall time is silent for as long as the clock was set back."""
    command = [sys.executable, "-u", "-c", CLOCK_SET, SLEEPER, str(seconds)]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    time.sleep(5)
    process.terminate()
    output, _ = process.communicate(timeout=20)
    assert ("the clock was set; beat starts again" in output) is restarts
    assert output.count("beat   | up") == (2 if restarts else 1)
    assert output.count("other  | up") == 1
