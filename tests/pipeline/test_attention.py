"""The attention that a request names is the one that the model works with, whatever the sampler."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention

from studio.backends.base import Conditioning
from studio.backends.systems.tone import ToneBackend
from studio.core.attention import LiteFocusAttention, by_method
from studio.core.errors import InvalidRequestError
from studio.core.events import AudioChunk
from studio.core.request import GenerationRequest
from studio.modules.patches.framewise import framewise
from studio.pipeline.attention import SparseAttention
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import SavePoint
from studio.pipeline.renderer import Renderer
from studio.pipeline.start import FromCheckpoint
from tests.service.service_fakes import request

LITE = {"kind": "lite_focus", "ratio": 0.1}
MERGING = {"kind": "token_merging"}
WAYS = (LITE, MERGING, *(by_method(name).model_dump() for name in ("focus", "compensation", "tomesd")))
CLIP = {"kind": "clip", "steps": 3}
ANCESTRAL = {**CLIP, "method": "ddpm"}
ENDLESS = {"kind": "endless", "base_steps": 6, "group_size": 4, "buffer_frames": 4, "warmup_steps": 2}
CONCAT = {"kind": "concat", "steps": 2, "clip_s": 0.64}


class Unet(ToneBackend):
    """A tiny real U-Net, whose latents are what is heard."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.unet: Any = UNet2DConditionModel(
            sample_size=16, in_channels=8, out_channels=8, block_out_channels=(16, 32), layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=(16, 32),
            attention_head_dim=8, norm_num_groups=8,
        ).eval()  # fmt: skip
        self.seen: list[set[str]] = []

    def predict_noise(
        self, latents: torch.Tensor, timesteps: torch.Tensor, start_frame: int, conditioning: Conditioning
    ) -> torch.Tensor:
        """The U-Net's."""
        kinds = {
            type(module.processor).__name__ for module in self.unet.modules() if isinstance(module, Attention)
        }
        self.seen.append(kinds)
        with torch.no_grad(), framewise(self.unet):
            return self.unet(latents, timesteps, encoder_hidden_states=None).sample

    def decode(self, latents: torch.Tensor) -> np.ndarray:
        """Each frame's mean, held."""
        return latents[0].mean(dim=(0, 2)).repeat_interleave(self.geometry.hop_samples).numpy()


def sound(wanted: GenerationRequest, backend: ToneBackend) -> np.ndarray:
    events = Renderer()(wanted, backend, CancelToken())
    return np.concatenate([event.samples for event in events if isinstance(event, AudioChunk)])


@pytest.mark.parametrize("attention", WAYS)
@pytest.mark.parametrize("sampler", [CLIP, ANCESTRAL, ENDLESS, CONCAT])
def test_every_sampler_works_sparsely_and_leaves_the_model_dense(
    sampler: dict[str, Any], attention: dict[str, Any]
) -> None:
    backend = Unet()
    wanted = request(duration_s=1.6, seed=3, sampler={**sampler}, attention=attention)
    assert len(sound(wanted, backend)) == round(1.6 * 16000)
    assert all("_Processor" in kinds for kinds in backend.seen), "at every step"
    backend.seen.clear()
    sound(wanted.model_copy(update={"attention": request().attention}), backend)
    assert all("_Processor" not in kinds for kinds in backend.seen)


@pytest.mark.parametrize("sampler", [CLIP, ANCESTRAL])
@pytest.mark.parametrize("attention", [LITE, MERGING])
def test_the_seed_decides_what_is_drawn(attention: dict[str, Any], sampler: dict[str, Any]) -> None:
    backend = Unet()
    wanted = request(duration_s=1.6, seed=3, sampler=sampler, attention=attention)
    first = sound(wanted, backend)
    np.testing.assert_array_equal(first, sound(wanted, backend))
    assert np.abs(first - sound(wanted.model_copy(update={"seed": 4}), backend)).max() > 1e-3
    dense = sound(wanted.model_copy(update={"attention": request().attention}), backend)
    assert np.abs(first - dense).max() > 1e-5


def test_seed_step_and_place_each_decide_what_is_drawn() -> None:
    unet = Unet().unet
    latents = torch.randn(1, 8, 16, 16, generator=torch.Generator().manual_seed(0))

    def drawn(seed: int, timestep: int, start_frame: int) -> torch.Tensor:
        """The same latents at the same noise level: all that may differ is what was drawn."""
        sparse = SparseAttention(LiteFocusAttention(ratio=0.1), seed, SimpleNamespace(unet=unet))  # type: ignore[arg-type]
        with torch.no_grad(), sparse.step(16, torch.tensor([timestep]), start_frame):
            return unet(latents, 500, encoder_hidden_states=None).sample

    first = drawn(1, 500, 0)
    assert torch.equal(first, drawn(1, 500, 0))
    for other in (drawn(2, 500, 0), drawn(1, 501, 0), drawn(1, 500, 8)):
        assert not torch.equal(first, other)


def test_a_ratio_of_one_sounds_as_dense() -> None:
    backend = Unet()
    dense = request(duration_s=1.6, seed=3, sampler=CLIP)
    sparse = request(duration_s=1.6, seed=3, sampler=CLIP, attention={**LITE, "ratio": 1})
    np.testing.assert_allclose(sound(sparse, backend), sound(dense, backend), atol=1e-4)


def test_a_take_that_goes_on_draws_what_it_would_have_drawn() -> None:
    backend, renderer = Unet(), Renderer()
    sampler = {**ENDLESS, "strategy": "equal"}
    wanted = request(duration_s=None, seed=3, sampler=sampler, attention=LITE)
    latents: list[torch.Tensor] = []
    decoder = backend.stream_decoder

    def recording() -> Any:
        stream = decoder()
        push = stream.push
        stream.push = lambda part: (latents.append(part.clone()), push(part))[1]  # type: ignore[method-assign]
        return stream

    backend.stream_decoder = recording  # type: ignore[method-assign]
    with closing(renderer(wanted, backend, CancelToken())) as events:
        first = list(islice(events, 60))
    save = next(event for event in first if isinstance(event, SavePoint))
    whole = torch.cat(latents, dim=2)
    latents.clear()
    with closing(renderer(wanted, backend, CancelToken(), None, FromCheckpoint(save.checkpoint))) as events:
        list(islice(events, 30))
    rest = torch.cat(latents, dim=2)
    at = next(i for i in range(whole.shape[2]) if torch.equal(whole[:, :, i], rest[:, :, 0]))
    count = min(whole.shape[2] - at, rest.shape[2])
    assert count > 8
    assert torch.equal(whole[:, :, at : at + count], rest[:, :, :count])


@pytest.mark.parametrize(
    ("attention", "backend", "said"),
    [
        (LITE, ToneBackend(), "no attention to make sparse"),
        (MERGING, ToneBackend(), "no attention to make sparse"),
        ({**LITE, "blocks": ["down1"]}, Unet(), "choose from down2, mid, up2"),
    ],
)
def test_what_the_model_lacks_is_said_before_the_first_step(
    attention: dict[str, Any], backend: ToneBackend, said: str
) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        sound(request(duration_s=1.6, sampler=CLIP, attention=attention), backend)


@pytest.mark.parametrize(
    ("attention", "said"),
    [
        ({**LITE, "ratio": 0}, "LiteFocus share r"),
        ({**LITE, "ratio": 1.01}, "LiteFocus share r"),
        ({**LITE, "ratio": "much"}, "LiteFocus share r must be 'auto', or a share"),
        ({**LITE, "ratio": float("nan")}, "LiteFocus share r"),
        ({**LITE, "focus": False, "compensation": False}, "switch one on"),
        ({**LITE, "blocks": ["attic"]}, "Blocks"),
        ({**MERGING, "ratio": 1.0}, "Token merging share"),
    ],
)
def test_values_out_of_bounds_are_one_sentence(attention: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        request(attention=attention)
