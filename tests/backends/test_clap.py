"""A CLAP whose caption tower lies beside it alone is the whole one, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import ClapTextModelWithProjection

from studio.backends.clap import load_clap
from studio.core.errors import WeightsError
from studio.core.settings import Settings
from tests.backends.conftest import make_clap


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint as they are published: `clap/` whole, the caption tower beside it once more."""
    clap = make_clap()
    clap.save_pretrained(tmp_path / "clap")
    tower = ClapTextModelWithProjection(clap.config.text_config)
    tower.text_model.load_state_dict(clap.text_model.state_dict())
    tower.text_projection.load_state_dict(clap.text_projection.state_dict())
    tower.save_pretrained(tmp_path / "text_encoder")
    return tmp_path


def lighten(folder: Path) -> None:
    """Take out of `clap/` what `text_encoder/` holds."""
    file = folder / "clap" / "model.safetensors"
    whole, text = load_file(file), load_file(folder / "text_encoder" / "model.safetensors")
    assert set(text) < set(whole)
    save_file({name: whole[name] for name in set(whole) - set(text)}, file, metadata={"format": "pt"})


def test_without_its_copy_of_the_text_tower_it_is_the_same(folder: Path) -> None:
    whole = load_clap(folder).state_dict()
    lighten(folder)
    light = load_clap(folder)
    assert whole.keys() == light.state_dict().keys()
    assert all(torch.equal(value, whole[name]) for name, value in light.state_dict().items())
    assert not light.training


def test_a_whole_one_is_read_whole(folder: Path) -> None:
    """Whatever tower lies beside it."""
    file = folder / "text_encoder" / "model.safetensors"
    save_file({name: value + 1 for name, value in load_file(file).items()}, file, metadata={"format": "pt"})
    whole = load_file(folder / "clap" / "model.safetensors")
    name = "text_projection.linear1.weight"
    assert torch.equal(load_clap(folder).state_dict()[name], whole[name])


def test_the_shipped_one_has_no_second_text_tower() -> None:
    assets = Settings().assets / "pocket" / "audioldm"
    clap, text = (load_file(assets / name / "model.safetensors") for name in ("clap", "text_encoder"))
    assert not set(clap) & set(text)
    state = load_clap(assets).state_dict()
    assert all(torch.equal(state[name], value.to(state[name].dtype)) for name, value in (clap | text).items())


@pytest.mark.parametrize("gone", ["clap", "text_encoder"])
def test_what_is_missing_is_named(folder: Path, gone: str) -> None:
    lighten(folder)
    (folder / gone / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=f"weights of {gone} are missing"):
        load_clap(folder)


def test_another_tower_beside_it_is_refused(folder: Path) -> None:
    lighten(folder)
    file = folder / "text_encoder" / "model.safetensors"
    text = load_file(file)
    save_file({**text, "audio_model.x": torch.zeros(1)}, file)
    with pytest.raises(WeightsError, match="no CLAP's"):
        load_clap(folder)
    save_file({name: value[..., :1].contiguous() for name, value in text.items()}, file)
    with pytest.raises(WeightsError, match=r"clap can't be opened"):
        load_clap(folder)
