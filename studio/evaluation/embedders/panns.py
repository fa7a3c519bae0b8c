"""PANNs' Cnn14: AudioSet's 527 classes, and the 2048 numbers before them (Kong et al. 2020).

The space of FD and of both KL divergences in the papers' tables, at 16 kHz as audioldm_eval has it, and at
32 kHz as it was published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from studio.evaluation.embedders.base import Samples, Vectors
from studio.evaluation.embedders.blocks import ConvBlock, power_frames
from studio.evaluation.embedders.weights import digest, find, put, read_state

CLASSES = 527
BANDS = 64
WIDTHS = (64, 128, 256, 512, 1024, 2048)
FLOOR = 1e-10  # of power
_LEAST_S = 1.0  # a shorter clip is followed by silence: six pools leave nothing of it


@dataclass(frozen=True)
class Variant:
    """One of the published Cnn14: its file, and the spectrogram that it was trained on."""

    name: str
    file: str
    record: str
    sample_rate: int
    window: int
    hop: int
    highest_hz: float
    lowest_hz: float = 50.0


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("panns", "Cnn14_mAP=0.431.pth", "zenodo.org/record/3987831", 32000, 1024, 320, 14000.0),
        Variant("panns-16k", "Cnn14_16k_mAP=0.438.pth", "zenodo.org/record/3987831", 16000, 512, 160, 8000.0),
    )
}


class Cnn14(nn.Module):
    """Log-mels [B, frames, 64] in dB → (embedding [B, 2048], logits [B, 527])."""

    def __init__(self, widths: Sequence[int] = WIDTHS, bands: int = BANDS, classes: int = CLASSES) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(bands)
        for i, (channels, width) in enumerate(zip((1, *widths), widths, strict=False), start=1):
            pool = 1 if i == len(widths) else 2
            self.add_module(f"conv_block{i}", ConvBlock(channels, width, pool, "avg"))
        self.blocks = len(widths)
        self.fc1 = nn.Linear(widths[-1], widths[-1])
        self.fc_audioset = nn.Linear(widths[-1], classes)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        x = self.bn0(mel[:, None].transpose(1, 3)).transpose(1, 3)
        for i in range(1, self.blocks + 1):
            x = self.get_submodule(f"conv_block{i}")(x)
        x = x.mean(dim=3)
        embedding = torch.relu(self.fc1(x.amax(dim=2) + x.mean(dim=2)))
        return embedding, self.fc_audioset(embedding)


@lru_cache(maxsize=2)
def filterbank(variant: Variant) -> np.ndarray:
    """librosa's default bands [bins, 64]: Slaney's triangles, each of the same area over Hz."""
    from transformers.audio_utils import mel_filter_bank

    return mel_filter_bank(
        variant.window // 2 + 1, BANDS, variant.lowest_hz, variant.highest_hz, variant.sample_rate,
        norm="slaney", mel_scale="slaney",
    )  # fmt: skip


def log_mel(samples: Tensor, variant: Variant) -> Tensor:
    """Samples [n] → [n / hop + 1, 64] in dB; frame i is centred on sample i · hop, the ends are reflected."""
    half = variant.window // 2
    padded = functional.pad(samples[None, None], (half, half), mode="reflect")[0, 0]
    window = torch.hann_window(variant.window, dtype=samples.dtype, device=samples.device)
    bank = torch.as_tensor(filterbank(variant), dtype=samples.dtype, device=samples.device)
    return 10 * torch.log10((power_frames(padded, window, variant.hop) @ bank).clamp(min=FLOOR))


class Panns:
    """A Cnn14 that hears a clip as a whole, as audioldm_eval lets it."""

    width = WIDTHS[-1]
    source = "zenodo.org/record/3987831, by Qiuqiang Kong and others"
    licence = "CC BY 4.0"

    def __init__(self, name: str, weights: str | None, device: torch.device) -> None:
        """Read its weights.

        Args:
            name: of `VARIANTS`.
            weights: as `weights.find` takes them; by default where audioldm_eval or panns_inference look.
            device: where to run it.

        Raises:
            ModelNotFoundError: they are not here.
            WeightsError: the file is damaged or another network's.
        """
        self.name = name
        self._variant = VARIANTS[name]
        self.sample_rate = self._variant.sample_rate
        self.labels = tuple(f"AudioSet {i}" for i in range(CLASSES))
        home = Path.home()
        hint = f"PANNs' weights are at {self._variant.record}"
        places = (home / ".cache" / "audioldm_eval" / "ckpt", home / "panns_data")
        path = find(name, weights, self._variant.file, places, hint)
        self._net = put(Cnn14, read_state(path, ("model",)), "PANNs' Cnn14", path).to(device)
        self._device = device
        self.version = digest(self._net)

    def embed(self, samples: Samples) -> Vectors:
        """Samples [n] at `sample_rate` → [1, 2048]."""
        return self.both(samples)[0]

    def logits(self, samples: Samples) -> Vectors:
        """Samples [n] at `sample_rate` → AudioSet's scores [527], before the sigmoid."""
        return self.both(samples)[1]

    @torch.inference_mode()
    def both(self, samples: Samples) -> tuple[Vectors, Vectors]:
        """What `embed` and `logits` give, of one hearing."""
        lacking = round(_LEAST_S * self.sample_rate) - len(samples)
        heard = torch.tensor(samples, dtype=torch.float32, device=self._device)
        heard = functional.pad(heard, (0, max(0, lacking)))
        embedding, logits = self._net(log_mel(heard, self._variant)[None])
        return embedding.cpu().numpy(), logits[0].cpu().numpy()
