"""Messages as files: whole or not there, each for one worker."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection

from betsizing.embedded import broker


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[broker.Channel]:
    broker.register()
    with Connection("folder://localhost", transport_options={"folder": str(tmp_path)}) as connection:
        yield connection.channel()


def all_of(channel: broker.Channel, queue: str) -> list[dict]:
    found = []
    while True:
        try:
            found.append(channel._get(queue))
        except Empty:
            return found


def test_messages_come_in_the_order_in_which_they_were_put_each_once(channel: broker.Channel) -> None:
    for number in range(20):
        channel._put("exit", {"number": number})
    assert [message["number"] for message in all_of(channel, "exit")] == list(range(20))
    assert all_of(channel, "exit") == []


def test_a_queue_sees_only_its_own(channel: broker.Channel) -> None:
    channel._put("exit", {"for": "exit"})
    channel._put("risk", {"for": "risk"})
    assert (channel._size("exit"), all_of(channel, "risk")) == (1, [{"for": "risk"}])
    assert channel._purge("exit") == 1
    assert all_of(channel, "exit") == []


def test_what_cannot_be_read_is_dropped_and_the_next_is_taken(channel: broker.Channel, tmp_path: Path) -> None:
    (tmp_path / "00000_cut-off.exit.msg").write_text("")
    channel._put("exit", {"whole": True})
    assert all_of(channel, "exit") == [{"whole": True}]
    assert list(tmp_path.iterdir()) == []


def test_readers_while_it_is_written_get_every_message_once_and_none_of_them_half(channel: broker.Channel) -> None:
    """Kombu's own transport loses this race within a few hundred messages."""
    count, taken, over = 2000, [], threading.Event()

    def takes() -> None:
        while True:
            ended = over.is_set()
            messages = all_of(channel, "exit")
            taken.extend(message["number"] for message in messages)
            if ended and not messages:
                return

    readers = _started(takes, 3)
    for number in range(count):
        channel._put("exit", {"number": number, "body": "x" * 500})
    over.set()
    for reader in readers:
        reader.join(60)
    assert sorted(taken) == list(range(count))


def _started(call: Callable[[], None], count: int) -> list[threading.Thread]:
    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads
