"""One sentence for whatever went wrong while the environment was made."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.core.install.sentences import debian_package, does_not_load, explain, explain_python, is_debian

GB = 10**9


@pytest.mark.parametrize(
    ("output", "free", "says"),
    [
        ("failed to write: No space left on device (os error 28)", 50 * GB, "disk is full"),
        ("error: Permission denied (os error 13)", 50 * GB, "permissions"),
        ("invalid peer certificate: UnknownIssuer", 50 * GB, "SSL_CERT_FILE"),
        ("client error (Connect): dns error", 50 * GB, "network"),
        ("No interpreter found for Python >=3.11, <3.13", 50 * GB, "3.11 or 3.12"),
        ("No solution found when resolving dependencies", 50 * GB, "another index"),
        ("because ensurepip is not available", 50 * GB, "python3-venv"),
        ("/usr/bin/python3: No module named venv", 50 * GB, "python3-venv"),
        ("", 1 * GB, "room"),
        ("", 50 * GB, "delete the folder .venv"),
    ],
)
def test_failures_say_what_to_do(output: str, free: int, says: str) -> None:
    sentence = explain(output, free, 3 * GB)
    assert says in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (
            "No interpreter found for Python >=3.11, <3.13 in virtual environments, or search path",
            "3.11 or 3.12",
        ),
        ("error: Failed to download https://x/cpython-3.12.tar.gz: client error (Connect)", "3.11 or 3.12"),
        ("invalid peer certificate: UnknownIssuer", "3.11 or 3.12"),
        ("error: Permission denied (os error 13)", "permissions"),
        ("No space left on device (os error 28)", "disk is full"),
    ],
)
def test_where_no_python_can_be_had_one_is_to_be_installed(output: str, says: str) -> None:
    assert says in explain_python(output, 50 * GB, 3 * GB)


@pytest.mark.parametrize(
    ("why", "package"),
    [
        (
            "cannot load library 'libsndfile.so': libsndfile.so: cannot open shared object file: No such",
            "libsndfile1",
        ),
        ("sndfile library not found using ctypes.util.find_library", "libsndfile1"),
        ("libgomp.so.1: cannot open shared object file: No such file or directory", "libgomp1"),
        ("ImportError: libstdc++.so.6: cannot open shared object file: No such file", "libstdc++6"),
        ("libgcc_s.so.1: cannot open shared object file", "libgcc-s1"),
        ("libX11.so.6: cannot open shared object file", "libx11-6"),
        ("libz.so.1: cannot open shared object file", "zlib1g"),
        ("libfoo.so.1.2: cannot open shared object file", "libfoo1"),
        ("numpy/_core/_umath.so: file too short", None),
        ("No module named 'numpy'", None),
    ],
)
def test_debian_names_its_libraries_by_rule(why: str, package: str | None) -> None:
    assert debian_package(why) == package


@pytest.mark.parametrize(
    ("text", "debian"),
    [
        ('PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n', True),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', True),
        ('ID="raspbian"\nID_LIKE=debian\n', True),
        ('ID=fedora\nID_LIKE="rhel"\nHOME_URL="https://debian.example"\n', False),
        (None, False),
    ],
)
def test_debian_and_its_kin_are_known(text: str | None, debian: bool, tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    if text is not None:
        release.write_text(text)
    assert is_debian(release) is debian


def test_a_package_that_does_not_load_is_named_with_what_helps() -> None:
    why = "libgomp.so.1: cannot open shared object file"
    assert "sudo apt install libgomp1" in does_not_load("torch", why, debian=True)
    assert "apt" not in does_not_load("torch", why, debian=False)
    assert "index" in does_not_load("numpy", "file too short", debian=True)
    for sentence in (does_not_load("torch", why * 9, debian=True), does_not_load("numpy", "x", debian=False)):
        assert sentence.startswith("The package ")
        assert sentence.endswith("run this again.")
        assert len(sentence) < 300
