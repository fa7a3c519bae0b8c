"""Whatever is in a sound file's head, wherever it ends: sound or one sentence, in bounded memory."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy.signal  # noqa: F401 - what its import takes is no recording's
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.core.errors import StudioError
from studio.service.recordings.read import read_recording
from tests.service.recordings.recording_fakes import sine, tone_file, wave_bytes, without_ffmpeg, written

MAX_BYTES = 40 << 20
WHOLE = {
    "WAV": tone_file(1.5, 440.0, 16000, 2, format="WAV", subtype="PCM_16"),
    "WAVEX": wave_bytes(np.stack([sine(16000)] * 6, axis=1), 16000, 0x3F),
    "ADPCM": tone_file(1.5, 440.0, 16000, format="WAV", subtype="IMA_ADPCM"),
    "RF64": tone_file(1.5, 440.0, 16000, format="RF64", subtype="PCM_16"),
    "W64": tone_file(1.5, 440.0, 16000, format="W64", subtype="PCM_16"),
    "AIFF": tone_file(1.5, 440.0, 16000, format="AIFF", subtype="PCM_16"),
    "CAF": tone_file(1.5, 440.0, 16000, format="CAF", subtype="PCM_16"),
    "AU": tone_file(1.5, 440.0, 16000, format="AU", subtype="PCM_16"),
    "FLAC": tone_file(1.5, 440.0, 16000, format="FLAC", subtype="PCM_16"),
    "MP3": tone_file(1.5, 440.0, 16000, format="MP3"),
    "VORBIS": tone_file(1.5, 440.0, 16000, format="OGG", subtype="VORBIS"),
    "OPUS": tone_file(1.5, 440.0, 16000, format="OGG", subtype="OPUS"),
}
HEAD = 128
quick = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
sizes = st.sampled_from([0, 1, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]) | st.integers(0, 1 << 17)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """libsndfile's part is what is tried: starting ffmpeg takes longer than all of it."""
    without_ffmpeg(monkeypatch, tmp_path)


def assert_bounded(path: Path, *contents: bytes) -> None:
    """Samples that are sound, or a sentence, within `MAX_BYTES`."""
    recording, refusal = None, "."
    written(path, *contents)
    tracemalloc.start()
    try:
        recording = read_recording(path)
    except StudioError as error:
        refusal = str(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < MAX_BYTES
    assert refusal.endswith(".")
    assert "\n" not in refusal
    if recording is not None:
        assert recording.samples.dtype == np.float32
        assert np.abs(recording.samples).max() <= 1.0
        assert 16000 <= len(recording.samples) <= 16000 * 600
        assert all(note.endswith(".") for note in recording.notes)


@quick
@given(
    kind=st.sampled_from(sorted(WHOLE)),
    changes=st.lists(st.tuples(st.integers(0, HEAD - 1), st.integers(0, 255)), max_size=6),
    length=st.none() | st.integers(0, 1 << 16),
)
def test_changed_heads_and_cut_files(
    tmp_path: Path, kind: str, changes: list[tuple[int, int]], length: int | None
) -> None:
    content = bytearray(WHOLE[kind])
    for at, value in changes:
        content[at] = value
    assert_bounded(tmp_path / "a", bytes(content[:length]))


@quick
@given(
    magic=st.sampled_from([b"RIFF", b"RIFX", b"RF64", b"BW64"]),
    total=sizes,
    chunks=st.lists(
        st.tuples(
            st.sampled_from([b"fmt ", b"data", b"LIST", b"ds64", b"fact", b"JUNK"])
            | st.binary(min_size=4, max_size=4),
            st.none() | sizes,
            st.binary(max_size=60),
        ),
        max_size=6,
    ),
    fmt=st.tuples(
        st.sampled_from([1, 2, 3, 6, 7, 17, 49, 85, 0xFFFE, 0]),
        st.sampled_from([0, 1, 2, 6, 255, 1024, 0xFFFF]),
        st.sampled_from([0, 1, 8000, 44100, 192_000, 0xFFFFFFFF]),
        sizes,
        st.integers(0, 0xFFFF),
        st.sampled_from([0, 1, 4, 8, 16, 24, 32, 64, 0xFFFF]),
    ),
    data=sizes,
    samples=st.integers(0, 1 << 17),
)
def test_wavs_of_all_sorts(
    tmp_path: Path,
    magic: bytes,
    total: int,
    chunks: list[tuple[bytes, int | None, bytes]],
    fmt: tuple[int, ...],
    data: int,
    samples: int,
) -> None:
    order = ">" if magic == b"RIFX" else "<"
    head = magic + struct.pack(f"{order}I", total) + b"WAVE"
    for name, size, body in chunks:
        head += name + struct.pack(f"{order}I", len(body) if size is None else size) + body
    head += b"fmt " + struct.pack(f"{order}IHHIIHH", 16, *fmt) + b"data" + struct.pack(f"{order}I", data)
    assert_bounded(tmp_path / "a.wav", head, WHOLE["WAV"][44:], bytes(samples))


@quick
@given(
    parts=st.lists(st.sampled_from(sorted(WHOLE)) | st.binary(max_size=200), min_size=1, max_size=4),
    cut=st.integers(0, 2000),
)
def test_anything_joined_to_anything(tmp_path: Path, parts: list[str | bytes], cut: int) -> None:
    contents = [WHOLE[part] if isinstance(part, str) else part for part in parts]
    assert_bounded(tmp_path / "a", *contents[:-1], contents[-1][: max(0, len(contents[-1]) - cut)])


@quick
@given(
    kind=st.sampled_from(["FLAC", "MP3", "VORBIS", "OPUS"]),
    at=st.floats(0, 1),
    changed=st.binary(min_size=1, max_size=300),
    twice=st.booleans(),
)
def test_damage_anywhere(tmp_path: Path, kind: str, at: float, changed: bytes, twice: bool) -> None:
    content = WHOLE[kind] * (1 + twice)
    place = int(at * len(content))
    assert_bounded(tmp_path / "a", content[:place], changed, content[place + len(changed) :])
