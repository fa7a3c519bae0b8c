"""A listener, captions and models that cost nothing, for tables of a few clips."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from studio.backends.acoustic.base import AcousticDraft
from studio.backends.base import Conditioning
from studio.backends.capabilities import Capabilities
from studio.backends.registry import REGISTRY
from studio.evaluation.papers.clips import Clips, Models
from studio.evaluation.papers.job import Job
from studio.evaluation.papers.manifest import Example, Examples
from studio.evaluation.papers.papers import PAPERS
from studio.evaluation.papers.run import Run
from studio.evaluation.papers.scores import Ears
from studio.evaluation.papers.settings import Asked
from studio.pipeline.drafts import AcousticModelPool, Drafts
from studio.testing import FakeBackend
from tests.pipeline.drafting_fakes import FakeDrafter

SHORT_S = 0.64
WIDTH = 6


class DeafEar:
    """Levels of six stretches, twice; loud sounds are "rain"."""

    name = "deaf"
    sample_rate = 16000
    width = WIDTH
    source = "tests"
    licence = "none"
    version = "1"
    labels = ("rain", "wind")

    def embed(self, samples: np.ndarray) -> np.ndarray:
        parts = np.array_split(np.abs(samples), 2 * WIDTH)
        return np.array([part.mean() for part in parts], np.float32).reshape(2, WIDTH)

    def logits(self, samples: np.ndarray) -> np.ndarray:
        return np.array([10 * float(np.abs(samples).mean()), 1.0], np.float32)

    def both(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.embed(samples), self.logits(samples)


class Ear(DeafEar):
    """Also reads texts: a vector is its letters' hash."""

    name = "ear"

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([np.random.default_rng(zlib.crc32(t.encode())).normal(size=WIDTH) for t in texts])


class DualFake(FakeBackend):
    """`FakeBackend` that hears drafts: their mean moves what its latents are around."""

    encoding = "AG"

    def __init__(self, blocks: Sequence[str] = ("down1", "up1")) -> None:
        super().__init__()
        self.id = "dual"
        self.capabilities = Capabilities(text="pooled", drafts=True)
        self.branch = SimpleNamespace(blocks=dict.fromkeys(blocks), parameters=lambda: [torch.zeros(7)])

    def encode_draft(self, draft: AcousticDraft) -> torch.Tensor:
        return draft.latents

    def _around(self, conditioning: Conditioning, start_frame: int, frames: int) -> torch.Tensor:
        heard = 0.0 if conditioning.acoustic is None else conditioning.acoustic.states.mean()
        return super()._around(conditioning, start_frame, frames) + heard


def examples(count: int = 3) -> Examples:
    """Captions of two families, each with a second of noise."""
    rng = np.random.default_rng(0)
    made = [
        Example(
            f"e{number}", number, f"caption {number}",
            (0.1 * rng.normal(size=16000)).astype(np.float32), (("rain", "wind")[number % 2],),
        )
        for number in range(count)
    ]  # fmt: skip
    return Examples(made, "captions of a test")


def job(
    paper: str,
    folder: Path,
    models: dict[str, str],
    asked: Asked,
    backend: Callable[[str], Any] = lambda _: FakeBackend(),
    ears: Sequence[Any] = (Ear(),),
    count: int = 3,
) -> Job:
    """A paper over backends without weights. A model is called as its system, before a slash."""
    pool = AcousticModelPool(lambda *_: FakeDrafter(), lambda *_: None)
    made = Models(
        cache(backend),
        lambda name: REGISTRY.system(name.split("/")[0]),
        lambda name: f"weights of {name}",
        lambda _: SHORT_S,
        Drafts(pool, folder),
    )
    run = Run(folder, Clips(folder / "clips", made, device="cpu"), Ears(ears, folder / "heard"))
    return Job(PAPERS[paper], run, examples(count), models, asked)
