"""Cross-attention in a band: what is said at a place is read from the content frames around that place.

VoiceLDM's content frames have no order for its U-Net but the one that attention learnt. Where a model was
trained with a band, content frame j belongs to latent frame j, so any window of an endless take can be given
the content of its own place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F

from studio.modules.blocks import transformers

_CONTENT_POSITION = 2  # forward(sample, timestep, encoder_hidden_states, …)


@contextmanager
def content_band(unet: nn.Module, frames_each_side: int) -> Iterator[nn.Module]:
    """Let a latent position attend only to content within so many latent frames; afterwards all is as it was.

    A level with T_l of the T frames puts its frame i at (i + ½)·T/T_l and content frame j at j + ½, and lets
    them meet where they are at most `frames_each_side` + ½·T/T_l apart. Content of one frame stands for that
    frame everywhere. Gradients flow; patches of self-attention go beside it.

    Args:
        unet: a `UNet2DConditionModel` for samples [B, C, T, F], whose `encoder_hidden_states` are the content
            [B, T, D] or [B, 1, D].
        frames_each_side: of the latents, 0 or more.

    Yields:
        The same U-Net. Its forward raises ValueError for content of another length.
    """
    window = _Window()
    with ExitStack() as undo:
        undo.callback(unet.register_forward_pre_hook(window.before_call, with_kwargs=True).remove)
        for transformer in (t for inside in transformers(unet).values() for t in inside):
            level = _Level(window, frames_each_side)
            hook = transformer.register_forward_pre_hook(level.before, with_kwargs=True)
            undo.callback(hook.remove)
            for attention in transformer.modules():
                if isinstance(attention, Attention) and attention.is_cross_attention:
                    before = attention.processor
                    attention.set_processor(_Banded(level, before))
                    undo.callback(attention.set_processor, before)
        yield unet


class _Window:
    """The latent frames of the call that is being made."""

    def __init__(self) -> None:
        self.frames = 0

    def before_call(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        sample: Tensor = args[0] if args else kwargs["sample"]
        self.frames = sample.shape[2]
        content = (
            args[_CONTENT_POSITION] if len(args) > _CONTENT_POSITION else kwargs["encoder_hidden_states"]
        )
        if content.shape[1] not in (1, self.frames):
            raise ValueError(
                f"{content.shape[1]} content frames for {self.frames} frames; give as many, or one"
            )


class _Level:
    """The frames and bands of one transformer, and which content they may read."""

    def __init__(self, window: _Window, reach: int) -> None:
        self.window = window
        self.reach = reach
        self.frames = 0
        self.bands = 0

    def before(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        sample: Tensor = args[0] if args else kwargs["hidden_states"]
        self.frames, self.bands = sample.shape[2], sample.shape[3]

    @property
    def is_own(self) -> bool:
        """Whether each token may read just the content frames that lie under its own frame."""
        return self.reach == 0 and self.window.frames % self.frames == 0

    def allowed(self, device: torch.device) -> Tensor:
        """Which content frames each token may read: bool [T_l · bands, T]."""
        share = self.window.frames / self.frames
        places = (torch.arange(self.frames, device=device) + 0.5) * share
        content = torch.arange(self.window.frames, device=device) + 0.5
        near = (places[:, None] - content).abs() <= self.reach + share / 2
        return near.repeat_interleave(self.bands, dim=0)


class _Banded:
    """A diffusers attention processor for attention to content, of one frame for each of the latents."""

    def __init__(self, level: _Level, before: Any) -> None:
        self._level, self._before = level, before

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        if encoder_hidden_states.shape[1] == 1:  # whatever is near, there is only this
            return self._before(attn, hidden_states, encoder_hidden_states, attention_mask, temb, **kwargs)
        query, key, value = (
            states.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for states in (
                attn.to_q(hidden_states),
                attn.to_k(encoder_hidden_states),
                attn.to_v(encoder_hidden_states),
            )
        )
        if self._level.is_own:
            attended = _own_frames(query, key, value, self._level.frames)
        else:
            allowed = self._level.allowed(query.device)
            attended = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        return attn.to_out[1](attn.to_out[0](attended.transpose(1, 2).flatten(2).to(hidden_states)))


def _own_frames(query: Tensor, key: Tensor, value: Tensor, frames: int) -> Tensor:
    """Attention where each token reads the content under its own frame alone, without asking for the rest.

    Args:
        query: of tokens [B, H, frames · bands, D].
        key, value: of content [B, H, n · frames, D]; n frames lie under each of the level's.

    Returns:
        [B, H, frames · bands, D], as attention under the mask of `_Level.allowed` gives it.
    """
    query = query.unflatten(2, (frames, -1))
    key, value = key.unflatten(2, (frames, -1)), value.unflatten(2, (frames, -1))
    if key.shape[3] == 1:
        attended = value.expand_as(query)
    else:
        # Few keys: sums over them are quicker than matrices of such sizes.
        scores = torch.einsum("bhtqd,bhtkd->bhtqk", query, key) * query.shape[-1] ** -0.5
        attended = torch.einsum("bhtqk,bhtkd->bhtqd", scores.softmax(dim=-1), value)
    return attended.flatten(2, 3)
