"""What a clip is said to cost, and the refusal of one that can't fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.backends.systems.tone import ToneBackend
from studio.core.errors import OutOfResourcesError
from studio.core.events import AudioChunk, Progress
from studio.pipeline import estimate as module
from studio.pipeline.cancel import CancelToken
from studio.pipeline.estimate import LONG_S, SHORT_S, Calibration, require_fit
from studio.pipeline.plan import ClipPlan
from studio.pipeline.renderer import Renderer
from tests.service.service_fakes import request

CLIP = {"kind": "clip", "steps": 10}


def calibration(line: float, square: float, step_mb: float = 10.0) -> Calibration:
    """Of steps that take line·t + square·t² seconds."""
    step_s = tuple(line * t + square * t * t for t in (SHORT_S, LONG_S))
    return Calibration(step_s, (step_mb / 4, step_mb), decode_s=0.25, decode_mb=25.0)  # type: ignore[arg-type]


@given(st.floats(0, 1), st.floats(0, 0.1), st.floats(1, 600), st.integers(1, 200))
def test_the_time_follows_the_curve_through_both_looks(
    line: float, square: float, duration_s: float, steps: int
) -> None:
    expected = steps * (line * duration_s + square * duration_s**2) + 0.1 * duration_s
    said = calibration(line, square).estimate(duration_s, steps, 1e6).time_s
    assert said == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(st.floats(0.001, 1), st.floats(0.001, 1), st.floats(1, 600))
def test_noise_never_makes_a_clip_cost_less_than_nothing(
    short: float, long: float, duration_s: float
) -> None:
    noisy = Calibration((short, long), (5.0, -3.0), 0.1, -2.0)
    said = noisy.estimate(duration_s, 10, 1000.0)
    assert said.time_s > 0
    assert said.memory_mb >= 0


def test_what_cannot_fit_is_refused_and_what_would_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "free_mb", lambda device: 400.0)
    costs = calibration(0.1, 0.0, step_mb=100.0)
    with pytest.raises(OutOfResourcesError, match=r"80 s would take some 800 MB of the 400 .* 10 s fit"):
        require_fit(costs, ClipPlan(10, 80.0), ToneBackend())
    require_fit(costs, ClipPlan(10, 3.9), ToneBackend())


def test_a_clip_begins_with_what_it_will_cost_and_looks_once() -> None:
    backend, renderer, calls = ToneBackend(), Renderer(estimates=True), []
    decode = backend.decode
    backend.decode = lambda latents: (calls.append(latents.shape[2]), decode(latents))[1]  # type: ignore[method-assign]
    for duration_s in (3.0, 5.0):
        events = list(renderer(request(duration_s=duration_s, sampler=CLIP), backend, CancelToken()))
        said = [event.message for event in events if isinstance(event, Progress)]
        assert said[1].startswith("About 0:0")
        assert said[1].endswith(" MB")
        assert sum(len(e.samples) for e in events if isinstance(e, AudioChunk)) == duration_s * 16000
    assert len(calls) == 4, "two to look, then each clip"
