"""The catalog: what there is, where it lies, and what is said when it is not there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from studio.backends import catalog
from studio.backends.device import cpu_has_bfloat16
from studio.core.errors import ModelNotFoundError
from studio.core.request import ModelChoice
from studio.core.settings import Settings
from tests.backends.fake_hub import FakeHub, serving
from tests.backends.test_hub import point_at


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache and no Hub."""
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(assets=tmp_path / "assets")


def test_lists_what_is_installed(settings: Settings, tiny_folder: Path, offline: None) -> None:
    assert {model.id for model in catalog.list_models(settings) if model.installed} == {"tone"}
    shutil.copytree(tiny_folder, settings.assets / "pocket" / "audioldm")
    models = {model.id: model for model in catalog.list_models(settings)}
    assert models["pocket/audioldm"].installed
    assert models["cvssp/audioldm-s-full-v2"].licence == "CC-BY-NC-SA-4.0"


def test_listing_loads_no_heavy_library() -> None:
    code = (
        "import sys, studio.backends.catalog; sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_loads_a_local_folder_and_the_tone(settings: Settings, tiny_folder: Path) -> None:
    assert catalog.resolve(str(tiny_folder), settings) == tiny_folder
    backend = catalog.create_backend(
        ModelChoice(id=str(tiny_folder), device="cpu", dtype="float32"), settings
    )
    assert backend.id == str(tiny_folder)
    backend.unload()
    assert catalog.create_backend(ModelChoice(id="tone"), settings).id == "tone"


@pytest.mark.parametrize(
    "name", ["nothing", "pocket/nothing", "cvssp/audioldm-m-full", "pocket/../..", "a b/c"]
)
def test_unknown_models_get_one_sentence(name: str, settings: Settings, offline: None) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        catalog.resolve(name, settings)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_verify_names_the_damage(tiny_folder: Path, tmp_path: Path) -> None:
    assert catalog.verify(tiny_folder) == []
    folder = shutil.copytree(tiny_folder, tmp_path / "bad")
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    shutil.rmtree(folder / "tokenizer")
    problems = catalog.verify(folder)
    assert len(problems) == 2
    assert "tokenizer" in problems[0]
    assert "bytes long instead of" in problems[1]
    assert catalog.verify(tmp_path / "absent")


@pytest.mark.parametrize(
    ("flags", "expected"), [("avx2 avx512_bf16", True), ("amx_bf16", True), ("avx2", False)]
)
def test_bfloat16_is_read_from_the_flags(tmp_path: Path, flags: str, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\n")
    assert cpu_has_bfloat16(tmp_path / "cpuinfo") is expected
    assert not cpu_has_bfloat16(tmp_path / "absent")


def test_a_download_brings_the_text_encoder_that_a_checkpoint_lacks(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked of the Hub, and when a checkpoint counts as here."""
    own, texts = tmp_path / "hub" / "own", tmp_path / "hub" / "texts"
    for folder in (own, texts):
        folder.mkdir(parents=True)
    for name in ("state_dict.bin", "compression_state_dict.bin"):
        torch.save({"xp.cfg": "a: 1", "best_state": {}}, own / name)
    for name in ("model.safetensors", "pytorch_model.bin", "spiece.model"):
        (texts / name).write_bytes(b"weights")
    with serving(FakeHub({"facebook/audiogen-medium": own, "t5-large": texts})) as hub:
        point_at(hub.url, tmp_path / "cache", monkeypatch)
        with pytest.raises(ModelNotFoundError, match="not downloaded yet"):
            catalog.resolve("facebook/audiogen-medium", settings, download=False)
        folder = catalog.resolve("facebook/audiogen-medium", settings)
        assert catalog.verify(folder) == []
        assert catalog.fingerprint("facebook/audiogen-medium", settings)
        encoder = next((tmp_path / "cache" / "models--t5-large").glob("snapshots/*/model.safetensors"))
        assert not (encoder.parent / "pytorch_model.bin").exists()
        encoder.resolve().unlink()
        encoder.unlink()
        with pytest.raises(ModelNotFoundError, match="not downloaded yet"):
            catalog.resolve("facebook/audiogen-medium", settings, download=False)
        assert catalog.resolve("facebook/audiogen-medium", settings) == folder
        assert encoder.is_file(), "fetched although the checkpoint itself was here"
