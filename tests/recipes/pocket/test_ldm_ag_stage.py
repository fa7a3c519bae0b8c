"""The recipes of the paper's rows LDM w/ AG and w/ AG+VAE, for a few steps: what they write is a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.backends import catalog
from studio.backends.checkpoint import verify
from studio.core.request import ModelChoice, parse_request
from studio.core.settings import Settings, data_dir
from studio.pipeline.batch import render_clips
from studio.pipeline.drafts import AcousticModelPool, Drafts
from studio.recipes.pocket import dual
from studio.recipes.pocket import options as pocket_options
from studio.recipes.pocket.stages import BY_NAME, run_stage
from tests.pipeline.drafting_fakes import FakeDrafter
from tests.recipes.pocket.test_stages import files_of, tiny

POCKET = data_dir("assets") / "pocket"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "folder", "encoding"), [
    ("ldm-ag", "ldm_ag", "AG"), ("ldm-ag-vae", "ldm_ag_vae", "AG_VAE"),
])  # fmt: skip
def test_a_row_trains_from_what_ships_and_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, folder: str, encoding: str
) -> None:
    drafter = FakeDrafter(unconditional=np.arange(40, dtype=np.int16).reshape(4, 10))
    monkeypatch.setattr(dual, "load_audiogen", lambda *_: drafter)
    monkeypatch.setattr(pocket_options, "STEPS", dict.fromkeys(pocket_options.STEPS, 2))
    monkeypatch.setattr(dual, "POCKET_DCLDM", dual.POCKET_DCLDM | {"batch": 2, "frames": 48})
    options = tiny(tmp_path)
    options.out.mkdir(parents=True)
    for shipped in POCKET.iterdir():
        (options.out / shipped.name).symlink_to(shipped)
    assert run_stage(name, options), "complete"
    assert {f"{folder}/{file}" for file in files_of(options.out / folder)} == set(BY_NAME[name].makes)
    assert verify(options.out / folder) == []
    choice, settings = ModelChoice(id=f"pocket/{folder}", device="cpu"), Settings(assets=tmp_path)
    backend = catalog.create_backend(choice, settings)
    assert (backend.id, backend.encoding) == (choice.id, encoding)  # type: ignore[attr-defined]
    drafts = Drafts(AcousticModelPool(lambda *_: drafter, lambda *_: drafter), tmp_path)
    wanted = [
        parse_request(
            mode="dual", prompt=prompt, seed=1, duration_s=0.64, sampler={"kind": "clip", "steps": 2},
            draft={"kind": "audiogen"},
        )
        for prompt in ("rain", "wind")
    ]  # fmt: skip
    rain, wind = render_clips(wanted, backend, drafts=drafts)
    assert len(rain) == 10240
    assert np.abs(rain - wind).max() > 0
    backend.unload()
