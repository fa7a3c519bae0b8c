"""Weights told from others of their name, wherever they lie."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from studio.backends.catalog import weights_fingerprint
from studio.backends.checkpoint import fingerprint
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
