"""Noise with a share redrawn: the same take again, or nearly."""

from __future__ import annotations

import math

from torch import Tensor


def varied(old: Tensor, fresh: Tensor, share: float) -> Tensor:
    """a · old + b · fresh, with a² + b² = 1 and b = `share`, so that Gaussian noise stays Gaussian.

    Args:
        old: noise [B, C, T, F].
        fresh: independent noise, shaped alike.
        share: 0 is `old`, bit for bit, and 1 is `fresh`.

    Returns:
        Noise [B, C, T, F].

    Raises:
        ValueError: a share outside 0 to 1, or no number.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share of noise is 0 to 1, not {share}")
    if share in (0, 1):
        return fresh if share else old
    return math.sqrt(1 - share**2) * old + share * fresh
