"""Hosts, however they are spelled."""

from __future__ import annotations

import pytest

from studio.core.errors import InvalidRequestError
from studio.core.hosts import checked_name, host_of, in_address, is_every_interface, is_loopback
from studio.core.settings import Settings


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.2", "localhost", "LOCALHOST", "localhost.", "::1", "[::1]", "0:0:0:0:0:0:0:1",
        "::ffff:127.0.0.1",
    ],
)  # fmt: skip
def test_only_this_machine(host: str) -> None:
    assert is_loopback(host)
    assert Settings(host=host).private


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "[::]", "192.168.1.5", "fe80::1%eth0", "studio.lan", "::ffff:10.0.0.1"]
)
def test_others_too(host: str) -> None:
    assert not is_loopback(host)
    assert not Settings(host=host).private


def test_what_opens_it_is_not_the_host_alone() -> None:
    assert not Settings(share=True).private
    assert not Settings(allowed_hosts=("sound.example.org",)).private
    assert not Settings(root_path="/studio").private
    assert not Settings(share=True).trusted
    assert Settings(share=True, auth=(("me", "secret"),)).trusted
    assert "secret" not in repr(Settings(auth=(("me", "secret"),)))


@pytest.mark.parametrize(("host", "every"), [("0.0.0.0", True), ("[::]", True), ("::", True), ("::1", False)])
def test_every_interface(host: str, every: bool) -> None:
    assert is_every_interface(host) is every


@pytest.mark.parametrize(
    ("host", "written"),
    [("::1", "[::1]"), ("[0::1]", "[::1]"), ("127.0.0.1", "127.0.0.1"), ("Studio.LAN", "studio.lan")],
)
def test_in_an_address(host: str, written: str) -> None:
    assert in_address(host) == written


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost:7860", "localhost"), ("LocalHost", "localhost"), ("[::1]:7860", "::1"), ("[0::1]", "::1"),
        ("127.0.0.1:80", "127.0.0.1"), ("sound.example.org.", "sound.example.org"),
        ("", None), ("a b", None), ("evil@localhost", None), ("localhost:80:80", None), ("localhost/x", None),
        ("localhost:port", None), ("[::1", None),
    ],
)  # fmt: skip
def test_host_headers(header: str, host: str | None) -> None:
    assert host_of(header) == host


@pytest.mark.parametrize("name", ["sound.example.org", "studio", "::1", "10.0.0.1", "a_b.local"])
def test_names_that_can_be_allowed(name: str) -> None:
    assert checked_name(f" {name.upper()} ") == name


@pytest.mark.parametrize(
    "name", ["", "https://sound.example.org", "a.org:80", "a/b", "*", "*.org", "a b", "-x", "x" * 300]
)
def test_what_is_no_name_is_told(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="no host name"):
        checked_name(name)
