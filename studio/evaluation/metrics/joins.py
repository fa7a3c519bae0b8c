"""What is measured of a join: the middle of a window of sound, beside its two halves."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from studio.core.audio import SAMPLE_RATE
from studio.dsp.mel import log_mel
from studio.evaluation.embedders.base import Samples, Vectors

WINDOW_S = 2.0
MEL_FRAMES_A_STEP = 4  # 40 ms, a latent frame
BESIDE = 3  # steps around the middle that count neither as the join nor as the rest
Floats = NDArray[np.float64]


def described(course: Vectors) -> Floats:
    """An embedder's course [moments, D] over a window, its join in the middle → a row [3 D].

    What there is in all (the maximum, which is the window's own embedding), and what differs across the join:
    between the two moments before and behind it, and between the halves. The moment that holds it counts to
    neither side.

    Raises:
        ValueError: fewer than five moments.
    """
    held = course.astype(np.float64)
    middle = len(held) // 2
    if len(held) < 5:
        raise ValueError(f"{len(held)} moments are too few for two sides")
    near = held[middle - 2 : middle].mean(axis=0) - held[middle + 1 : middle + 3].mean(axis=0)
    far = held[:middle].mean(axis=0) - held[middle + 1 :].mean(axis=0)
    return np.concatenate([held.max(axis=0), np.abs(near), np.abs(far)])


def step(samples: Samples) -> float:
    """How large a window's step in its middle is beside its others: the log-mel's, in means of 40 ms.

    The largest of the three steps around the middle, over the mean of what the same comes to elsewhere in the
    window; a window of which nothing changes has 1.

    Args:
        samples: 2 s [32000] at 16 kHz.
    """
    mel = log_mel(torch.from_numpy(np.ascontiguousarray(samples, np.float32))).numpy().astype(np.float64)
    count = len(mel) // MEL_FRAMES_A_STEP
    frames = mel[: count * MEL_FRAMES_A_STEP].reshape(count, MEL_FRAMES_A_STEP, -1).mean(axis=1)
    steps = np.sqrt(np.square(np.diff(frames, axis=0)).mean(axis=1))
    largest = np.maximum(np.maximum(steps[:-2], steps[1:-1]), steps[2:])
    middle = count // 2 - 2  # its three are around the step from the first half to the second
    rest = np.concatenate([largest[: middle - BESIDE], largest[middle + BESIDE + 1 :]])
    return float((largest[middle] + 1e-6) / (rest.mean() + 1e-6))


def level_alike(samples: Samples, level: float = 0.05) -> Samples:
    """A window [n] brought to one root of its mean square; silence stays."""
    power = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    return samples * np.float32(level / power if power > 0 else 1.0)


def around(samples: Samples, middle: int) -> Samples:
    """The window [32000] of a sound at 16 kHz whose middle is a sample of it.

    Raises:
        ValueError: it isn't whole.
    """
    half = round(WINDOW_S * SAMPLE_RATE / 2)
    if middle < half or middle + half > len(samples):
        raise ValueError(f"no whole window around sample {middle} of {len(samples)}")
    return samples[middle - half : middle + half]


def around_end(samples: Samples) -> Samples:
    """The window in whose middle a loop's end meets its beginning."""
    half = round(WINDOW_S * SAMPLE_RATE / 2)
    return np.concatenate([samples[-half:], samples[:half]])


def cut(first: Samples, second: Samples, middle: int) -> Samples:
    """One sound up to a sample, the other from there on."""
    return np.concatenate([first[:middle], second[middle:]])


def crossfaded(first: Samples, second: Samples, middle: int, seconds: float) -> Samples:
    """As `cut`, at equal power over so many seconds around the sample."""
    half = round(seconds * SAMPLE_RATE / 2)
    angles = np.linspace(0, np.pi / 2, 2 * half)
    span = slice(middle - half, middle + half)
    across = first[span] * np.cos(angles) + second[span] * np.sin(angles)
    joined = np.concatenate([first[: span.start], across, second[span.stop :]])
    return np.asarray(joined, np.float32)
