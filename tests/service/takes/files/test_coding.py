"""Depths and rates: what they do to samples, and what no format has in one sentence."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.service.takes.export import export
from studio.service.takes.export_range import ExportRange, ExportRangeError
from studio.service.takes.files.coding import Coding, read_coding
from studio.service.takes.files.samples import Source, rounded
from tests.service.takes.files.file_fakes import write_source


@pytest.mark.parametrize(
    ("words", "suffix", "wanted"),
    [
        ({}, ".wav", Coding()),
        ({"bits": " ", "rate": None}, ".mp3", Coding()),
        ({"bits": "24", "rate": "48"}, ".wav", Coding(24, 48000)),
        ({"bits": "float", "rate": "44.1 kHz"}, ".wav", Coding(32, 44100)),
        ({"rate": "48000"}, ".opus", Coding(None, 48000)),
    ],
    ids=str,
)
def test_what_is_asked_for_is_read(words: dict[str, str | None], suffix: str, wanted: Coding) -> None:
    assert read_coding(words, suffix) == wanted


@pytest.mark.parametrize(
    ("words", "suffix", "field", "says"),
    [
        ({"bits": "12"}, ".wav", "bits", "WAV has 16, 24 or 32 bits (float): choose one of them."),
        ({"bits": "32"}, ".flac", "bits", "FLAC has 16 or 24 bits: choose one of them."),
        ({"bits": "16"}, ".mp3", "bits", "MP3 has no bit depth: leave it out, or choose WAV or FLAC."),
        ({"rate": "96"}, ".wav", "rate", "Choose a sample rate of 16, 44.1 or 48 kHz."),
        ({"rate": "nan"}, ".wav", "rate", "Choose a sample rate of 16, 44.1 or 48 kHz."),
        ({"rate": "44.1"}, ".opus", "rate", "Opus has no 44.1 kHz: choose 16 or 48 kHz."),
    ],
    ids=str,
)
def test_what_no_format_has_is_one_sentence(
    words: dict[str, str], suffix: str, field: str, says: str
) -> None:
    with pytest.raises(ExportRangeError) as refused:
        read_coding(words, suffix)
    assert (str(refused.value), refused.value.field) == (says, field)


def test_dither_turns_distortion_into_noise(tmp_path: Path) -> None:
    """A sine of one step's height, whose fifth harmonic plain rounding puts 14 dB below it."""
    sine = np.sin(2 * np.pi * 1000 / 48000 * np.arange(48000))[:, None] / 32768

    def harmonic_db(dither: bool) -> float:
        (pcm,) = rounded([sine], 16, dither=dither)
        spectrum = np.abs(np.fft.rfft(pcm[:, 0].astype(float)))
        return float(20 * np.log10(spectrum[5000] / spectrum[1000]))

    assert harmonic_db(False) > -16
    assert harmonic_db(True) < -35
    quiet = next(rounded([np.zeros((48000, 1))], 16, dither=True))
    assert (quiet.min(), quiet.max()) == (-1, 1)
    assert np.mean(quiet.astype(float) ** 2) == pytest.approx(2 / 12 + 1 / 12, abs=0.02), (
        "TPDF, then rounding"
    )


def test_an_export_is_the_same_file_each_time(tmp_path: Path) -> None:
    source = write_source(tmp_path)
    made = [
        export(source, tmp_path / f"{n}.wav", cut=ExportRange(lufs=-20), coding=Coding(16, 44100)).path
        for n in range(2)
    ]
    assert len({hashlib.sha256(path.read_bytes()).digest() for path in made}) == 1


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_what_loses_no_bits_is_left_alone(tmp_path: Path, bits: int) -> None:
    source = write_source(tmp_path)
    made = export(source, tmp_path / "a.wav", coding=Coding(bits)).path
    np.testing.assert_array_equal(sf.read(made)[0], sf.read(source)[0])
    again = export(made, tmp_path / "b.flac", coding=Coding(min(bits, 24))).path
    np.testing.assert_allclose(sf.read(again)[0], sf.read(source)[0], rtol=0, atol=0 if bits < 32 else 2**-22)


def test_a_rate_is_changed_without_a_shift_or_an_alias(tmp_path: Path) -> None:
    time = np.arange(32000) / 16000
    sf.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 7000 * time), 16000, subtype="FLOAT")
    for rate in (44100, 48000):
        made = export(tmp_path / "a.wav", tmp_path / "b.wav", coding=Coding(32, rate)).path
        sound, found = sf.read(made)
        assert (found, len(sound)) == (rate, 2 * rate)
        wanted = 0.5 * np.sin(2 * np.pi * 7000 * np.arange(2 * rate) / rate)
        inner = slice(rate // 2, rate // 2 + rate)  # a second: a bin of the spectrum is 1 Hz
        assert np.abs(sound - wanted)[inner].max() < 3e-4
        spectrum = np.abs(np.fft.rfft(sound[inner])) / rate
        assert np.delete(spectrum, 7000).max() < 1e-7, "no image, no alias"


@pytest.mark.parametrize("rate", [44100, 48000])
def test_a_span_is_resampled_with_what_lies_beside_it(tmp_path: Path, rate: int) -> None:
    source = write_source(tmp_path)
    whole, _ = sf.read(export(source, tmp_path / "a.wav", coding=Coding(32, rate)).path)
    cut, _ = sf.read(export(source, tmp_path / "b.wav", cut=ExportRange(1, 2), coding=Coding(32, rate)).path)
    np.testing.assert_allclose(cut, whole[rate : 2 * rate], atol=1e-7)


def test_a_loop_stays_without_a_seam_at_another_rate(tmp_path: Path) -> None:
    """Two turns of it, resampled at once, are twice what one turn becomes."""
    sound = np.random.default_rng(0).normal(0, 0.1, 3200)
    sf.write(tmp_path / "one.wav", sound, 16000, subtype="FLOAT")
    sf.write(tmp_path / "three.wav", np.tile(sound, 3), 16000, subtype="FLOAT")
    with sf.SoundFile(tmp_path / "one.wav") as one, sf.SoundFile(tmp_path / "three.wav") as three:
        turn = np.concatenate(list(Source(one, 0, 3200, 48000, goes_round=True).floats()))
        middle = np.concatenate(list(Source(three, 3200, 6400, 48000).floats()))
        cut = np.concatenate(list(Source(one, 0, 3200, 48000).floats()))
    assert len(turn) == 9600
    np.testing.assert_allclose(turn, middle, atol=1e-9)
    assert np.abs(cut - middle).max() > 1e-3, "and without going round it has one"


@given(st.integers(0, 5999), st.integers(1, 6000), st.sampled_from([16000, 44100, 48000]), st.booleans())
@settings(deadline=None, max_examples=25)
def test_any_span_has_the_length_that_its_rate_gives(
    tmp_path_factory: pytest.TempPathFactory, start: int, length: int, rate: int, goes_round: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "spans.wav"
    if not path.exists():
        sf.write(path, np.random.default_rng(0).normal(0, 0.1, 6000), 16000)
    stop = min(start + length, 6000)
    with sf.SoundFile(path) as sound:
        source = Source(sound, start, stop, rate, goes_round=goes_round)
        made = np.concatenate(list(source.floats()))
    assert len(made) == source.frames == max(1, round((stop - start) * rate / 16000))
