"""Which addresses belong to the public internet: what this program asks for others must never reach into the network
it runs in (a cloud's metadata, a router, the database)."""

import ipaddress

NAT64 = ipaddress.ip_network("64:ff9b::/96")


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
