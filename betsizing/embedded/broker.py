"""Messages between our processes as files in one folder: the broker where none is installed.

Kombu's own filesystem transport creates a message's file before it writes it, so a worker that looks in between takes
an empty message and dies of it: once a minute at a tick a second. Here a message appears under its name whole, and
belongs to the one worker that removes it. Only ticks and errands travel this way; what must not be lost is rows.
"""

import logging
import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.utils.json import dumps, loads

SCHEME = "folder"
ENDING = "msg"

logger = logging.getLogger(__name__)


class Channel(virtual.Channel):
    """A queue is the files named `<when>_<unique>.<queue>.msg`, the oldest first."""

    @property
    def folder(self) -> Path:
        return Path(self.connection.client.transport_options["folder"])

    def _put(self, queue: str, message: Any, **_: Any) -> None:
        name = f"{time.monotonic_ns():020}_{uuid.uuid4().hex}"
        unfinished = self.folder / f"{name}.part"
        unfinished.write_text(dumps(message))  # type: ignore[no-untyped-call]
        unfinished.replace(self.folder / f"{name}.{queue}.{ENDING}")

    def _get(self, queue: str, timeout: Any = None) -> Any:
        for path in self._messages(queue):
            try:
                text = path.read_text()
                path.unlink()
            except FileNotFoundError:
                continue  # another worker was first
            try:
                return loads(text)  # type: ignore[no-untyped-call]
            except ValueError:
                logger.exception("The message %s cannot be read, and is dropped.", path.name)
        raise Empty

    def _size(self, queue: str) -> int:
        return len(self._messages(queue))

    def _purge(self, queue: str) -> int:
        messages = self._messages(queue)
        for path in messages:
            path.unlink(missing_ok=True)
        return len(messages)

    def _messages(self, queue: str) -> list[Path]:
        ending = f".{queue}.{ENDING}"
        return [self.folder / name for name in sorted(os.listdir(self.folder)) if name.endswith(ending)]  # noqa: PTH208


class Transport(virtual.Transport):
    Channel = Channel
    global_state = virtual.BrokerState()  # type: ignore[no-untyped-call]
    driver_type = driver_name = SCHEME

    def __init__(self, client: Any, **options: Any) -> None:
        super().__init__(client, **options)  # type: ignore[no-untyped-call]
        self.state = self.global_state

    def driver_version(self) -> str:
        return "1"


def register() -> None:
    """Make `folder://` a broker's URL."""
    TRANSPORT_ALIASES[SCHEME] = f"{__name__}:{Transport.__name__}"
