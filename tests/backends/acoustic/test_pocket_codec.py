"""The pocket AudioGen's codec: its weights open without audiocraft; what its codebooks are worth."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.backends.acoustic import audiogen, codec
from studio.backends.acoustic.audiocraft_shim import MISSING, is_installed
from studio.backends.checkpoint import AUDIOGEN_FILES, weight_files
from studio.core.errors import WeightsError
from studio.core.settings import data_dir
from studio.recipes.corpus.clip import make_clip
from studio.recipes.corpus.families import FAMILIES
from studio.recipes.data.clips import HELD_OUT_SEED

POCKET = data_dir("assets") / "pocket" / "audiogen"
USED = 100


pytestmark = pytest.mark.skipif(
    not (POCKET / codec.FOLDER).is_dir(), reason="the pocket codec is not shipped"
)


def test_its_weights_ship_once_and_open_as_if_they_were_exported(tmp_path: Path) -> None:
    """audiocraft's file by transformers, and transformers' own file made of it: the very same codec."""
    assert not weight_files(POCKET / codec.FOLDER)
    pocket = codec.load(POCKET, "cpu")
    shutil.copytree(POCKET / codec.FOLDER, tmp_path / codec.FOLDER)
    pocket._model.save_pretrained(tmp_path / codec.FOLDER)
    exported = codec.load(tmp_path, "cpu")
    samples = 0.1 * np.random.default_rng(0).normal(size=16000).astype(np.float32)
    ours, theirs = pocket.encode(samples), exported.encode(samples)
    np.testing.assert_array_equal(ours.tokens, theirs.tokens)
    assert torch.equal(ours.latents, theirs.latents)
    np.testing.assert_array_equal(ours.samples, theirs.samples)


@pytest.mark.slow
@pytest.mark.skipif(not is_installed(), reason=MISSING)
def test_it_says_what_audiocraft_says() -> None:
    theirs = audiogen.load(POCKET, "cpu")
    pocket = codec.load(POCKET, "cpu")
    samples = make_clip(HELD_OUT_SEED, scene=False).samples[:32000]
    ours, audiogens = pocket.encode(samples), theirs.encode(samples)
    np.testing.assert_array_equal(ours.tokens, audiogens.tokens)
    torch.testing.assert_close(ours.latents, audiogens.latents, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(ours.samples, audiogens.samples, atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"nothing", None])
def test_without_its_file_it_is_refused(tmp_path: Path, content: bytes | None) -> None:
    shutil.copytree(POCKET / codec.FOLDER, tmp_path / codec.FOLDER)
    if content is not None:
        (tmp_path / AUDIOGEN_FILES[1]).write_bytes(content)
    with pytest.raises(WeightsError, match="get the checkpoint again"):
        codec.load(tmp_path, "cpu")


@pytest.mark.parametrize(
    "state", [{}, {"encoder.model.0.conv.conv.weight": torch.zeros(1, 1, 1)}, [1], {"quantizer.x": "y"}]
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, state: Any) -> None:
    shutil.copytree(POCKET / codec.FOLDER, tmp_path / codec.FOLDER)
    torch.save({"best_state": state, "xp.cfg": ""}, tmp_path / AUDIOGEN_FILES[1])
    with pytest.raises(WeightsError, match="get the checkpoint again"):
        codec.load(tmp_path, "cpu")


@pytest.mark.slow
def test_each_codebook_uses_at_least_a_hundred_codes() -> None:
    pocket = codec.load(POCKET, "cpu")
    clips = [make_clip(HELD_OUT_SEED + i, scene=False).samples for i in range(2 * len(FAMILIES))]
    tokens = np.concatenate([pocket.encode(samples).tokens for samples in clips], axis=1)
    assert tokens.shape[0] == 4
    used = [len(np.unique(codebook)) for codebook in tokens]
    assert min(used) >= USED, used
