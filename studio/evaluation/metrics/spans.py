"""Places and spans of time that measures find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Span:
    """From `at_s`, for `length_s` seconds."""

    at_s: float
    length_s: float

    def as_json(self) -> dict[str, Any]:
        return {"at_s": round(self.at_s, 3), "length_s": round(self.length_s, 3)}


def runs(held: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where rows of True begin and end (the first that is not): [runs, 2]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2)
