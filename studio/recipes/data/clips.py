"""The rendered corpus on disk: made once in parallel, then memory-mapped by every recipe.

A corpus folder holds `audio.npy` (int16 [clips, samples]), `captions.json` (several captions a clip) and
`labels.json` (the families heard in it). Clip i is a function of (seed base + i), so any part can be made
anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Container, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from studio.core.audio import SAMPLE_RATE, to_int16
from studio.core.files import replacing_path, sweep_parts
from studio.dsp.mel import log_mel
from studio.recipes.corpus.captions import caption
from studio.recipes.corpus.clip import describe, render
from studio.recipes.corpus.lexicon import Split

CAPTIONS_PER_CLIP = 6
HELD_OUT_SEED = 900_000_000  # clips from here on are never trained on


@dataclass(frozen=True)
class Corpus:
    """Memory-mapped clips with their captions and families."""

    folder: Path

    @cached_property
    def audio(self) -> NDArray[np.int16]:
        return np.load(self.folder / "audio.npy", mmap_mode="r")

    @cached_property
    def captions(self) -> list[list[str]]:
        return json.loads((self.folder / "captions.json").read_text())

    @cached_property
    def labels(self) -> list[list[str]]:
        return json.loads((self.folder / "labels.json").read_text())

    def __len__(self) -> int:
        return len(self.labels)

    def holding(self, families: Container[str]) -> list[int]:
        """The clips in which any of `families` is heard."""
        return [i for i, heard in enumerate(self.labels) if any(family in families for family in heard)]

    def crops(
        self, generator: torch.Generator, count: int, samples: int, among: Sequence[int] | None = None
    ) -> tuple[Tensor, list[int]]:
        """Random crops: float32 [count, samples] and the clips they came from."""
        indices = draw(generator, count, len(self), among)
        last = self.audio.shape[1] - samples
        starts = torch.randint(last + 1, (count,), generator=generator).tolist()
        cut = np.stack([self.audio[i, s : s + samples] for i, s in zip(indices, starts, strict=True)])
        return torch.from_numpy(cut.astype(np.float32) / 32767.0), indices


def build_corpus(
    folder: Path,
    clips: int,
    scenes: int = 0,
    first_seed: int = 0,
    duration_s: float = 10.0,
    split: Split = "train",
    workers: int | None = None,
) -> Corpus:
    """Render `clips` clips, a scene now and then, and `scenes` more scenes, unless they are there already."""
    total = clips + scenes
    if (folder / "labels.json").exists() and len(Corpus(folder)) >= total:
        return Corpus(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for made_of_others in ("labels.json", "mels.npy", "latents.npy"):
        (folder / made_of_others).unlink(missing_ok=True)
    jobs = [(first_seed + i, duration_s, None if i < clips else True, split) for i in range(total)]
    audio = np.lib.format.open_memmap(
        folder / "audio.npy", mode="w+", dtype=np.int16, shape=(total, round(duration_s * SAMPLE_RATE))
    )
    captions, labels = [], []
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        made = pool.map(_make, jobs, chunksize=16)
        for i, (samples, texts, families) in enumerate(track(made, "Rendering the corpus", total=total)):
            audio[i] = samples
            captions.append(texts)
            labels.append(families)
    audio.flush()
    (folder / "captions.json").write_text(json.dumps(captions))
    (folder / "labels.json").write_text(json.dumps(labels))
    return Corpus(folder)


def _make(job: tuple[int, float, bool | None, Split]) -> tuple[NDArray[np.int16], list[str], list[str]]:
    seed, duration_s, scenes, split = job
    description = describe(seed, scene=scenes, duration_s=duration_s)
    rng = np.random.default_rng([seed, 77])
    texts = [caption(rng, description, split) for _ in range(CAPTIONS_PER_CLIP)]
    families = [voice.family for voice in description.voices]
    return to_int16(render(description, seed)), texts, families


def cache_mels(corpus: Corpus, batch: int = 32) -> NDArray[np.float16]:
    """Log-mels of all clips, float16 [clips, frames, 64], memory-mapped from `mels.npy` (made if missing)."""
    path = corpus.folder / "mels.npy"
    if not path.exists():
        sweep_parts(path.parent, "mels.partial.npy")
        shape = len(corpus), corpus.audio.shape[1] // 160, 64
        with replacing_path(path) as partial:
            out = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float16, shape=shape)
            for start in track(range(0, len(corpus), batch), "Computing log-mels"):
                part = torch.from_numpy(np.asarray(corpus.audio[start : start + batch], np.float32) / 32767.0)
                out[start : start + batch] = log_mel(part).numpy()
            out.flush()
            del out
    return np.load(path, mmap_mode="r")


def draw(generator: torch.Generator, count: int, high: int, among: Sequence[int] | None) -> list[int]:
    """`count` random clips of `high`, or of those `among` which it may choose."""
    choice = torch.randint(high if among is None else len(among), (count,), generator=generator).tolist()
    return choice if among is None else [among[i] for i in choice]


def latent_crops(
    latents: NDArray[np.float16], generator: torch.Generator, count: int, frames: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Random crops [count, 8, frames, 16] with their clips [count] and first frames [count]."""
    clips = torch.randint(len(latents), (count,), generator=generator)
    starts = torch.randint(latents.shape[2] - frames + 1, (count,), generator=generator)
    pairs = zip(clips.tolist(), starts.tolist(), strict=True)
    cut = np.stack([latents[clip, :, start : start + frames] for clip, start in pairs])
    return torch.from_numpy(cut.astype(np.float32)), clips, starts


def mel_crops(
    mels: NDArray[np.float16],
    generator: torch.Generator,
    count: int,
    frames: int,
    among: Sequence[int] | None = None,
) -> tuple[Tensor, list[int], list[int]]:
    """Random crops [count, frames, 64] with their clips and first frames."""
    indices = draw(generator, count, len(mels), among)
    starts = torch.randint(mels.shape[1] - frames + 1, (count,), generator=generator).tolist()
    cut = np.stack([mels[i, s : s + frames] for i, s in zip(indices, starts, strict=True)])
    return torch.from_numpy(cut.astype(np.float32)), indices, starts
