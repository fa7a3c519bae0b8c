"""The attention that a take asks for, put into the model for each denoising step."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from studio.core.attention import Attention, DenseAttention
from studio.core.errors import InvalidRequestError
from studio.core.values import FRAME_S

if TYPE_CHECKING:
    from studio.backends.base import Backend


class SparseAttention:
    """Patches the model for one step at a time, so that one loaded model serves any takes in turn.

    What a step draws at random follows from the take's seed and the step's place alone: a take that goes
    on from a save point draws what it would have drawn.
    """

    def __init__(self, wanted: Attention, seed: int, backend: Backend) -> None:
        """Look at the model.

        Raises:
            InvalidRequestError: the model has no such attention to make sparse.
        """
        self._wanted = wanted
        self._seed = seed
        self._unet = backend.unet
        if isinstance(self._wanted, DenseAttention):
            return
        if self._unet is None:
            raise InvalidRequestError("This model has no attention to make sparse: choose dense.")
        # diffusers takes seconds to load, and a dense take of a model without it asks for none.
        from studio.modules.blocks import choose_blocks

        choose_blocks(self._unet, self._wanted.blocks)

    def step(
        self, frames: int, timesteps: Tensor, start_frame: int
    ) -> AbstractContextManager[nn.Module | None]:
        """The patched model for one call over `frames` latent frames."""
        wanted, unet = self._wanted, self._unet
        if isinstance(wanted, DenseAttention) or unet is None:
            return nullcontext(unet)
        from studio.modules.patches.methods import attending

        place = (start_frame << 10) + int(timesteps.max())
        generator = torch.Generator().manual_seed((self._seed * 1_000_003 + place) & 0x7FFF_FFFF_FFFF_FFFF)
        return attending(unet, wanted, generator, frames * FRAME_S)
