"""WAV and its kin whose headers are wrong: recorders that crashed, pipes, files cut short, joined files."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.service.recordings.read import read_recording
from tests.service.recordings.recording_fakes import assert_heard, sine, tone_file, without_ffmpeg, written

TONE = [(3.2, 880.0)]


@pytest.fixture(autouse=True)
def _no_ffmpeg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of these needs it."""
    without_ffmpeg(monkeypatch, tmp_path)


def put(content: bytes, at: int, value: bytes) -> bytes:
    return content[:at] + value + content[at + len(value) :]


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFFF00, 4000, 200_000])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW", "MS_ADPCM"])
@pytest.mark.parametrize("riff", [0, None])
def test_a_wav_is_read_to_its_end(tmp_path: Path, size: int, subtype: str, riff: int | None) -> None:
    whole = tone_file(3.2, 880.0, format="WAV", subtype=subtype)
    size = min(size, 60_000) if size == 200_000 else size
    broken = put(whole, whole.index(b"data") + 4, struct.pack("<I", size))
    if riff is not None:
        broken = put(broken, 4, struct.pack("<I", riff))
    recording = read_recording(written(tmp_path / "crashed.wav", broken))
    assert_heard(recording, TONE)
    assert bool(recording.notes) == (size in (4000, 60_000)), "a wrong length is told, a missing one isn't"


def test_what_a_header_names_wrongly_is_told(tmp_path: Path) -> None:
    whole = tone_file(3.2, 880.0, format="WAV", subtype="PCM_16")
    half = put(whole, whole.index(b"data") + 4, struct.pack("<I", (len(whole) - 44) // 2))
    (note,) = read_recording(written(tmp_path / "a.wav", half)).notes
    assert note == "Its header names 1.6 s, but all 3.2 s that are in it were read."
    (note,) = read_recording(written(tmp_path / "a.wav", whole[: len(whole) // 2])).notes
    assert note == "Only 1.6 s of the 3.2 s that its header names are in it: it ends early."


@pytest.mark.parametrize("size", [0, 28])
@pytest.mark.parametrize("data", [0, 1000, None, 1 << 60, (1 << 64) - 1])
@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
def test_rf64_with_a_wrong_ds64(tmp_path: Path, size: int, data: int | None, name: bytes) -> None:
    """Of no size at all, or with a length that is none, too short, right, or beyond everything."""
    whole = tone_file(3.2, 880.0, format="RF64", subtype="PCM_16")
    ds64 = whole.index(b"ds64")
    if data is not None:
        whole = put(whole, ds64 + 16, struct.pack("<Q", data))
    if size == 0:
        body = struct.unpack_from("<I", whole, ds64 + 4)[0]
        whole = whole[: ds64 + 4] + struct.pack("<I", 0) + whole[ds64 + 8 + body :]
    recording = read_recording(written(tmp_path / "long.rf64", put(whole, 0, name)))
    assert_heard(recording, TONE)


@pytest.mark.parametrize("size", [0, 24, 4000, (1 << 64) - 1, 1 << 62])
def test_wave64(tmp_path: Path, size: int) -> None:
    whole = tone_file(3.2, 880.0, format="W64", subtype="PCM_16")
    broken = put(whole, whole.index(b"data\xf3") + 16, struct.pack("<Q", size))
    assert_heard(read_recording(written(tmp_path / "a.w64", put(broken, 16, bytes(8)))), TONE)


@pytest.mark.parametrize("sound", [0, 8, 4000, 0xFFFFFFFF, None])
@pytest.mark.parametrize("frames", [0, 1000, 0xFFFFFFFF, None])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
def test_aiff(tmp_path: Path, sound: int | None, frames: int | None, subtype: str) -> None:
    whole = tone_file(3.2, 880.0, format="AIFF", subtype=subtype)
    if sound is not None:
        whole = put(put(whole, whole.index(b"SSND") + 4, struct.pack(">I", sound)), 4, bytes(4))
    if frames is not None:
        whole = put(whole, whole.index(b"COMM") + 10, struct.pack(">I", frames))
    assert_heard(read_recording(written(tmp_path / "a.aifc", whole)), TONE)


@pytest.mark.parametrize("size", [-1, 0, 4, 4000, 1 << 62])
def test_caf(tmp_path: Path, size: int) -> None:
    whole = tone_file(3.2, 880.0, format="CAF", subtype="PCM_16")
    assert_heard(
        read_recording(
            written(tmp_path / "a.caf", put(whole, whole.index(b"data") + 4, struct.pack(">q", size)))
        ),
        TONE,
    )


@pytest.mark.parametrize("size", [0, 4000, 0xFFFFFFFF, 0x7FFFFFFF])
@pytest.mark.parametrize("endian", ["BIG", "LITTLE"])
def test_au(tmp_path: Path, size: int, endian: str) -> None:
    whole = tone_file(3.2, 880.0, format="AU", subtype="PCM_16", endian=endian)
    order = ">" if endian == "BIG" else "<"
    assert_heard(
        read_recording(written(tmp_path / "a.snd", put(whole, 8, struct.pack(f"{order}I", size)))), TONE
    )


def test_big_endian_wav(tmp_path: Path) -> None:
    whole = tone_file(3.2, 880.0, format="WAV", subtype="PCM_16", endian="BIG")
    assert whole[:4] == b"RIFX"
    assert_heard(
        read_recording(written(tmp_path / "a.wav", put(whole, whole.index(b"data") + 4, bytes(4)))), TONE
    )


@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "CAF", "AU"])
def test_files_joined_end_to_end(tmp_path: Path, kind: str) -> None:
    first = tone_file(1.6, 440.0, format=kind, subtype="PCM_16")
    second = tone_file(3.2, 880.0, 22050, 2, format=kind, subtype="FLOAT")
    joined = written(tmp_path / "joined.wav", first, second, first)
    recording = read_recording(joined)
    assert_heard(recording, [(1.6, 440.0), (3.2, 880.0), (1.6, 440.0)])
    assert recording.notes == ()


def test_a_comment_may_stand_before_the_next_file(tmp_path: Path) -> None:
    first = tone_file(1.6, 440.0, format="WAV", subtype="PCM_16")
    comment = b"LIST" + struct.pack("<I", 20) + b"INFOICMT" + struct.pack("<I", 8) + b"outdoors"
    assert_heard(
        read_recording(written(tmp_path / "a.wav", first, comment, first)), [(1.6, 440.0), (1.6, 440.0)]
    )


@pytest.mark.parametrize(
    "tail",
    [
        b"LIST" + struct.pack("<I", 4000) + b"INFOICMT" + struct.pack("<I", 3988) + bytes(3988),
        b"id3 " + struct.pack("<I", 50_000) + bytes(range(250)) * 200,
        b"LIST" + struct.pack("<I", 60_000) + b"INFO cut off",
        b"TAG" + b"title".ljust(125),
        bytes(30_000),
        b"\0",
        b"\x83\x01" * 1000,
    ],
    ids=["comment", "picture", "cut comment", "ID3v1", "zeros", "a byte", "a program's own"],
)
def test_what_follows_the_sound_is_no_sound(tmp_path: Path, tail: bytes) -> None:
    whole = tone_file(3.2, 880.0, format="WAV", subtype="PCM_16")
    recording = read_recording(written(tmp_path / "tagged.wav", whole, tail))
    assert len(recording.samples) == 3.2 * 16000
    assert recording.notes == ()


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "RF64"])
def test_a_tag_before_the_file_is_no_sound(tmp_path: Path, kind: str) -> None:
    head = b"ID3\x04\0\0" + bytes([0, 0, 7, 104]) + bytes(1000)
    recording = read_recording(written(tmp_path / "a", head, tone_file(3.2, 880.0, format=kind)))
    assert len(recording.samples) == 3.2 * 16000


def test_whole_files_are_read_as_they_are(tmp_path: Path) -> None:
    for kind in ("WAV", "WAVEX", "RF64", "W64", "AIFF", "CAF", "AU", "VOC", "IRCAM", "NIST", "SVX", "PVF"):
        samples = sine(16000, 1.5, 440.0)
        sf.write(tmp_path / "a.wav", samples, 16000, format=kind, subtype="PCM_16")
        recording = read_recording(tmp_path / "a.wav")
        assert recording.notes == (), kind
        np.testing.assert_allclose(recording.samples, samples, atol=1e-4, err_msg=kind)
