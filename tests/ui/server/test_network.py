"""What is told of a page that others reach, and what keeps it from starting."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from studio.app import build_app
from studio.core.errors import InvalidRequestError
from studio.core.hosts import checked_name
from studio.core.settings import Settings
from studio.ui.server.network import (
    PROXIES,
    addresses,
    require_address,
    require_folder,
    who_reaches,
    without_proxies,
)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ()),
        ({"host": "::1"}, ()),
        ({"host": "0.0.0.0"}, ("Everybody on the network", "http://", ":7860/", "without a login", "--auth")),
        ({"host": "192.168.1.5"}, ("http://192.168.1.5:7860/", "without a login")),
        ({"share": True}, ("Whoever has the link", "without a login")),
        ({"allowed_hosts": ("a.org", "b.org")}, ("Whoever reaches a.org, b.org",)),
        ({"root_path": "/studio"}, ("the proxy",)),
        ({"host": "0.0.0.0", "auth": (("me", "x"),)}, ("Everybody on the network", "log in", "every take")),
    ],
)
def test_every_way_of_opening_it_says_who_can_do_what(
    settings: dict[str, Any], words: tuple[str, ...]
) -> None:
    said = who_reaches(Settings(**settings), 7860)
    assert bool(said) is bool(words)
    assert all(word in said for word in words), said
    assert "\n" not in said


def test_the_addresses_are_those_of_other_machines() -> None:
    found = addresses("0.0.0.0", 80)
    assert all("127.0.0.1" not in address and "[" not in address for address in found)
    assert addresses("::5", 80) == ["http://[::5]:80/"]


@pytest.mark.parametrize("for_others", [True, False])
def test_no_proxy_stands_before_one_s_own_page(monkeypatch: pytest.MonkeyPatch, for_others: bool) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:1")
    monkeypatch.setenv("all_proxy", "socks5://proxy:1")
    monkeypatch.setenv("no_proxy", "lan")
    before = {name: os.environ.get(name) for name in PROXIES}
    with without_proxies(for_others=for_others):
        assert ("HTTP_PROXY" in os.environ) is for_others
        assert (os.environ.get("NO_PROXY") == "lan,127.0.0.1,localhost,::1") is for_others
    assert {name: os.environ.get(name) for name in PROXIES} == before


def test_a_folder_that_can_be_none_is_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "unplugged")
    reasons = {"link": "plug its disk in", "file": "can't be used", "file/deep": "can't be used"}
    for outputs, why in reasons.items():
        with pytest.raises(InvalidRequestError, match=why) as caught:
            require_folder(tmp_path / outputs)
        assert "--outputs" in str(caught.value)
    require_folder(tmp_path / "new" / "deep")
    assert (tmp_path / "new" / "deep").is_dir()


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid", "a" * 70, "2001:db8::7"])
def test_a_host_of_another_machine_is_told(host: str) -> None:
    with pytest.raises(InvalidRequestError, match="no address"):
        require_address(host, 7999)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0", "localhost"])
def test_a_port_that_is_taken_is_told(host: str) -> None:
    with socket.create_server(("::" if ":" in host else "127.0.0.1", 0), family=_family(host)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidRequestError, match=f"Port {port} is taken"):
            require_address(host, port)
    require_address(host, port)
    require_address(host, 0)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def test_what_keeps_the_server_from_starting_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = build_app(Settings(outputs=tmp_path, open_browser=False, port=0))

    def broken(**_: Any) -> None:
        raise ValueError("When localhost is not accessible, a shareable link must be created.")

    monkeypatch.setattr(page.blocks, "launch", broken)
    try:
        with pytest.raises(InvalidRequestError, match="Can't listen on"):
            page.launch()
    finally:
        page.close()


@pytest.mark.slow
@pytest.mark.parametrize("host", ["::1", "[::1]", "0:0:0:0:0:0:0:1", "127.0.0.2", "::ffff:127.0.0.1"])
def test_loopback_in_every_spelling_serves(
    tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    page = build_app(Settings(outputs=tmp_path, open_browser=False, port=0, host=checked_name(host)))
    try:
        url = page.launch()
        answer = httpx.get(url, trust_env=False)
        assert answer.status_code == 200
        assert "Longwave" in answer.text
        assert httpx.get(url, headers={"Host": "evil.example"}, trust_env=False).status_code == 400
        assert not page.notice()
    finally:
        page.close()
