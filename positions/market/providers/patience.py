"""How long a provider is waited for. Durations only: nothing here tells the time of day.

Time-outs of a socket bound the silence between two words, not the whole answer, and none bounds the look-up of a name.
So a question is asked in a thread of its own: whoever waits goes on when the time is over, whatever that thread does,
and what it still says is dropped.
"""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

from positions.market.providers.base import FAILED, TIMEOUT, ProviderError

Result = TypeVar("Result")


class Deadline:
    """So many seconds from its making."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left; negative when it is over."""
        return self._ends - time.monotonic()


class Call(Generic[Result]):
    """Work in a daemon thread, until a deadline. When it ends it puts itself into `finished`.

    A daemon: a thread that hangs in a look-up must not keep the process alive.
    """

    def __init__(
        self,
        work: Callable[[], Result],
        hang_up: Callable[[], None],
        deadline: Deadline,
        finished: "SimpleQueue[Call[Result]]",
    ) -> None:
        self.deadline = deadline
        self._work = work
        self._hang_up = hang_up
        self._finished = finished
        self._result: list[Result] = []
        self._error: BaseException | None = None
        self._in_time = False
        self._lock = threading.Lock()
        self._given_up = False
        threading.Thread(target=self._run, name="provider", daemon=True).start()

    def give_up(self) -> None:
        """Hang up. What the thread says from now on is heard by nobody."""
        with self._lock:
            self._given_up = True
        self._hang_up()

    def result(self) -> Result:
        """What the work returned. ProviderError when it failed, was given up, or came after the deadline."""
        with self._lock:
            in_time = self._in_time
        if not in_time:
            raise too_late(self.deadline.seconds)
        if isinstance(self._error, ProviderError):
            raise self._error
        if self._error is not None:
            sentence = f"The adapter failed: {type(self._error).__name__}: {str(self._error)[:150]}."
            raise ProviderError(FAILED, sentence) from self._error
        return self._result[0]

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:  # noqa: BLE001 (a thread that dies unheard would be waited for in vain)
            self._error = error
        with self._lock:
            self._in_time = not self._given_up and self.deadline.left > 0
        self._finished.put(self)


def too_late(seconds: float) -> ProviderError:
    return ProviderError(
        TIMEOUT, f"There was no whole answer within {seconds:g} s. What comes later is discarded, whatever it says."
    )
