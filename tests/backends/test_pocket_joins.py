"""The pocket model's own joins: sound of the corpus, encoded, then decoded whole and block by block."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from studio.backends.decode import CONVOLUTIONAL
from studio.backends.systems.audioldm import AudioLDMBackend, load
from studio.core.settings import data_dir
from studio.dsp.mel import log_mel
from studio.recipes.corpus.clip import make_clip
from studio.recipes.data.clips import HELD_OUT_SEED
from tests.backends.test_decode import join_frames, mel_difference, stream

POCKET = data_dir("assets") / "pocket" / "audioldm"
pytestmark = pytest.mark.skipif(not (POCKET / "unet").is_dir(), reason="the pocket model is not shipped")


@pytest.fixture(scope="module")
def pocket() -> AudioLDMBackend:
    return load(POCKET, device="cpu", dtype="float32")


def encode(pocket: AudioLDMBackend, samples: np.ndarray) -> torch.Tensor:
    vae = pocket._sound.vae
    with torch.inference_mode():
        mel = log_mel(torch.from_numpy(samples))[None, None]
        return vae.encode(mel).latent_dist.mean * vae.config.scaling_factor


@pytest.mark.slow
def test_joins_cannot_be_told_from_the_rest(pocket: AudioLDMBackend) -> None:
    """Within ± 2 frames of the joins the log-mel differs no more than elsewhere, over ten families."""
    near_sum = near_count = far_sum = far_count = 0.0
    for seed in range(HELD_OUT_SEED, HELD_OUT_SEED + 10):
        latents = encode(pocket, make_clip(seed, scene=False).samples)
        difference = mel_difference(pocket.decode(latents), stream(pocket.stream_decoder(), latents, [4]))
        near = np.zeros(len(difference), bool)
        for join in join_frames(CONVOLUTIONAL, latents.shape[2]):
            near[(join - 2) * 4 : (join + 2) * 4] = True
        near_sum, near_count = near_sum + difference[near].sum(), near_count + near.sum()
        far_sum, far_count = far_sum + difference[~near].sum(), far_count + (~near).sum()
    near_mean, far_mean = near_sum / near_count, far_sum / far_count
    assert near_mean <= 1.1 * far_mean
    assert near_mean <= 0.05
