"""An AudioLDM whose guidance is folded into a U-Net of its own, or into the one that it has."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel

from studio.backends import catalog
from studio.backends.checkpoint import fingerprint, verify
from studio.backends.registry import FOLDED_UNET
from studio.backends.systems import audioldm
from studio.core.errors import WeightsError
from studio.core.request import ModelChoice
from studio.core.settings import Settings
from studio.modules.guidance_scale import scale_embedding
from studio.recipes.networks.guidance import with_scale


def fold(folder: Path, name: str = FOLDED_UNET) -> UNet2DConditionModel:
    """Write a U-Net that takes a scale, and heeds it, beside the one that doesn't."""
    torch.manual_seed(1)
    student = with_scale(UNet2DConditionModel.from_pretrained(folder / "unet")).eval()
    torch.nn.init.normal_(student.time_embedding.cond_proj.weight, std=0.5)
    student.save_pretrained(folder / name)
    return student


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "pocket" / "folded"))


def noise_of(folder: Path, passes: str, scale: float, timesteps: torch.Tensor) -> torch.Tensor:
    backend = audioldm.load(folder, "cpu", "float32", passes=passes)
    latents = torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    told = replace(backend.encode_text(["rain", "a dog"]), scale=scale)
    noise = backend.predict_noise(latents, timesteps, 0, told)
    backend.unload()
    return noise


AT = torch.tensor([401, 801])


def test_one_pass_is_told_the_scale(folder: Path) -> None:
    student = fold(folder)
    backend = audioldm.load(folder, "cpu", "float32", passes="one")
    assert backend.capabilities.folded == (1.0, 8.0)
    pooled = backend.encode_text(["rain", "a dog"]).vector
    backend.unload()
    latents = torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        told = scale_embedding(torch.tensor([4.0, 4.0]), 64)
        wanted = student(latents, AT, None, class_labels=pooled, timestep_cond=told).sample
    torch.testing.assert_close(noise_of(folder, "one", 4.0, AT), wanted, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(noise_of(folder, "one", 2.0, AT), wanted, atol=1e-3)
    every = AT[:, None].expand(2, 16)
    torch.testing.assert_close(noise_of(folder, "one", 4.0, every), wanted, atol=1e-5, rtol=1e-5)


def test_two_passes_are_made_with_what_they_always_were(folder: Path, tiny_folder: Path) -> None:
    before, known = noise_of(tiny_folder, "two", 1.0, AT), fingerprint(folder)
    assert torch.equal(noise_of(folder, "one", 1.0, AT), before), "it has no other network yet"
    assert fingerprint(folder, passes="one") == known
    fold(folder)
    assert torch.equal(noise_of(folder, "two", 1.0, AT), before)
    assert fingerprint(folder) == known
    assert fingerprint(folder, passes="one") != known


def test_a_checkpoint_that_has_only_one_that_takes_a_scale_is_told_it(folder: Path) -> None:
    """As latent consistency models are published, which don't tell their scales."""
    fold(folder, "unet")
    config = folder / "unet" / "config.json"
    told = json.loads(config.read_text())
    del told["guidance_scales"]
    config.write_text(json.dumps(told))
    backend = audioldm.load(folder, "cpu", "float32")
    assert backend.capabilities.folded == (1.0, 100.0)
    backend.unload()


@pytest.mark.parametrize("scales", [[8, 1], [1], ["a", 2], [1, 2, 3], [1, 1e6]])
def test_scales_that_can_t_be_are_told(folder: Path, scales: object) -> None:
    fold(folder)
    config = folder / FOLDED_UNET / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"guidance_scales": scales}))
    with pytest.raises(WeightsError, match="scales of this U-Net's guidance"):
        audioldm.load(folder, "cpu", "float32", passes="one")


def test_a_damaged_one_is_found(folder: Path) -> None:
    fold(folder)
    assert verify(folder) == []
    (file,) = (folder / FOLDED_UNET).glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    assert any(FOLDED_UNET in problem for problem in verify(folder))


def test_the_catalog_knows_who_has_one(folder: Path) -> None:
    settings = Settings(assets=folder.parents[1])
    assert not catalog.folds("pocket/folded", settings)
    fold(folder)
    assert catalog.folds("pocket/folded", settings)
    assert not any(catalog.folds(name, settings) for name in ("tone", "no/such-model", "pocket/none", ""))
    known = [catalog.weights_fingerprint("pocket/folded", settings, passes) for passes in ("one", "two")]
    assert len(set(known)) == 2
    for passes, scales in (("one", (1.0, 8.0)), ("two", None)):
        choice = ModelChoice(id="pocket/folded", device="cpu", passes=passes)
        backend = catalog.create_backend(choice, settings)
        assert backend.capabilities.folded == scales
        backend.unload()
    tone = catalog.create_backend(ModelChoice(id="tone", device="cpu", passes="one"), settings)
    assert tone.capabilities.folded is None, "who has none is asked as ever"
