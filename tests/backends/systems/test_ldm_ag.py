"""The paper's LDM w/ AG and w/ AG+VAE: opened, heard, guided, and taken side by side as any model is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel

from studio.backends import catalog, checkpoint
from studio.backends.base import Tokens, hears_drafts
from studio.backends.prediction import to_noise
from studio.backends.systems import ldm_ag
from studio.core.errors import InvalidRequestError, WeightsError
from studio.core.request import ModelChoice, parse_request
from studio.core.settings import Settings
from studio.modules.acoustic_context import AcousticContext
from studio.pipeline.batch import render_clips
from studio.pipeline.collect import render_samples
from studio.pipeline.drafts import AcousticModelPool, Drafts
from studio.pipeline.renderer import Renderer
from tests.backends.conftest import make_ldm_ag, make_tango
from tests.pipeline.drafting_fakes import FakeDrafter

pytestmark = pytest.mark.slow

CLIP = {"kind": "clip", "steps": 2}


@pytest.fixture(scope="module")
def tango(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tango(tmp_path_factory.mktemp("ldm") / "tango")


def wanted(prompt: str, seed: int, **more: Any) -> Any:
    settings = {"mode": "dual", "duration_s": 0.64, "sampler": CLIP, "draft": {"kind": "audiogen"}}
    return parse_request(**{**settings, "prompt": prompt, "seed": seed, **more})


@pytest.mark.parametrize("encoding", ["AG", "AG_VAE"])
def test_it_opens_as_a_model_and_its_clips_are_their_drafts(
    tango: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    folder = make_ldm_ag(tango, tmp_path / "ldm", encoding)
    assert checkpoint.verify(folder) == []
    backend = catalog.create_backend(ModelChoice(id=str(folder), device="cpu"), Settings())
    assert hears_drafts(backend)
    assert backend.encoding == encoding
    monkeypatch.setattr(backend, "decode", lambda latents: latents.flatten().numpy())
    drafter = FakeDrafter()
    drafts = Drafts(AcousticModelPool(lambda *_: drafter, lambda *_: drafter), tmp_path)
    for sampler in (CLIP, {**CLIP, "method": "ddpm"}):
        requests = [wanted(prompt, 3, sampler=sampler) for prompt in ("rain", "wind")]
        batch = render_clips(requests, backend, drafts=drafts)
        for made, request in zip(batch, requests, strict=True):
            np.testing.assert_allclose(made, render_samples(Renderer(drafts), request, backend), atol=2e-4)
        assert np.abs(batch[0] - batch[1]).max() > 1e-3, "of one seed, told apart by their drafts alone"
    with pytest.raises(InvalidRequestError, match="nothing but a draft"):
        render_clips([wanted("rain", 3, draft={"kind": "none"})], backend)
    backend.unload()


def test_it_predicts_what_the_bare_networks_do(tango: Path, tmp_path: Path) -> None:
    folder = make_ldm_ag(tango, tmp_path / "ldm")
    backend = ldm_ag.load(folder, "cpu", "float32")
    latents, heard = (torch.randn(shape, generator=torch.Generator().manual_seed(1)) for shape in
                      ((2, 8, 16, 16), (2, 32, 128)))  # fmt: skip
    timesteps = torch.tensor([3, 800])
    said = backend.encode_text(["rain", "wind"]).with_acoustic(Tokens(heard))
    made = backend.predict_noise(latents, timesteps, 0, said)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
    context = AcousticContext.from_pretrained(folder / "acoustic_context")
    with torch.no_grad():
        bare = unet(latents, timesteps, encoder_hidden_states=context.project(heard)).sample
    expected = to_noise(bare, latents, timesteps, backend.schedule)
    torch.testing.assert_close(made, expected, atol=1e-4, rtol=1e-4)
    backend.unload()


def test_networks_that_do_not_fit_are_refused(tango: Path, tmp_path: Path) -> None:
    folder = make_ldm_ag(tango, tmp_path / "ldm")
    AcousticContext(width=32).save_pretrained(folder / "acoustic_context")
    with pytest.raises(WeightsError, match="is 32 wide"):
        ldm_ag.load(folder, "cpu", "float32")
    config = json.loads((folder / "acoustic_context" / "config.json").read_text())
    (folder / "acoustic_context" / "config.json").write_text(json.dumps({**config, "width": 24}))
    with pytest.raises(WeightsError):
        ldm_ag.load(folder, "cpu", "float32")
    AcousticContext(width=24, encoding="AB").save_pretrained(folder / "acoustic_context")
    with pytest.raises(WeightsError, match="unknown encoding"):
        ldm_ag.load(folder, "cpu", "float32")
