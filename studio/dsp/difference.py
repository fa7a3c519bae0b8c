"""Where two sounds differ: their spectrograms subtracted, once one lies where it fits the other best.

Columns and bands are those of `spectrogram`, so that the picture lies under theirs. What both have below the
floor is silence to the ear, and no difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from studio.dsp.spectrogram import (
    CEILING_DB,
    COLUMNS_PER_S,
    FLOOR_DB,
    N_BANDS,
    SpectrogramStream,
    band_centres_hz,
)

SPAN_DB = 24.0  # at the ends of the scale
HEARD_DB = -70.0  # what lies below is as good as silent
MOST_LAG_S = 10.0
LIKENESS = 0.5  # of two sounds, from 0 to 1, for one to be moved to where it fits the other
_AS_GOOD = 0.98  # of the best likeness: of such places the nearest is meant (a tone fits at every period)
_BLOCK_S = 5.0
_PLACE_COLUMNS = 25  # that a place is the mean of
_PLACE_DB = 6.0
_APART_COLUMNS = 100
_NEAR_BANDS = 3  # on either side of one that was told of
_EDGE_COLUMNS = 3  # whose windows reach beyond the sound

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Place:
    """Where two sounds differ much: at a second of the first, around a frequency, by so many decibels."""

    at_s: float
    hz: float
    db: float  # above 0 the second is louder


@dataclass(frozen=True)
class Difference:
    """Decibels [columns, 64] that the second sound is louder than the first, low bands first.

    The first column is at `from_s` of the first sound, and `lag_s` later in the second.
    """

    decibels: NDArray[np.float32]
    from_s: float
    lag_s: float
    top_hz: float

    @property
    def length_s(self) -> float:
        return len(self.decibels) / COLUMNS_PER_S

    def alike(self, within_db: float = 3.0) -> float:
        """The share of the picture, from 0 to 1, where both are alike within so many decibels."""
        return float((np.abs(self.decibels) <= within_db).mean()) if self.decibels.size else 1.0

    def places(self, most: int = 4) -> list[Place]:
        """Where they differ most, the largest first, a second apart or more; in bands told of already
        only where it is four times what is left elsewhere.
        """
        if not self.decibels.size:
            return []
        from scipy.ndimage import uniform_filter  # takes longer to import than the page has

        centres = band_centres_hz(round(2 * self.top_hz))
        left = uniform_filter(self.decibels, (_PLACE_COLUMNS, 1), mode="nearest")
        found: list[Place] = []
        while len(found) < most:
            column, band = np.unravel_index(int(np.abs(left).argmax()), left.shape)
            db = float(left[column, band])
            if abs(db) < _PLACE_DB:
                break
            at_s = self.from_s + float(column) / COLUMNS_PER_S
            found.append(Place(round(at_s, 2), round(float(centres[band]), 1), round(db, 1)))
            left[max(0, column - _APART_COLUMNS) : column + _APART_COLUMNS] = 0.0
            left[:, max(0, band - _NEAR_BANDS) : band + _NEAR_BANDS + 1] /= 4  # what lasts is told of once
        return found

    def pooled(self, width: int) -> NDArray[np.float32]:
        """At most `width` columns of it, each the mean of those it stands for."""
        count = min(width, len(self.decibels))
        if count == len(self.decibels):
            return self.decibels
        edges = np.linspace(0, len(self.decibels), count, endpoint=False).astype(int)
        sums = np.add.reduceat(self.decibels, edges, axis=0)
        means: NDArray[np.float32] = (sums / np.diff([*edges, len(self.decibels)])[:, None]).astype(
            np.float32
        )
        return means


def difference(one: Sound, other: Sound, sample_rate: int) -> Difference:
    """What the second sound [n] has more or less than the first [m], both at `sample_rate`.

    The second is moved by up to 10 s where it is like the first (their correlation is `LIKENESS` or more);
    else it lies at the same times.
    """
    lag = _lag(one, other, sample_rate)
    first = max(0, -lag)
    length = max(0, min(len(one) - first, len(other) - first - lag))
    seen = [_decibels(sound, sample_rate) for sound in (
        one[first : first + length], other[first + lag : first + lag + length],
    )]  # fmt: skip
    count = min(map(len, seen))
    apart = seen[1][:count] - seen[0][:count]
    if count > 2 * _EDGE_COLUMNS:  # what is seen there is the cut of either
        apart[:_EDGE_COLUMNS], apart[-_EDGE_COLUMNS:] = apart[_EDGE_COLUMNS], apart[-_EDGE_COLUMNS - 1]
    return Difference(apart, first / sample_rate, lag / sample_rate, sample_rate / 2)


def difference_png(decibels: NDArray[np.float32]) -> bytes:
    """Decibels [n, 64] as a PNG, n × 64 pixels, low bands at the bottom, in the colours of `scale_png`."""
    from matplotlib.image import imsave

    file = BytesIO()
    imsave(file, _coloured(np.asarray(decibels, np.float64).T), origin="lower", format="png")
    return file.getvalue()


def scale_png() -> bytes:
    """The colours from −`SPAN_DB`, where the first is louder, to `SPAN_DB`, from left to right."""
    return difference_png(np.linspace(-SPAN_DB, SPAN_DB, 256, dtype=np.float32)[:, None])


# Black where nothing differs, as the other pictures are where nothing sounds. Who sees no red or green tells
# orange and blue apart.
_FIRST_LOUDER = ((0, 0, 4), (150, 62, 8), (255, 158, 64), (255, 232, 200))
_SECOND_LOUDER = ((0, 0, 4), (16, 84, 170), (86, 186, 255), (214, 240, 255))


def _coloured(decibels: NDArray[np.float64]) -> NDArray[np.uint8]:
    share = np.clip(np.abs(decibels) / SPAN_DB, 0, 1)
    stops = np.linspace(0, 1, len(_FIRST_LOUDER))
    layers = []
    for channel in range(3):
        first, second = (
            np.interp(share, stops, [colour[channel] for colour in colours])
            for colours in (_FIRST_LOUDER, _SECOND_LOUDER)
        )
        layers.append(np.where(decibels < 0, first, second))
    return np.round(np.stack(layers, axis=-1)).astype(np.uint8)


def _decibels(sound: Sound, sample_rate: int) -> NDArray[np.float32]:
    """Columns [n, 64] in decibels, nothing of them below `HEARD_DB`."""
    stream = SpectrogramStream(sample_rate)
    found = [stream.push(block) for block in _blocks(sound, round(_BLOCK_S * sample_rate))]
    whole = np.concatenate([*found, stream.flush()]) if found else np.zeros((0, N_BANDS), np.uint8)
    decibels = whole.astype(np.float32) / 255 * (CEILING_DB - FLOOR_DB) + FLOOR_DB
    return np.maximum(decibels, HEARD_DB)


def _blocks(sound: Sound, size: int) -> Iterator[Sound]:
    for start in range(0, len(sound), size):
        yield sound[start : start + size]


def _lag(one: Sound, other: Sound, sample_rate: int) -> int:
    """How many samples what is at a place of the first comes later in the second; 0 where they are unlike."""
    most = min(round(MOST_LAG_S * sample_rate), len(one) // 2, len(other) // 2)
    if most < 1:
        return 0
    from scipy.fft import irfft, next_fast_len, rfft

    size = next_fast_len(len(one) + len(other), real=True)
    both = irfft(rfft(other, size) * np.conj(rfft(one, size)), size)
    lags = np.arange(-most, most + 1)
    likeness = both[lags] / np.maximum(_energies(one, other, lags), 1e-9)
    best = float(likeness.max())
    if best < LIKENESS:
        return 0
    good = lags[likeness >= _AS_GOOD * best]
    return int(good[np.abs(good).argmin()])


def _energies(one: Sound, other: Sound, lags: NDArray[np.int64]) -> NDArray[np.float64]:
    """The geometric means of the energies of what lies over each other at each lag."""
    sums = [np.concatenate([[0.0], np.square(sound, dtype=np.float64).cumsum()]) for sound in (one, other)]
    first = np.maximum(0, -lags)
    end = np.minimum(len(one), len(other) - lags)
    energies = [sums[0][end] - sums[0][first], sums[1][end + lags] - sums[1][first + lags]]
    means: NDArray[np.float64] = np.sqrt(np.maximum(energies[0] * energies[1], 0))
    return means
