"""The samples of an export: the span that is wanted, at another rate, at a bit depth.

Where bits are dropped, dither of two drawn numbers (TPDF, two steps wide) is added before rounding, so that
what is lost becomes a steady hiss instead of distortion. Its seed is fixed: the same export is the same file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.dsp.stereo_width import narrowed

BLOCK_FRAMES = 1 << 16
REACH_S = 0.1  # far beyond what the resampler's filter hears to either side
_DITHER_SEED = 20260131
_DEEP = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")

Samples = NDArray[np.int16] | NDArray[np.int32] | NDArray[np.float32]


class Source:
    """The span [start, stop) of an open sound, to be read over and over in blocks [n, channels]."""

    def __init__(
        self,
        sound: sf.SoundFile,
        start: int,
        stop: int,
        rate: int,
        *,
        goes_round: bool = False,
        width: float = 1.0,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`rate` and `width` are what `floats` has; a span that goes round has its other end beyond each of
        its ends. `check` is called before each block, and may raise.
        """
        self._sound, self._check = sound, check
        self._start, self._stop = start, stop
        self._goes_round = goes_round
        self._width = width if sound.channels == 2 else 1.0
        self.sample_rate, self.channels = rate, sound.channels
        self.frames = max(1, round((stop - start) * rate / sound.samplerate))

    @property
    def same_rate(self) -> bool:
        return bool(self.sample_rate == self._sound.samplerate)

    def fits(self, bits: int) -> bool:
        """Whether its samples are ones of so many bits as they are. A lossy file's decoder rounds them."""
        deep = str(self._sound.subtype)
        return (
            self._width == 1
            and self.same_rate
            and (deep not in _DEEP or bits == 32 or (deep, bits) == ("PCM_24", 24))
        )

    def samples(self) -> Iterator[NDArray[np.int16]]:
        """As they are, at the sound's own rate."""
        return self._blocks(self._start, self._stop, "int16")

    def floats(self) -> Iterator[NDArray[np.float64]]:
        """With full scale 1, at `sample_rate` and as wide as is wanted: `frames` in all."""
        blocks = self._at_rate()
        return blocks if self._width == 1 else (narrowed(block, self._width) for block in blocks)

    def _at_rate(self) -> Iterator[NDArray[np.float64]]:
        if self.same_rate:
            yield from self._blocks(self._start, self._stop, "float64")
            return
        from studio.dsp.resample import ratio, resample_blocks

        up, down = ratio(self._sound.samplerate, self.sample_rate)
        reach = -(-round(REACH_S * self._sound.samplerate) // down) * down
        skipped, left = reach * up // down, self.frames
        wide = self._with_neighbours(reach)
        for block in resample_blocks(wide, self.channels, self._sound.samplerate, self.sample_rate):
            kept = block[skipped:][:left]
            skipped = max(0, skipped - len(block))
            left -= len(kept)
            if len(kept):
                yield kept

    def _with_neighbours(self, reach: int) -> Iterator[NDArray[np.float64]]:
        """The span with so much on either side: what lies there, its other end, or silence."""
        before, after = self._neighbours(reach)
        yield before
        yield from self._blocks(self._start, self._stop, "float64")
        yield after if self._goes_round else self._padded(self._stop, self._stop + reach)

    def _neighbours(self, reach: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if not self._goes_round:
            return self._padded(self._start - reach, self._start), np.zeros((0, self.channels))
        ends = [self._padded(self._stop - reach, self._stop), self._padded(self._start, self._start + reach)]
        length = self._stop - self._start
        if length < reach:  # several times round
            whole = self._padded(self._start, self._stop)
            turns = np.concatenate([whole] * (reach // length + 1))
            ends = [turns[-reach:], turns[:reach]]
        return ends[0], ends[1]

    def _padded(self, start: int, stop: int) -> NDArray[np.float64]:
        """Samples of the sound [start, stop), with silence before its beginning and behind its end."""
        padded = np.zeros((stop - start, self.channels))
        first, last = max(start, 0), min(stop, self._sound.frames)
        if first < last:
            read = list(self._blocks(first, last, "float64"))
            found = np.concatenate(read) if read else np.zeros((0, self.channels))
            padded[first - start : first - start + len(found)] = found
        return padded

    def _blocks(self, start: int, stop: int, dtype: str) -> Iterator[NDArray[Any]]:
        if self._sound.tell() != start:  # in an MP3 a needless seek costs the frame before
            self._sound.seek(start)
        while (left := stop - self._sound.tell()) > 0:
            self._check()
            block = self._sound.read(min(left, BLOCK_FRAMES), dtype=dtype, always_2d=True)
            if not len(block):
                return
            yield block


def rounded(blocks: Iterable[NDArray[np.float64]], bits: int, *, dither: bool) -> Iterator[Samples]:
    """Blocks [n, channels], full scale 1, as samples of 16 bits, 24 (the upper of 32) or floats (32)."""
    draws = np.random.Generator(np.random.PCG64(_DITHER_SEED))
    for block in blocks:
        if bits == 32:
            yield block.astype(np.float32)
            continue
        full = float(1 << (bits - 1))
        scaled = block * full
        if dither:
            noise = draws.random(block.shape, np.float32) - draws.random(block.shape, np.float32)
            scaled += noise[:, :1] if (block == block[:, :1]).all() else noise  # what is alike stays alike
        whole = np.clip(np.rint(scaled), -full, full - 1)
        yield whole.astype(np.int16) if bits == 16 else whole.astype(np.int32) << 8
