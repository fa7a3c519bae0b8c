"""Single events of a sound: where each begins and has died away, and how it is cut out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW_S, HOP_S = 0.01, 0.0025
CONTRAST_DB = 18.0  # between what is loud and the background: with less there are no events, as in rain
RISE_DB = 12.0  # above the background, and an event has begun
FALL_DB = 6.0  # above it, and it has died away
ATTACK_DB, DECAY_DB = 30.0, 40.0  # below its own peak nothing of it is heard yet, or any more
GAP_S = 0.06  # quiet for so long between two events: with less they are one
BEFORE_S, AFTER_S = 0.005, 0.02  # kept on either side, and faded
SHORTEST_S, LONGEST_S = 0.04, 4.0
_FLOOR_DB = -90.0
_BACKGROUND, _LOUD = 20, 99.5  # percentiles of the level
_FLAT = 3  # samples in a row at full scale
_FULL_SCALE = 0.999


@dataclass(frozen=True)
class SoundEvent:
    """Samples [start, end) with an event between the fades, which is first heard at `onset`; `peak_db` is its
    level, in dBFS, and `over_db` how far that is above the background.
    """

    start: int
    end: int
    onset: int
    peak_db: float
    over_db: float


def find_events(samples: NDArray[np.floating], sample_rate: int, lap: int = 0) -> list[SoundEvent]:
    """The events of samples [n] or [n, channels], in their order, that stand out of their background.

    Each is whole: before it and behind it there is background alone. One that is clipped, shorter than 40 ms
    or longer than 4 s is left out, and so is one that begins in the last `lap` samples, which of a loop are
    those of its beginning.
    """
    sound = np.asarray(samples, np.float64).reshape(len(samples), -1)
    hop, window = max(1, round(HOP_S * sample_rate)), max(1, round(WINDOW_S * sample_rate))
    levels = _levels(sound, hop, window)
    if not len(levels):
        return []
    background, loud = np.percentile(levels, [_BACKGROUND, _LOUD])
    if loud - background < CONTRAST_DB:
        return []
    found = []
    for first, last in _spans(levels, float(background), round(GAP_S / HOP_S)):
        peak = float(levels[first:last].max())
        begun = first + int(np.argmax(levels[first:last] >= max(background + RISE_DB, peak - ATTACK_DB)))
        event = SoundEvent(
            max(0, first * hop - round(BEFORE_S * sample_rate)),
            min(len(sound), last * hop + round(AFTER_S * sample_rate)),
            begun * hop,
            peak,
            peak - float(background),
        )
        length_s = (event.end - event.start) / sample_rate
        in_lap = event.start >= len(sound) - lap
        if SHORTEST_S <= length_s <= LONGEST_S and not in_lap and not clipped(sound[event.start : event.end]):
            found.append(event)
    return found


def cut_event(samples: NDArray[np.floating], event: SoundEvent, sample_rate: int) -> NDArray[np.float32]:
    """An event of samples [n] or [n, channels], alone: to the sample it rises from silence and ends in it."""
    cut = np.array(samples[event.start : event.end], np.float64)
    rise, fall = (max(2, round(length_s * sample_rate)) for length_s in (BEFORE_S, AFTER_S))
    shape = (-1,) + (1,) * (cut.ndim - 1)
    ramp = (1 - np.cos(np.pi * np.arange(rise) / rise)) / 2
    cut[:rise] *= ramp[: len(cut)].reshape(shape)
    end = (1 + np.cos(np.pi * np.arange(1, fall + 1) / fall)) / 2
    cut[-fall:] *= end[-len(cut) :].reshape(shape)
    return cut.astype(np.float32)


def clipped(samples: NDArray[np.floating]) -> bool:
    """Whether samples [n] or [n, channels] stay at full scale for three in a row."""
    full = np.abs(samples.reshape(len(samples), -1)) >= _FULL_SCALE
    if len(full) < _FLAT:
        return False
    return bool(np.lib.stride_tricks.sliding_window_view(full, _FLAT, axis=0).all(axis=-1).any())


def _levels(sound: NDArray[np.float64], hop: int, window: int) -> NDArray[np.float64]:
    """The level in dBFS of the loudest channel, in windows that begin a hop apart [frames]."""
    if len(sound) < window:
        return np.zeros(0)
    sums = np.concatenate([np.zeros((1, sound.shape[1])), np.cumsum(np.square(sound), axis=0)])
    starts = np.arange(0, len(sound) - window + 1, hop)
    powers = np.maximum(sums[starts + window] - sums[starts], 0.0).max(axis=1) / window
    return np.asarray(10 * np.log10(np.maximum(powers, 10 ** (_FLOOR_DB / 10))))


def _spans(levels: NDArray[np.float64], background: float, gap: int) -> list[tuple[int, int]]:
    """Frames [first, last) that are above the background, each of which rises well above it, with quiet
    frames on either side.
    """
    spans: list[tuple[int, int]] = []
    for first, last in _runs(levels >= background + FALL_DB):
        if spans and first - spans[-1][1] < gap:
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    whole = [
        (first, last)
        for first, last in spans
        if first > 0 and last < len(levels) and levels[first:last].max() >= background + RISE_DB
    ]
    return [_audible(levels, first, last) for first, last in whole]


def _audible(levels: NDArray[np.float64], first: int, last: int) -> tuple[int, int]:
    """The frames of an event that are not so far below its own peak that nothing of it is heard."""
    own = levels[first:last]
    begins = np.flatnonzero(own >= own.max() - ATTACK_DB)[0]
    ends = np.flatnonzero(own >= own.max() - DECAY_DB)[-1]
    return first + int(begins), first + int(ends) + 1


def _runs(wanted: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
