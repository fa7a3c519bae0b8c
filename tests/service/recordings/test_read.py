"""What people drop in: any rate and channels, other containers, and what is no recording at all."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.audio import SAMPLE_RATE
from studio.core.errors import InvalidRequestError
from studio.pipeline.recording import check_continuation
from studio.service.recordings.read import read_recording
from tests.service.service_fakes import request


def sine(rate: int, seconds: float = 1.5, hz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)


def pitch_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * SAMPLE_RATE / len(samples))


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_channels_become_mono_at_the_models_rate(
    tmp_path: Path, rate: int, channels: int
) -> None:
    path = tmp_path / "take.wav"
    sf.write(path, np.repeat(sine(rate)[:, None], channels, axis=1), rate, subtype="FLOAT")
    recording = read_recording(path)
    assert recording.samples.dtype == np.float32
    assert abs(len(recording.samples) - 24000) <= 1
    assert abs(pitch_hz(recording.samples) - 440) < 1
    assert np.abs(recording.samples[4000:-4000]).max() == pytest.approx(0.5, abs=0.01)
    assert recording.source.file == "take.wav"
    assert recording.source.duration_s == pytest.approx(1.5, abs=1e-3)


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3", "a.aiff"])
def test_libsndfiles_formats_are_read(tmp_path: Path, name: str) -> None:
    sf.write(tmp_path / name, sine(44100), 44100)
    assert abs(pitch_hz(read_recording(tmp_path / name).samples) - 440) < 2


@pytest.mark.parametrize("name", ["a.m4a", "a.webm", "a.mkv"])
def test_other_containers_are_read_by_ffmpeg(
    tmp_path: Path, require_tool: Callable[[str], str], name: str
) -> None:
    sf.write(tmp_path / "a.wav", sine(48000), 48000)
    ffmpeg = require_tool("ffmpeg")
    subprocess.run([ffmpeg, "-v", "error", "-i", tmp_path / "a.wav", tmp_path / name], check=True)
    recording = read_recording(tmp_path / name)
    assert abs(pitch_hz(recording.samples[4000:20000]) - 440) < 2
    assert 1.4 < recording.source.duration_s < 1.6


def test_without_ffmpeg_one_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    with pytest.raises(InvalidRequestError, match="convert it to WAV"):
        read_recording(tmp_path / "a.m4a")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.wav", b""),
        ("text.wav", b"this is no sound"),
        ("cut.flac", b"fLaC"),
        ("noise.mp3", bytes(range(256)) * 8),
        ("numbers.raw", bytes(4000)),
    ],
)
def test_what_is_no_sound_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidRequestError, match=name):
        read_recording(tmp_path / name)


def test_a_playlist_makes_nobody_read_other_files(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    """It names a file that ffmpeg would gladly read."""
    require_tool("ffmpeg")
    sf.write(tmp_path / "secret.wav", sine(16000), 16000)
    lists = {
        "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{tmp_path}/secret.wav\n#EXT-X-ENDLIST\n",
        "b.txt": "ffconcat version 1.0\nfile 'secret.wav'\n",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(InvalidRequestError, match="no sound file"):
            read_recording(tmp_path / name)


def test_lengths_that_nothing_can_be_made_of(tmp_path: Path) -> None:
    sf.write(tmp_path / "blip.wav", sine(16000, 0.5), 16000)
    with pytest.raises(InvalidRequestError, match="shorter than 1 s"):
        read_recording(tmp_path / "blip.wav")
    with sf.SoundFile(tmp_path / "hour.flac", "w", 96000, 1, "PCM_16") as file:
        for _ in range(61):
            file.write(np.zeros(96000 * 60, np.int16))
    with pytest.raises(InvalidRequestError, match="1:01:00 long"):
        read_recording(tmp_path / "hour.flac")
    sf.write(tmp_path / "hour.wav", np.zeros(4000 * 3660), 4000, subtype="PCM_U8")
    with pytest.raises(InvalidRequestError, match="1:01:00 long"):
        read_recording(tmp_path / "hour.wav")
    with pytest.raises(InvalidRequestError, match="check that the file exists"):
        read_recording(tmp_path / "gone.wav")


def test_odd_numbers_are_bounded(tmp_path: Path) -> None:
    loud, broken = 3 * sine(16000), sine(16000)
    broken[100] = np.nan
    sf.write(tmp_path / "loud.wav", loud, 16000, subtype="FLOAT")
    assert np.abs(read_recording(tmp_path / "loud.wav").samples).max() == 1.0
    sf.write(tmp_path / "broken.wav", broken, 16000, subtype="FLOAT")
    with pytest.raises(InvalidRequestError, match="no sound"):
        read_recording(tmp_path / "broken.wav")
    sf.write(tmp_path / "rate.wav", loud, 2_000_000_000, subtype="FLOAT")
    with pytest.raises(InvalidRequestError, match="export it at"):
        read_recording(tmp_path / "rate.wav")


def test_a_take_is_longer_than_what_it_begins_with(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", sine(16000, 3.0), 16000)
    recording = read_recording(tmp_path / "a.wav")
    check_continuation(request(duration_s=3.5, sampler={"kind": "endless"}), recording)
    check_continuation(request(duration_s=None, sampler={"kind": "endless"}), recording)
    with pytest.raises(InvalidRequestError, match=r"3\.0 s long"):
        check_continuation(request(duration_s=3.0, sampler={"kind": "endless"}), recording)
    with pytest.raises(InvalidRequestError, match="endless"):
        check_continuation(request(duration_s=9.0, sampler={"kind": "clip"}), recording)
