"""aiSFX: what tells sound effects apart to those who file them (Ma and Lerch, ISMIR 2022).

Four convolutional blocks, trained on professional libraries, over 96 mel bands of 2.3 s; the one embedder of
real recordings whose weights come in a package. The spectrogram is Essentia's, which it was trained on.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from studio.evaluation.embedders.base import Samples, Vectors
from studio.evaluation.embedders.blocks import ConvBlock, power_frames
from studio.evaluation.embedders.weights import digest, packaged, put, read_state

PACKAGE, FILE = "aisfx", "models/checkpoint.pth"
MISSING = "aiSFX's weights come in a package: `uv pip install --group aisfx` first, or give their file."
SAMPLE_RATE = 44100
WINDOW, HOP, BANDS = 2048, 1024, 96
BLOCK_FRAMES, BLOCK_HOP = 100, 50  # 2.3 s, half of it anew
LOUDEST = 9.457798957824707  # log10(1 + 10⁴ x) of the loudest band that was trained on
_BATCH = 16


class AiSfxNet(nn.Module):
    """Log-mels [B, frames, 96] in 0 … 1 → [B, 512]: the mean over bands, and the maximum over time."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv_block1 = ConvBlock(1, width, 2, "max")
        self.conv_block2 = ConvBlock(width, 2 * width, 2, "max")
        self.conv_block3 = ConvBlock(2 * width, 4 * width, 2, "max")
        self.conv_block4 = ConvBlock(4 * width, 8 * width, 1, "max")

    def forward(self, mel: Tensor) -> Tensor:
        return self.course(mel).amax(dim=2)

    def course(self, mel: Tensor) -> Tensor:
        """What the maximum is taken of: log-mels [B, frames, 96] → [B, 512, frames / 8]."""
        x = self.conv_block2(self.conv_block1(mel[:, None]))
        x = self.conv_block4(self.conv_block3(x))
        return x.mean(dim=3)


@lru_cache(maxsize=1)
def filterbank() -> np.ndarray:
    """Essentia's `MelBands` [1025, 96]: HTK triangles, straight in mel, whose weights add up to 1."""
    from transformers.audio_utils import mel_filter_bank

    bank = mel_filter_bank(
        WINDOW // 2 + 1, BANDS, 0.0, SAMPLE_RATE / 2, SAMPLE_RATE, norm=None, mel_scale="htk",
        triangularize_in_mel_space=True,
    )  # fmt: skip
    return bank / bank.sum(axis=0)


def log_mel(samples: Tensor) -> Tensor:
    """Samples [n] at 44.1 kHz → [n / 1024 + 1 upwards, 96] in 0 … 1; frame i is centred on sample 1024 i."""
    last = -(-len(samples) // HOP) * HOP
    padded = functional.pad(samples, (WINDOW // 2, last + WINDOW // 2 - len(samples)))
    window = torch.hann_window(WINDOW, periodic=False, dtype=samples.dtype, device=samples.device)
    power = power_frames(padded, window, HOP)
    mel = power @ torch.as_tensor(filterbank(), dtype=samples.dtype, device=samples.device)
    return torch.log10(1 + 1e4 * mel) / LOUDEST


def blocks(mel: Tensor) -> Tensor:
    """Frames [n, 96] → blocks [count, 100, 96] that fit, 50 apart; one, followed by silence, if none does."""
    if len(mel) < BLOCK_FRAMES:
        mel = functional.pad(mel, (0, 0, 0, BLOCK_FRAMES - len(mel)))
    return mel.unfold(0, BLOCK_FRAMES, BLOCK_HOP).transpose(1, 2)


class AiSfx:
    """aiSFX, X-Sequential-CE, as its package has it."""

    name = "aisfx"
    sample_rate = SAMPLE_RATE
    width = 512
    source = "the package aisfx 0.1.2, by Alison B. Ma"
    licence = "CC BY 4.0"

    def __init__(self, weights: str | None, device: torch.device) -> None:
        """Read its weights from a file, or from the package.

        Raises:
            ModelNotFoundError: the package is not installed.
            WeightsError: the file is damaged or another network's.
        """
        path = Path(weights) if weights else packaged(PACKAGE, FILE, MISSING)
        prefix = "embedding_net."
        state = {name.removeprefix(prefix): value for name, value in read_state(path).items()}
        self._net = put(AiSfxNet, state, "aiSFX", path).to(device)
        self._device = device
        self.version = digest(self._net)

    @torch.inference_mode()
    def embed(self, samples: Samples) -> Vectors:
        """Samples [n] at 44.1 kHz → [windows, 512], one for 2.3 s and another for each 1.16 s more."""
        rows = blocks(log_mel(torch.tensor(samples, dtype=torch.float32, device=self._device)))
        heard = [self._net(rows[start : start + _BATCH]) for start in range(0, len(rows), _BATCH)]
        return torch.cat(heard).cpu().numpy()

    @torch.inference_mode()
    def course(self, samples: Samples) -> Vectors:
        """Samples [n] at 44.1 kHz, 0.19 s at least → [moments, 512], one for 0.19 s: what `embed` takes the
        maximum of along time, without the silence that it fills short sounds up with.
        """
        mel = log_mel(torch.tensor(samples, dtype=torch.float32, device=self._device))
        return self._net.course(mel[None])[0].T.contiguous().cpu().numpy()
