"""Eleven minutes of sound in two channels by the pocket model, in few steps: memory stays flat.

Run with `-s`: it reports the memory, which depends on the machine.
"""

from __future__ import annotations

import numpy as np
import pytest

from studio.backends.catalog import create_backend
from studio.core.events import AudioChunk
from studio.core.memory import process_memory_mb
from studio.core.request import ModelChoice, parse_request
from studio.core.settings import Settings
from studio.pipeline.cancel import CancelToken
from studio.pipeline.renderer import Renderer

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]

MINUTES, SETTLED_MIN = 11, 2
SLOPE_LIMIT_MB = 1.0  # a minute of sound
FEW = {"kind": "endless", "strategy": "equal", "base_steps": 3, "group_size": 32, "buffer_frames": 8,
       "warmup_steps": 2}  # fmt: skip


@pytest.mark.parametrize("stereo", ["wide", "twin"])
def test_memory_stays_flat_over_eleven_minutes(stereo: str) -> None:
    choice = ModelChoice(id="pocket/audioldm")
    request = parse_request(
        prompt="rain", seed=1, duration_s=60.0 * MINUTES, stereo=stereo, model=choice, sampler=FEW,
        guidance_scale=1.0,
    )  # fmt: skip
    rows: list[tuple[float, float]] = []
    for event in Renderer()(request, create_backend(choice, Settings()), CancelToken()):
        if isinstance(event, AudioChunk) and event.end_sample // (10 * event.sample_rate) > len(rows):
            rows.append((event.end_sample / event.sample_rate / 60, process_memory_mb()))
    table = np.array(rows)
    late = table[table[:, 0] >= SETTLED_MIN]
    slope = float(np.polyfit(late[:, 0], late[:, 1], 1)[0])
    told = ", ".join(f"{minute:.0f} min {held:.0f}" for minute, held in table[5::6])
    print(f"\n{stereo}: {told} MB; {slope:+.2f} MB a minute after {SETTLED_MIN} min")
    assert len(table) == 6 * MINUTES
    assert slope < SLOPE_LIMIT_MB
