"""Looks at a clip while it is made: seldom enough, small enough, and always at its end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studio.dsp.spectrogram import mel_columns
from studio.pipeline import preview as module
from studio.pipeline.preview import SHARE, WIDTH, Previews

LATENTS = torch.zeros(1, 8, 300, 16)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock.now)
    return clock


class Slow:
    """A backend whose look takes half a second."""

    def __init__(self, clock: SimpleNamespace) -> None:
        self.clock, self.looks = clock, 0

    def preview(self, latents: torch.Tensor) -> np.ndarray:
        self.clock.now += 0.5
        self.looks += 1
        return np.zeros((4 * latents.shape[2], 64), np.float32)


def test_looks_cost_a_small_share_of_the_run(clock: SimpleNamespace) -> None:
    backend: Any = Slow(clock)
    previews = Previews(backend)
    steps = 400
    shown = []
    for step in range(1, steps + 1):
        clock.now += 0.25
        shown.append(previews.look(step, steps, LATENTS))
    assert shown[-1] is not None, "always at the end"
    assert 3 <= backend.looks <= 2 + SHARE * clock.now / 0.5
    assert all(p is None or len(p.columns) <= WIDTH for p in shown)


@given(st.integers(1, 2000), st.integers(1, 900))
def test_a_picture_is_no_wider_than_asked_and_keeps_levels(frames: int, width: int) -> None:
    mel = np.full((frames, 64), -9.0, np.float32)
    mel[:, 10] = 2.0
    columns = mel_columns(mel, width)
    assert columns.shape == (min(frames, width), 64)
    assert (columns[:, 10] == 255).all()
    assert (np.delete(columns, 10, axis=1) == 0).all()
