"""A take's log-mel at a coarse grid: small enough that an hour is held, fine enough to be looked through."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from studio.dsp.mel import HOP_SAMPLES, LOG_FLOOR, N_MELS, SAMPLE_RATE, log_mel
from studio.evaluation.metrics.blocks import Pieces, Sound

FRAME_S = 0.02
_POOLED = round(FRAME_S * SAMPLE_RATE) // HOP_SAMPLES
_PIECE = 8 * SAMPLE_RATE
_MARGIN = 10 * HOP_SAMPLES  # more than half a window of the transform


class FrameMeter:
    """Log-mels of a mono sound at 16 kHz, two neighbouring frames averaged: 50 rows of 64 a second."""

    def __init__(self) -> None:
        self._pieces = Pieces(_PIECE, _MARGIN, 1)
        self._rows: list[NDArray[np.float16]] = []
        self._samples = 0

    def push(self, sound: Sound) -> None:
        """Take the next samples [n]."""
        self._samples += len(sound)
        self._rows += [_frames(piece) for _, piece in self._pieces.push(sound[:, None])]

    def frames(self) -> NDArray[np.float16]:
        """All of them [n, 64], once all has been pushed; no row for a last one that is not whole."""
        self._rows += [_frames(piece) for _, piece in self._pieces.flush()]
        whole = self._samples // (HOP_SAMPLES * _POOLED)
        return np.concatenate([*self._rows, np.zeros((0, N_MELS), np.float16)])[:whole]


@torch.inference_mode()
def _frames(piece: Sound) -> NDArray[np.float16]:
    mel = log_mel(torch.from_numpy(np.ascontiguousarray(piece[:, 0])))
    beside = _MARGIN // HOP_SAMPLES
    rows = mel[beside : len(mel) - beside].clamp(min=LOG_FLOOR)
    return rows.reshape(-1, _POOLED, N_MELS).mean(dim=1).numpy().astype(np.float16)
