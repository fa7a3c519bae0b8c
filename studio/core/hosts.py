"""Names and addresses by which a server is reached, however they are spelled."""

from __future__ import annotations

import ipaddress
import re

from studio.core.errors import InvalidRequestError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAME = re.compile(r"(?=.{1,253}$)(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?", re.I)


def address_of(host: str) -> Address | None:
    """The IP address that a host is, in brackets or without, with a zone or without; None for a name."""
    bare = host.strip().removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    address = address_of(host)
    if address is not None:
        return address.is_loopback
    return normal(host) == "localhost"


def is_every_interface(host: str) -> bool:
    """Whether a server that listens there is reached by every address of this machine."""
    address = address_of(host)
    return address is not None and address.is_unspecified


def normal(host: str) -> str:
    """A host as it is compared: lower case, no brackets, an address in its shortest form."""
    address = address_of(host)
    return str(address) if address is not None else host.strip().rstrip(".").lower()


def in_address(host: str) -> str:
    """A host as it stands in a URL: an IPv6 address in brackets."""
    address = ipaddress_or_none(host)
    return f"[{address}]" if address is not None and address.version == 6 else normal(host)


def ipaddress_or_none(host: str) -> Address | None:
    """As `address_of`, but an IPv4 address in IPv6's clothes stays what it is."""
    try:
        return ipaddress.ip_address(host.strip().removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def host_of(header: str) -> str | None:
    """The host in a Host header, `normal`, without its port; None for what is none."""
    match = re.fullmatch(r"(\[[0-9a-f:.%]+\]|[^\s\[\]:/@?#]+)(?::\d{1,5})?", header.strip(), re.I)
    return normal(match.group(1)) if match else None


def checked_name(name: str) -> str:
    """A host name or address that a user allows, `normal`.

    Raises:
        InvalidRequestError: it is none; a port, a path or a scheme does not belong to it.
    """
    if address_of(name) is None and not _NAME.fullmatch(name.strip()):
        raise InvalidRequestError(
            f"'{name[:80]}' is no host name: give the name alone, for example sound.example.org."
        )
    return normal(name)
