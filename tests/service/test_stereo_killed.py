"""Stereo takes in a process that is killed by force: they go on as if nothing had been."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.audio import to_int16
from studio.core.events import Finished
from studio.core.settings import Settings
from studio.pipeline.collect import render_samples
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio
from studio.service.takes.latents import StoredLatents
from studio.service.takes.naming import LATENTS
from studio.testing import FakeBackend
from tests.service.test_stereo_jobs import create_backend, wanted

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
    assert 2 <= sf.info(growing).duration < 6
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
