"""Full-band clips, and what is known of them at 16 kHz: sound and log-mel, also through the networks.

Corpus clips are rendered at 48 kHz; recordings may be mixed in. Kept are the known part as it is, as the
vocoder makes it of its log-mel, and as VAE and vocoder do, with what the bands above 8 kHz really hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from studio.core.audio import SAMPLE_RATE as KNOWN_RATE
from studio.core.audio import middle, to_int16
from studio.core.files import replacing
from studio.dsp.mel import HOP_SAMPLES, log_mel
from studio.dsp.resample import resample
from studio.modules.band_extension import BANDS, SAMPLE_RATE, band_powers, spectrum_above
from studio.recipes.corpus.clip import describe, render
from studio.recipes.corpus.synthesis import rendering_at

CLIP_S = 4.0
HIGHEST_LEVEL = 0.9
SHORTEST_S = 0.3  # of a recording
Through = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Log-mel [1, m, 64] → the log-mel that networks make of it, and their sound [1, 160·m]."""


@dataclass(frozen=True)
class WideClips:
    """Clips in `folder`, each in several variants of what is known of it."""

    folder: Path

    @cached_property
    def known(self) -> NDArray[np.int16]:
        """Sound at 16 kHz [clips, variants, samples]."""
        return np.load(self.folder / "known.npy", mmap_mode="r")

    @cached_property
    def mels(self) -> NDArray[np.float16]:
        """Log-mels [clips, variants, frames, 64]."""
        return np.load(self.folder / "mels.npy", mmap_mode="r")

    @cached_property
    def above(self) -> NDArray[np.float16]:
        """Log-powers of the bands above 8 kHz of the real sound [clips, bands, 2 · frames + 1]."""
        return np.load(self.folder / "above.npy", mmap_mode="r")

    def __len__(self) -> int:
        return len(self.known)


def full_band_clip(seed: int, family: str | None = None) -> NDArray[np.float32]:
    """A clip of the corpus [n] at 48 kHz: of one family alone, or of any, a scene now and then."""
    scene = None if family is None else False
    with rendering_at(SAMPLE_RATE):
        return render(describe(seed, scene, family, CLIP_S), seed)


def recorded_clips(files: Sequence[Path], duration_s: float = CLIP_S) -> Iterator[NDArray[np.float32]]:
    """Recordings of at least 44.1 kHz, cut into clips [n] at 48 kHz; the last of each ends in silence."""
    length = round(duration_s * SAMPLE_RATE)
    for file in files:
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
        if rate < 44_100 or len(samples) < SHORTEST_S * rate:
            continue
        mono = resample(middle(samples), rate, SAMPLE_RATE)
        mono = mono * min(1.0, HIGHEST_LEVEL / max(float(np.abs(mono).max()), 1e-6))
        for start in range(0, len(mono), length):
            if start == 0 or len(mono) - start > length // 2:
                cut = mono[start : start + length]
                yield np.pad(cut, (0, length - len(cut))).astype(np.float32)


def build_wide(
    folder: Path, sounds: Iterator[NDArray[np.float32]], count: int, through: Sequence[Through]
) -> WideClips:
    """Keep `count` of `sounds` [n] at 48 kHz, as they are and `through` networks, unless they are there."""
    note = folder / "wide.json"
    wanted = {"clips": count, "variants": 1 + len(through)}
    if note.exists() and json.loads(note.read_text()) == wanted:
        return WideClips(folder)
    folder.mkdir(parents=True, exist_ok=True)
    note.unlink(missing_ok=True)
    samples = round(CLIP_S * KNOWN_RATE)
    frames = samples // HOP_SAMPLES
    variants = 1 + len(through)
    known = np.zeros((count, variants, samples), np.int16)
    mels = np.zeros((count, variants, frames, 64), np.float16)
    above = np.zeros((count, BANDS, 2 * frames + 1), np.float16)
    for i in track(range(count), "Rendering full-band clips"):
        sound = next(sounds)
        narrow = torch.from_numpy(resample(sound, SAMPLE_RATE, KNOWN_RATE)[:samples].astype(np.float32))[None]
        above[i] = band_powers(spectrum_above(torch.from_numpy(sound)[None]))[0].log().numpy()
        mel = log_mel(narrow)
        versions = [(mel, narrow), *(make(mel) for make in through)]
        for v, (theirs, heard) in enumerate(versions):
            mels[i, v] = theirs[0].numpy()
            known[i, v] = to_int16(heard[0, :samples].numpy())
    for name, array in (("known", known), ("mels", mels), ("above", above)):
        with replacing(folder / f"{name}.npy") as file:
            np.save(file, array)
    note.write_text(json.dumps(wanted) + "\n")
    return WideClips(folder)
