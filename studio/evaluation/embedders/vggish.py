"""VGGish: 128 numbers for each 0.96 s, the space that FAD was defined in (Hershey et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from studio.evaluation.embedders.base import Samples, Vectors
from studio.evaluation.embedders.blocks import power_frames
from studio.evaluation.embedders.weights import digest, find, put, read_state
from studio.evaluation.embedders.windows import windows

FILE = "vggish-10086976.pth"
HINT = "VGGish's weights, as torch.hub gets them, are at github.com/harritaylor/torchvggish/releases"
SAMPLE_RATE = 16000
WINDOW, HOP, FFT, BANDS = 400, 160, 512, 64
LOWEST_HZ, HIGHEST_HZ = 125.0, 7500.0
OFFSET = 0.01  # before the logarithm
EXAMPLE_FRAMES = 96
WIDTHS = (64, 128, 256, 256, 512, 512)
_POOLED = (0, 1, 3, 5)  # after which of the convolutions the picture is halved
_BATCH = 32


class VggishNet(nn.Module):
    """Log-mels [B, 96, 64] → [B, 128], before the last rectifier, as FAD takes them."""

    def __init__(self, widths: Sequence[int] = WIDTHS, hidden: int = 4096, width: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, (channels, out) in enumerate(zip((1, *widths), widths, strict=False)):
            layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if i in _POOLED else []
        self.features = nn.Sequential(*layers)
        places = (EXAMPLE_FRAMES // 2 ** len(_POOLED)) * (BANDS // 2 ** len(_POOLED))
        self.embeddings = nn.Sequential(
            nn.Linear(widths[-1] * places, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, width),
        )

    def forward(self, mel: Tensor) -> Tensor:
        x = self.features(mel[:, None])
        return self.embeddings(x.permute(0, 2, 3, 1).flatten(1))  # channels last, as TensorFlow had them


@lru_cache(maxsize=1)
def filterbank() -> np.ndarray:
    """HTK's triangles [257, 64], straight in mel and 1 at their tops; nothing of bin 0."""
    from transformers.audio_utils import mel_filter_bank

    bank = mel_filter_bank(
        FFT // 2 + 1, BANDS, LOWEST_HZ, HIGHEST_HZ, SAMPLE_RATE, norm=None, mel_scale="htk",
        triangularize_in_mel_space=True,
    )  # fmt: skip
    bank[0] = 0.0
    return bank


def log_mel(samples: Tensor) -> Tensor:
    """Samples [n] → [frames that lie within, 64]: the natural logarithm of magnitudes, a hundredth added."""
    window = torch.hann_window(WINDOW, dtype=samples.dtype, device=samples.device)
    bank = torch.as_tensor(filterbank(), dtype=samples.dtype, device=samples.device)
    return torch.log(power_frames(samples, window, HOP, FFT).sqrt() @ bank + OFFSET)


class Vggish:
    """VGGish without its principal components: examples of 0.96 s, one after the other."""

    name = "vggish"
    sample_rate = SAMPLE_RATE
    width = 128
    source = "github.com/harritaylor/torchvggish, of Google's weights"
    licence = "Apache-2.0"

    def __init__(self, weights: str | None, device: torch.device) -> None:
        """Read its weights, by default where torch.hub keeps them.

        Raises:
            ModelNotFoundError: they are not here.
            WeightsError: the file is damaged or another network's.
        """
        path = find(self.name, weights, FILE, (Path(torch.hub.get_dir()) / "checkpoints",), HINT)
        self._net = put(VggishNet, read_state(path), "VGGish", path).to(device)
        self._device = device
        self.version = digest(self._net)

    @torch.inference_mode()
    def embed(self, samples: Samples) -> Vectors:
        """Samples [n] at 16 kHz → [examples, 128]; a shorter clip is followed by silence."""
        least = WINDOW + (EXAMPLE_FRAMES - 1) * HOP
        whole = samples if len(samples) >= least else windows(samples, least, fill="silence")[0]
        mel = log_mel(torch.tensor(whole, dtype=torch.float32, device=self._device))
        rows = mel[: len(mel) // EXAMPLE_FRAMES * EXAMPLE_FRAMES].reshape(-1, EXAMPLE_FRAMES, BANDS)
        heard = [self._net(rows[start : start + _BATCH]) for start in range(0, len(rows), _BATCH)]
        return torch.cat(heard).cpu().numpy()
