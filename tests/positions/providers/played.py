"""A provider that is played: a local server with one script for every path, and what it was asked.

A script is a list of answers: the first request gets the first, the last is repeated. An answer is a function of the
request handler, so that it may hang, trickle or lie about its length.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Play = Callable[[BaseHTTPRequestHandler, threading.Event], None]


class Stage:
    """`scripts` by path; `asked` is what came: (path, query, headers)."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[Play]] = {}
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.over = threading.Event()
        self.url = ""
        self._lock = threading.Lock()

    def play(self, path: str, *answers: Play) -> None:
        self.scripts[path] = list(answers)

    def next(self, path: str) -> Play:
        with self._lock:
            script = self.scripts.get(path) or [status(404)]
            return script.pop(0) if len(script) > 1 else script[0]

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]


@contextmanager
def stage() -> Iterator[Stage]:
    here = Stage()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            here.asked.append((url.path, query, dict(self.headers)))
            try:
                here.next(url.path)(self, here.over)
            except OSError:
                self.close_connection = True  # the product hung up

        def log_message(self, *_: object) -> None:
            """Nothing: a test says what it saw."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    here.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield here
    finally:
        here.over.set()
        server.shutdown()
        server.server_close()


# ---- Answers ----


def body(content: bytes, code: int = 200, **headers: str) -> Play:
    def play(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
        _begin(handler, code, len(content), headers)
        handler.wfile.write(content)

    return play


def says(document: Any, code: int = 200, **headers: str) -> Play:
    """JSON; numbers that JSON does not know (NaN, Infinity) are written as Python writes them."""
    return body(json.dumps(document).encode(), code, **{"Content-Type": "application/json", **headers})


def status(code: int, **headers: str) -> Play:
    return body(b"", code, **headers)


def hangs(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """Takes the request and says nothing."""
    over.wait(60)
    handler.close_connection = True


def hangs_in_the_middle(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """Promises a long answer, gives its beginning, and stops."""
    _begin(handler, 200, 1000, {})
    handler.wfile.write(b'{"rows": [')
    over.wait(60)


def trickles(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """A byte every fifth of a second: never silent, never done."""
    _begin(handler, 200, 100_000, {})
    while not over.is_set():
        handler.wfile.write(b" ")
        time.sleep(0.2)


def trickles_headers(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """The same before the body: a header of a single endless line."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Wait: ")
    while not over.is_set():
        handler.wfile.write(b"a")
        time.sleep(0.2)


def swells(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """More bytes than anybody asked for."""
    _begin(handler, 200, 10**9, {})
    while not over.is_set():
        handler.wfile.write(b" " * 1_000_000)


def hangs_up(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    handler.connection.close()
    handler.close_connection = True


def late(seconds: float, then: Play) -> Play:
    """A whole and sound answer, too late."""

    def play(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
        over.wait(seconds)
        then(handler, over)

    return play


def _begin(handler: BaseHTTPRequestHandler, code: int, length: int, headers: dict[str, str]) -> None:
    handler.send_response(code)
    handler.send_header("Content-Length", str(length))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.flush()
