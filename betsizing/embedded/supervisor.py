"""The processes of `up` as one tree: started together, ended together, a dead one started again.

Each child leads a process group of its own, so Ctrl-C reaches only the supervisor, which then ends the children in
order; and so what a killed child leaves behind (a worker's pool) can be ended by the group's number. The kernel tells
the children when the supervisor itself is killed with -9.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

from betsizing.embedded.process import die_with_parent

LOOK_EVERY_SECONDS = 0.2
GRACE_SECONDS = 8  # a worker's longest exit task is 5 s
QUICK_DEATHS_ALLOWED = 5
LONG_LIFE_SECONDS = 30
CLOCK_STEP_SECONDS = 2


@dataclass
class Child:
    name: str
    command: Sequence[str]
    pass_fds: Sequence[int] = ()
    lives_by_the_clock: bool = False  # it waits for wall times, and would wait again for those that a clock set back
    orphaned_by: signal.Signals = signal.SIGTERM  # what it is sent when the supervisor itself was killed
    process: subprocess.Popen[str] | None = None
    started: float = 0
    start_at: float = 0
    clock_offset: float = 0
    quick_deaths: int = 0
    last_line: str = field(default="it said nothing", repr=False)

    def start(self) -> None:
        self.started = time.monotonic()
        self.clock_offset = clock_offset()
        self.process = subprocess.Popen(
            self.command,
            pass_fds=self.pass_fds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,
            preexec_fn=die_with_parent(self.orphaned_by),
        )
        threading.Thread(target=self.relay, args=(self.process,), daemon=True).start()

    def relay(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self.last_line = line.strip() or self.last_line
            say(self.name, line.rstrip())

    def ask_to_end(self) -> None:
        """Only the child itself: a worker then lets its pool finish the task in hand."""
        if self.process:
            self.process.terminate()

    def kill(self) -> None:
        """The whole group: also what a dead child has left."""
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    @property
    def lost_the_time(self) -> bool:
        """Whether the wall clock was set since it started, by more than it could bear."""
        return self.lives_by_the_clock and abs(clock_offset() - self.clock_offset) > CLOCK_STEP_SECONDS

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


def clock_offset() -> float:
    """Where the wall clock stands against one that is never set."""
    return time.time() - time.monotonic()


def say(name: str, line: str) -> None:
    print(f"{name:<6} | {line}", flush=True)


class Supervisor:
    def __init__(self, children: Sequence[Child], when_started: Callable[[], None]) -> None:
        self.children = children
        self.when_started = when_started
        self.reason = ""

    def run(self) -> str:
        """Return when told to end by a signal (an empty reason) or when a child cannot be kept alive (the reason)."""
        stopping = threading.Event()

        def stop(number: int, frame: FrameType | None) -> None:
            stopping.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, stop)
        try:
            for child in self.children:
                child.start()
            threading.Thread(target=self.when_started, daemon=True).start()
            while not self.reason and not stopping.wait(LOOK_EVERY_SECONDS):
                for child in self.children:
                    self.look_after(child)
        finally:
            self.end()
        return self.reason

    def look_after(self, child: Child) -> None:
        if child.running:
            if child.lost_the_time:
                say("up", f"the clock was set; {child.name} starts again")
                child.kill()
                child.start()
            return
        now = time.monotonic()
        if child.process:
            code = child.process.returncode
            child.kill()
            child.process = None
            quick = now - child.started < LONG_LIFE_SECONDS
            child.quick_deaths = child.quick_deaths + 1 if quick else 1
            if child.quick_deaths > QUICK_DEATHS_ALLOWED:
                self.reason = f"{child.name} ended {child.quick_deaths} times in a row: {child.last_line}"
                return
            pause = min(0.25 * 2**child.quick_deaths, 5)
            child.start_at = now + pause
            say("up", f"{child.name} ended with {code}; starting it again in {pause:g} s")
        if now >= child.start_at:
            child.start()

    def end(self) -> None:
        """Ask, wait, insist."""
        for child in self.children:
            child.ask_to_end()
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline and any(child.running for child in self.children):
            time.sleep(0.05)
        for child in self.children:
            child.kill()
        sys.stdout.flush()
