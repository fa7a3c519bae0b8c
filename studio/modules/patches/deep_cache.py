"""What a U-Net's deep levels gave in one step, taken again in the next (DeepCache, Ma et al. 2024).

From a step to the next the coarse levels change least, and cost most: the attentions of AudioLDM 2 all lie
there. A step that reuses them works through the finest level alone: its down block on the new latents, whose
skips are new, and its up block, which joins them to what the levels below gave before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from studio.core.errors import InvalidRequestError

NO_LEVELS = "This model has no deep levels to reuse: make every step anew."


def require_levels(unet: Any) -> None:
    """Raise `InvalidRequestError` where there is no U-Net, or one of a single level."""
    if unet is None or len(unet.down_blocks) < 2:
        raise InvalidRequestError(NO_LEVELS)


@contextmanager
def deep_cache(unet: Any, kept: list[Tensor], *, fresh: bool) -> Iterator[nn.Module]:
    """Keep what the levels below the finest give, or give it once more; afterwards the model is what it was.

    A step may take several forwards: each finds what the forward of its place kept.

    Args:
        unet: a `UNet2DConditionModel` or `AudioLDM2UNet2DConditionModel`, for samples [B, C, T, F].
        kept: what the deep levels gave, [B, W, T, F] of each forward. A fresh step writes it anew, another
            reads it.
        fresh: whether the deep levels work.

    Yields:
        The same U-Net. In a step that isn't fresh its forward raises ValueError where fewer were kept, or
        samples of other sizes.

    Raises:
        InvalidRequestError: it has a single level.
    """
    require_levels(unet)
    with ExitStack() as undo:
        if fresh:
            kept.clear()
            keep = unet.up_blocks[-2].register_forward_hook(lambda _, __, given: kept.append(given))
            undo.callback(keep.remove)
        else:
            taken = iter(list(kept))
            for block, forward in _idle(unet, taken).items():
                undo.callback(_replace_forward(block, forward))
        yield unet


def _idle(unet: Any, kept: Iterator[Tensor]) -> dict[nn.Module, Callable[..., Any]]:
    """What each deep part does in place of its work: hand on, but for the last, which gives what was kept."""
    finest, *deep = unet.down_blocks
    instead: dict[nn.Module, Callable[..., Any]] = dict.fromkeys(finest.downsamplers or (), _hand_on)
    instead |= {block: _skips_of(block) for block in deep}
    if unet.mid_block is not None:
        instead[unet.mid_block] = _hand_on
    instead |= dict.fromkeys(unet.up_blocks[:-2], _hand_on)

    def give(hidden_states: Tensor, **_: Any) -> Tensor:
        given = next(kept, None)
        if given is None or len(given) != len(hidden_states) or given.shape[2:] != hidden_states.shape[2:]:
            raise ValueError("this forward is not of the kept one's size: let it be fresh")
        return given

    return instead | {unet.up_blocks[-2]: give}


def _hand_on(hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
    return hidden_states


def _skips_of(block: Any) -> Callable[..., Any]:
    """A down block that does nothing and gives as many skips as ever, for blocks that don't read them."""
    count = len(block.resnets) + len(block.downsamplers or ())

    def forward(hidden_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        return hidden_states, (hidden_states,) * count

    return forward


def _replace_forward(module: nn.Module, forward: Callable[..., Any]) -> Callable[[], None]:
    """Patch one module; calling the result undoes it."""
    before = vars(module).get("forward")  # an instance's own forward, as other patches leave one

    def undo() -> None:
        if before is None:
            del module.forward
        else:
            module.forward = before

    module.forward = forward
    return undo
