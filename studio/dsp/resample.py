"""A change of sample rate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from studio.core.audio import SAMPLE_RATE

_REACH = 10  # periods of the lower rate that `resample_poly`'s filter looks to either side


def resample(
    samples: NDArray[np.float32], sample_rate: int, target_rate: int = SAMPLE_RATE
) -> NDArray[np.float32]:
    """Samples [n] at `sample_rate` → at `target_rate`, 16 kHz by default, band-limited (polyphase)."""
    if sample_rate == target_rate or not len(samples):
        return samples
    from scipy.signal import resample_poly  # takes longer to import than the page has

    up, down = ratio(sample_rate, target_rate)
    return resample_poly(samples, up, down).astype(np.float32)


def decimate(samples: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Samples [n] → every `factor`-th [⌈n / factor⌉] of what lies below half the lower rate, up to 97 % of
    which stays as it is (a Kaiser window's filter, −80 dB from 103 % on).

    A mel of what comes out sees its highest bands whole, where `resample` would have dulled them.
    """
    if factor == 1 or not len(samples):
        return samples
    from scipy.signal import firwin, resample_poly

    taps = firwin(200 * factor + 1, 1 / factor, window=("kaiser", 8.0))
    return resample_poly(samples, 1, factor, window=taps).astype(np.float32)


def resample_blocks(
    blocks: Iterable[NDArray[np.float64]], channels: int, sample_rate: int, target_rate: int
) -> Iterator[NDArray[np.float64]]:
    """Blocks [n, channels] → at another rate, by soxr's VHQ: within 0.01 dB up to 91 % of the lower
    rate's half, what aliases 120 dB down, no shift in time. At constant memory; before the first and after
    the last is silence.
    """
    import soxr

    stream = soxr.ResampleStream(sample_rate, target_rate, channels, dtype="float64", quality="VHQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block))
    yield stream.resample_chunk(np.zeros((0, channels)), last=True)


def ratio(sample_rate: int, target_rate: int) -> tuple[int, int]:
    """By how much the rate goes up and down between two, in lowest terms."""
    common = math.gcd(sample_rate, target_rate)
    return target_rate // common, sample_rate // common


def resample_stream(
    blocks: Iterable[NDArray[np.float32]], sample_rate: int, target_rate: int, chunk_s: float = 10.0
) -> Iterator[NDArray[np.float32]]:
    """Blocks [n] of any lengths → the samples of `resample` of them joined, at constant memory.

    Each chunk is resampled with as much beside it as the filter reaches, from a place where both rates have a
    sample.
    """
    up, down = ratio(sample_rate, target_rate)
    unit = down  # samples of the source after which both grids meet again
    beside = -(-(_REACH * max(up, down) // up + 1) // unit) * unit
    chunk = max(1, round(chunk_s * sample_rate / unit)) * unit
    held = np.zeros(beside, np.float32)  # silence before the beginning, as `resample` has it
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) >= chunk + 2 * beside:
            yield _inner(held[: chunk + 2 * beside], sample_rate, target_rate, beside, chunk)
            held = held[chunk:]
    if rest := len(held) - beside:
        padded = np.concatenate([held, np.zeros(beside, np.float32)])
        yield _inner(padded, sample_rate, target_rate, beside, rest)


def _inner(
    samples: NDArray[np.float32], sample_rate: int, target_rate: int, beside: int, count: int
) -> NDArray[np.float32]:
    """Resampled, without what stands for `beside` samples on the left and for all behind the next `count`."""
    up, down = ratio(sample_rate, target_rate)
    first = beside * up // down
    return resample(samples, sample_rate, target_rate)[first : first - (-count * up // down)]
