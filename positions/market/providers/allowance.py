"""How many requests a minute a provider is sent: a bucket of tokens each, in the memory of the process that asks.

Two workers of the queue `market` are two buckets: give each provider half of its allowance then.
"""

import threading
import time

from positions.market.providers.base import RATE_LIMITED, ProviderError
from positions.market.providers.patience import Deadline

BURST_SECONDS = 10.0  # what was not used of so many seconds may be used at once


class Allowance:
    """`per_minute` requests, evenly, with a small reserve."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._rate = per_minute / 60.0
        self._most = max(1.0, self._rate * BURST_SECONDS)
        self._tokens = self._most
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def take(self, deadline: Deadline, stop: threading.Event) -> None:
        """Wait for the next token. ProviderError when it would come after the deadline."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate)
            self._at = now
            wait = max(0.0, (1.0 - self._tokens) / self._rate)
            if wait >= max(deadline.left, 0.0):
                sentence = f"The {self.per_minute} requests a minute that this provider is given are used up."
                raise ProviderError(RATE_LIMITED, sentence, retry_after=wait)
            self._tokens -= 1.0  # it may be owed: the next one waits the longer
        if wait:
            stop.wait(wait)


_allowances: dict[str, Allowance] = {}
_lock = threading.Lock()


def allowance_of(name: str, per_minute: int) -> Allowance:
    """The bucket of a provider, kept from pass to pass; another number is another bucket."""
    with _lock:
        found = _allowances.get(name)
        if found is None or found.per_minute != per_minute:
            found = _allowances[name] = Allowance(per_minute)
        return found
