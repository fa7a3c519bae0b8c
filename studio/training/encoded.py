"""Training clips as a DC-LDM sees them, encoded once: VAE latents and acoustic encodings, in shards.

A shard is written whole or not at all, so encoding goes on where it was killed. What the shards were made
of stands beside them: other models or other clips are encoded anew.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import track
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

PER_SHARD = 128
ABOUT_FILE = "about.json"


@dataclass(frozen=True)
class EncodedClips:
    """Scaled latents [8, T, F] and an acoustic encoding [L, D] of each clip, and its captions."""

    folder: Path
    captions: tuple[tuple[str, ...], ...]

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
    folder: Path, captions: Sequence[Sequence[str]], made_of: dict[str, Any], encode: Encode
) -> EncodedClips:
    """Encode what is not encoded yet, of clips with these captions.

    Args:
        made_of: names what the encodings follow from (models, files, length), as JSON holds it.
    """
    about = json.loads(json.dumps({**made_of, "captions": captions}))
    file = folder / ABOUT_FILE
    if not file.is_file() or json.loads(file.read_text()) != about:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        file.write_text(json.dumps(about))
    count = len(captions)
    for shard in track(range(-(-count // PER_SHARD)), "Encoding clips"):
        place = folder / _shard_name(shard)
        if place.is_file():
            continue
        rows = range(shard * PER_SHARD, min(count, (shard + 1) * PER_SHARD))
        latents, acoustic = encode(rows)
        partial = place.with_suffix(".partial")
        save_file({"latents": latents.half().contiguous(), "acoustic": acoustic.half().contiguous()}, partial)
        os.replace(partial, place)
    return EncodedClips(folder, tuple(map(tuple, captions)))


def _shard_name(shard: int) -> str:
    return f"{shard:05d}.safetensors"
