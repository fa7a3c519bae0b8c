"""Another processor in the self-attentions of chosen blocks, for as long as a context lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from studio.modules.blocks import choose_blocks

# (attention, its tokens [B, N, W], frames, bands, the processor it had) → [B, N, W]
SelfAttention = Callable[[Attention, Tensor, int, int, Any], Tensor]


@contextmanager
def patched_attention(unet: nn.Module, blocks: Sequence[str], compute: SelfAttention) -> Iterator[nn.Module]:
    """Let `compute` do the self-attention of these blocks; attention to text stays as it is.

    Raises:
        InvalidRequestError: the U-Net lacks one of the blocks (`modules.blocks`).
    """
    chosen = choose_blocks(unet, blocks)
    patched: set[Attention] = set()  # a transformer that is attached to another is found in both
    with ExitStack() as undo:
        for transformer in (t for inside in chosen.values() for t in inside):
            grid = _Grid()
            # The attentions see only how many tokens there are: the transformer sees their frames and bands.
            undo.callback(transformer.register_forward_pre_hook(grid.before, with_kwargs=True).remove)
            for attention in transformer.modules():
                if isinstance(attention, Attention) and attention not in patched:
                    patched.add(attention)
                    before = attention.processor
                    attention.set_processor(_Processor(grid, compute, before))
                    undo.callback(attention.set_processor, before)
        yield unet


class _Grid:
    """The shape of the sample [B, C, frames, bands] that a transformer was given last."""

    def __init__(self) -> None:
        self.frames = 0
        self.bands = 0

    def before(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        sample: Tensor = args[0] if args else kwargs["hidden_states"]
        self.frames, self.bands = sample.shape[2], sample.shape[3]


class _Processor:
    """A diffusers attention processor: ours where an attention sees its own tokens, else the one before."""

    def __init__(self, grid: _Grid, compute: SelfAttention, before: Any) -> None:
        self._grid, self._compute, self._before = grid, compute, before

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        if encoder_hidden_states is not None or attention_mask is not None:
            return self._before(attn, hidden_states, encoder_hidden_states, attention_mask, temb, **kwargs)
        return self._compute(attn, hidden_states, self._grid.frames, self._grid.bands, self._before)


def project(attn: Attention, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens [B, N, W] → query, key and value [B, N, H, D]."""
    query, key, value = (
        project(tokens).unflatten(-1, (attn.heads, -1)) for project in (attn.to_q, attn.to_k, attn.to_v)
    )
    if attn.norm_q is not None:
        query = attn.norm_q(query)
    if attn.norm_k is not None:
        key = attn.norm_k(key)
    return query, key, value
