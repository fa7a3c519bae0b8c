"""`longwave eval bandwidth`: withheld full-band clips, given to the measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from studio.core.errors import ModelNotFoundError
from studio.evaluation.embedders.base import Embedder
from studio.evaluation.sound_files import sound_files
from studio.evaluation.suites.bandwidth import measure_bandwidth
from studio.modules.band_extension import BandExtension
from studio.recipes.corpus.families import FAMILIES
from studio.recipes.data.clips import HELD_OUT_SEED
from studio.recipes.data.wide import full_band_clip, recorded_clips
from studio.recipes.pocket.extension import as_decoded, as_vocoded

FIRST_SEED = HELD_OUT_SEED + 50_000_000


def evaluate_bandwidth(
    assets: Path,
    per_family: int,
    recordings: Path | None,
    load_embedder: Callable[[], Embedder],
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """The figures of `measure_bandwidth`, on so many withheld clips of each family, or on recordings.

    `assets` is `assets/pocket`; recordings are a folder of files of at least 44.1 kHz that no part of the
    training saw.

    Raises:
        ModelNotFoundError: the pocket model or its extension is not in `assets`.
        InvalidRequestError: there are no recordings in the folder.
    """
    for part in ("extension", "audioldm/vae", "audioldm/vocoder"):
        if not (assets / part / "config.json").is_file():
            raise ModelNotFoundError(f"{assets} has no {part}: train it with `longwave train pocket`.")
    extension = BandExtension.from_pretrained(assets / "extension", torch_dtype=torch.float32).eval()
    through = {"vocoded": as_vocoded(assets / "audioldm"), "decoded": as_decoded(assets / "audioldm")}
    if recordings is not None:
        sounds, groups = [], []
        for file in sound_files(recordings):
            for clip in recorded_clips([file]):
                sounds.append(clip)
                groups.append(file.name)
    else:
        groups = [family for family in FAMILIES for _ in range(per_family)]
        sounds = [full_band_clip(FIRST_SEED + i, family) for i, family in enumerate(groups)]
    return measure_bandwidth(extension, through, sounds, groups, load_embedder(), report)
