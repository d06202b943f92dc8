"""The live desk: one rendering for all who may see the same, when something was checked, sent to each of them.

    worker  --NOTIFY-->  one listening connection  -->  one rendering a group of viewers  -->  a queue of one a viewer

It lives on the event loop of the web process and touches the database in two threads of its own: 200 viewers cost two
connections. Who may watch is said by a signed cookie that the desk sets and that is good for a minute; whether a
viewer is still active, and what is theirs, is read anew at every rendering.
"""

import asyncio
import logging
import select
import threading
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.db import close_old_connections, connection
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.models import User
from positions.models import Portfolio
from riskengine.services.watch.announcing import CHANNEL
from riskengine.views.admission import admitted
from riskengine.views.desk import desk_context

EVERY_SECONDS = 2.0  # at most so often, however often something is checked
AT_LEAST_SECONDS = 5.0  # without any word: ages go on, and a check that does not come is seen

# A stream that is never finished: a header for each viewer, then what was packed once for all of them. Each piece ends
# on a whole byte and looks back at nothing before it, so that any viewer can begin with any piece.
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"

logger = logging.getLogger(__name__)

# ---- Rendering, in a thread ----


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """What is sent: as text of the stream, and packed."""

    plain: bytes
    packed: bytes

    @classmethod
    def of(cls, name: str, html: str) -> "Event":
        lines = "".join(f"data: {line}\n" for line in html.splitlines() or [""])
        return cls.raw(f"event: {name}\n{lines}\n".encode())

    @classmethod
    def raw(cls, plain: bytes) -> "Event":
        packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
        return cls(plain, packer.compress(plain) + packer.flush(zlib.Z_FULL_FLUSH))


WATCHING = Event.raw(b": watching\n\n")
GONE = Event.of("over", "")  # what a viewer is sent that may not watch any more


def render(user_ids: Iterable[int]) -> dict[int, Event]:
    """The desk of each of these persons, rendered once for all who see the same; GONE for who may see nothing now."""
    now = timezone.now()
    users = {user.pk: user for user in User.objects.filter(pk__in=list(user_ids), is_active=True)}
    own: dict[int, list[int]] = defaultdict(list)
    owned = Portfolio.objects.filter(owner__in=users).order_by("pk")
    for owner, portfolio in owned.values_list("owner_id", "pk"):
        own[owner].append(portfolio)
    rendered: dict[tuple, Event] = {}
    found = {}
    for pk in user_ids:
        user = users.get(pk)
        if user is None:
            found[pk] = GONE
            continue
        seen = ("staff",) if user.is_staff else tuple(own[pk])
        if seen not in rendered:
            html = render_to_string("riskengine/_desk.html", desk_context(user, now))
            rendered[seen] = Event.of("desk", html)
        found[pk] = rendered[seen]
    return found


def render_in_thread(user_ids: Iterable[int]) -> dict[int, Event]:
    close_old_connections()  # no request ends here that would do it
    return render(user_ids)


def _close() -> None:
    connection.close()  # looked up here: each thread has its own


# ---- Listening, in another ----


def listen(told: Callable[[], None], wanted: Callable[[], bool]) -> None:
    """Call `told` at each announcement, and once after every connection that was lost, as long as it is wanted."""
    while wanted():
        try:
            _listen(told, wanted)
        except Exception:  # whatever it was: the desks look by themselves meanwhile
            logger.warning("Lost the database's announcements; listening again in a second.", exc_info=True)
            threading.Event().wait(1.0)
        told()


def _listen(told: Callable[[], None], wanted: Callable[[], bool]) -> None:
    raw = connection.get_new_connection(connection.get_connection_params())
    try:
        raw.set_session(autocommit=True)
        with raw.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        while wanted():
            if select.select([raw], [], [], 1.0)[0]:
                raw.poll()
                if raw.notifies:
                    raw.notifies.clear()
                    told()
    finally:
        raw.close()


# ---- Viewers, on the event loop ----


class Desks:
    """Who watches. Everything here runs on one event loop; nothing runs while nobody watches."""

    def __init__(self, rendering: Callable[[Iterable[int]], Mapping[int, Event]] = render_in_thread) -> None:
        self._rendering = rendering
        self._viewers: dict[int, set[asyncio.Queue[Event]]] = defaultdict(set)
        self._changed = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "desk")
        self._running: asyncio.Task[None] | None = None

    async def watch(self, user_id: int, send: Callable[[Event], Any], gone: "asyncio.Future[Any]") -> None:
        """Send this person's desk at every change, until `gone` is done."""
        queue: asyncio.Queue[Event] = asyncio.Queue(1)
        self._viewers[user_id].add(queue)
        self._start()
        self._changed.set()
        try:
            while not gone.done():
                news = asyncio.ensure_future(queue.get())
                await asyncio.wait({news, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not news.done():
                    news.cancel()
                    return
                await send(news.result())
                if news.result() is GONE:
                    return
        finally:
            self._viewers[user_id].discard(queue)
            if not self._viewers[user_id]:
                del self._viewers[user_id]

    def _start(self) -> None:
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        watching = threading.Event()
        watching.set()

        def told() -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile, and the process with it
                loop.call_soon_threadsafe(self._changed.set)

        threading.Thread(target=listen, args=(told, watching.is_set), name="desk-listener", daemon=True).start()
        try:
            while self._viewers:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), AT_LEAST_SECONDS)
                self._changed.clear()
                began = loop.time()
                try:
                    desks = await loop.run_in_executor(self._thread, self._rendering, list(self._viewers))
                except Exception:  # whatever it was: the pages say how old their numbers are
                    logger.exception("The live desks could not be rendered.")
                    desks = {}
                self._hand_out(desks)
                await asyncio.sleep(max(0.0, EVERY_SECONDS - (loop.time() - began)))
        finally:
            self._running = None  # who comes from here on starts another one
            watching.clear()
            await loop.run_in_executor(self._thread, _close)

    def _hand_out(self, desks: Mapping[int, Event]) -> None:
        """To each viewer; who has not taken the last one yet gets this one instead."""
        for user_id, event in desks.items():
            for queue in self._viewers.get(user_id, ()):
                if queue.full():
                    queue.get_nowait()
                queue.put_nowait(event)


desks = Desks()


async def stream(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """The ASGI application of `/sse/desk/`: events named `desk`, whose data is the fragment."""
    user_id = admitted(scope["headers"])
    if scope["method"] != "GET" or user_id is None:
        await _refuse(send, b"Load the desk first: it lets you open its stream.")
        return
    packs = _takes_gzip(scope["headers"])
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"vary", b"accept-encoding, cookie"),
        (b"x-accel-buffering", b"no"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers + PACKED * packs})

    async def show(event: Event, header: bytes = b"") -> None:
        body = header + event.packed if packs else event.plain
        await send({"type": "http.response.body", "body": body, "more_body": True})

    await show(WATCHING, GZIP_HEADER)
    gone = asyncio.ensure_future(_left(receive))
    try:
        await desks.watch(user_id, show, gone)
    finally:
        gone.cancel()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


PACKED = [(b"content-encoding", b"gzip")]


def _takes_gzip(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"accept-encoding" and b"gzip" in value for name, value in headers)


async def _left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Any, why: bytes) -> None:
    await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": why})
