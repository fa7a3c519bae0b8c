"""FLAC without a length or with a wrong one, and chains of Ogg streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.service.recordings.read import read_recording
from tests.service.recordings.recording_fakes import assert_heard, encoded, tone_file, without_ffmpeg, written

LOW, HIGH, OTHER = (1.6, 440.0), (3.2, 880.0), (1.6, 660.0)


@pytest.fixture(params=["with ffmpeg", "without"], autouse=True)
def _ffmpeg(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of these needs it."""
    if request.param == "without":
        without_ffmpeg(monkeypatch, tmp_path)


def flac(seconds: float, hz: float, rate: int = 44100, channels: int = 1, subtype: str = "PCM_16") -> bytes:
    return tone_file(seconds, hz, rate, channels, format="FLAC", subtype=subtype)


def claiming(content: bytes, samples: int, digest: bytes = bytes(16)) -> bytes:
    """With another count of samples in its header, and another MD5."""
    packed = int.from_bytes(content[18:26], "big") >> 36 << 36 | samples
    return content[:18] + packed.to_bytes(8, "big") + digest + content[42:]


@pytest.mark.parametrize("samples", [0, 1, 70_000, (1 << 36) - 1])
@pytest.mark.parametrize("kind", [{}, {"rate": 96000, "channels": 2, "subtype": "PCM_24"}, {"rate": 8000}])
def test_a_flac_is_read_to_its_last_frame(tmp_path: Path, samples: int, kind: dict) -> None:
    recording = read_recording(written(tmp_path / "piped.flac", claiming(flac(*HIGH, **kind), samples)))
    assert_heard(recording, [HIGH], within_s=1e-3)
    assert bool(recording.notes) == (samples > 0), "a wrong length is told, a missing one isn't"


def test_a_flac_of_noise_is_read_to_its_last_frame(tmp_path: Path) -> None:
    """Frames full of what looks like another frame's head."""
    noise = np.random.default_rng(7).uniform(-0.5, 0.5, 200_000)
    whole = read_recording(
        written(tmp_path / "a.flac", encoded(noise, 44100, format="FLAC", subtype="PCM_24"))
    )
    piped = written(tmp_path / "b.flac", claiming(encoded(noise, 44100, format="FLAC", subtype="PCM_24"), 0))
    np.testing.assert_array_equal(read_recording(piped).samples, whole.samples)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    "tail", [b"TAG" + bytes(125), b"APETAGEX" + bytes(500), bytes(3000), b"ID3\x04" + b"x" * 300]
)
def test_tags_around_a_flac_are_no_sound(tmp_path: Path, known: bool, tail: bytes) -> None:
    head = b"ID3\x04\0\0" + bytes([0, 0, 7, 104]) + bytes(1000)
    whole = flac(*HIGH)
    content = whole if known else claiming(whole, 0)
    recording = read_recording(written(tmp_path / "a.flac", head, content, tail))
    assert len(recording.samples) == 3.2 * 16000
    assert recording.notes == ()


def test_a_wrong_md5_is_no_matter(tmp_path: Path) -> None:
    recording = read_recording(written(tmp_path / "a.flac", claiming(flac(*HIGH), 141_120, b"x" * 16)))
    assert_heard(recording, [HIGH])
    assert recording.notes == ()


@pytest.mark.parametrize("share", [0.4, 0.5, 0.77, 0.999])
@pytest.mark.parametrize("known", [True, False])
def test_a_flac_cut_short(tmp_path: Path, share: float, known: bool) -> None:
    whole = flac(*HIGH)
    cut = (whole if known else claiming(whole, 0))[: round(share * len(whole))]
    recording = read_recording(written(tmp_path / "cut.flac", cut))
    assert 3.2 * share - 0.3 < recording.source.duration_s < 3.2
    if known and share < 0.9:
        assert "of the 3.2 s that its header names" in recording.notes[0]


def test_a_damaged_flac_is_read_as_far_as_can_be_and_told(tmp_path: Path) -> None:
    whole = flac(*HIGH)
    third = len(whole) // 3
    recording = read_recording(
        written(tmp_path / "a.flac", whole[: 2 * third], bytes(third // 2), whole[2 * third + third // 2 :])
    )
    assert 1.5 < recording.source.duration_s < 3.3
    assert recording.notes[0].startswith("Only ")


def test_flacs_joined_end_to_end(tmp_path: Path) -> None:
    parts = [flac(*LOW), claiming(flac(*HIGH, rate=22050, channels=2), 0), flac(*OTHER)]
    recording = read_recording(written(tmp_path / "joined.flac", *parts))
    assert_heard(recording, [LOW, HIGH, OTHER])
    assert recording.notes == ()


@pytest.mark.parametrize(("subtype", "rates"), [("VORBIS", (44100, 22050)), ("OPUS", (48000, 24000))])
@pytest.mark.parametrize("channels", [1, 2])
def test_chains_of_ogg_streams(tmp_path: Path, subtype: str, rates: tuple[int, int], channels: int) -> None:
    kind = {"format": "OGG", "subtype": subtype}
    parts = [
        tone_file(*LOW, rates[0], **kind),
        tone_file(*OTHER, rates[1], channels, **kind),
        tone_file(*HIGH, rates[0], **kind),
    ]
    recording = read_recording(written(tmp_path / "CHAINED.OGG", *parts))
    assert_heard(recording, [LOW, OTHER, HIGH], within_s=0.2)
    assert recording.notes == ()


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_file_that_is_damaged_is_told(tmp_path: Path, subtype: str) -> None:
    whole = tone_file(6.4, 440.0, 48000, format="OGG", subtype=subtype)
    pages = [at for at in range(len(whole)) if whole.startswith(b"OggS", at)]
    middle = pages[len(pages) // 2]
    holed = whole[:middle] + bytes(pages[len(pages) // 2 + 1] - middle) + whole[pages[len(pages) // 2 + 1] :]
    recording = read_recording(written(tmp_path / "a.ogg", holed))
    assert recording.source.duration_s < 6.5
    assert recording.source.duration_s > 6.3 or recording.notes[0].startswith("Only ")
