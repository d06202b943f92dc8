"""An alert as JSON to a web address: one POST, no redirect, a short patience, to a public address only.

Headers: `Idempotency-Key` and `X-Alert-Id` (the message's id: the same at every attempt), and with a secret
`X-Alert-Signature: sha256=<HMAC of the body, hexadecimal>`. Any 2xx is a receipt; what else the receiver says is not
read.
"""

import hashlib
import hmac
import http.client
import json
import socket
import ssl
import threading
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from riskengine.services.notify.address import Address, TargetRefused, public_address
from riskengine.services.notify.message import Message

CONNECT_SECONDS = 3
SILENCE_SECONDS = 4  # between two words of the receiver
WHOLE_SECONDS = 8


class NotTaken(Exception):
    """The target did not take the message; says what it answered."""


def send(message: Message) -> str:
    """The receipt. NotTaken, TargetRefused or OSError otherwise."""
    url = checked(message.address)
    body = json.dumps(message.document()).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "betsizing",
        "Connection": "close",
        "Idempotency-Key": message.id,
        "X-Alert-Id": message.id,
    }
    if message.signing_secret:
        digest = hmac.new(message.signing_secret.encode(), body, hashlib.sha256).hexdigest()
        headers["X-Alert-Signature"] = f"sha256={digest}"
    host, port = _place(url)
    status = _post(url, host, port, public_address(host, port), body, headers)
    if not 200 <= status < 300:
        note = " Redirects are not followed: give the final address." if 300 <= status < 400 else ""
        raise NotTaken(f"It answered {status}.{note}")
    return f"It answered {status}."


def checked(address: str) -> SplitResult:
    """The parts of a webhook's address. TargetRefused when it is none, or would be sent in the clear."""
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError as error:
        raise TargetRefused(f"This is not a web address: {error}.") from error
    schemes = ("https", "http") if settings.ALERTS_ALLOW_PRIVATE_TARGETS else ("https",)
    if url.scheme not in schemes or not url.hostname or port == 0:
        raise TargetRefused("A webhook's address begins with https:// and names a host.")
    if url.username is not None or url.password is not None:
        raise TargetRefused("Leave user and password out of the address; the signing secret proves who sends.")
    if not address.isascii() or any(character <= " " for character in address):
        raise TargetRefused("The address must be written in plain characters, without spaces.")
    return url


def check(address: str) -> None:
    """That an alert could be sent there as things stand. TargetRefused otherwise, also for a name nobody knows."""
    host, port = _place(checked(address))
    try:
        public_address(host, port)
    except OSError as error:
        raise TargetRefused(f"The name {host} is not known: {error.strerror or error}.") from error


def host_of(address: str) -> str:
    return urlsplit(address).hostname or ""


def _place(url: SplitResult) -> tuple[str, int]:
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def _post(url: SplitResult, host: str, port: int, address: Address, body: bytes, headers: dict[str, str]) -> int:
    """The status of the answer. The whole of it may last `WHOLE_SECONDS`, however slowly the receiver speaks."""
    family, sockaddr = address
    connection = http.client.HTTPConnection(host, port)
    # TLS takes the socket over and leaves the plain one without a connection: what hangs up has a handle of its own.
    with socket.socket(family, socket.SOCK_STREAM) as plain, plain.dup() as handle:
        plain.settimeout(CONNECT_SECONDS)
        impatience = threading.Timer(WHOLE_SECONDS, _hang_up, [handle])
        impatience.daemon = True
        impatience.start()
        try:
            plain.connect(sockaddr)
            plain.settimeout(SILENCE_SECONDS)
            secure = url.scheme == "https"
            connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host) if secure else plain
            path = (url.path or "/") + (f"?{url.query}" if url.query else "")
            connection.request("POST", path, body, headers | {"Host": url.netloc})
            return connection.getresponse().status
        except http.client.HTTPException as error:
            raise NotTaken(f"Its answer could not be read: {type(error).__name__}.") from error
        finally:
            impatience.cancel()
            connection.close()


def _hang_up(handle: socket.socket) -> None:
    with suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)
