"""Where an alert may be sent: to the public internet, never into the network this program runs in.

Whoever may name a web address could otherwise have the program ask what only it can reach: a cloud's metadata, the
database, a router. The name is resolved here, every address it stands for is judged, and the connection is made to
the address that was judged: a name that resolves otherwise a moment later gains nothing.
"""

import socket
from typing import Any

from django.conf import settings

from betsizing.address import is_public

Address = tuple[Any, Any]  # family and what `socket.connect` takes


class TargetRefused(ValueError):
    """The address is not one that alerts are sent to; says why."""


def public_address(host: str, port: int) -> Address:
    """The address to connect to. TargetRefused unless every address of the name is public; OSError when it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not settings.ALERTS_ALLOW_PRIVATE_TARGETS:
        for *_, sockaddr in found:
            if not is_public(str(sockaddr[0])):
                raise TargetRefused(
                    f"{host} leads to {sockaddr[0]}, which is not an address of the public internet. "
                    "Alerts are sent to public addresses only."
                )
    family, _, _, _, sockaddr = found[0]
    return family, sockaddr
