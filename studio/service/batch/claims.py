"""Who makes which unit: claims by exclusive creation in the set's folder, with a heartbeat.

A claim on a unit is the file `.claims/UNIT.N`, N being the attempt, from 1. Whoever creates it exclusively
(O_CREAT with O_EXCL, which a file system decides in one place, NFS from version 3 on its server) holds the
unit; there is no other moment in which two could both believe it. Nothing is ever taken over by renaming or
rewriting a claim: whoever finds the holder of UNIT.1 dead creates UNIT.2, and again only one succeeds. So the
attempts count themselves, and a holder who was slow finds a claim above its own.

Dead is a holder

- on this machine at once: it keeps its claim's file locked (flock), a lock that the system lets go of however
  the process ends. Whether locks work on the disk is tried when the claim is made, and stands in it;
- elsewhere after `STALE_BEATS` beats in which an observer that kept looking saw no change of the claim, by
  its own monotonic clock: clocks of two machines are never compared, nor are times of files.

What can't be had, on a disk of a network: a holder that was cut off or asleep for longer than that goes on
when it wakes, and may see only some time later that it was followed (a client keeps for up to a minute what
it knows of a folder). It looks before each row that it writes; what it writes unknowingly is the same row
whole, put in place at once, so two makers cost time and nothing else. Claims avoid double work; that files
are whole and right does not hang on them.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from studio.core.locks import grows, lock

BEAT_S = 15.0
STALE_BEATS = 3
ATTEMPTS = 3  # the first, and two more
_MAX_CLAIM_BYTES = 4000
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class LostClaim(Exception):  # noqa: N818 - nothing is wrong: somebody else makes the unit
    """Another worker took this one for dead and makes its unit."""


class Held:
    """A unit that is claimed by this worker, in its so many-eth `attempt`."""

    def __init__(self, path: Path, attempt: int, file: FileIO, about: dict[str, Any]) -> None:
        """Use `Claims.take`. `path` is the claim's without the attempt."""
        self.attempt = attempt
        self._path = path
        self._file = file
        self._about = about
        self._beats = 0
        self._guard = threading.Lock()

    @property
    def given_up(self) -> bool:
        """Whether the workers of every attempt died: the holder is to say so, and to make nothing."""
        return self.attempt > ATTEMPTS

    def beat(self) -> None:
        """Show that its holder lives. Raises `OSError`."""
        with self._guard:
            if self._file.closed:
                return
            text = json.dumps({**self._about, "beat": f"{self._beats:012d}"}).encode()
            self._beats += 1
            self._file.seek(0)
            self._file.write(text)
            if self._beats > 1:
                os.fsync(self._file.fileno())  # other machines read what the server has

    def check(self) -> None:
        """Raise `LostClaim` where another worker has taken over."""
        with self._guard:
            if self._file.closed or not self._stands():
                raise LostClaim(self._path.name)

    def release(self) -> None:
        """Let go of the unit, and forget its attempts. Twice is harmless. Never raises."""
        with self._guard:
            if self._file.closed:
                return
            stands = self._stands()
            if os.name == "nt":  # which removes no open file
                self._file.close()
            with suppress(OSError):
                # The lower ones first: who creates the first anew meanwhile finds this one above it.
                for attempt in range(1, self.attempt + 1) if stands else ():
                    _numbered(self._path, attempt).unlink(missing_ok=True)
            self._file.close()

    def _stands(self) -> bool:
        """Whether the claim is there, is this one, and has none above it."""
        try:
            there = os.stat(_numbered(self._path, self.attempt))
            return os.path.samestat(os.fstat(self._file.fileno()), there) and not self.followed()
        except OSError as error:
            return error.errno not in (errno.ENOENT, errno.ESTALE)  # what else ails a disk tells nothing

    def followed(self) -> bool:
        """Whether there is a claim above this one."""
        return os.path.lexists(_numbered(self._path, self.attempt + 1))


@dataclass
class _Seen:
    """A claim as it was last seen, when that was, and for how long of being looked at it had not changed."""

    name: str
    text: bytes
    looked_at: float
    unchanged_s: float = 0.0


class Claims:
    """One worker's claims in a folder; a context, in which a thread beats for what is held."""

    def __init__(
        self,
        folder: Path,
        *,
        beat_s: float = BEAT_S,
        worker: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder` is that of the claims, which is there. `worker` is what it is called in its claims."""
        self.beat_s = beat_s
        self._folder = folder
        self._clock = clock
        self._about = {**_here(), "worker": worker, "token": secrets.token_hex(8), "beat_s": beat_s}
        self._seen: dict[str, _Seen] = {}
        self._held: set[Held] = set()
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="claims", daemon=True)

    def __enter__(self) -> Claims:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        for held in tuple(self._held):
            self.release(held)

    def take(self, unit_id: str) -> Held | None:
        """Claim a unit; None where another holds it, or was quicker.

        What was done before the claim stood is to be looked for only now.

        Raises:
            OSError: the disk refuses, or the folder is gone.
        """
        attempt = self._highest(unit_id)
        if attempt and not self._is_dead(unit_id, attempt):
            return None
        self._seen.pop(unit_id, None)
        held = self._create(self._folder / unit_id, attempt + 1)
        if held is not None:
            with self._guard:
                self._held.add(held)
        return held

    def release(self, held: Held) -> None:
        """Let go of a unit. Never raises."""
        held.release()
        with self._guard:
            self._held.discard(held)

    def sweep(self, unit_ids: Collection[str]) -> None:
        """Remove what the dead left of claims on units of which nothing is to be made. Never raises."""
        with suppress(OSError):
            for unit_id in {name.partition(".")[0] for name in os.listdir(self._folder)}:
                if unit_id in unit_ids and (held := self.take(unit_id)) is not None:
                    self.release(held)

    def _highest(self, unit_id: str) -> int:
        """The attempt that is claimed; 0 where none is."""
        attempts = [
            int(number)
            for unit, _, number in (name.partition(".") for name in os.listdir(self._folder))
            if unit == unit_id and number.isdecimal()
        ]
        return max(attempts, default=0)

    def _create(self, path: Path, attempt: int) -> Held | None:
        own = _numbered(path, attempt)
        try:
            file = open(own, "x+b", buffering=0)  # noqa: SIM115 - held until it is released
        except FileExistsError:
            return None
        held = Held(path, attempt, file, {**self._about, "locked": lock(file) and grows(own)})
        try:
            held.beat()
        except OSError:
            held.release()
            raise
        if held.followed():  # its holder was removing the lower ones at this moment, or died in that
            file.close()
            own.unlink(missing_ok=True)
            return None
        return held

    def _is_dead(self, unit_id: str, attempt: int) -> bool:
        path = _numbered(self._folder / unit_id, attempt)
        try:
            with open(path, "rb") as file:
                text = file.read(_MAX_CLAIM_BYTES)
        except FileNotFoundError:  # let go of a moment ago
            return False
        about = _read(text)
        if about.get("let_go"):
            return True
        if about.get("locked") is True and _is_here(about) and not grows(path) and path.exists():
            return True
        return self._is_stale(unit_id, path.name, text, about)

    def _is_stale(self, unit_id: str, name: str, text: bytes, about: dict[str, Any]) -> bool:
        """Whether a claim did not change in `STALE_BEATS` beats; one look counts for a beat at the most, or
        who slept would find all others dead.
        """
        now, beat_s = self._clock(), about.get("beat_s")
        if not isinstance(beat_s, int | float) or not 0 < beat_s < 3600:
            beat_s = self.beat_s
        seen = self._seen.get(unit_id)
        if seen is None or (seen.name, seen.text) != (name, text):
            self._seen[unit_id] = _Seen(name, text, now)
            return False
        seen.unchanged_s += min(now - seen.looked_at, beat_s)
        seen.looked_at = now
        return seen.unchanged_s >= STALE_BEATS * beat_s

    def _beat(self) -> None:
        while not self._over.wait(self.beat_s):
            with self._guard:
                held = tuple(self._held)
            for one in held:
                with suppress(OSError):  # others may take over then, which does no harm
                    one.beat()


def let_go(folder: Path, process: int) -> None:
    """Say of the claims of a process of this machine that it is dead. Never raises.

    Where the disk has locks everybody here sees it anyway.
    """
    with suppress(OSError):
        for name in os.listdir(folder):
            with suppress(OSError), open(folder / name, "r+b", buffering=0) as file:
                about = _read(file.read(_MAX_CLAIM_BYTES))
                if about.get("process") == process and _is_here(about):
                    file.seek(0)
                    file.write(json.dumps({**about, "let_go": True}).encode())


def _here() -> dict[str, Any]:
    """This process, and the machine it runs on since that was started."""
    boot = ""
    with suppress(OSError):
        boot = _BOOT.read_text().strip()
    return {"host": socket.gethostname(), "boot": boot, "process": os.getpid()}


def _is_here(about: dict[str, Any]) -> bool:
    here = _here()
    return (about.get("host"), about.get("boot")) == (here["host"], here["boot"])


def _numbered(path: Path, attempt: int) -> Path:
    return path.with_name(f"{path.name}.{attempt}")


def _read(text: bytes) -> dict[str, Any]:
    """What a claim says; nothing where it is half written or somebody else's."""
    try:
        about = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}
