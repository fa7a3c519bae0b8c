"""Weights told from others of their name, wherever they lie."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from studio.backends.catalog import weights_fingerprint
from studio.backends.checkpoint import SAME_WEIGHTS_FIELD, fingerprint
from studio.core.settings import Settings

SETTINGS = Settings()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SETTINGS.assets / "pocket" / "audioldm", tmp_path / "mine"))


def test_a_copy_has_the_same_and_an_older_date_changes_nothing(copy: Path) -> None:
    for file in copy.rglob("*.safetensors"):
        os.utime(file, (0, 0))
    assert fingerprint(copy) == weights_fingerprint("pocket/audioldm", SETTINGS) != ""


@pytest.mark.parametrize("component", ["unet", "vae", "vocoder"])
def test_other_weights_have_another(copy: Path, component: str) -> None:
    before = fingerprint(copy)
    (file,) = (copy / component).glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert fingerprint(copy) != before


def test_shared_components_count_and_models_differ() -> None:
    names = ("pocket/audioldm", "pocket/audioldm2", "pocket/tango", "pocket/dcldm")
    assert len({weights_fingerprint(name, SETTINGS) for name in names}) == len(names)


@pytest.mark.parametrize("name", ["tone", "no/such-model", "pocket/none", "pocket/audiogen"])
def test_without_weights_there_is_none(name: str) -> None:
    assert weights_fingerprint(name, SETTINGS) == ""


def test_save_points_of_the_layout_before_know_the_weights() -> None:
    """Weights that moved to another file are the same: what takes keep of them holds."""
    kept = {
        "pocket/audioldm": "bf62389ffa024bfc4650f413a233a74b",
        "pocket/audioldm2": "68988b39347504aa1e0c7211928d77cf",
        "pocket/tango": "1669b802322eb89cb70c0cba1e15c023",
        "pocket/dcldm": "81db74bdc27f03b13a8ba7c79c4cdc07",
    }
    assert {name: weights_fingerprint(name, SETTINGS) for name in kept} == kept


def test_only_the_very_weights_that_an_index_lists_keep_their_fingerprint(copy: Path) -> None:
    now, index = fingerprint(copy), copy / "model_index.json"
    told = json.loads(index.read_text())
    index.write_text(json.dumps({**told, SAME_WEIGHTS_FIELD: {now: "before"}}))
    assert fingerprint(copy) == "before"
    for damaged in ([], {now: 3}, "x"):
        index.write_text(json.dumps({**told, SAME_WEIGHTS_FIELD: damaged}))
        assert fingerprint(copy) == now
    index.write_text(json.dumps({**told, SAME_WEIGHTS_FIELD: {now: "before"}}))
    (file,) = (copy / "unet").glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert fingerprint(copy) not in {"before", now}
