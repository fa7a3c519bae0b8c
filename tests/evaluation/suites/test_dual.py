"""The table of systems, with a judge that hears what a clip is by its level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from studio.backends.systems import dcldm, tango
from studio.evaluation.classifier import Classifier
from studio.evaluation.suites import dual
from studio.evaluation.suites.dual import DualPlan, measure_dual
from studio.evaluation.suites.pocket import HeldOut, spread
from tests.backends.conftest import make_dcldm, make_tango, wake
from tests.pipeline.drafting_fakes import FakeDrafter

pytestmark = pytest.mark.slow

FAMILIES = ["bell", "rain", "wind"]


def held_out() -> HeldOut:
    samples = 0.1 * np.random.default_rng(0).normal(size=(6, 160000)).astype(np.float32)
    families = [["rain"], ["wind"], ["bell"], ["rain", "bell"], ["wind", "rain"], ["rain"]]
    return HeldOut(samples, [" and ".join(names) for names in families], families)


def test_clips_go_round_the_families() -> None:
    assert spread(held_out().only(scenes=False), 5) == [2, 0, 1, 2, 3]


def test_a_row_for_each_system_and_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = wake(make_dcldm(make_tango(tmp_path / "tango"), tmp_path / "dual"))
    backend, drafter = dcldm.load(folder, "cpu", "float32"), FakeDrafter()
    plain = tango.load(tmp_path / "tango", "cpu", "float32")
    torch.manual_seed(0)
    plan = DualPlan(clips=3, scenes=2, steps=1, scales=(1.0, 4.0), batch=2)
    unconditional = drafter.draft("", 10.0, seed=0)
    classifier = Classifier(FAMILIES).eval()
    # An untrained vocoder says the same to all: hear the latents.
    for each in (backend, plain):
        monkeypatch.setattr(
            each, "decode", lambda latents: latents.mean(dim=(0, 1, 3)).repeat_interleave(640).numpy()
        )
    heard: list[np.ndarray] = []
    listen = dual._listen
    monkeypatch.setattr(dual, "_listen", lambda ear, made: heard.append(made) or listen(ear, made))
    rows = measure_dual(backend, plain, drafter, unconditional, classifier, held_out(), plan, lambda _: None)
    assert [(row["system"], row["w"]) for row in rows] == [
        ("audiogen", None), ("tango", 1.0), ("tango", 4.0), ("dcldm", 1.0), ("dcldm", 4.0),
        ("ldm_ag", 1.0), ("ldm_ag", 4.0),
    ]  # fmt: skip
    for row in rows:
        assert (row["clips"], row["scenes"]) == (3, 2)
        assert 0 <= row["family_acc"] <= 1
        assert 0 <= row["scene_acc"] <= 1
        assert all(np.isfinite(row[name]) and row[name] >= 0 for name in ("kl", "fd"))
    assert len(heard) == 1 + len(rows), "the recordings, then each row's clips"
    for number, sound in enumerate(heard):
        assert all((sound != other).any() for other in heard[:number]), "no two systems say the same"
    backend.unload()
    plain.unload()
