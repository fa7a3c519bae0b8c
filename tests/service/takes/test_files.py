from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.core.audio import to_int16
from studio.core.errors import InvalidRequestError, OutOfResourcesError
from studio.core.preset import load_preset, parse_preset
from studio.core.request import GenerationRequest
from studio.service.takes.export import FORMATS, convert
from studio.service.takes.library import Library, settings_of
from studio.service.takes.naming import free_stem, slug, take_stem
from studio.service.takes.tags import read_comment
from studio.service.takes.wav import GrowingWav
from studio.service.takes.writer import TakeWriter
from tests.service.service_fakes import RATE, ramp, request

WHEN = datetime(2026, 1, 31, 14, 2, 11)


def write_take(outputs: Path, status: str = "finished", wanted: GenerationRequest | None = None) -> Path:
    take = TakeWriter.begin(wanted or request(), RATE, outputs, when=WHEN)
    for start in range(0, RATE, 1600):
        take.write(ramp(start, 1600))
    path = take.finish(status, {"rtf": 0.5})
    assert path is not None
    return path


def test_take_has_the_conventional_name() -> None:
    wanted = request(prompt="rain on tin")
    assert take_stem(wanted, WHEN) == "2026-01-31_14-02-11__infinite__rain_on_tin__s42"


@given(st.text(max_size=400))
@settings(max_examples=40, deadline=None)
def test_slug_is_a_legal_name_part_of_any_text(text: str) -> None:
    part = slug(text)
    assert 1 <= len(part.encode("utf-8")) <= 100
    assert not set(part) & set('\\/:*?"<>|')
    assert all(ch.isprintable() for ch in part)
    assert part.strip("._ ") in (part, part.removesuffix("_")), "a device of Windows ends in _"
    assert slug(part) == part


def test_names_do_not_collide(tmp_path: Path) -> None:
    (tmp_path / "a.flac").touch()
    (tmp_path / "a_2.json").touch()
    assert free_stem(tmp_path, "a") == "a_3"
    assert write_take(tmp_path) != write_take(tmp_path)


def test_take_becomes_a_flac_of_the_same_samples_with_its_sidecar(tmp_path: Path) -> None:
    path = write_take(tmp_path)
    assert path == tmp_path / "2026-01-31" / "2026-01-31_14-02-11__infinite__rain_on_tin__s42.flac"
    samples, rate = sf.read(path, dtype="int16")
    assert rate == RATE
    np.testing.assert_array_equal(samples, to_int16(ramp(0, RATE)))
    assert sorted(p.suffix for p in path.parent.iterdir()) == [".flac", ".json"]
    assert [take.path for take in Library(tmp_path).takes()] == [path]


def test_sidecar_and_comment_tag_give_the_request_back(tmp_path: Path) -> None:
    wanted = request(
        prompt="été 雨 😀", lane=[{"at_s": 0.5, "prompt": "wind"}], sampler={"kind": "clip", "steps": 7}
    )
    path = write_take(tmp_path, wanted=wanted)
    sidecar = load_preset(path.with_suffix(".json"))
    assert sidecar.request() == wanted
    assert sidecar.take is not None
    assert sidecar.take.file == path.name
    assert sidecar.take.duration_s == 1.0
    assert [(cue.at_s, cue.prompt) for cue in sidecar.take.cues] == [(0.0, "été 雨 😀"), (0.5, "wind")]
    assert settings_of(path) == sidecar


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_keeps_length_and_settings(tmp_path: Path, suffix: str) -> None:
    source = write_take(tmp_path, wanted=request(prompt="é" * 1000))
    target = convert(source, tmp_path / f"copy{suffix}")
    assert parse_preset(read_comment(target)).request() == request(prompt="é" * 1000)
    samples, rate = sf.read(target, dtype="int16")
    assert rate == RATE
    if suffix in {".wav", ".flac"}:
        np.testing.assert_array_equal(samples, to_int16(ramp(0, RATE)))
    else:
        assert len(samples) == pytest.approx(RATE, abs=3000)
    assert not list(tmp_path.glob("*.part"))


def test_unknown_format_and_broken_source_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"\.flac"):
        convert(tmp_path / "a.wav", tmp_path / "a.xyz")
    (tmp_path / "a.wav").write_bytes(b"no sound at all")
    with pytest.raises(InvalidRequestError, match="Can't convert"):
        convert(tmp_path / "a.wav", tmp_path / "a.flac")
    with pytest.raises(InvalidRequestError):
        settings_of(tmp_path / "a.wav")
    assert not (tmp_path / "a.flac").exists()


@pytest.mark.parametrize("name", ["take.wav", "take.flac", "take.mp3"])
def test_explicit_out_is_written_exactly_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "take.json").write_text('{"mine": true}')
    take = TakeWriter.begin(request(), RATE, tmp_path / "outputs", out=tmp_path / name)
    take.write(ramp(0, RATE))
    assert take.finish("finished", {}) == tmp_path / name
    assert json.loads((tmp_path / "take.json").read_text()) == {"mine": True}
    assert {p.name for p in tmp_path.iterdir()} == {name, "take.json", f"{name}.json"}


def test_take_without_sound_leaves_nothing(tmp_path: Path) -> None:
    take = TakeWriter.begin(request(), RATE, tmp_path, when=WHEN)
    assert take.finish("stopped", {}) is None
    assert not list(tmp_path.rglob("*.*"))


class FullDisk:
    """A file on a disk that has room for some more bytes."""

    def __init__(self, file: object, room: int) -> None:
        self._file, self.room = file, room

    def write(self, data: bytes) -> int:
        if len(data) <= 80:  # the header is there already
            return self._file.write(data)
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._file.write(data[: self.room])
        self.room -= written
        return written

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


def test_full_disk_keeps_what_fitted(tmp_path: Path) -> None:
    take = TakeWriter.begin(request(), RATE, tmp_path, when=WHEN)
    take._wav._file = FullDisk(take._wav._file, room=2 * RATE + 1)
    take.write(ramp(0, RATE // 2))
    with pytest.raises(OutOfResourcesError, match="full"):
        take.write(ramp(RATE // 2, RATE))
    path = take.finish("failed", {})
    assert path is not None
    samples, _ = sf.read(path, dtype="int16")
    np.testing.assert_array_equal(samples, to_int16(ramp(0, RATE)))
    sidecar = load_preset(path.with_suffix(".json"))
    assert sidecar.take is not None
    assert (sidecar.take.status, sidecar.take.file) == ("failed", path.name)


def test_growing_file_past_four_gigabytes_is_rf64(tmp_path: Path) -> None:
    wav = GrowingWav(tmp_path / "long.wav", RATE)
    os.truncate(wav.path, 80 + 2**32)  # sparse: a pretended past
    wav._data_bytes = 2**32
    wav.write(to_int16(ramp(0, RATE)))
    wav.close('{"a": 1}')
    with sf.SoundFile(wav.path) as file:
        assert (file.format, file.frames) == ("RF64", 2**31 + RATE)
        file.seek(2**31)
        np.testing.assert_array_equal(file.read(dtype="int16"), to_int16(ramp(0, RATE)))
    assert read_comment(wav.path) == '{"a": 1}'


GROW = """
import sys, time
from pathlib import Path
sys.path[:0] = [{tests!r}]
from tests.service.service_fakes import RATE, ramp, request
from studio.service.takes.writer import TakeWriter
take = TakeWriter.begin(request(duration_s=None), RATE, Path({outputs!r}))
position = 0
while True:
    take.write(ramp(position, 1600))
    position += 1600
    print(position, flush=True)
    time.sleep(0.005)
"""


def test_kill_leaves_a_take_that_plays_and_lost_nothing_written(tmp_path: Path) -> None:
    code = GROW.format(tests=str(Path(__file__).parent), outputs=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(30)]
        os.kill(child.pid, signal.SIGKILL)
        written = int([*told, *child.stdout][-1])
    (path,) = tmp_path.rglob("*.wav")
    samples, rate = sf.read(path, dtype="int16")
    assert len(samples) >= written - 2 * rate
    np.testing.assert_array_equal(samples, to_int16(ramp(0, len(samples))))
    sidecar = load_preset(path.with_suffix(".json"))
    assert sidecar.take is not None
    assert sidecar.take.status == "running"
    assert sidecar.request() == request(duration_s=None)
