"""MP3s joined with cat, without a header that names their length, with one that lies, and damaged ones."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.service.recordings.mpeg import MpegFrame, mpeg_frame
from studio.service.recordings.read import read_recording
from tests.service.recordings.recording_fakes import assert_heard, tone_file, without_ffmpeg, written

ID3 = b"ID3\x04\0\0" + bytes([0, 0, 7, 104]) + bytes(1000)
ID3_V1 = b"TAG" + b"title".ljust(125)
APE_HEAD = b"APETAGEX" + struct.pack("<III", 2000, 1000, 1)
APE = APE_HEAD + struct.pack("<I8x", 0xA0000000) + bytes(968) + APE_HEAD + struct.pack("<I8x", 0x80000000)


@pytest.fixture(params=["with ffmpeg", "without"], autouse=True)
def _ffmpeg(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of these needs it."""
    if request.param == "without":
        without_ffmpeg(monkeypatch, tmp_path)


def mp3(seconds: float, hz: float, rate: int = 44100, channels: int = 1) -> bytes:
    return tone_file(seconds, hz, rate, channels, format="MP3", subtype="MPEG_LAYER_III")


def frames(content: bytes) -> Iterator[tuple[int, MpegFrame]]:
    at = 0
    while (frame := mpeg_frame(content[at : at + 4])) is not None:
        yield at, frame
        at += frame.length


def bare(content: bytes) -> bytes:
    """Without the header that says how long it is."""
    (_, info), *_ = frames(content)
    assert b"Xing" in content[: info.length] or b"Info" in content[: info.length]
    return content[info.length :]


def claiming(content: bytes, count: int) -> bytes:
    """With a header that names so many frames."""
    at = max(content.find(b"Xing", 0, 200), content.find(b"Info", 0, 200)) + 8
    return content[:at] + struct.pack(">I", count) + content[at + 4 :]


LOW, HIGH, OTHER = (1.6, 440.0), (3.2, 880.0), (1.6, 660.0)
A, B = mp3(*LOW), mp3(*HIGH)


@pytest.mark.parametrize(
    ("parts", "tones"),
    [
        ([A, B, A], [LOW, HIGH, LOW]),
        ([A, mp3(*OTHER, rate=22050), B], [LOW, OTHER, HIGH]),
        ([A, mp3(*OTHER, rate=48000, channels=2)], [LOW, OTHER]),
        ([A, mp3(*OTHER, rate=8000)], [LOW, OTHER]),
        ([ID3, A, ID3_V1, ID3, B, ID3_V1], [LOW, HIGH]),
        ([A, APE, B, APE], [LOW, HIGH]),
        ([bare(A), bare(B)], [LOW, HIGH]),
        ([bare(A), bare(mp3(*OTHER, channels=2)), bare(B)], [LOW, OTHER, HIGH]),
        ([ID3, bytes(3000), A, B], [LOW, HIGH]),
        ([A] * 9, [LOW] * 9),
    ],
    ids=[
        "alike",
        "rates",
        "channels",
        "8 kHz",
        "ID3",
        "APE",
        "no header",
        "no header, channels",
        "zeros",
        "9",
    ],
)
def test_joined_files_are_read_whole(
    tmp_path: Path, parts: list[bytes], tones: list[tuple[float, float]]
) -> None:
    recording = read_recording(written(tmp_path / "JOINED.MP3", *parts))
    assert_heard(recording, tones, within_s=0.12 * len(tones))
    assert recording.notes == ()


@pytest.mark.parametrize(
    "content", [bare(B), bare(mp3(*HIGH, rate=22050, channels=2)), bare(mp3(*HIGH, rate=11025))]
)
def test_a_variable_rate_without_a_header(tmp_path: Path, content: bytes) -> None:
    """By its first frame alone it would be a sixth as long."""
    assert len({frame.length for _, frame in frames(content)}) > 2
    assert_heard(read_recording(written(tmp_path / "a.mp3", content)), [HIGH])


@pytest.mark.parametrize("count", [1, 40, 0])
def test_a_header_that_names_too_little(tmp_path: Path, count: int) -> None:
    assert_heard(read_recording(written(tmp_path / "a.mp3", claiming(B, count))), [HIGH])
    joined = written(tmp_path / "joined.mp3", A, bare(B))
    assert_heard(read_recording(joined), [LOW, HIGH], within_s=0.2)


def test_a_file_cut_short_is_told(tmp_path: Path) -> None:
    cut = written(tmp_path / "a.mp3", B[: len(B) // 2])
    (note,) = read_recording(cut).notes
    assert "of the 3.2 s that its header names" in note
    (note,) = read_recording(written(tmp_path / "a.mp3", claiming(B, 400))).notes
    assert "Only 3.2 s of the 10." in note


@pytest.mark.parametrize("filling", [b"\0", b"\xff", b"ab"])
@pytest.mark.parametrize("content", [B, bare(B)], ids=["with a header", "without"])
def test_a_hole_is_told(tmp_path: Path, filling: bytes, content: bytes) -> None:
    third = len(content) // 3
    holed = written(tmp_path / "a.mp3", content[:third], (filling * third)[:third], content[2 * third :])
    recording = read_recording(holed)
    assert 2.0 < recording.source.duration_s < 3.3
    assert "Only" in recording.notes[0]


def test_what_follows_the_frames_is_no_sound(tmp_path: Path) -> None:
    for tail in (ID3_V1, APE, b"LYRICSBEGIN" + b"la" * 3000 + b"LYRICS200", bytes(5000)):
        recording = read_recording(written(tmp_path / "a.mp3", B, tail))
        assert len(recording.samples) == pytest.approx(3.2 * 16000, abs=100)
        assert recording.notes == ()
