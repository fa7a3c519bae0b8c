"""What lies above 8 kHz, foreseen from what lies below: 16 kHz sound and its log-mel → 48 kHz sound.

Spectral band replication (Dietz et al. 2002, "Spectral Band Replication, a novel approach in audio coding")
whose envelope a network foresees: the octave from 4 to 8 kHz is copied to the four places above it, so that
strokes and hiss keep their fine structure, made even where it is coarser, so that no whistle is copied, and
levels of `BAND_EDGES_HZ` a hundred times a second shape the copies. What is below 8 kHz stays as it is, but
for peaks above `KNEE`. The network sees a log-mel of AudioLDM's kind, so that it serves every checkpoint that
has one.

Everything is convolutional in time, without state or chance: sound in pieces equals sound as a whole.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn import functional as F

from studio.dsp.mel import HOP_SAMPLES, N_MELS
from studio.dsp.mel import SAMPLE_RATE as KNOWN_RATE

SAMPLE_RATE = 48_000
FACTOR = SAMPLE_RATE // KNOWN_RATE
# Frames of 20 ms, four of them over each moment: short enough for a stroke's onset.
N_FFT, HOP = 320, 80  # of the sound at 16 kHz
BIN_HZ = KNOWN_RATE / N_FFT
KNOWN_BINS = N_FFT // 2  # those below 8 kHz
COPIED = slice(KNOWN_BINS // 2, KNOWN_BINS)  # 4 to 8 kHz
COPIES = 4
# Half circles that each is turned by: strokes then come to 2.5 times the peak of one copy, not to four times.
TURNS = (0.0, 0.0, 1.417, 0.25)
BAND_EDGES_HZ = (*range(8000, 12_000, 500), *range(12_000, 25_000, 1000))
BANDS = len(BAND_EDGES_HZ) - 1
SOURCE_BANDS = 8  # of what is copied, that the network is told of
SMOOTHED_BINS, SMOOTHED_FRAMES = 5, 9  # 250 Hz and 45 ms: what is finer in the copied octave is kept
POWER_FLOOR = 1e-5  # of a bin: some −75 dB of full scale over the band
SILENCE = 1e-9  # power of a bin below which nothing is made louder
KNEE, CEILING = 0.85, 0.99  # of samples: what the upper band adds to a stroke does not clip it
LOUDEST = 10.0  # log-power of a bin: more than full scale has


class BandExtension(ModelMixin, ConfigMixin):
    """The network, and the filter bank around it."""

    mean: Tensor
    scale: Tensor
    weights: Tensor

    @register_to_config
    def __init__(self, width: int = 128, layers: int = 4, kernel_size: int = 7) -> None:
        """Take the width and number of its blocks, and how many log-mel frames each of them sees."""
        super().__init__()
        inputs = N_MELS + SOURCE_BANDS
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.register_buffer("weights", _between_centres(), persistent=False)
        self.enter = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(_Block(width, kernel_size) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, BANDS)

    def context(self, vocoder: int) -> int:
        """Mel frames on each side that a sample can see, behind a vocoder which itself sees so many."""
        # A frame of the filter bank reaches a hop beyond its middle, and its smoothing two.
        return vocoder + 3 + self.config.layers * (self.config.kernel_size // 2)

    def features(self, mel: Tensor, spectrum: Tensor) -> Tensor:
        """Log-mel [B, m, 64] and `analyse`'s spectrum [B, 161, 2m + 1] → what the network sees [B, m, 72]."""
        return torch.cat([mel, source_levels(spectrum)], dim=-1)

    def levels(self, features: Tensor) -> Tensor:
        """`features` [B, m, 72] → log-powers of the bins above 8 kHz [B, 320, 2m + 1]."""
        hidden = self.enter((features - self.mean) / self.scale)
        for block in self.blocks:
            hidden = block(hidden)
        by_band = self.leave(self.norm(hidden)).clamp(max=LOUDEST)
        return (_at_frames(by_band) @ self.weights).transpose(1, 2)

    def above(self, mel: Tensor, spectrum: Tensor) -> Tensor:
        """Log-mel [B, m, 64] and `analyse`'s spectrum → bins 8 to 24 kHz [B, 320, 2m + 1]."""
        return copies(spectrum) * (self.levels(self.features(mel, spectrum)) / 2).exp()

    def forward(self, mel: Tensor, samples: Tensor) -> Tensor:
        """Log-mel [B, m, 64] and its sound [B, ≥ 160·m] at 16 kHz → sound [B, 480·m] at 48 kHz, float32."""
        mel, samples = mel.float(), samples.float()
        length = mel.shape[1] * HOP_SAMPLES
        spectrum = analyse(samples[:, :length])
        whole = torch.cat([spectrum[:, :KNOWN_BINS], self.above(mel, spectrum)], dim=1)
        return soft_knee(synthesise(whole, FACTOR * length))


class _Block(nn.Module):
    """ConvNeXt's (Liu et al. 2022), over time."""

    def __init__(self, width: int, kernel_size: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel_size, padding=kernel_size // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, m, width] → the same shape."""
        seen = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        return x + self.narrow(F.gelu(self.widen(self.norm(seen))))


def analyse(samples: Tensor) -> Tensor:
    """Sound [B, n] at 16 kHz → spectrum [B, 161, n/80 + 1], frame i centred on sample 80·i."""
    window = torch.hann_window(N_FFT, device=samples.device)
    return torch.stft(samples, N_FFT, HOP, window=window, pad_mode="constant", return_complex=True)


def synthesise(spectrum: Tensor, length: int) -> Tensor:
    """Bins below 24 kHz as `analyse` scales them [B, 480, frames] → sound [B, length] at 48 kHz."""
    window = torch.hann_window(FACTOR * N_FFT, device=spectrum.device)
    whole = F.pad(FACTOR * spectrum, (0, 0, 0, 1))  # Nyquist's bin
    return torch.istft(whole, FACTOR * N_FFT, FACTOR * HOP, window=window, length=length)


def soft_knee(samples: Tensor) -> Tensor:
    """Samples as they are up to `KNEE`, bent above so that none reaches `CEILING`."""
    over, span = (samples.abs() - KNEE).clamp(min=0), CEILING - KNEE
    bent = samples.sign() * (KNEE + span * torch.tanh(over / span))
    return torch.where(over > 0, bent, samples)


def copies(spectrum: Tensor) -> Tensor:
    """`analyse`'s spectrum → bins 8 to 24 kHz [B, 320, frames], the copies made even: of power 1 on average.

    Each is turned as `TURNS` says. Shifts of 4 kHz are whole turns a hop, so that the frames of a copy fit
    together.
    """
    source = spectrum[:, COPIED]
    power = source.abs().square()[:, None]
    around = F.avg_pool2d(
        power,
        (SMOOTHED_BINS, SMOOTHED_FRAMES),
        stride=1,
        padding=(SMOOTHED_BINS // 2, SMOOTHED_FRAMES // 2),
        count_include_pad=False,
    )
    even = source * torch.rsqrt(around[:, 0] + SILENCE)
    turns = torch.tensor(TURNS, device=even.device)
    turned = torch.polar(torch.ones_like(turns), torch.pi * turns)
    return (turned[:, None, None] * even[:, None]).flatten(1, 2)


def spectrum_above(samples: Tensor) -> Tensor:
    """Sound [B, n] at 48 kHz → its bins 8 to 24 kHz as `copies` gives them [B, 320, n/240 + 1]."""
    window = torch.hann_window(FACTOR * N_FFT, device=samples.device)
    whole = torch.stft(
        samples, FACTOR * N_FFT, FACTOR * HOP, window=window, pad_mode="constant", return_complex=True
    )
    return whole[:, KNOWN_BINS:-1] / FACTOR


def band_powers(above: Tensor) -> Tensor:
    """Bins 8 to 24 kHz [B, 320, frames] → powers of the bands, at least the floor [B, 20, frames]."""
    power = above.abs().square()
    edges = [round((hz - KNOWN_RATE / 2) / BIN_HZ) for hz in BAND_EDGES_HZ]
    bands = [power[:, low:high].mean(dim=1) for low, high in pairwise(edges)]
    return torch.stack(bands, dim=1) + POWER_FLOOR


def source_levels(spectrum: Tensor) -> Tensor:
    """`analyse`'s spectrum [B, 161, 2m + 1] → log-powers of the bands that are copied, smoothed [B, m, 8]."""
    power = spectrum[:, COPIED].abs().square().unflatten(1, (SOURCE_BANDS, -1)).mean(dim=2)
    half = SMOOTHED_FRAMES // 2
    # Frame 2i + 1 lies in the middle of log-mel frame i.
    smooth = F.avg_pool1d(F.pad(power, (half, half)), SMOOTHED_FRAMES, stride=1)[..., 1::2]
    return (smooth + POWER_FLOOR).log().transpose(1, 2)


def _at_frames(by_mel: Tensor) -> Tensor:
    """[B, m, bands] at log-mel frames → [B, 2m + 1, bands] at the filter bank's."""
    padded = torch.cat([by_mel[:, :1], by_mel, by_mel[:, -1:]], dim=1)
    between = (padded[:, 1:] + padded[:, :-1]) / 2
    pairs = torch.stack([between[:, :-1], by_mel], dim=2).flatten(1, 2)
    return torch.cat([pairs, between[:, -1:]], dim=1)


def _between_centres() -> Tensor:
    """How much of each band's gain each bin has [bands, 320]: linear between the bands' middles."""
    edges = torch.tensor(BAND_EDGES_HZ, dtype=torch.float64)
    middles = (edges[:-1] + edges[1:]) / 2
    bins = KNOWN_RATE / 2 + BIN_HZ * torch.arange(COPIES * KNOWN_BINS // 2, dtype=torch.float64)
    right = torch.searchsorted(middles, bins).clamp(1, len(middles) - 1)
    share = ((bins - middles[right - 1]) / (middles[right] - middles[right - 1])).clamp(0, 1)
    weights = torch.zeros(len(middles), len(bins), dtype=torch.float64)
    at = torch.arange(len(bins))
    weights[right - 1, at] = 1 - share
    weights[right, at] = share
    return weights.float()
