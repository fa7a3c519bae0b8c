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
    CEILING,
    FACTOR,
    KNEE,
    SAMPLE_RATE,
    TURNS,
    BandExtension,
    analyse,
    band_powers,
    copies,
    soft_knee,
    source_levels,
    spectrum_above,
    synthesise,
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
    """A stroke stays one: frames that did not fit together would smear it over their length."""
    extension = flat()
    known = torch.zeros(1, 16_000)
    known[:, 8000] = 0.9
    wide = extension(log_mel(known), known)
    above = torch.fft.rfft(wide[0])
    above[: int(9000 * wide.shape[1] / SAMPLE_RATE)] = 0
    stroke = torch.fft.irfft(above).square()
    assert abs(int(stroke.argmax()) - 24_000) < 5
    assert stroke[24_000 - 240 : 24_000 + 240].sum() > 0.9 * stroke.sum()


@torch.inference_mode()
def test_whistles_are_not_copied() -> None:
    extension = flat()
    known = tone(5000, 200) + 0.01 * noise(200)
    wide = extension(log_mel(known), known)
    for hz in (9000, 13_000, 17_000, 21_000):
        line = power_between(wide, hz - 100, hz + 100)
        assert line < 8 * power_between(wide, hz + 1000, hz + 1200)
    assert power_between(wide, 4900, 5100) > 1000 * line, "it is whistled where it was"


def flat() -> BandExtension:
    """Foresees one level everywhere."""
    extension = BandExtension(width=8, layers=1).eval()
    extension.leave.weight.data.zero_()
    extension.leave.bias.data.fill_(-4.0)
    return extension


@torch.inference_mode()
def test_gains_shape_their_bands_and_no_others() -> None:
    torch.manual_seed(1)
    extension = BandExtension(width=8, layers=1).eval()
    extension.leave.weight.zero_()
    extension.leave.bias.fill_(-6.0)
    loud = BAND_EDGES_HZ.index(12_000)
    extension.leave.bias[loud] = 2.0
    known = noise(300)
    wide = extension(log_mel(known), known)
    above = band_powers(spectrum_above(wide)).mean(dim=(0, 2))
    assert int(above.argmax()) == loud
    assert above[loud] > 20 * above[loud - 3]
    assert above[loud] > 20 * above[loud + 3]


@torch.inference_mode()
def test_strokes_of_all_copies_do_not_meet_in_one_peak() -> None:
    extension = flat()
    known = torch.zeros(1, 16_000)
    known[:, 8000] = 0.5
    mel, spectrum = log_mel(known), analyse(known)
    turned = extension.above(mel, spectrum)
    turns = torch.polar(torch.ones(4), torch.pi * torch.tensor(TURNS)).repeat_interleave(80)
    nothing = torch.zeros(1, 160, turned.shape[2])
    above, in_phase = (
        synthesise(torch.cat([nothing, bins], dim=1), 48_000) for bins in (turned, turned / turns[:, None])
    )
    assert above.abs().max() < 0.72 * in_phase.abs().max()


def test_peaks_are_bent_and_the_rest_is_as_it_was() -> None:
    samples = torch.linspace(-2, 2, 4001)
    bent = soft_knee(samples)
    assert bent.abs().max() <= CEILING
    inside = samples.abs() <= KNEE
    assert torch.equal(bent[inside], samples[inside])
    assert (bent.diff() >= 0).all()
    assert bent.diff().max() < 0.0011, "no step at the knee"


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


def test_copies_are_even_and_alike() -> None:
    loud, quiet = analyse(noise(50)), analyse(0.01 * noise(50))
    made = copies(loud)
    assert made.shape == (1, 320, 101)
    for place, turn in enumerate(TURNS):
        copy = made[:, 80 * place : 80 * (place + 1)]
        torch.testing.assert_close(copy, made[:, :80] * np.exp(1j * np.pi * turn), rtol=1e-4, atol=1e-4)
    assert made.abs().square().mean() == pytest.approx(1.0, rel=0.1)
    torch.testing.assert_close(copies(quiet), made, rtol=0.02, atol=0.02)
    assert copies(torch.zeros_like(loud)).abs().max() == 0


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
