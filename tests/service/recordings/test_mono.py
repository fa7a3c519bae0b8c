"""What becomes of a recording's level and of its channels, whichever decoder reads it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.audio import SAMPLE_RATE
from studio.core.errors import InvalidRequestError
from studio.service.recordings import mono
from studio.service.recordings.read import read_recording
from tests.service.recordings.recording_fakes import encoded, loudness_at, sine, wave_bytes, written

MASKS = {"3.0": 0x7, "quad": 0x33, "4.0": 0x107, "5.0": 0x37, "5.1": 0x3F, "6.1": 0x70F, "7.1": 0x63F}
RATIOS = {
    "3.0": [0.7071, 0.7071, 1],
    "quad": [0.7071, 0.7071, 0.5, 0.5],
    "4.0": [0.7071, 0.7071, 1, 0.7071],
    "5.0": [0.7071, 0.7071, 1, 0.5, 0.5],
    "5.1": [0.7071, 0.7071, 1, 0, 0.5, 0.5],
    "6.1": [0.7071, 0.7071, 1, 0, 0.7071, 0.5, 0.5],
    "7.1": [0.7071, 0.7071, 1, 0, 0.5, 0.5, 0.5, 0.5],
}
AMBISONIC = "00002107d3118644c8c1ca000000"


def tones(channels: int, rate: int = 48000) -> np.ndarray:
    """Another tone in each channel [n, channels]."""
    return np.stack([sine(rate, 1.5, 300 + 200 * channel) for channel in range(channels)], axis=1)


def heard(path: Path, channels: int) -> np.ndarray:
    """The weight that each channel's tone has in the mix."""
    samples = read_recording(path).samples[4000:20_000]
    return np.array(loudness_at(samples, [300 + 200 * channel for channel in range(channels)])) / 0.5


@pytest.mark.parametrize("name", MASKS)
def test_wavs_are_mixed_by_their_mask(tmp_path: Path, name: str) -> None:
    ratios = np.array(RATIOS[name])
    path = written(tmp_path / "a.wav", wave_bytes(tones(len(ratios)), 48000, MASKS[name]))
    np.testing.assert_allclose(heard(path, len(ratios)), ratios / ratios.sum(), atol=0.01)
    assert read_recording(path).notes == ()


@pytest.mark.parametrize("kind", [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")])
@pytest.mark.parametrize("channels", [3, 4, 5, 6, 7, 8])
def test_formats_with_an_order_of_their_own(tmp_path: Path, kind: tuple[str, str], channels: int) -> None:
    """By the tables of the FLAC and the Vorbis specification."""
    half = 0.7071
    orders = {
        3: [half, half, 1],
        4: [half, half, 0.5, 0.5],
        5: [half, half, 1, 0.5, 0.5],
        6: [half, half, 1, 0, 0.5, 0.5],
        7: [half, half, 1, 0, half, 0.5, 0.5],
        8: [half, half, 1, 0, 0.5, 0.5, 0.5, 0.5],
    }
    if kind[0] == "OGG":
        orders |= {
            3: [half, 1, half],
            5: [half, 1, half, 0.5, 0.5],
            6: [half, 1, half, 0.5, 0.5, 0],
            7: [half, 1, half, 0.5, 0.5, half, 0],
            8: [half, 1, half, 0.5, 0.5, 0.5, 0.5, 0],
        }
    ratios = np.array(orders[channels])
    path = written(tmp_path / "a", encoded(tones(channels), 48000, format=kind[0], subtype=kind[1]))
    got, want = heard(path, channels), ratios / ratios.sum()
    if kind[1] == "OPUS":  # an LFE channel loses all but its bass
        got = got * (want > 0)
    np.testing.assert_allclose(got, want, atol=0.02)


@pytest.mark.parametrize("suffix", ["m4a", "mka", "ac3", "caf", "aiff", "w64", "flac", "ogg"])
@pytest.mark.parametrize("name", ["5.1", "5.0", "quad"])
def test_both_decoders_mix_alike(
    tmp_path: Path, require_tool: Callable[[str], str], suffix: str, name: str
) -> None:
    ratios = np.array(RATIOS[name])
    source = written(tmp_path / "a.wav", wave_bytes(tones(len(ratios)), 48000, MASKS[name]))
    target = tmp_path / f"a.{suffix}"
    rate = ["-b:a", "448k"] if suffix in ("m4a", "ac3") else []
    subprocess.run([require_tool("ffmpeg"), "-v", "error", "-i", source, *rate, target], check=True)
    np.testing.assert_allclose(heard(target, len(ratios)), ratios / ratios.sum(), atol=0.02)


def test_channels_that_nobody_names_are_averaged_and_that_is_said(tmp_path: Path) -> None:
    for content in (
        wave_bytes(tones(6), 48000),
        wave_bytes(tones(6), 48000, 0),
        wave_bytes(tones(6), 48000, 0x3),
    ):
        path = written(tmp_path / "a.wav", content)
        np.testing.assert_allclose(heard(path, 6), np.full(6, 1 / 6), atol=0.01)
        assert read_recording(path).notes == (
            "Its 6 channels were averaged: it doesn't say which speakers they are for.",
        )


def test_of_ambisonics_the_channel_that_hears_all_is_taken(tmp_path: Path) -> None:
    plain = wave_bytes(tones(4), 48000, 0, "0000" + AMBISONIC[4:])
    path = written(tmp_path / "a.amb", plain)
    np.testing.assert_allclose(heard(path, 4), [1, 0, 0, 0], atol=0.01)
    (note,) = read_recording(path).notes
    assert "Ambisonics" in note


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("kind", ["WAV", "W64", "CAF", "AIFF", "AU", "RF64"])
@pytest.mark.parametrize("over_db", [0.5, 11.0, 60.0])
def test_what_lies_above_full_scale_is_scaled_as_a_whole(
    tmp_path: Path, subtype: str, kind: str, over_db: float
) -> None:
    hot = sine(48000, 1.5, 440.0, peak=10 ** (over_db / 20))
    hot[:24_000] /= 4
    recording = read_recording(written(tmp_path / "hot", encoded(hot, 48000, format=kind, subtype=subtype)))
    assert recording.notes == (f"It was scaled down by {over_db:.1f} dB: its peaks lay above full scale.",)
    assert 0.99 < np.abs(recording.samples).max() <= 1.0
    assert (np.abs(recording.samples) > 0.9999).mean() < 0.02, "nothing is cut"
    assert np.abs(recording.samples[1000:7000]).max() == pytest.approx(0.25, abs=0.01), "the quiet part too"


def test_what_fits_stays_as_it_is(tmp_path: Path) -> None:
    square = np.sign(sine(44100, 1.5, 100.0))
    for subtype in ("PCM_16", "PCM_24", "FLOAT"):
        recording = read_recording(
            written(tmp_path / "a.wav", encoded(square, 44100, format="WAV", subtype=subtype))
        )
        assert recording.notes == ()
        assert np.abs(recording.samples).max() == 1.0, "a new rate overshoots, which is cut"
        assert np.median(np.abs(recording.samples)) == pytest.approx(1.0, abs=0.02)


def test_one_channel_above_full_scale_need_not_be_the_mix(tmp_path: Path) -> None:
    left = sine(16000, 1.5, 440.0, peak=1.5)
    recording = read_recording(
        written(
            tmp_path / "a.wav", encoded(np.stack([left, 0 * left], 1), 16000, format="WAV", subtype="FLOAT")
        )
    )
    assert recording.notes == ()
    assert np.abs(recording.samples).max() == pytest.approx(0.75, abs=1e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channel", [0, 3])
def test_what_is_no_number_is_refused(tmp_path: Path, value: float, channel: int) -> None:
    samples = tones(6)
    samples[20_000, channel] = value
    with pytest.raises(InvalidRequestError, match="numbers that are no sound"):
        read_recording(written(tmp_path / "a.wav", wave_bytes(samples, 48000, 0x3F)))
    with pytest.raises(InvalidRequestError, match="numbers that are no sound"):
        read_recording(written(tmp_path / "a.wav", wave_bytes(np.full((48000, 2), 3e38), 48000)))


@pytest.mark.parametrize("kind", [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")])
@pytest.mark.parametrize("gain", [-1.0, -0.9, -0.3])
def test_opposed_polarity_is_noticed_and_the_sound_survives(
    tmp_path: Path, kind: tuple[str, str], gain: float
) -> None:
    left = sine(48000, 1.5, 440.0)
    stereo = np.stack([left, gain * left], axis=1)
    recording = read_recording(
        written(tmp_path / "a", encoded(stereo, 48000, format=kind[0], subtype=kind[1]))
    )
    assert recording.notes == ("Its two channels cancel each other, so one was turned over.",)
    assert np.abs(recording.samples[4000:-4000]).max() == pytest.approx(0.25 * (1 - gain), abs=0.03)


def test_opposed_surrounds_survive(tmp_path: Path) -> None:
    samples = tones(6)
    samples[:, 5] = -samples[:, 4]
    path = written(tmp_path / "a.wav", wave_bytes(samples, 48000, 0x3F))
    assert read_recording(path).notes == (
        "Some of its channels cancel each other, so they were turned over.",
    )
    assert heard(path, 5)[4] == pytest.approx(2 * 0.5 / 3.414, abs=0.01)


def test_a_joined_file_is_fitted_as_a_whole(tmp_path: Path) -> None:
    parts = [
        encoded(sine(44100, 1.5, 440.0, peak), 44100, format="WAV", subtype="FLOAT") for peak in (0.5, 2.0)
    ]
    recording = read_recording(written(tmp_path / "a.wav", *parts))
    assert np.abs(recording.samples[2000:20_000]).max() == pytest.approx(0.25, abs=0.01)
    assert [note[:25] for note in recording.notes] == ["It was scaled down by 6.0"]


def test_what_is_left_over_of_any_format_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MAT: nothing here counts what is in it, but half of the file was not asked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    sound = encoded(sine(16000, 3.0), 16000, format="MAT4", subtype="PCM_16")
    assert read_recording(written(tmp_path / "a.mat", sound)).notes == ()
    (note,) = read_recording(written(tmp_path / "a.mat", sound, sound)).notes
    assert note == "Only 3.0 s could be read: install ffmpeg, which may read more, or export it anew."


def test_no_more_is_held_than_ten_minutes_whatever_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mono, "MAX_S", 5.0)
    parts = [encoded(sine(16000, 2.0), 16000, format="FLAC")] * 3
    with pytest.raises(InvalidRequestError, match="cut it to"):
        read_recording(written(tmp_path / "a.flac", *parts))
    sf.write(tmp_path / "long.wav", sine(16000, 5.1), 16000)
    with pytest.raises(InvalidRequestError, match="cut it to"):
        read_recording(tmp_path / "long.wav")
    monkeypatch.setattr(mono, "MAX_FRAMES", 3 * SAMPLE_RATE)
    sf.write(tmp_path / "long.wav", sine(16000, 4.0), 16000)
    with pytest.raises(InvalidRequestError, match="too large at 16000 Hz"):
        read_recording(tmp_path / "long.wav")
