"""The scale of guidance as diffusers tells it."""

from __future__ import annotations

import pytest
import torch
from diffusers import LatentConsistencyModelPipeline

from studio.modules.guidance_scale import scale_embedding


@pytest.mark.parametrize("width", [64, 7])
def test_it_is_told_as_to_latent_consistency_models(width: int) -> None:
    scales = torch.tensor([1.0, 2.5, 8.0])
    theirs = LatentConsistencyModelPipeline.get_guidance_scale_embedding(None, scales - 1, width)
    torch.testing.assert_close(scale_embedding(scales, width), theirs)
