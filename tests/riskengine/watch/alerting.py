"""Receivers on this machine, and the smallest alert: a test changes what it is about."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message as Mail
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from positions.models import Heartbeat, Portfolio
from riskengine.models import Alert, AlertTarget, Severity, TargetKind
from riskengine.services.watch.alerts import NewAlert
from tests import factories

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


def after(**amount: float) -> datetime:
    return NOW + timedelta(**amount)


def new(**changes: Any) -> NewAlert:
    given = {
        "code": "TEST",
        "key": "test:1",
        "severity": Severity.CRITICAL,
        "title": "The kettle is dry",
        "happened": "The kettle holds 0.2 l, under 0.5 l.",
        "to_do": "Fill it.",
        "value": 0.2,
        "limit": 0.5,
        "unit": "l",
    }
    return NewAlert(**given | changes)


def target(**changes: Any) -> AlertTarget:
    given = {
        "name": f"target {AlertTarget.objects.count() + 1}",
        "kind": TargetKind.WEBHOOK,
        "address": "https://hooks.example.com/x",
        "created_at": NOW,
    }
    return AlertTarget.objects.create(**given | changes)


# ---- A web server ----


@dataclass
class Hook:
    """What came by POST, and what is answered: a status each time, the last one for ever."""

    server: ThreadingHTTPServer
    statuses: list[int] = field(default_factory=lambda: [200])
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    location: str = ""
    silence: threading.Event | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook?key=1"

    def answer(self) -> int:
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@contextmanager
def web_server() -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.requests.append((dict(self.headers), body))
            if hook.silence is not None:
                hook.silence.wait(20)
            self.send_response(hook.answer())
            if hook.location:
                self.send_header("Location", hook.location)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # of its own it refuses the sixth who comes at once

    server = Server(("127.0.0.1", 0), Handler)
    hook = Hook(server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()


# ---- A mail server ----


@dataclass
class Mailbox:
    port: int
    mails: list[Mail] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.mails.append(message_from_bytes(envelope.content or b""))
        return "250 OK"


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    box = Mailbox(port)
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


def checked(portfolio: Portfolio, seconds_ago: float) -> None:
    """A risk check that finished so long before `NOW`."""
    at = NOW - timedelta(seconds=seconds_ago)
    Heartbeat.objects.update_or_create(
        portfolio=portfolio, scope="risk", defaults={"finished_at": at, "market_at": factories.NOW}
    )


def codes() -> list[str]:
    """Of the alerts that are not over."""
    return list(Alert.objects.filter(resolved_at=None).order_by("id").values_list("code", flat=True))
