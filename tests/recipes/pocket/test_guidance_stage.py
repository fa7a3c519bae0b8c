"""The recipe that folds guidance into the U-Net that ships, for two steps: what it writes is a model's."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from studio.backends import catalog
from studio.backends.checkpoint import defaults_in, verify
from studio.core.request import ModelChoice, parse_request
from studio.core.settings import Settings, data_dir
from studio.pipeline.batch import render_clips
from studio.recipes.networks import guidance
from studio.recipes.pocket.stages import BY_NAME, run_stage
from tests.recipes.pocket.test_stages import files_of, small, tiny  # noqa: F401 - a fixture

POCKET = data_dir("assets") / "pocket"


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_guidance_is_folded_into_what_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLIP_BATCH", "RAMP_BATCH"):
        monkeypatch.setattr(guidance, name, 2)
    options = tiny(tmp_path)
    shutil.copytree(POCKET / "audioldm", options.audioldm)
    before = files_of(options.out)
    assert run_stage("guidance", options), "complete"
    assert files_of(options.out) == before | set(BY_NAME["guidance"].makes)
    assert verify(options.audioldm) == []
    assert run_stage("audioldm", options)
    defaults = defaults_in(options.audioldm)
    assert defaults is not None
    assert (defaults.fast.passes, defaults.balanced.passes) == ("one", "two")
    settings, made = Settings(assets=tmp_path), []
    assert catalog.folds("pocket/audioldm", settings)
    request = parse_request(
        prompt="rain", seed=1, duration_s=0.64, sampler={"kind": "clip", "steps": 2}, guidance_scale=1.0
    )
    for passes in ("two", "one"):
        choice = ModelChoice(id="pocket/audioldm", device="cpu", dtype="float32", passes=passes)
        backend = catalog.create_backend(choice, settings)
        made += render_clips([request], backend)
        backend.unload()
    assert np.abs(made[0] - made[1]).mean() < 0.2 * np.abs(made[0]).mean(), "it has hardly moved yet"
