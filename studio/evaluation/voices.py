"""Whose voice it is: a linear classifier over the colour of the louder frames, fitted to known speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from studio.dsp.mel import log_mel

_RIDGE = 1e-2
_LOUDER = 0.5  # share of frames that count

Samples = NDArray[np.float32]


def colour(samples: Samples) -> NDArray[np.float64]:
    """Mean and spread of the louder half of the log-mel's frames, each less its level [128]."""
    mel = log_mel(torch.from_numpy(np.ascontiguousarray(samples))).numpy().astype(np.float64)
    level = np.exp(mel).sum(axis=1)
    kept = mel[level >= np.quantile(level, 1 - _LOUDER)]
    kept = kept - kept.mean(axis=1, keepdims=True)
    return np.concatenate([kept.mean(axis=0), kept.std(axis=0)])


@dataclass(frozen=True)
class VoiceClassifier:
    """Tells two voices apart, number 0 and 1."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def fit(cls, first: Sequence[Samples], second: Sequence[Samples]) -> VoiceClassifier:
        """From what the first voice says and what the second does, samples at 16 kHz."""
        rows = np.stack([colour(samples) for samples in (*first, *second)])
        wanted = np.concatenate([-np.ones(len(first)), np.ones(len(second))])
        mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-6
        scaled = np.column_stack([(rows - mean) / spread, np.ones(len(rows))])
        gram = scaled.T @ scaled / len(rows) + _RIDGE * np.eye(scaled.shape[1])
        return cls(mean, spread, np.linalg.solve(gram, scaled.T @ wanted / len(rows)))

    def voice(self, samples: Samples) -> int:
        """Whose voice samples [n] are likelier."""
        row = np.append((colour(samples) - self.mean) / self.spread, 1.0)
        return int(row @ self.weights > 0)
