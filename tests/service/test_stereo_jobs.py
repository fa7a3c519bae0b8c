"""Stereo takes as jobs: heard, written, killed, and going on as if nothing had been."""

from __future__ import annotations

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
