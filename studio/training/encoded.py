"""Training clips as a DC-LDM sees them, encoded once: VAE latents and acoustic encodings, in shards.

A shard is written whole or not at all, so encoding goes on where it was killed. A folder's name follows from
what its shards were made of: other models or other clips have another, and nothing is lost to a changed word.

Who encodes which is either counted off, among processes that begin together, or claimed shard by shard, by
any number of processes that come and go.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.progress import track
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from studio.core.errors import InvalidRequestError, OutOfResourcesError
from studio.core.files import replace_file, replacing_path, sweep_parts

PER_SHARD = 64
ABOUT_FILE = "about.json"
CLAIMS = ".claims"
PAUSE_S = 1.0  # until one looks again at the shards that others are at
GIVEN_UP = (
    "Processes died over the clips from number {} on, perhaps for want of memory: look what they said, and "
    "encode with fewer at once."
)


@dataclass(frozen=True)
class EncodedClips:
    """Scaled latents [8, T, F] and an acoustic encoding [L, D] of each clip, and its captions."""

    folder: Path
    captions: tuple[tuple[str, ...], ...]

    @property
    def fingerprint(self) -> str:
        """What they were made of, as a word."""
        return self.folder.name

    def __len__(self) -> int:
        return len(self.captions)

    def latents(self, index: int) -> Tensor:
        """float32 [8, T, F]."""
        return self._read("latents", index)

    def acoustic(self, index: int) -> Tensor:
        """float32 [L, D]: the draft of the clip's first caption."""
        return self._read("acoustic", index)

    def _read(self, name: str, index: int) -> Tensor:
        shard, row = divmod(index, PER_SHARD)
        with safe_open(self.folder / _shard_name(shard), "pt") as file:
            return file.get_slice(name)[row].float()


Encode = Callable[[Sequence[int]], tuple[Tensor, Tensor]]
"""Indices of clips → their latents [n, 8, T, F] and acoustic encodings [n, L, D]."""


class Held(Protocol):
    """A shard that is this process's to encode."""

    @property
    def given_up(self) -> bool:
        """Whether all who tried it before died."""
        ...


class Claiming(Protocol):
    """One process's claims in a folder, as `service.batch.claims.Claims`."""

    def take(self, unit_id: str, /) -> Any:
        """A `Held`; None where another process is at it."""
        ...

    def release(self, held: Any, /) -> None:
        """Let go of it."""
        ...


Claims = Callable[[Path], AbstractContextManager[Claiming]]


def encode_clips(
    folder: Path,
    captions: Sequence[Sequence[str]],
    made_of: dict[str, Any],
    encode: Encode,
    *,
    rank: int = 0,
    world: int = 1,
    claims: Claims | None = None,
) -> EncodedClips:
    """Encode what is not encoded yet, of clips with these captions.

    Args:
        made_of: names what the encodings follow from (models, files, length), as JSON holds it.
        rank: which of `world` processes this is: each encodes every world-th shard, into the same folder.
        claims: opened on a folder, say which shards are this process's instead. It returns once all are
            there, whoever encoded them.

    Raises:
        OutOfResourcesError: every process that claimed a shard died over it.
    """
    about, place = _about(captions, made_of), folder_of(folder, captions, made_of)
    place.mkdir(parents=True, exist_ok=True)
    sweep_parts(place, "*.partial")
    if not (place / ABOUT_FILE).is_file():
        replace_file(place / ABOUT_FILE, about.encode())

    def write(shard: int) -> None:
        rows = range(shard * PER_SHARD, min(len(captions), (shard + 1) * PER_SHARD))
        latents, acoustic = encode(rows)
        with replacing_path(place / _shard_name(shard)) as partial:
            save_file(
                {"latents": latents.half().contiguous(), "acoustic": acoustic.half().contiguous()}, partial
            )

    shards = range(shard_count(len(captions)))
    if claims is not None:
        (place / CLAIMS).mkdir(exist_ok=True)
        with claims(place / CLAIMS) as own:
            for _ in track(_claimed(place, shards, own, write), "Encoding clips", len(shards)):
                pass
    else:
        for shard in track(shards[rank::world], "Encoding clips"):
            if not _is_there(place, shard):
                write(shard)
    return EncodedClips(place, tuple(map(tuple, captions)))


def _claimed(
    place: Path, shards: Sequence[int], claims: Claiming, write: Callable[[int], None]
) -> Iterator[int]:
    """Each shard, once it is there: encoded here if nobody else is at it."""
    left = list(shards)
    while left:
        for shard in tuple(left):
            held = None if _is_there(place, shard) else claims.take(_shard_name(shard).split(".")[0])
            if held is not None:
                try:
                    if held.given_up:
                        raise OutOfResourcesError(GIVEN_UP.format(shard * PER_SHARD + 1))
                    if not _is_there(place, shard):  # again: another may have written it and let go just now
                        write(shard)
                finally:
                    claims.release(held)
            if _is_there(place, shard):
                left.remove(shard)
                yield shard
        if left:
            time.sleep(PAUSE_S)


def _is_there(place: Path, shard: int) -> bool:
    return (place / _shard_name(shard)).is_file()


def folder_of(folder: Path, captions: Sequence[Sequence[str]], made_of: dict[str, Any]) -> Path:
    """Where `encode_clips` puts clips of these captions, made of this."""
    return folder / hashlib.sha256(_about(captions, made_of).encode()).hexdigest()[:16]


def _about(captions: Sequence[Sequence[str]], made_of: dict[str, Any]) -> str:
    return json.dumps({**made_of, "captions": captions})


def require_all(clips: EncodedClips) -> None:
    """Whether what the other processes encoded is here too.

    Raises:
        InvalidRequestError: it is not.
    """
    if not all(_is_there(clips.folder, shard) for shard in range(shard_count(len(clips)))):
        raise InvalidRequestError(
            "What the other machines encoded is not here: --runs must lie on storage that all of them share."
        )


def shard_count(clips: int) -> int:
    return -(-clips // PER_SHARD)


def _shard_name(shard: int) -> str:
    return f"{shard:05d}.safetensors"
