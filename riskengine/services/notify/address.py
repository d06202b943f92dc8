"""Where an alert may be sent: to the public internet, never into the network this program runs in.

Whoever may name a web address could otherwise have the program ask what only it can reach: a cloud's metadata, the
database, a router. The name is resolved here, every address it stands for is judged, and the connection is made to
the address that was judged: a name that resolves otherwise a moment later gains nothing.
"""

import ipaddress
import socket
from typing import Any

from django.conf import settings

Address = tuple[Any, Any]  # family and what `socket.connect` takes
NAT64 = ipaddress.ip_network("64:ff9b::/96")


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


def is_public(text: str) -> bool:
    """Whether an IP address belongs to the public internet, also where an IPv4 address is wrapped in an IPv6 one."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in NAT64:
            wrapped.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        elif address.packed[:12] == bytes(12) and address.packed[12:] != bytes(4):
            return False  # ::127.0.0.1 and its like, long out of use
        if not all(_is_public(each) for each in wrapped if each is not None):
            return False
        if address.ipv4_mapped is not None or address in NAT64:
            return True
    return _is_public(address)


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    special = (
        address.is_private,
        address.is_loopback,
        address.is_link_local,
        address.is_reserved,
        address.is_multicast,
        address.is_unspecified,
        getattr(address, "is_site_local", False),
    )
    return address.is_global and not any(special)
