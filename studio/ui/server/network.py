"""The way from a network to the page: who has it, by which addresses, and what must not stand in it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from studio.core.errors import InvalidRequestError
from studio.core.hosts import address_of, in_address, is_every_interface
from studio.core.settings import Settings

_SPELLED = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
PROXIES = (*_SPELLED, *(name.lower() for name in _SPELLED))
MAX_ADDRESSES = 6


def require_folder(outputs: Path) -> None:
    """Make the folder of takes.

    Raises:
        InvalidRequestError: there can be none, or it can't be written.
    """
    try:
        outputs.mkdir(parents=True, exist_ok=True)
        if not os.access(outputs, os.W_OK):
            raise PermissionError(13, "no permission to write")
    except OSError as error:
        what = f"can't be used ({error.strerror}): make it a folder you may write to"
        if outputs.is_symlink() and not outputs.exists():
            what = "is a link to what is not there: plug its disk in"
        raise InvalidRequestError(f"The folder {outputs} {what}, or give another as --outputs.") from error


def require_address(host: str, port: int) -> None:
    """Try whether one can listen there; a `port` of 0 is whichever is free.

    Raises:
        InvalidRequestError: the port is taken or forbidden, or the host is not this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, place = found[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name != "nt":  # where it would take a port from who has it
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            raise InvalidRequestError(f"Port {port} is taken: choose another --port, or 0.") from error
        if number in (errno.EACCES, errno.EPERM):
            raise InvalidRequestError(f"Port {port} takes rights you lack: choose one above 1023.") from error
        raise InvalidRequestError(
            f"This machine has no address '{host}': give one of its own as --host, or 0.0.0.0 for all."
        ) from error


@contextmanager
def without_proxies(*, for_others: bool) -> Iterator[None]:
    """Inside, no proxy of the environment's is asked for this machine's own page.

    Gradio asks whether its page is there by way of whatever proxy is set. `for_others`: other hosts are asked
    for too, and through it.
    """
    before = {name: os.environ.get(name) for name in PROXIES}
    for name in PROXIES:
        if not for_others or name.lower() == "no_proxy":
            os.environ.pop(name, None)
    if for_others:
        own = ("127.0.0.1", "localhost", "::1")
        others = before["no_proxy"] or before["NO_PROXY"]
        os.environ["NO_PROXY"] = ",".join(filter(None, (others, *own)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def who_reaches(settings: Settings, port: int) -> str:
    """Who can reach the page and what they may do there; empty where only this machine's own user does."""
    if settings.private:
        return ""
    if settings.share:
        who = "Whoever has the link can"
    elif settings.allowed_hosts:
        who = f"Whoever reaches {', '.join(settings.allowed_hosts)} can"
    elif settings.root_path:
        who = "Whoever reaches the proxy before it can"
    else:
        who = f"Everybody on the network can, at {', '.join(addresses(settings.host, port))},"
    if settings.auth:
        return f"{who} log in, and who has hears, keeps and deletes every take."
    return f"{who} make takes without a login, and hear their own; --auth NAME:PASSWORD asks for one."


def addresses(host: str, port: int) -> list[str]:
    """The addresses by which other machines reach a server that listens at `host`."""
    if not is_every_interface(host):
        return [f"http://{in_address(host)}:{port}/"]
    families = {socket.AF_INET, socket.AF_INET6} if ":" in host else {socket.AF_INET}
    found = [
        address
        for interface in psutil.net_if_addrs().values()
        for one in interface
        if one.family in families and (address := address_of(one.address)) is not None
    ]
    shown = [str(address) for address in found if not (address.is_loopback or address.is_link_local)]
    names = [socket.gethostname(), *shown]
    return [f"http://{in_address(name)}:{port}/" for name in names[:MAX_ADDRESSES]]
