"""Stereo takes as jobs: heard, written, killed, and going on as if nothing had been."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from studio.core.audio import to_int16
from studio.core.events import AudioChunk, Finished
from studio.core.request import GenerationRequest, parse_request
from studio.core.settings import Settings
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import SavePoint, made_of
from studio.pipeline.collect import render_samples
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio
from studio.service.takes.latents import StoredLatents
from studio.service.takes.naming import LATENTS
from studio.service.takes.writer import TakeWriter
from studio.testing import FakeBackend

RATE = 16000
ENDLESS = {"kind": "endless", "base_steps": 6, "group_size": 2, "buffer_frames": 4, "warmup_steps": 3}


def wanted(stereo: str) -> GenerationRequest:
    return parse_request(prompt="rain", seed=3, duration_s=6.0, stereo=stereo, sampler=ENDLESS)


def create_backend(choice: Any) -> FakeBackend:
    return FakeBackend()


def killed(outputs: Path, request: GenerationRequest) -> None:
    """A take whose maker was killed after its second save point, and some sound more."""
    take = TakeWriter.begin(request, RATE, outputs)
    saved, after = 0, 0
    for event in Renderer()(request, FakeBackend(), CancelToken()):
        if isinstance(event, SavePoint) and event.samples > 2 * RATE and not saved:
            take.save(replace(event.checkpoint, made_of=made_of(request, "")))
            saved = event.samples
        elif isinstance(event, AudioChunk):
            take.write(event.samples)
            after += bool(saved)
            if after == 3:
                break
    take._wav.close()  # as a kill does


@pytest.mark.parametrize("stereo", ["wide", "twin"])
def test_a_killed_take_goes_on_without_a_join_and_is_heard(stereo: str, tmp_path: Path) -> None:
    request = wanted(stereo)
    whole = to_int16(render_samples(Renderer(), request, FakeBackend()))
    killed(tmp_path, request)
    studio = Studio(Settings(outputs=tmp_path), create_backend, Renderer())
    try:
        job = studio.resume(next(studio.library.takes()).id, listen=True)
        assert job.stream is not None
        assert job.stream.channels == 2
        heard = []
        while (part := job.stream.read()) is not None:
            heard.append(part)
            job.stream.acknowledge(sum(map(len, heard)) / RATE)
        *_, end = studio.events(job.id)
    finally:
        studio.close()
    assert isinstance(end, Finished)
    assert end.path is not None
    samples, _ = sf.read(end.path, dtype="int16")
    np.testing.assert_array_equal(samples, whole)
    new = np.concatenate(heard)
    np.testing.assert_array_equal(new, whole[len(whole) - len(new) :])


CHILD = """
import sys, time
from pathlib import Path
from studio.core.settings import Settings
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio
from studio.testing import FakeBackend
from tests.service.test_stereo_jobs import wanted

settings = Settings(outputs=Path(sys.argv[1]), lead_s=1.0)
job = Studio(settings, lambda choice: FakeBackend(), Renderer()).submit(wanted(sys.argv[2]), listen=True)
heard = 0
while heard < 32000:
    heard += len(job.stream.read())
    job.stream.acknowledge(heard / 16000)
print("heard", flush=True)
time.sleep(300)  # it makes no more than its lead before somebody hears it
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
@pytest.mark.parametrize("stereo", ["wide", "twin"])
def test_killed_by_force_it_goes_on_as_if_nothing_had_been(stereo: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", CHILD, str(tmp_path), stereo]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "heard\n"
        finally:
            child.kill()
    (growing,) = tmp_path.rglob("*.wav")
    assert 2 * RATE <= sf.info(growing).frames < 6 * RATE
    studio = Studio(Settings(outputs=tmp_path), create_backend, Renderer())
    try:
        (take,) = studio.library.takes()
        assert take.status == "interrupted"
        *_, end = studio.events(studio.resume(take.id).id)
    finally:
        studio.close()
    assert isinstance(end, Finished)
    assert end.path is not None
    samples, _ = sf.read(end.path, dtype="int16")
    np.testing.assert_array_equal(
        samples, to_int16(render_samples(Renderer(), wanted(stereo), FakeBackend()))
    )
    assert StoredLatents(end.path.with_suffix(LATENTS)).sizes[0] == (2 if stereo == "twin" else 1)
