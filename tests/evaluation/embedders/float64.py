"""Networks' layers once more, in float64 and in NumPy alone: what ours are compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
State = dict[str, Floats]


def conv(x: Floats, weight: Floats, bias: Floats | float = 0.0) -> Floats:
    """[C, H, W] by [D, C, 3, 3] → [D, H, W], zeros beyond the edges."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    out = np.zeros((len(weight), *x.shape[1:]))
    for i in range(3):
        for j in range(3):
            part = padded[:, i : i + x.shape[1], j : j + x.shape[2]]
            out += np.einsum("dc,chw->dhw", weight[:, :, i, j], part)
    return out + np.reshape(bias, (-1, 1, 1))


def norm(x: Floats, state: State, name: str) -> Floats:
    """Batch normalisation [C, ...] by what was learnt."""
    shape = (-1,) + (1,) * (x.ndim - 1)
    scale = state[f"{name}.weight"] / np.sqrt(state[f"{name}.running_var"] + 1e-5)
    shift = state[f"{name}.bias"] - state[f"{name}.running_mean"] * scale
    return x * scale.reshape(shape) + shift.reshape(shape)


def pool(x: Floats, kind: str, size: int = 2) -> Floats:
    """[C, H, W] → [C, H // size, W // size]."""
    h, w = x.shape[1] // size, x.shape[2] // size
    tiles = x[:, : h * size, : w * size].reshape(len(x), h, size, w, size)
    return tiles.max(axis=(2, 4)) if kind == "max" else tiles.mean(axis=(2, 4))


def block(x: Floats, state: State, name: str, size: int, kind: str) -> Floats:
    """Two convolutions, normalised and rectified, and a pool."""
    for i in (1, 2):
        x = np.maximum(norm(conv(x, state[f"{name}.conv{i}.weight"]), state, f"{name}.bn{i}"), 0.0)
    return pool(x, kind, size)


def power(samples: Floats, window: Floats, hop: int, fft: int | None = None) -> Floats:
    """The squared magnitudes [frames, bins] of windows that lie within, by the sum itself."""
    n = fft or len(window)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(len(window)), np.arange(n // 2 + 1)) / n)
    starts = range(0, len(samples) - len(window) + 1, hop)
    return np.abs(np.array([samples[s : s + len(window)] * window for s in starts]) @ turns) ** 2


def random_state(network: object, seed: int = 0) -> State:
    """Weights for each tensor of a torch network, small, its variances positive."""
    rng = np.random.default_rng(seed)
    made: State = {}
    for name, value in network.state_dict().items():  # type: ignore[attr-defined]
        if name.endswith("num_batches_tracked"):
            made[name] = np.zeros((), np.int64)
        elif name.endswith("running_var"):
            made[name] = rng.uniform(0.5, 1.5, tuple(value.shape))
        else:
            made[name] = rng.standard_normal(tuple(value.shape)) * 0.3
    return made
