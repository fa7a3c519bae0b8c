"""The pocket AudioGen's codec on the corpus: what its codebooks are worth."""

from __future__ import annotations

import numpy as np
import pytest

from studio.backends.acoustic import codec
from studio.core.settings import data_dir
from studio.recipes.corpus.clip import make_clip
from studio.recipes.corpus.families import FAMILIES
from studio.recipes.data.clips import HELD_OUT_SEED

POCKET = data_dir("assets") / "pocket" / "audiogen"
USED = 100


@pytest.mark.slow
@pytest.mark.skipif(not (POCKET / codec.FOLDER).is_dir(), reason="the pocket codec is not shipped")
def test_each_codebook_uses_at_least_a_hundred_codes() -> None:
    pocket = codec.load(POCKET, "cpu")
    clips = [make_clip(HELD_OUT_SEED + i, scene=False).samples for i in range(2 * len(FAMILIES))]
    tokens = np.concatenate([pocket.encode(samples).tokens for samples in clips], axis=1)
    assert tokens.shape[0] == 4
    used = [len(np.unique(codebook)) for codebook in tokens]
    assert min(used) >= USED, used
