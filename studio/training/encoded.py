"""Training clips as a DC-LDM sees them, encoded once: VAE latents and acoustic encodings, in shards.

A shard is written whole or not at all, so encoding goes on where it was killed. A folder's name follows from
what its shards were made of: other models or other clips have another, and nothing is lost to a changed word.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import track
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from studio.core.errors import InvalidRequestError
from studio.core.files import replace_file, replacing_path, sweep_parts

PER_SHARD = 64
ABOUT_FILE = "about.json"


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


def encode_clips(
    folder: Path,
    captions: Sequence[Sequence[str]],
    made_of: dict[str, Any],
    encode: Encode,
    *,
    rank: int = 0,
    world: int = 1,
) -> EncodedClips:
    """Encode what is not encoded yet, of clips with these captions.

    Args:
        made_of: names what the encodings follow from (models, files, length), as JSON holds it.
        rank: which of `world` processes this is: each encodes every world-th shard, into the same folder.
    """
    about, place = _about(captions, made_of), folder_of(folder, captions, made_of)
    place.mkdir(parents=True, exist_ok=True)
    sweep_parts(place, "*.partial")
    if not (place / ABOUT_FILE).is_file():
        replace_file(place / ABOUT_FILE, about.encode())
    for shard in track(range(rank, shard_count(len(captions)), world), "Encoding clips"):
        file = place / _shard_name(shard)
        if file.is_file():
            continue
        rows = range(shard * PER_SHARD, min(len(captions), (shard + 1) * PER_SHARD))
        latents, acoustic = encode(rows)
        with replacing_path(file) as partial:
            save_file(
                {"latents": latents.half().contiguous(), "acoustic": acoustic.half().contiguous()}, partial
            )
    return EncodedClips(place, tuple(map(tuple, captions)))


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
    if not all((clips.folder / _shard_name(shard)).is_file() for shard in range(shard_count(len(clips)))):
        raise InvalidRequestError(
            "What the other machines encoded is not here: --runs must lie on storage that all of them share."
        )


def shard_count(clips: int) -> int:
    return -(-clips // PER_SHARD)


def _shard_name(shard: int) -> str:
    return f"{shard:05d}.safetensors"
