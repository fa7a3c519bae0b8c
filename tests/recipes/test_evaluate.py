"""What `eval pocket` says of the endless takes that it measures: those that a listener gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.backends.systems.tone import ToneBackend
from studio.core.sampling import EndlessSampler
from studio.evaluation.classifier import Classifier
from studio.evaluation.suites.pocket import HeldOut, Networks
from studio.evaluation.suites.sound import SoundPlan
from studio.pipeline import endless
from studio.pipeline.plan import plan_window
from studio.recipes import evaluate
from studio.samplers.fifo import FifoPlan

FAMILIES = ["rain", "dog"]


@pytest.mark.slow
def test_auto_is_what_is_measured_of_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = 0.1 * np.random.default_rng(0).normal(size=(12, 160_000)).astype(np.float32)
    families = [["rain"], ["dog"], ["rain", "dog"]] * 4
    held_out = HeldOut(samples, [" and ".join(names) for names in families], families)
    plan = SoundPlan(clips=4, scenes=2, takes=2, windows=3, steps=1, batch=4)
    measured: list[FifoPlan] = []

    def measure(backend: Any, window: FifoPlan, cancel: Any) -> str:
        measured.append(window)
        return "initial"

    monkeypatch.setattr(endless, "measure_strategy", measure)
    monkeypatch.setattr(evaluate, "_classifier", lambda assets: Classifier(FAMILIES).eval())
    monkeypatch.setattr(evaluate, "_held_out", lambda runs: held_out)
    monkeypatch.setattr(evaluate, "measure_networks", lambda *_: {"networks": 1.0})
    monkeypatch.setattr(Networks, "load", lambda *_: None)
    monkeypatch.setattr(SoundPlan, "quick", lambda: plan)
    backend = ToneBackend()
    figures = evaluate.evaluate_pocket(tmp_path, tmp_path, lambda: backend, quick=True)
    assert figures["strategy"] == "auto"
    assert figures["measured_strategy"] == "initial"
    assert measured == [plan_window(EndlessSampler(), "equal", backend)], "once for all takes"
    window = plan_window(EndlessSampler(), "initial", backend)
    assert figures["queue_steps"] == len(window.timesteps)
    assert figures["window_frames"] == window.window_frames
    assert figures["networks"] == 1.0
    assert 0 <= float(figures["endless_family_acc"]) <= 1
