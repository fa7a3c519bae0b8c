"""Where a model looks, of the queue alone: the buffer has left the noise ramp."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from studio.core.events import AttentionMap
from studio.core.sampling import EndlessSampler
from studio.pipeline.cancel import CancelToken
from studio.pipeline.renderer import Renderer
from studio.testing import FakeBackend
from tests.service.service_fakes import request

ENDLESS = MappingProxyType(
    {
        "kind": "endless", "base_steps": 6, "skip_factor": 1, "group_size": 2, "warmup_steps": 2,
        "buffer_frames": 4, "attention_interval": 1,
    }
)  # fmt: skip
WINDOW, BUFFER = 16, 4


class Looking(nn.Module):
    """Self-attention whose every query looks alike at each of the window's frames: as much as it is told."""

    heads, norm_q, norm_k = 1, None, None

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.to_q, self.to_k = nn.Identity(), nn.Identity()
        self._logits = weights.log()

    def look(self, frames: int, bands: int) -> None:
        self.to_q(torch.ones(1, frames * bands, 1))
        self.to_k(self._logits[:frames].repeat_interleave(bands)[None, :, None])


class LookingBackend(FakeBackend):
    """Looks at the window's frames by these weights [T]."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self._looking = Looking(weights)

    def predict_noise(self, latents: torch.Tensor, *told: Any) -> torch.Tensor:
        self._looking.look(latents.shape[2], self.geometry.bands)
        return super().predict_noise(latents, *told)

    def attention_layers(self) -> list[nn.Module]:
        return [self._looking]


def looking_at(**thirds: float) -> torch.Tensor:
    """Weights [16] of a window whose buffer gets ten times what the queue's most looked at third does."""
    weights = torch.ones(WINDOW)
    weights[:BUFFER] = 10 * max(thirds.values())
    for place, name in enumerate(("initial", "middle", "final")):
        weights[BUFFER + 4 * place : BUFFER + 4 * (place + 1)] = thirds.get(name, 1.0)
    return weights


@pytest.mark.parametrize(
    ("region", "strategy"), [("initial", "last"), ("middle", "middle"), ("final", "initial")]
)
def test_a_models_strategy_is_chosen_by_the_queue_alone(region: str, strategy: str) -> None:
    backend = LookingBackend(looking_at(**{region: 2.0}))
    sampler = request(sampler=dict(ENDLESS)).sampler
    assert isinstance(sampler, EndlessSampler)
    assert Renderer().strategy(backend, sampler, CancelToken()) == strategy


def test_a_maps_regions_are_the_buffer_and_the_queues_thirds() -> None:
    weights = looking_at(final=3.0)
    wanted = request(duration_s=0.5, sampler={**ENDLESS, "strategy": "equal"})
    events = Renderer()(wanted, LookingBackend(weights), CancelToken())
    maps = [event for event in events if isinstance(event, AttentionMap)]
    assert len(maps) > 2
    for seen in maps:
        assert seen.regions == {
            "buffer": (0, BUFFER),
            "initial": (BUFFER, 8),
            "middle": (8, 12),
            "final": (12, WINDOW),
        }
        np.testing.assert_allclose(seen.weights, (weights / weights.sum()).expand(WINDOW, -1), rtol=1e-4)


def test_without_a_buffer_there_is_no_such_region() -> None:
    sampler = {**ENDLESS, "strategy": "equal", "buffer_frames": 0}
    events = Renderer()(
        request(duration_s=0.5, sampler=sampler), LookingBackend(torch.ones(12)), CancelToken()
    )
    regions = next(event for event in events if isinstance(event, AttentionMap)).regions
    assert regions == {"initial": (0, 4), "middle": (4, 8), "final": (8, 12)}
