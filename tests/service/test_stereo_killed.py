"""Stereo takes in a process that is killed by force: they go on as if nothing had been."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.backends.base import at_bandwidth
from studio.core.audio import Bandwidth, to_int16
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
asked = wanted(sys.argv[2], sys.argv[3])
job = Studio(settings, lambda choice: FakeBackend(), Renderer()).submit(asked, listen=True)
heard = 0
while heard < 2 * asked.sample_rate:
    heard += len(job.stream.read())
    job.stream.acknowledge(heard / asked.sample_rate)
print("heard", flush=True)
time.sleep(300)  # it makes no more than its lead before somebody hears it
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
@pytest.mark.parametrize(("stereo", "bandwidth"), [("wide", "48k"), ("twin", "16k"), ("twin", "48k")])
def test_killed_by_force_it_goes_on_as_if_nothing_had_been(
    stereo: str, bandwidth: Bandwidth, tmp_path: Path
) -> None:
    words = [sys.executable, "-c", CHILD, str(tmp_path), stereo, bandwidth]
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
    samples, rate = sf.read(end.path, dtype="int16")
    asked = wanted(stereo, bandwidth)
    whole = render_samples(Renderer(), asked, at_bandwidth(FakeBackend(), bandwidth))
    np.testing.assert_array_equal(samples, to_int16(whole))
    assert rate == asked.sample_rate
    assert StoredLatents(end.path.with_suffix(LATENTS)).sizes[0] == (2 if stereo == "twin" else 1)
