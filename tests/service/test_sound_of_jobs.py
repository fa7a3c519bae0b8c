"""A studio on the model whose sound depends on its latents: its files are the takes that it was asked for."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from studio.core.events import AudioChunk, Finished
from studio.core.request import GenerationRequest
from studio.core.settings import Settings
from studio.pipeline.checkpoint import RenderEvent, SavePoint
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio
from studio.service.takes import writer
from studio.testing import FakeBackend
from tests.service.service_fakes import RATE, request

ENDLESS = {"kind": "endless", "base_steps": 6, "group_size": 2, "buffer_frames": 4, "warmup_steps": 3}
LANE = [{"at_s": 1.0, "prompt": "wind"}, {"at_s": 3.0, "prompt": "sea"}]


class Halted:
    """A render that stands still after so many save points and one more chunk, until it is let go on."""

    def __init__(self, points: int) -> None:
        self._left = points
        self.halted, self.go_on = threading.Event(), threading.Event()

    def __call__(self, *told: Any) -> Iterator[RenderEvent]:
        for event in Renderer()(*told):
            yield event
            self._left -= isinstance(event, SavePoint)
            if self._left == 0 and isinstance(event, AudioChunk):
                self.halted.set()
                assert self.go_on.wait(60)
                self._left = -1


def studio(outputs: Path, render: Any) -> Studio:
    return Studio(Settings(outputs=outputs), lambda choice: FakeBackend(), render)


def file_of(studio: Studio, job: Any) -> np.ndarray:
    """The samples of the finished job's file."""
    *_, end = studio.events(job.id)
    assert isinstance(end, Finished), end
    assert end.path is not None
    samples, rate = sf.read(end.path, dtype="int16")
    assert rate == RATE
    return samples


def wanted(**values: Any) -> GenerationRequest:
    return request(**{"duration_s": 5.0, "sampler": ENDLESS, "lane": LANE, **values})


@pytest.mark.parametrize("points", [1, 25, 45])
def test_a_killed_take_becomes_the_file_that_it_would_have_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: int
) -> None:
    """The folder as a kill leaves it: a save point, sound after it, and no end."""
    monkeypatch.setattr(writer, "INTERVAL_S", 0.0)
    halted = Halted(points)
    first = studio(tmp_path / "first", halted)
    job = first.submit(wanted())
    assert halted.halted.wait(60)
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    halted.go_on.set()
    whole = file_of(first, job)
    first.close()
    second = studio(tmp_path / "second", Renderer())
    (take,) = second.library.takes()
    assert take.status == "interrupted"
    resumed = file_of(second, second.resume(take.id))
    second.close()
    np.testing.assert_array_equal(resumed, whole)


def test_takes_that_wait_for_each_other_are_each_their_own(tmp_path: Path) -> None:
    """One loaded model serves them in turn: what one left in it is heard in no other."""
    asked = [wanted(seed=1), wanted(seed=2), wanted(seed=1, lane=[]), wanted(seed=1)]
    several = studio(tmp_path / "several", Renderer())
    jobs = [several.submit(each) for each in asked]
    files = [file_of(several, job) for job in jobs]
    several.close()
    np.testing.assert_array_equal(files[0], files[3])
    assert len({file.tobytes() for file in files}) == 3
    alone = studio(tmp_path / "alone", Renderer())
    np.testing.assert_array_equal(file_of(alone, alone.submit(asked[1])), files[1])
    alone.close()
