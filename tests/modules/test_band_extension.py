"""The extension to 48 kHz: the known band untouched, pieces equal the whole, gains where they belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from studio.dsp.mel import log_mel
from studio.modules.band_extension import (
    BAND_EDGES_HZ,
    BANDS,
    FACTOR,
    SAMPLE_RATE,
    BandExtension,
    analyse,
    band_powers,
    copies,
    source_levels,
    spectrum_above,
)

KNOWN_RATE = 16_000


@pytest.fixture(scope="module")
def extension() -> BandExtension:
    torch.manual_seed(0)
    return BandExtension(width=16, layers=2).eval()


def noise(frames: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(1, 160 * frames, generator=torch.Generator().manual_seed(seed))


def tone(hz: float, frames: int) -> Tensor:
    t = torch.arange(160 * frames) / KNOWN_RATE
    return 0.3 * torch.sin(2 * torch.pi * hz * t)[None]


def power_between(samples: Tensor, low_hz: float, high_hz: float) -> float:
    power = torch.fft.rfft(samples[0].double()).abs().square()
    freqs = torch.fft.rfftfreq(samples.shape[1], 1 / SAMPLE_RATE)
    return float(power[(freqs >= low_hz) & (freqs < high_hz)].sum())


@torch.inference_mode()
def test_what_is_known_stays_as_it_is(extension: BandExtension) -> None:
    known = noise(200)
    wide = extension(log_mel(known), known)
    assert wide.shape == (1, FACTOR * known.shape[1])
    there = torch.fft.rfft(known.double())[0]
    here = torch.fft.rfft(wide.double())[0, : len(there)] / FACTOR
    below = slice(0, int(0.92 * len(there)))
    missed = (here - there)[below].abs().square().sum() / there[below].abs().square().sum()
    assert 10 * torch.log10(missed) < -40


@torch.inference_mode()
def test_a_piece_with_its_context_is_a_piece_of_the_whole(extension: BandExtension) -> None:
    known = noise(160)
    mel = log_mel(known)
    whole = extension(mel, known)
    context = extension.context(0)
    first, last = 50, 110
    cut = slice(first - context, last + context)
    piece = extension(mel[:, cut], known[:, 160 * cut.start : 160 * cut.stop])
    inner = piece[:, 480 * context : -480 * context]
    torch.testing.assert_close(inner, whole[:, 480 * first : 480 * last], rtol=0, atol=1e-5)


@torch.inference_mode()
def test_without_context_a_piece_is_not(extension: BandExtension) -> None:
    known = noise(160)
    mel = log_mel(known)
    piece = extension(mel[:, 50:110], known[:, 8000:17_600])
    assert (piece - extension(mel, known)[:, 24_000:52_800]).abs().max() > 1e-3


def test_a_vocoders_context_comes_on_top(extension: BandExtension) -> None:
    assert extension.context(16) == extension.context(0) + 16


@torch.inference_mode()
def test_the_octave_below_is_copied_upwards_in_phase() -> None:
    extension = BandExtension(width=8, layers=1).eval()
    extension.leave.weight.zero_()
    extension.leave.bias.zero_()
    known = tone(5000, 100)
    wide = extension(log_mel(known), known)
    for hz in (9000, 13_000, 17_000, 21_000):
        inside = power_between(wide, hz - 60, hz + 60)
        # Frames that did not fit together would spread it, or cancel it.
        assert inside == pytest.approx(power_between(wide, 4940, 5060), rel=0.05)


@torch.inference_mode()
def test_gains_shape_their_bands_and_no_others() -> None:
    torch.manual_seed(1)
    extension = BandExtension(width=8, layers=1).eval()
    extension.leave.weight.zero_()
    extension.leave.bias.fill_(-3.0)
    loud = BAND_EDGES_HZ.index(12_000)
    extension.leave.bias[loud] = 1.0
    known = noise(300)
    wide = extension(log_mel(known), known)
    above = band_powers(spectrum_above(wide)).mean(dim=(0, 2))
    assert int(above.argmax()) == loud
    assert above[loud] > 20 * above[loud - 3]
    assert above[loud] > 20 * above[loud + 3]


def test_bands_are_counted_in_whole_bins() -> None:
    above = torch.zeros(1, 320, 5, dtype=torch.complex64)
    above[:, 10:20] = 2.0  # 8.5 to 9 kHz
    powers = band_powers(above)
    assert powers.shape == (1, BANDS, 5)
    assert powers[0, :, 0].argmax() == 1
    assert powers[0, 1, 0] == pytest.approx(4.0, rel=1e-3)
    assert powers[0, 2, 0] < 1e-4


def test_levels_are_smooth_and_of_the_copied_octave() -> None:
    known = torch.cat([torch.zeros(1, 8000), tone(6100, 50)], dim=1)
    levels = source_levels(analyse(known))
    assert levels.shape == (1, 100, 8)
    assert levels[0, 75].argmax() == 4
    rise = levels[0, 45:56, 4].diff()
    assert (rise > -1e-4).all()
    assert levels[0, 40, 4] < levels[0, 60, 4] - 5


def test_copies_are_as_loud_as_what_is_copied() -> None:
    spectrum = analyse(noise(50))
    assert torch.equal(copies(spectrum)[:, 80:160], spectrum[:, 80:160])


@torch.inference_mode()
def test_what_is_written_opens_again(extension: BandExtension, tmp_path: Path) -> None:
    extension.save_pretrained(tmp_path)
    again = BandExtension.from_pretrained(tmp_path).eval()
    known = noise(20)
    np.testing.assert_array_equal(again(log_mel(known), known), extension(log_mel(known), known))
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "config.json",
        "diffusion_pytorch_model.safetensors",
    ]
