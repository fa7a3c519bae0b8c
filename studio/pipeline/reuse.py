"""Which steps of a clip let the deep levels of its U-Net work, and which take what those gave before."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn


class DeepReuse:
    """Patches the model for one step at a time; what is kept is of one run, and of as many items.

    Of every `period` steps the first is fresh: at 1 all are. So is one at which another run begins, whose
    noise isn't less than the last step's, and one of another size, as where guidance begins or ends.
    """

    def __init__(self, period: int, unet: nn.Module | None) -> None:
        """Look at the model's U-Net.

        Raises:
            InvalidRequestError: it has no deep levels.
        """
        self._period = period
        self._unet = unet
        self._kept: list[Tensor] = []
        self._since = 0  # steps since the last fresh one, which counts
        self._last: tuple[torch.Size, int] | None = None  # size and timestep of the step before
        if period > 1:
            # diffusers takes seconds to load, and a take that reuses nothing asks for none.
            from studio.modules.patches.deep_cache import require_levels

            require_levels(unet)

    def step(self, latents: Tensor, timesteps: Tensor) -> AbstractContextManager[nn.Module | None]:
        """The patched model for all forwards of a step over latents [B, C, T, F] at timesteps [B].

        Raises:
            ValueError: the frames have timesteps of their own, as in a queue that moves on: what was kept of
                a frame is then no longer its place's.
        """
        if self._period == 1:
            return nullcontext(self._unet)
        if timesteps.ndim > 1:
            raise ValueError("deep levels are reused where all frames are of one timestep")
        from studio.modules.patches.deep_cache import deep_cache

        size, timestep = latents.shape, int(timesteps.max())
        goes_on = self._last is not None and self._last[0] == size and timestep < self._last[1]
        fresh = not goes_on or self._since >= self._period
        self._since = 1 if fresh else self._since + 1
        self._last = size, timestep
        return deep_cache(self._unet, self._kept, fresh=fresh)
