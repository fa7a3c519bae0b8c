"""What a study of a take's attention shows: one token's view, and whether sparse attention would keep it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class AttentionView:
    """Where one token attends, by the mean over a block's self-attentions and their heads.

    `weights` and `focus` (whether the focus set holds it) are [frames, bands]; `pattern` [n, n] are the
    weights among the tokens around it, from token `first` on, flattened time-major.
    """

    block: str
    frame_s: float
    edges_hz: tuple[float, ...]  # of the bands, one more than there are
    frame: int
    band: int
    weights: NDArray[np.float32]
    focus: NDArray[np.bool_]
    pattern: NDArray[np.float32]
    first: int

    @property
    def share(self) -> float:
        """How much of the token's attention its focus set holds."""
        return float(self.weights[self.focus].sum())

    @property
    def size(self) -> float:
        """How many of the tokens its focus set holds, as a share."""
        return float(self.focus.mean())


@dataclass(frozen=True)
class FocusShares:
    """The attention inside the focus sets: `kept` [blocks, timesteps]; by chance it were `size` [blocks]."""

    blocks: tuple[str, ...]
    timesteps: tuple[int, ...]
    kept: NDArray[np.float32]
    size: NDArray[np.float32]


@dataclass(frozen=True)
class DraftAttention:
    """How a block's frames attend to the frames of the draft: `weights` [frames, acoustic frames].

    At `step` of `steps`, the first being the noisiest. `duration_s` and `draft_s` are what is shown of the
    take and of the draft; `blocks` hear the draft.
    """

    block: str
    blocks: tuple[str, ...]
    step: int
    steps: int
    duration_s: float
    draft_s: float
    weights: NDArray[np.float32]
