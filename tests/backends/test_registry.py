"""What the studio knows of each system, and that a new one needs no more than its entry."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from diffusers import AutoencoderKL

from studio.backends import catalog, checkpoint
from studio.backends.base import Backend, hears_drafts
from studio.backends.capabilities import Capabilities
from studio.backends.components import Parts
from studio.backends.registry import REGISTRY, FilesLayout, SystemSpec
from studio.backends.systems.tone import ToneBackend
from studio.core.errors import WeightsError
from studio.core.request import ModelChoice
from studio.core.settings import Settings
from tests.backends.conftest import make_vae


class HumBackend(ToneBackend):
    """Nothing but a VAE that nobody asks."""

    capabilities = Capabilities(text="tokens", drafts=True)

    def __init__(self, model_id: str, vae: AutoencoderKL) -> None:
        super().__init__()
        self.id, self.vae = model_id, vae


def load_hum(
    folder: Path, device: str = "auto", dtype: str = "auto", *, model_id: str | None = None
) -> HumBackend:
    parts = Parts.open(folder, device, WITH_HUM)
    return HumBackend(model_id or folder.name, parts.network(AutoencoderKL, "vae"))


HUM = SystemSpec(
    "hum",
    "Hum",
    load_hum,
    HumBackend.capabilities,
    pipeline="HumPipeline",
    components=("vae",),
    published=FilesLayout(("hum.bin",), ("hum.json",)),
)
WITH_HUM = replace(REGISTRY, systems=(*REGISTRY.systems, HUM))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "hum"
    make_vae().save_pretrained(folder / "vae")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "HumPipeline"}))
    return folder


def test_a_made_up_systems_folder_opens(folder: Path) -> None:
    assert checkpoint.verify(folder, WITH_HUM) == []
    backend = catalog.create_backend(ModelChoice(id=str(folder), device="cpu"), Settings(), WITH_HUM)
    assert isinstance(backend, HumBackend)
    assert backend.id == str(folder)
    assert backend.vae.config.latent_channels == 8
    assert hears_drafts(backend)
    assert len(checkpoint.fingerprint(folder, WITH_HUM)) == 32


def test_it_is_verified_by_its_own_parts(folder: Path) -> None:
    next((folder / "vae").glob("*.safetensors")).unlink()
    assert checkpoint.verify(folder, WITH_HUM) == ["The weights of vae are missing."]
    with pytest.raises(WeightsError, match="weights of vae"):
        load_hum(folder, "cpu")


def test_who_does_not_know_it_names_what_is_known(folder: Path) -> None:
    with pytest.raises(WeightsError, match=r"'HumPipeline'; give a folder made for AudioLDMPipeline, "):
        REGISTRY.system_of(folder)
    assert "HumPipeline" in checkpoint.verify(folder)[0]


def test_files_in_its_authors_layout_are_told_by_their_configs(tmp_path: Path) -> None:
    (tmp_path / "hum.bin").write_bytes(b"nothing")
    assert WITH_HUM.system_of(tmp_path) is WITH_HUM.system("audioldm"), "what nobody says is AudioLDM"
    (tmp_path / "hum.json").write_text("{}")
    assert WITH_HUM.system_of(tmp_path) is HUM
    assert checkpoint.verify(tmp_path, WITH_HUM) == [
        f"{tmp_path.name}/hum.bin is truncated or no archive of weights."
    ]


def test_every_row_of_the_catalog_is_of_a_system_here() -> None:
    known = {spec.name for spec in (*REGISTRY.systems, *REGISTRY.drafters)}
    # Of the paper's rows without a text nobody publishes weights.
    assert {model.system for model in catalog.MODELS} == known - {"ldm_ag"}


@pytest.mark.parametrize("model", [model for model in catalog.MODELS if model.source != "hub"])
def test_what_ships_is_of_the_system_that_its_row_says(model: catalog.ModelInfo) -> None:
    if model.source == "builtin":
        backend = catalog.create_backend(ModelChoice(id=model.id), Settings())
        assert isinstance(backend, Backend)
        assert backend.capabilities == REGISTRY.system(model.system).capabilities
        return
    folder = catalog.resolve(model.id, Settings(), download=False)
    drafter = REGISTRY.drafter_of(folder)
    assert (drafter or REGISTRY.system_of(folder)).name == model.system


def test_what_hears_drafts_is_dual() -> None:
    from studio.backends.systems.dcldm import DcLdmBackend
    from studio.backends.systems.tango import TangoBackend

    assert DcLdmBackend.capabilities.drafts
    assert not TangoBackend.capabilities.drafts
    assert all("dual" in spec.modes for spec in REGISTRY.systems if spec.capabilities.drafts)


def test_listing_loads_no_library() -> None:
    code = (
        "import sys; from studio.backends.catalog import list_models;"
        "from studio.core.settings import Settings; list_models(Settings());"
        "print(sorted({'torch', 'diffusers', 'transformers', 'audiocraft'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
