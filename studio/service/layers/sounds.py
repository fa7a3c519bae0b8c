"""A layer as it lies in the mix, read from any sample on: its span, its loop, its rate, its fades.

Gain and pan come after it: so the page, which hears these same samples, sets both without asking again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.core.errors import InvalidRequestError
from studio.core.scene import Layer
from studio.core.text import one_line
from studio.dsp.layers import equal_power
from studio.dsp.resample import ratio

REACH_S = 0.1  # far beyond what the resampler's filter hears to either side
NO_SOUND = "'{name}' can't be read: it is no sound file."
DAMAGED = "'{name}' can't be read: its sound is damaged."
CHANNELS = "'{name}' {what}: lay in a sound of one or two channels."
_SLACK_S = 0.001  # a length is told to the millisecond

Samples = NDArray[np.float32]
Read = Callable[[int, int], Samples]


@dataclass(frozen=True)
class Found:
    """The take of a layer: its sound, its name, and its own loop, as its first sample and the one after its
    last.
    """

    path: Path
    name: str
    loop: tuple[int, int] | None = None


class TakeSound:
    """An open sound of one or two channels, read from any sample on."""

    def __init__(self, found: Found) -> None:
        """Open it. Raises `InvalidRequestError` where it is no sound, or of more than two channels."""
        self.found = found
        try:
            self._file = sf.SoundFile(found.path)
        except (OSError, RuntimeError) as error:
            raise InvalidRequestError(NO_SOUND.format(name=one_line(found.name))) from error
        self.frames, self.sample_rate = int(self._file.frames), int(self._file.samplerate)
        self.channels = int(self._file.channels)
        if self.channels > 2 or not self.frames:
            self.close()
            what = "is empty" if self.channels <= 2 else f"has {self.channels} channels"
            raise InvalidRequestError(CHANNELS.format(name=one_line(found.name), what=what))

    @property
    def length_s(self) -> float:
        return self.frames / self.sample_rate

    def read(self, start: int, count: int) -> Samples:
        """Samples [count, channels], full scale 1. Raises `InvalidRequestError` where it is damaged."""
        try:
            if self._file.tell() != start:  # in an MP3 a needless seek costs the frame before
                self._file.seek(start)
            samples: Samples = self._file.read(count, dtype="float32", always_2d=True)
        except (OSError, RuntimeError) as error:
            raise self._damaged() from error
        if len(samples) < count:
            raise self._damaged()
        return samples

    def _damaged(self) -> InvalidRequestError:
        return InvalidRequestError(DAMAGED.format(name=one_line(self.found.name)))

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class Ring:
    """What of a take is heard, in its own samples: from `start` to `stop`, then, where it goes round, from
    `back` on again. At each turn `cross` samples before its end are crossfaded with those before `back`.
    """

    start: int
    stop: int
    back: int | None = None
    cross: int = 0

    @property
    def period(self) -> int:
        """Samples of a turn; of what does not go round, all of it."""
        return self.stop - (self.start if self.back is None else self.back)


def ring_of(layer: Layer, sound: TakeSound, number: int) -> Ring:
    """What of a take a layer plays. Raises `InvalidRequestError` where its span is outside of the take."""
    start, stop = _span(layer, sound, number)
    if not layer.loop:
        return Ring(start, stop)
    loop = sound.found.loop
    whole = (start, stop) == (0, sound.frames)
    if loop is not None and loop[1] <= sound.frames and (whole or loop == (start, stop)):
        return Ring(start, loop[1], loop[0])
    cross = min(round(layer.crossfade_s * sound.sample_rate), (stop - start) // 2)
    return Ring(start, stop, start + cross, cross)


def _span(layer: Layer, sound: TakeSound, number: int) -> tuple[int, int]:
    rate, length_s = sound.sample_rate, sound.length_s
    long = f"Layer {number}: '{one_line(sound.found.name)[:60]}' is {length_s:.2f} s long"
    start = round(layer.start_s * rate)
    if start >= sound.frames:
        raise InvalidRequestError(f"{long}: begin inside it.")
    if layer.end_s is None:
        return start, sound.frames
    if layer.end_s > length_s + _SLACK_S:
        raise InvalidRequestError(f"{long}: end inside it, or leave the end out.")
    stop = min(round(layer.end_s * rate), sound.frames)
    if stop <= start:
        raise InvalidRequestError(f"{long}: nothing lies between its beginning and its end.")
    return start, stop


class Unrolled:
    """A take's span as it is played, from 0 on: once, or round and round; silence before and after it."""

    def __init__(self, read: Read, ring: Ring, channels: int) -> None:
        self._read, self._ring, self._channels = read, ring, channels

    def read(self, first: int, count: int) -> Samples:
        """Samples [count, channels] from the place `first`, which may be below 0."""
        out = np.zeros((count, self._channels), np.float32)
        place, end = max(first, 0), first + count
        while place < end:
            at, left = self._where(place)
            if left <= 0:
                break
            length = min(left, end - place)
            out[place - first : place - first + length] = self._once(at, length)
            place += length
        return out

    def _where(self, place: int) -> tuple[int, int]:
        """The take's own sample at a place, and how many follow it up to the turn."""
        ring = self._ring
        at = ring.start + place
        if ring.back is not None and at >= ring.stop:
            at = ring.back + (at - ring.stop) % ring.period
        return at, ring.stop - at

    def _once(self, at: int, length: int) -> Samples:
        ring, samples = self._ring, self._read(at, length)
        fading = at + length - (ring.stop - ring.cross)
        if ring.back is None or not ring.cross or fading <= 0:
            return samples
        begin = max(at, ring.stop - ring.cross)  # the first sample that fades
        behind = ring.stop - begin  # how far it lies before the turn
        count = at + length - begin
        place = (ring.cross - behind + np.arange(count) + 0.5) / ring.cross
        incoming = self._read(ring.back - behind, count)
        mixed = samples[-count:] * equal_power(1 - place)[:, None] + incoming * equal_power(place)[:, None]
        return np.concatenate([samples[:-count], mixed.astype(np.float32)])


class Laid:
    """A layer in the mix, before its gain and its pan."""

    def __init__(self, layer: Layer, sound: TakeSound, rate: int, number: int) -> None:
        """`rate` is the mix's, in Hz; `number` is what sentences call the layer. Raises as `ring_of`."""
        self.layer, self.sound, self.rate = layer, sound, rate
        self.channels = sound.channels
        self.ring = ring_of(layer, sound, number)
        self.offset = round(layer.offset_s * rate)
        self._up, self._down = ratio(sound.sample_rate, rate)
        self._unrolled = Unrolled(sound.read, self.ring, self.channels)
        total = self.ring.stop - self.ring.start
        self.once = max(1, math.ceil(total * self._up / self._down))  # samples of the mix that it plays once
        self.end = self.offset + self.once  # in the mix; of one that goes round the scene sets it

    def until(self, frames: int) -> Laid:
        """The same in a scene of so many samples."""
        self.end = frames if self.layer.loop else min(self.offset + self.once, frames)
        return self

    def read(self, first: int, count: int) -> Samples:
        """Samples [count, channels] of the mix from `first` on, which this layer adds to it at 0 dB in the
        middle: silence where it is not heard.
        """
        start, stop = max(first, self.offset), min(first + count, self.end)
        out = np.zeros((count, self.channels), np.float32)
        if start < stop:
            samples = self._resampled(start - self.offset, stop - start)
            out[start - first : stop - first] = self._faded(samples, start)
        return out

    def _resampled(self, first: int, count: int) -> Samples:
        if self._up == self._down:
            return self._unrolled.read(first, count)
        import soxr

        up, down = self._up, self._down
        reach = math.ceil(REACH_S * self.sound.sample_rate / down)  # in steps at which both rates meet
        begin = first // up - reach
        end = -(-(first + count) // up) + reach
        source = self._unrolled.read(begin * down, (end - begin) * down)
        made = soxr.resample(source, self.sound.sample_rate, self.rate, quality="VHQ")
        at = first - begin * up
        wanted: Samples = made[at : at + count]
        return wanted

    def _faded(self, samples: Samples, start: int) -> Samples:
        layer = self.layer
        for seconds, place in ((layer.fade_in_s, start - self.offset), (layer.fade_out_s, None)):
            length = round(seconds * self.rate)
            if not length:
                continue
            index = np.arange(len(samples))
            at = place + index if place is not None else self.end - 1 - start - index
            if at.min() < length:
                samples = (samples * equal_power((at + 0.5) / length)[:, None]).astype(np.float32)
        return samples
