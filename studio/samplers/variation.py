"""Noise with a share redrawn: the same take again, or nearly."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

_SHARE = struct.Struct("<d")


def varied(old: Tensor, fresh: Tensor, share: float) -> Tensor:
    """a · old + b · fresh, with a² + b² = 1 and b = `share`, so that Gaussian noise stays Gaussian.

    Args:
        old: noise of any shape.
        fresh: independent noise, shaped alike.
        share: 0 is `old`, bit for bit, and 1 is `fresh`.

    Returns:
        Noise of the same shape.

    Raises:
        ValueError: a share outside 0 to 1, or no number.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share of noise is 0 to 1, not {share}")
    if share in (0, 1):
        return fresh if share else old
    return math.sqrt(1 - share**2) * old + share * fresh


@dataclass(frozen=True)
class Varied:
    """Draws what `old` draws, a `share` of it redrawn by `fresh`; both are CPU generators."""

    old: torch.Generator
    fresh: torch.Generator
    share: float = field(default=0.0)

    @classmethod
    def of(cls, seed: int, fresh_seed: int, share: float) -> Varied:
        """The draws of one seed, a share of them another's."""
        return cls(torch.Generator().manual_seed(seed), torch.Generator().manual_seed(fresh_seed), share)

    def get_state(self) -> Tensor:
        """Bytes [n] that `source_of` reads: the states of both, and the share."""
        share = torch.frombuffer(bytearray(_SHARE.pack(self.share)), dtype=torch.uint8)
        return torch.cat([self.old.get_state(), self.fresh.get_state(), share])


Noise: TypeAlias = torch.Generator | Varied
"""What noise is drawn from."""


def gaussian(shape: Sequence[int], source: Noise, dtype: torch.dtype = torch.float32) -> Tensor:
    """Noise of this shape, drawn on the CPU, so that a seed gives the same on every device."""
    if isinstance(source, torch.Generator):
        return torch.randn(tuple(shape), generator=source, dtype=dtype)
    old, fresh = (torch.randn(tuple(shape), generator=one, dtype=dtype) for one in (source.old, source.fresh))
    return varied(old, fresh, source.share)


def source_of(state: Tensor) -> Noise:
    """What goes on from the state of either kind.

    Raises:
        RuntimeError, ValueError, TypeError: it is no state.
    """
    size = len(torch.Generator().get_state())
    if len(state) != 2 * size + _SHARE.size:
        return torch.Generator().set_state(state)
    (share,) = _SHARE.unpack(bytes(state[2 * size :].tolist()))
    if not 0 <= share <= 1:
        raise ValueError(f"a share of noise is 0 to 1, not {share}")
    old, fresh = (
        torch.Generator().set_state(part.clone()) for part in (state[:size], state[size : 2 * size])
    )
    return Varied(old, fresh, share)
