"""How far two channels part, after the sound was made: mid and side, of which the side is scaled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def narrowed(samples: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Two channels [n, 2] with `width` of their side, left = mid + width · side, right = mid − width · side.

    At 1 they are what they were, to the bit; at 0 both are their mean. No sample gets larger than the larger
    of its two was.
    """
    if width == 1:
        return samples
    middle = (samples[:, :1] + samples[:, 1:]) / 2
    return middle + width * (samples - middle)
