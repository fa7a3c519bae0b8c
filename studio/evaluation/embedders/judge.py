"""The project's own classifier as an embedder: it knows the pocket models' families of sound alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from studio.evaluation.classifier import EMBEDDING, Classifier
from studio.evaluation.embedders.base import Samples, Vectors
from studio.evaluation.embedders.weights import digest
from studio.evaluation.embedders.windows import windows

WINDOW_S = 5.0
_BATCH = 16


class Judge:
    """Windows of 5 s, one after the other; a shorter clip is repeated to fill its only one."""

    name = "judge"
    sample_rate = 16000
    width = EMBEDDING
    source = "assets/pocket/judge"
    licence = "Apache-2.0"

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Read it from its folder.

        Raises:
            WeightsError: the files are missing or damaged.
        """
        self._classifier = Classifier.load(folder).to(device)
        self._device = device
        self.version = digest(self._classifier)
        self.labels = tuple(self._classifier.families)

    def embed(self, samples: Samples) -> Vectors:
        """Samples [n] at 16 kHz → [windows, 64]."""
        return self.both(samples)[0]

    def logits(self, samples: Samples) -> Vectors:
        """Samples [n] at 16 kHz → the families' scores [28], averaged over the windows."""
        return self.both(samples)[1]

    def both(self, samples: Samples) -> tuple[Vectors, Vectors]:
        """What `embed` and `logits` give, of one hearing."""
        rows = windows(samples, round(WINDOW_S * self.sample_rate), fill="repeat")
        heard = [
            self._classifier.predict(torch.from_numpy(rows[start : start + _BATCH]).to(self._device))
            for start in range(0, len(rows), _BATCH)
        ]
        logits, embeddings = zip(*heard, strict=True)
        return _numpy(embeddings), _numpy(logits).mean(axis=0)


def _numpy(parts: tuple[torch.Tensor, ...]) -> Vectors:
    return np.concatenate([part.float().cpu().numpy() for part in parts])
