"""HTTP as a provider may have it: to addresses it may lead to, within a deadline, a number of bytes and an allowance.

The protections sit in an adapter of `requests`, so that a library that brings its own session (alpaca-py, which sets no
time-out and sleeps seconds between tries) gets them by mounting it.
"""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NoReturn

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, DecodeError, HTTPError, NewConnectionError, ReadTimeoutError

from betsizing.address import is_public
from positions.market.providers.allowance import Allowance
from positions.market.providers.base import (
    ADDRESS_REFUSED,
    GARBAGE,
    RATE_LIMITED,
    REFUSED,
    TIMEOUT,
    UNAVAILABLE,
    ProviderError,
)
from positions.market.providers.patience import Deadline, too_late

CONNECT_SECONDS = 3.0
SILENCE_SECONDS = 5.0  # between two words of the provider
MOST_BYTES = 16_000_000  # of all answers to one question, unpacked
CHUNK = 65_536
ATTEMPTS = 4
FIRST_WAIT = 0.25  # seconds before the second attempt, doubled before each further one
TOO_MANY = 429
MOST_RETRY_AFTER = 3600.0


class Line:
    """The connections of one question, so that they can be cut from another thread.

    Of each it keeps a second descriptor: the first is taken over by TLS, which would leave nothing to shut.
    """

    def __init__(self, deadline: Deadline, *, allow_private: bool) -> None:
        self.deadline = deadline
        self.cut_off = threading.Event()
        self._allow_private = allow_private
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()

    def cut(self) -> None:
        with self._lock:
            self.cut_off.set()
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            self._sockets.clear()

    def connect(self, host: str, port: int) -> socket.socket:
        """A connection to an address that was judged: the name is not looked up a second time."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if not self._allow_private:
            for *_, place in found:
                if not is_public(str(place[0])):
                    sentence = f"{host} leads to {place[0]}, which is not an address of the public internet."
                    raise ProviderError(ADDRESS_REFUSED, sentence)
        family, _, _, _, place = found[0]
        plain = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._watch(plain)
            plain.settimeout(max(0.01, min(CONNECT_SECONDS, self.deadline.left)))
            plain.connect(place)
        except BaseException:
            plain.close()
            raise
        return plain

    def _watch(self, plain: socket.socket) -> None:
        with self._lock:
            if self.cut_off.is_set():
                raise too_late(self.deadline.seconds)
            self._sockets.append(plain.dup())


class GuardedAdapter(HTTPAdapter):
    """Sends requests on a line. It returns whole 2xx answers and raises ProviderError for everything else."""

    def __init__(self, line: Line, allowance: Allowance) -> None:
        self._line = line
        self._allowance = allowance
        self._bytes_left = MOST_BYTES
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named)
        line = self._line

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return _connected(line, self)

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return _connected(line, self)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    def send(self, request: requests.PreparedRequest, *_: Any, **named: Any) -> requests.Response:
        """The whole answer. Asked again after 429, 5xx and lost connections, where it is a GET and time is left."""
        wait = FIRST_WAIT
        attempts = ATTEMPTS if request.method == "GET" else 1
        for attempt in range(1, attempts + 1):
            self._allowance.take(self._line.deadline, self._line.cut_off)
            try:
                return self._once(request, named)
            except ProviderError as error:
                if error.code not in (UNAVAILABLE, RATE_LIMITED) or attempt == attempts:
                    raise
                pause = max(wait, error.retry_after or 0.0)
                if pause >= self._line.deadline.left:
                    raise
            self._line.cut_off.wait(pause)
            wait *= 2.0
        raise AssertionError("unreachable")

    def _once(self, request: requests.PreparedRequest, named: Mapping[str, Any]) -> requests.Response:
        left = self._line.deadline.left
        if left <= 0 or self._line.cut_off.is_set():
            raise too_late(self._line.deadline.seconds)
        given = {**named, "stream": True, "timeout": (min(CONNECT_SECONDS, left), min(SILENCE_SECONDS, left))}
        given["proxies"] = {}
        try:
            answer = super().send(request, **given)
            try:
                _judge_status(answer)
                answer._content = self._read(answer)
                answer._content_consumed = True
            finally:
                answer.raw.close()
            return answer
        except (requests.Timeout, ReadTimeoutError) as error:
            raise ProviderError(TIMEOUT, f"It fell silent: {_words(error)}.") from error
        except DecodeError as error:
            raise ProviderError(GARBAGE, "Its answer cannot be unpacked.") from error
        except (requests.RequestException, HTTPError, OSError) as error:
            if self._line.cut_off.is_set() or self._line.deadline.left <= 0:
                raise too_late(self._line.deadline.seconds) from error
            raise ProviderError(UNAVAILABLE, f"The connection failed: {_words(error)}.") from error

    def _read(self, answer: requests.Response) -> bytes:
        """The whole body, piece by piece: a body that trickles ends at the deadline, one that swells at its limit."""
        pieces: list[bytes] = []
        while piece := answer.raw.read1(CHUNK, decode_content=True):
            self._bytes_left -= len(piece)
            if self._bytes_left < 0:
                raise ProviderError(GARBAGE, f"It answered more than {MOST_BYTES:,} bytes.")
            if self._line.deadline.left <= 0:
                raise too_late(self._line.deadline.seconds)
            pieces.append(piece)
        return b"".join(pieces)


def _connected(line: Line, of: HTTPConnection) -> socket.socket:
    try:
        return line.connect(of.host, of.port)
    except TimeoutError as error:
        raise ConnectTimeoutError(of, "no connection in time") from error
    except OSError as error:
        raise NewConnectionError(of, str(error)) from error


def _judge_status(answer: requests.Response) -> None:
    status = answer.status_code
    if status == TOO_MANY:
        _raise(RATE_LIMITED, "It answered 429: too many requests.", answer)
    if status >= 500:
        _raise(UNAVAILABLE, f"It answered {status}.", answer)
    if not 200 <= status < 300:
        note = " Redirects are not followed: give the final address." if 300 <= status < 400 else ""
        _raise(REFUSED, f"It answered {status}.{note}", answer)


def _raise(code: str, sentence: str, answer: requests.Response) -> NoReturn:
    """Retry-After in seconds is heeded; as a date it is not, since the clock it is of is not known."""
    text = answer.headers.get("Retry-After", "").strip()
    after = min(float(text), MOST_RETRY_AFTER) if text.isascii() and text.isdigit() else None
    raise ProviderError(code, sentence, after)


def _words(error: BaseException) -> str:
    """Without addresses: a query may carry a key."""
    reason = getattr(error, "reason", None) or (error.args[0] if error.args else None)
    return type(reason if isinstance(reason, BaseException) else error).__name__


def guarded_session(line: Line, allowance: Allowance) -> requests.Session:
    """A session that reaches the network by a guarded adapter only, and takes nothing from the environment: a proxy or
    a `.netrc` would lead it, or a password, elsewhere."""
    session = requests.Session()
    guard(session, line, allowance)
    return session


def guard(session: requests.Session, line: Line, allowance: Allowance) -> None:
    session.trust_env = False
    session.adapters.clear()
    adapter = GuardedAdapter(line, allowance)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
