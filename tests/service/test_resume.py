"""A take that was killed goes on from its last save point as if nothing had been."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch

from studio.app import build_studio
from studio.backends.systems.tone import ToneBackend, tone
from studio.core.audio import to_int16
from studio.core.errors import InvalidRequestError, OutOfResourcesError
from studio.core.events import AudioChunk, Finished
from studio.core.request import GenerationRequest
from studio.core.settings import Settings
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import RenderEvent, SavePoint
from studio.pipeline.control import TakeControl
from studio.pipeline.renderer import Renderer
from studio.pipeline.start import Start
from studio.service.studio import Studio
from studio.service.takes.savepoint import read_savepoint
from studio.service.takes.wav import GrowingWav
from studio.service.takes.writer import TakeWriter
from tests.service.service_fakes import CHUNK, RATE, GatedRender, checkpoint, create_backend, ramp, request
from tests.waiting import until

ENDLESS = {"kind": "endless", "base_steps": 6, "group_size": 2, "buffer_frames": 4, "warmup_steps": 3}


def render_saving(
    wanted: GenerationRequest, backend: Any, cancel: CancelToken, control: Any, start: Start
) -> Iterator[RenderEvent]:
    """A ramp that can go on from wherever it was."""
    assert wanted.duration_s is not None
    position = start.first_sample
    while position < round(wanted.duration_s * RATE):
        yield AudioChunk(ramp(position, CHUNK), RATE, position)
        position += CHUNK
        yield SavePoint(checkpoint(position))


def interrupted(outputs: Path, wanted: GenerationRequest) -> Path:
    """A take that was killed: 1 s saved, 0.3 s more written, no end."""
    take = TakeWriter.begin(wanted, RATE, outputs)
    take.write(ramp(0, RATE))
    take.save(checkpoint(RATE))
    take.write(ramp(RATE, 4800))
    take._wav.close()  # as a kill does
    return take.path


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = Studio(Settings(outputs=tmp_path), create_backend, render_saving)
    yield studio
    studio.close()


def test_an_interrupted_take_goes_on_to_its_end(studio: Studio, tmp_path: Path) -> None:
    path = interrupted(tmp_path, request(duration_s=3.0))
    (take,) = studio.library.takes()
    assert take.status == "interrupted"
    job = studio.resume(take.id)
    *_, end = studio.events(job.id)
    assert isinstance(end, Finished)
    assert end.path == path.with_suffix(".flac")
    samples, _ = sf.read(end.path, dtype="int16")
    np.testing.assert_array_equal(samples, to_int16(ramp(0, 3 * RATE)))
    (take,) = studio.library.takes()
    assert (take.status, take.about.duration_s) == ("finished", 3.0)
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".flac", ".json"]


def test_name_and_favourite_outlast_it(studio: Studio, tmp_path: Path) -> None:
    interrupted(tmp_path, request(duration_s=1.5))
    take = studio.library.rename(next(studio.library.takes()).id, "Bed")
    studio.library.favour(take.id, True)
    list(studio.events(studio.resume(take.id).id))
    (take,) = studio.library.takes(favourites=True)
    assert (take.record.name, take.path.name, take.status) == ("Bed", "Bed.flac", "finished")


def test_a_full_queue_leaves_the_take_as_it_was(tmp_path: Path) -> None:
    gated = GatedRender()
    studio = Studio(Settings(outputs=tmp_path), create_backend, gated, max_waiting=1)
    interrupted(tmp_path, request(duration_s=1.5))
    take = next(studio.library.takes())
    studio.submit(request())
    gated.running.wait(10)
    studio.submit(request())
    for _ in range(2):
        with pytest.raises(OutOfResourcesError, match="waiting"):
            studio.resume(take.id)
    assert studio.library.get(take.id).status == "interrupted"
    gated.gate.set()
    studio.close()


def test_before_there_is_sound_nothing_is_saved(tmp_path: Path) -> None:
    take = TakeWriter.begin(request(), RATE, tmp_path)
    take.save(checkpoint(0))
    assert take.finish("stopped", {}) is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_listener_hears_only_what_is_new(studio: Studio, tmp_path: Path) -> None:
    interrupted(tmp_path, request(duration_s=2.0))
    job = studio.resume(next(studio.library.takes()).id, listen=True)
    assert job.stream is not None
    heard = []
    while (part := job.stream.read()) is not None:
        heard.append(part)
    np.testing.assert_array_equal(np.concatenate(heard), to_int16(ramp(RATE, RATE)))


def test_what_cannot_go_on_is_told(studio: Studio, tmp_path: Path) -> None:
    job = studio.submit(request(duration_s=0.2))
    list(studio.events(job.id))
    with pytest.raises(InvalidRequestError, match="finished"):
        studio.resume(next(studio.library.takes()).id)
    path = interrupted(tmp_path, request(duration_s=3.0, seed=7))
    state = path.with_suffix(".state")
    (take,) = [take for take in studio.library.takes() if take.status == "interrupted"]
    whole = state.read_bytes()
    state.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidRequestError, match="damaged"):
        studio.resume(take.id)
    state.unlink()
    with pytest.raises(InvalidRequestError, match="not saved"):
        studio.resume(take.id)
    assert path.is_file(), "its sound stays where it is"


def test_sound_that_ends_before_its_state_does_not_go_on(studio: Studio, tmp_path: Path) -> None:
    path = interrupted(tmp_path, request(duration_s=3.0))
    os.truncate(path, 80 + RATE)
    job = studio.resume(next(studio.library.takes()).id)
    *_, end = studio.events(job.id)
    assert "shorter" in end.message  # type: ignore[union-attr]
    assert path.is_file()


def test_a_file_of_another_maker_is_not_reopened(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    before = (tmp_path / "a.wav").read_bytes()
    with pytest.raises(ValueError, match="does not hold"):
        GrowingWav.reopen(tmp_path / "a.wav", 10)
    assert (tmp_path / "a.wav").read_bytes() == before


def test_a_save_point_runs_no_code(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({**checkpoint(1).to_dict(), "harm": Harm()}, tmp_path / "a.state")
    with pytest.raises(InvalidRequestError, match="damaged"):
        read_savepoint(tmp_path / "a.state")
    assert not (tmp_path / "harm").exists()


def test_a_take_that_was_fading_out_goes_on_as_loud_as_it_was() -> None:
    """A save point knows no fade: none is made once it has begun."""
    wanted = request(duration_s=None, sampler=ENDLESS)
    control, points, end = TakeControl(wanted.prompt), [], 0
    for event in Renderer()(wanted, ToneBackend(), CancelToken(), control):
        if isinstance(event, AudioChunk):
            end = event.end_sample
        elif isinstance(event, SavePoint):
            points.append(event.samples)
            if event.samples > RATE:
                control.request_fade_out()
    assert max(points) <= end - 3 * RATE


CHILD = """
import sys
import time
from pathlib import Path
from studio.app import build_studio
from studio.core.request import parse_request
from studio.core.settings import Settings
studio = build_studio(Settings(outputs=Path({outputs!r})))
takes = list(studio.library.takes())
request = parse_request(prompt="rain", seed=3, duration_s=None, model={{"id": "tone"}}, guidance_scale=1.0)
job = studio.resume(takes[0].id, listen=True) if takes else studio.submit(request, listen=True)
print("begun", flush=True)
position = 0
while (part := job.stream.read()) is not None:
    position += len(part)
    job.stream.acknowledge(position / 16000)
    time.sleep(len(part) / 16000 / 40)  # a file of hours would be all that is tested
"""


@pytest.mark.slow
def test_killed_again_and_again_a_take_has_no_join(tmp_path: Path) -> None:
    rng = random.Random(0)

    def written() -> int:
        return sum(path.stat().st_size for path in tmp_path.rglob("*.wav"))

    for _ in range(int(os.environ.get("LONGWAVE_KILLS", "3"))):
        before = written()
        code = CHILD.format(outputs=str(tmp_path))
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "begun\n"
            until(lambda more=before + 6 * RATE: written() > more)  # 3 s of sound
            time.sleep(rng.uniform(0.0, 1.5))  # and up to a minute of it
            os.kill(child.pid, signal.SIGKILL)
        (path,) = tmp_path.rglob("*.wav")
        samples, _ = sf.read(path, dtype="int16")
        np.testing.assert_array_equal(samples, to_int16(tone(0, len(samples), RATE)))
    studio = build_studio(Settings(outputs=tmp_path))
    (take,) = studio.library.takes()
    assert take.status == "interrupted"
    job = studio.resume(take.id)
    events = studio.events(job.id)
    until(lambda: isinstance(next(events), AudioChunk))
    studio.stop(job.id)
    *_, end = studio.events(job.id)
    studio.close()
    assert isinstance(end, Finished)
    assert end.path is not None
    samples, _ = sf.read(end.path, dtype="int16")
    np.testing.assert_array_equal(samples, to_int16(tone(0, len(samples), RATE)))
    assert len(samples) > 5 * RATE
