"""What went wrong while the environment was made, in one sentence that says what to do."""

import re
import shutil
from pathlib import Path
from typing import Iterable, Optional

DISK_NEEDED = {"cpu": 3 * 10**9, "cuda": 9 * 10**9}
WANTS_PYTHON = (
    "Longwave needs Python 3.11 or 3.12: install one from https://www.python.org and run this again."
)
NO_VENV = (
    "This Python comes without the module venv: install it (on Debian 'sudo apt install python3-venv') or "
    "install uv (https://docs.astral.sh/uv), then run this again."
)
# What an installer's output means, the most telling signs first.
REASONS = (
    (
        r"No space left|os error (28|112)\b|Disk quota|not enough space",
        "The disk is full: make some room (the packages take 2 to 6 GB) and run this again.",
    ),
    (
        r"Permission denied|Read-only file system|Access is denied",
        "The project's folder or the package cache can't be written: check permissions, run this again.",
    ),
    (r"ensurepip|No module named '?venv", NO_VENV),
    (
        r"certificate|UnknownIssuer",
        "The package index's certificate is not trusted: set pip's 'cert' or SSL_CERT_FILE, run this again.",
    ),
    (r"No interpreter found|No download found|python-build-standalone", WANTS_PYTHON),
    (
        r"dns error|error sending request|failed to (fetch|download)|connect|timed out|name resolution",
        "The package index can't be reached: check the network or pip's index and proxy, run this again.",
    ),
    (
        r"No solution found|No matching distribution|not found in the package registry",
        "The package index lacks a version that requirements.txt names: set another index, run this again.",
    ),
)
# Debian's names for libraries whose file names don't tell it, and for one that is opened without a number.
DEBIAN_NAMES = {"libz.so.1": "zlib1g", "libsndfile.so": "libsndfile1", "sndfile": "libsndfile1"}


class LaunchError(Exception):
    """What went wrong and what to do about it, in one sentence."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def explain(output: str, free: int, needed: int) -> str:
    """Turn an installer's output into one sentence that says what to do."""
    for pattern, sentence in REASONS:
        if re.search(pattern, output, re.I):
            return sentence
    if free < needed:
        return "The disk may be too full: make about %d GB of room and run this again." % (needed // 10**9)
    return "Installing the packages failed: delete the folder .venv and run this again."


def explain_python(output: str, free: int, needed: int) -> str:
    """Why no environment could be made where another Python had to be found or fetched for it.

    Whatever kept one from being fetched, one that is installed helps; only a disk is another matter.
    """
    sentence = explain(output, free, needed)
    return sentence if sentence in (REASONS[0][1], REASONS[1][1]) or free < needed else WANTS_PYTHON


def free_space(places: Iterable[Path]) -> int:
    """Bytes free where packages go."""
    return min(shutil.disk_usage(str(place)).free for place in places if place.exists())


def is_debian(release: Path = Path("/etc/os-release")) -> bool:
    """Whether the system is Debian or made from it."""
    try:
        text = release.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    words = re.findall(r"^(?:ID|ID_LIKE)=(.*)$", text, re.M)
    return "debian" in re.split(r"[\s\"']+", " ".join(words))


def debian_package(why: str) -> Optional[str]:
    """Debian's package of the library whose absence `why` tells, by Debian's rule for naming libraries."""
    match = re.search(r"(lib[\w+-]+\.so(?:\.\d+)?)(?:[.\d]*)[^:]*: cannot open shared object file", why)
    name = match.group(1) if match else ("sndfile" if "sndfile library not found" in why else "")
    if name in DEBIAN_NAMES:
        return DEBIAN_NAMES[name]
    stem, _, number = name.partition(".so.")
    if not number:
        return None
    return (stem + ("-" if stem[-1:].isdigit() else "") + number).lower().replace("_", "-")


def does_not_load(name: str, why: str, debian: bool) -> str:
    """The sentence about a package that no source has in a form that works."""
    package = debian_package(why)
    remedy = "set another package index for pip and delete the folder .venv"
    if package and debian:
        remedy = "run 'sudo apt install %s'" % package
    elif package:
        remedy = "install the library that it misses with your system's packages"
    reason = why if len(why) <= 160 else why[:159] + "…"
    return "The package %s doesn't load (%s): %s, then run this again." % (name, reason, remedy)
