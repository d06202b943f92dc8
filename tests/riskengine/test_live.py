"""The live stream of the desk without a browser: who may watch, what is rendered for whom, and how often."""

import asyncio
import threading
import zlib
from collections.abc import Iterable

import pytest
import time_machine
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from accounts.models import User
from positions.models import Portfolio
from riskengine.services.watch.announcing import CHANNEL, announce
from riskengine.views import live
from riskengine.views.admission import GOOD_FOR_SECONDS, admit, admitted
from tests import factories
from tests.riskengine.watch.desk import Desk, zero

Headers = list[tuple[bytes, bytes]]


def cookie_of(user: User) -> Headers:
    response = admit(HttpResponse(), user, secure=True)
    text = response.cookies["betsizing_live"]
    return [(b"host", b"x"), (b"cookie", f"other=1; betsizing_live={text.value}".encode())]


# ---- Who may watch ----


@pytest.mark.django_db
def test_the_cookie_is_good_for_a_minute_and_for_nobody_else() -> None:
    user = factories.user("trader")
    with time_machine.travel(0, tick=False):
        headers = cookie_of(user)
        assert admitted(headers) == user.pk
    with time_machine.travel(GOOD_FOR_SECONDS + 1, tick=False):
        assert admitted(headers) is None
    forged = [(name, value.replace(f"live={user.pk}:".encode(), b"live=1000:")) for name, value in cookie_of(user)]
    assert admitted(forged) is None
    assert admitted([]) is None
    assert admitted([(b"cookie", b"betsizing_live=x"), (b"cookie", b"\xff\xfe")]) is None


@pytest.mark.django_db
def test_only_the_desk_lets_open_its_stream_and_the_cookie_goes_nowhere_else() -> None:
    desk = zero()
    client = Client()
    client.force_login(desk.portfolio.owner)
    cookie = client.get("/desk/").cookies["betsizing_live"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/sse/", True, "Strict")
    assert "betsizing_live" in client.get("/desk/live/").cookies
    assert "betsizing_live" not in client.get("/decisions/").cookies


# ---- What is rendered ----


@pytest.fixture
def desk(db: None) -> Desk:
    return zero()


def test_who_sees_the_same_is_rendered_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[str] = []
    plain = live.render_to_string
    monkeypatch.setattr(live, "render_to_string", lambda *given: rendered.append(str(given[0])) or plain(*given))
    staff = [factories.user(f"staff-{k}", is_staff=True) for k in range(3)]
    owner, stranger = desk.portfolio.owner, factories.user("stranger")
    found = live.render([*(user.pk for user in staff), owner.pk, stranger.pk])
    assert len(rendered) == 3
    assert len({found[user.pk] for user in staff}) == 1
    assert desk.portfolio.name.encode() in found[owner.pk].plain
    assert desk.portfolio.name.encode() not in found[stranger.pk].plain


def test_who_may_not_any_more_is_shown_the_end(desk: Desk) -> None:
    owner = desk.portfolio.owner
    assert live.render([owner.pk])[owner.pk] is not live.GONE
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert live.render([owner.pk, 10**9]) == {owner.pk: live.GONE, 10**9: live.GONE}


def test_what_many_share_holds_no_token_of_one(desk: Desk) -> None:
    desk.hold(3)
    html = live.render([desk.portfolio.owner_id])[desk.portfolio.owner_id]
    assert b"csrfmiddlewaretoken" not in html.plain


# ---- How it is sent ----


class Wire:
    """An ASGI connection that leaves when told."""

    def __init__(self, headers: Headers, method: str = "GET") -> None:
        self.scope = {"type": "http", "method": method, "path": "/sse/desk/", "headers": headers}
        self.left = asyncio.Event()
        self.status, self.body = 0, b""

    async def receive(self) -> dict[str, str]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "EVERY_SECONDS", 0.02)
    monkeypatch.setattr(live, "AT_LEAST_SECONDS", 0.05)
    monkeypatch.setattr(live, "listen", lambda *given: None)


@pytest.mark.django_db
def test_a_viewer_is_sent_each_rendering_until_they_leave(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    user = factories.user("trader")
    count = iter(range(1_000))

    def rendering(ids: Iterable[int]) -> dict[int, live.Event]:
        return dict.fromkeys(ids, live.Event.of("desk", f"<p>{next(count)}</p>\n<p>two lines</p>"))

    async def scene() -> Wire:
        desks = live.Desks(rendering)
        monkeypatch.setattr(live, "desks", desks)
        wire = Wire(cookie_of(user))
        watching = asyncio.ensure_future(live.stream(wire.scope, wire.receive, wire.send))
        while wire.body.count(b"event: desk") < 3:
            await asyncio.sleep(0.01)
        wire.left.set()
        await watching
        assert not desks._viewers
        while desks._running is not None:
            await asyncio.sleep(0.01)
        return wire

    wire = asyncio.run(asyncio.wait_for(scene(), 10))
    assert wire.status == 200
    assert b"event: desk\ndata: <p>0</p>\ndata: <p>two lines</p>\n\n" in wire.body


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_cookie_there_is_no_stream(method: str) -> None:
    async def scene() -> Wire:
        wire = Wire([], method)
        await live.stream(wire.scope, wire.receive, wire.send)
        return wire

    wire = asyncio.run(scene())
    assert (wire.status, b"Load the desk first" in wire.body) == (403, True)


def test_who_reads_slowly_gets_the_newest_and_keeps_nobody_waiting(quick: None) -> None:
    count = iter(range(1_000))

    async def scene() -> tuple[list[live.Event], list[live.Event]]:
        desks = live.Desks(lambda ids: dict.fromkeys(ids, live.Event.raw(str(next(count)).encode())))
        slow: list[live.Event] = []
        fast: list[live.Event] = []
        gone = asyncio.get_running_loop().create_future()

        async def slowly(event: live.Event) -> None:
            slow.append(event)
            await asyncio.sleep(0.4)

        async def quickly(event: live.Event) -> None:
            fast.append(event)

        watching = [asyncio.ensure_future(desks.watch(1, send, gone)) for send in (slowly, quickly)]
        while len(slow) < 3:
            await asyncio.sleep(0.01)
        gone.set_result(None)
        await asyncio.gather(*watching)
        return slow, fast

    slow, fast = asyncio.run(asyncio.wait_for(scene(), 20))
    assert int(slow[1].plain) > 2
    assert len(fast) > 2 * len(slow)


def test_the_end_is_said_and_ends_the_stream(quick: None) -> None:
    async def scene() -> list[live.Event]:
        desks = live.Desks(lambda ids: dict.fromkeys(ids, live.GONE))
        sent: list[live.Event] = []

        async def send(event: live.Event) -> None:
            sent.append(event)

        await desks.watch(1, send, asyncio.get_running_loop().create_future())
        return sent

    assert asyncio.run(asyncio.wait_for(scene(), 10)) == [live.GONE]
    assert live.GONE.plain == b"event: over\ndata: \n\n"


def test_any_viewer_can_begin_with_any_packed_piece() -> None:
    events = [live.WATCHING, *(live.Event.of("desk", f"<p>{number}</p>\n" * 500) for number in range(3))]
    for first in range(len(events)):
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        assert unpacker.decompress(live.GZIP_HEADER) == b""
        for event in events[first:]:
            assert unpacker.decompress(event.packed) == event.plain


# ---- What it is told ----


@pytest.mark.django_db(transaction=True)
def test_an_announcement_is_heard_and_a_lost_connection_listened_on_again() -> None:
    heard, wanted = threading.Event(), threading.Event()
    wanted.set()
    listener = threading.Thread(target=live.listen, args=(heard.set, wanted.is_set), daemon=True)
    listener.start()

    def hears() -> bool:
        for _ in range(50):
            announce()
            if heard.wait(0.2):
                heard.clear()
                return True
        return False

    assert hears()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query = %s",
            [f"LISTEN {CHANNEL}"],
        )
        assert cursor.fetchone()[0] == 1
    assert heard.wait(5), "once more after the loss: something may have been missed"
    heard.clear()
    assert hears()
    wanted.clear()
    listener.join(5)
    assert not listener.is_alive()
    assert Portfolio.objects.count() == 0
