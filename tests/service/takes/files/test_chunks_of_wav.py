"""The chunks of a WAV: even lengths and places inside the sound, whatever the marks and the span."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import InvalidRequestError
from studio.core.preset import PromptChange
from studio.core.speech import Said
from studio.service.takes.files import id3, vorbis, wav_chunks
from studio.service.takes.files.coding import Coding
from studio.service.takes.files.encode import encode
from studio.service.takes.files.marks import About, Mark, Span, about, record_within
from studio.service.takes.level import Measured
from studio.service.takes.tags import read_comment
from studio.service.takes.wav import GrowingWav
from tests.service.takes.files.file_fakes import RATE, SECONDS, record

TOTAL = RATE * SECONDS
TEXTS = st.text(max_size=40)
CHANGES = st.lists(st.tuples(st.floats(-1e300, 1e300), TEXTS), max_size=6)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start = draw(st.integers(0, TOTAL - 1))
    stop = draw(st.integers(start + 1, TOTAL))
    rate = draw(st.sampled_from([16000, 44100, 48000]))
    return Span(start, stop, RATE, rate, max(1, round((stop - start) * rate / RATE)))


@given(spans(), CHANGES, st.floats(0, 4), st.floats(0, 4))
def test_marks_and_loops_lie_inside_any_span(
    span: Span, changes: list[tuple[float, str]], from_s: float, to_s: float
) -> None:
    preset = record((int(RATE * min(from_s, to_s)), int(RATE * max(from_s, to_s)) + 1))
    cues = tuple(PromptChange(at_s=at_s, prompt=text) for at_s, text in changes)
    said = (Said(text="so", start_s=min(from_s, to_s), end_s=max(from_s, to_s)),)
    take = preset.take
    assert take is not None
    preset = preset.model_copy(update={"take": take.model_copy(update={"cues": cues, "said": said})})
    comment = json.dumps(preset.model_dump(mode="json"))
    found = about(comment, span)
    assert [mark.at for mark in found.marks] == sorted(mark.at for mark in found.marks)
    assert all(0 <= mark.at <= mark.at + mark.length <= span.frames for mark in found.marks)
    if found.loop is not None:
        assert 0 <= found.loop[0] < found.loop[1] <= span.frames
        assert take.loop is not None
        assert span.start <= take.loop[0] < take.loop[1] <= span.stop, "half a loop is none"
    told = json.loads(record_within(comment, span, TOTAL))["take"]
    if (span.start, span.stop) != (0, TOTAL):  # what is recorded of a whole take stays as it is
        assert all(0 <= cue["at_s"] <= told["duration_s"] for cue in told["cues"])


@given(st.lists(st.builds(Mark, st.integers(0, 1 << 33), TEXTS, st.integers(0, 1 << 33)), max_size=8))
def test_chunks_have_even_lengths_and_say_how_long_they_are(marks: list[Mark]) -> None:
    raw = wav_chunks.cues(tuple(marks)) + wav_chunks.sampler((0, 9), 44100)
    raw += wav_chunks.ixml(About(title=marks[0].label if marks else ""), 48000, 24, 2)
    at, names = 0, []
    while at < len(raw):
        name, size = struct.unpack_from("<4sI", raw, at)
        names.append(name)
        at += 8 + size + size % 2
    assert at == len(raw)
    assert at % 2 == 0
    assert names[-2:] == [b"smpl", b"iXML"]


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".opus", ".mp3"])
@pytest.mark.parametrize(
    "comment", ["", "short", '{"x": "%s"}' % ("y" * 35_000), '{"x": "%s"}' % ("y" * 70_000)]
)
@pytest.mark.parametrize("labels", [2, 300])
def test_tags_of_any_length_take_the_place_made_for_them(
    tmp_path: Path, suffix: str, comment: str, labels: int
) -> None:
    """A page of Ogg has 65 kB, a table of ID3 255 entries."""
    marks = tuple(Mark(10 * n, f"№ {n}") for n in range(labels))
    said = About(title="雨", marks=marks, loop=(0, 8000), frames=16000)
    path = tmp_path / f"a{suffix}"
    sound = np.random.default_rng(0).integers(-3000, 3000, (16000, 1)).astype(np.int16)
    if suffix == ".opus" and len(comment) > 50_000:
        with pytest.raises(InvalidRequestError, match="too long for Opus"):
            encode(path, suffix, 16000, 1, [sound], comment, about=said)
        return
    encode(path, suffix, 16000, 1, [sound], comment, about=said)
    assert read_comment(path).strip() == comment
    assert len(sf.read(path)[0]) == 16000
    raw = path.read_bytes()
    assert "雨".encode() in raw or "雨".encode("utf-16-le") in raw
    if suffix != ".opus" or len(comment) < 30_000:
        assert all(f"№ {n}".encode() in raw or f"№ {n}".encode("utf-16-le") in raw for n in (0, labels - 1))


def test_a_file_that_is_not_what_was_written_is_told(tmp_path: Path) -> None:
    for raw, says in ((b"fLaC", "no comments"), (b"no sound", "no page")):
        (tmp_path / "a").write_bytes(raw)
        with pytest.raises(OSError, match=says):
            vorbis.put(tmp_path / "a", "", [])
    with pytest.raises(OSError, match="no tag"):
        id3.put(tmp_path / "a", b"")


def test_loudness_beyond_what_a_file_can_say_is_cut(tmp_path: Path) -> None:
    encode(tmp_path / "a.wav", ".wav", 16000, 1, [np.zeros((9, 1), np.int16)], "", about=About(title="x"))
    wav_chunks.write_loudness(tmp_path / "a.wav", Measured(-1000.0, 400.0))
    raw = (tmp_path / "a.wav").read_bytes()
    values = struct.unpack_from("<5h", raw, raw.index(b"bext") + 8 + 412)
    assert values == (-0x8000, 0x7FFF, 0x7FFE, 0x7FFF, 0x7FFF)


@pytest.mark.parametrize("bits", [24, 32])
def test_a_broadcast_wave_past_four_gigabytes_is_rf64(tmp_path: Path, bits: int) -> None:
    sound = np.linspace(-0.5, 0.5, 2001)
    samples = sound.astype(np.float32) if bits == 32 else np.rint(sound * 2**23).astype(np.int32) << 8
    lead = wav_chunks.bext(About(title="x"), 48000, bits, 1)
    wav = GrowingWav(tmp_path / "long.wav", 48000, bits=bits, lead=lead)
    past = 2**31 // (bits // 8) * 2  # frames before, of which nothing is on the disk
    wav._data_bytes = past * bits // 8
    wav.write(samples)
    wav.close('{"a": 1}', chunks=wav_chunks.sampler((5, 10), 48000))
    wav_chunks.write_loudness(wav.path, Measured(-23.0, -1.0))
    with sf.SoundFile(wav.path) as file:
        assert (file.format, file.frames) == ("RF64", past + 2001)
        file.seek(past)
        np.testing.assert_allclose(file.read(), sound, atol=2**-23)
    assert read_comment(wav.path) == '{"a": 1}'
    with open(wav.path, "rb") as raw:
        head = raw.read(1000)
    assert struct.unpack_from("<3h", head, head.index(b"bext") + 8 + 412) == (-2300, 0x7FFF, -100)


def test_an_odd_number_of_bytes_is_made_even(tmp_path: Path) -> None:
    for comment in ("", "{}"):
        encode(tmp_path / "a.wav", ".wav", 48000, 1, [np.ones(3, np.int32)], comment, coding=Coding(24))
        raw = (tmp_path / "a.wav").read_bytes()
        assert struct.unpack_from("<I", raw, 4)[0] == len(raw) - 8
        assert len(raw) % 2 == 0
        assert read_comment(tmp_path / "a.wav") == comment
        (tmp_path / "a.wav").unlink()
