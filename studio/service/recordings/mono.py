"""A file's sound in one channel at the studio's rate: all of it, or as much as there is to be had."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from studio.core.audio import SAMPLE_RATE, format_time
from studio.core.errors import InvalidRequestError
from studio.core.sound_files import USUAL
from studio.dsp.mixdown import OMNIDIRECTIONAL, Polarity, mix_weights
from studio.dsp.resample import resample
from studio.service.recordings import decoding
from studio.service.recordings.decoding import (
    SlowError,
    Sound,
    UnreadableError,
    find_ffmpeg,
    open_part,
    open_with_ffmpeg,
)
from studio.service.recordings.parts import Part
from studio.service.recordings.survey import survey

RATES_HZ = range(4000, 192_001)
MAX_FRAMES = 96_000 * 600  # held at once: a quarter of a gigabyte
MAX_S = 600.0
MAX_PEAK = 1e10  # whole numbers of 32 bits in a file of floats are sound still
SHORT_S, SHORT = 0.15, 0.01  # a length that is so much off, and by such a share, is off
_TURNED = "Its two channels cancel each other, so one was turned over."
_SOME_TURNED = "Some of its channels cancel each other, so they were turned over."


@dataclass(frozen=True)
class Mono:
    """A file's sound [n] at `rate`, before it is made to fit, and how long it should be.

    `peak` is the mix's, before its rate was changed. `counted_s` is what is in the file, `named_s` what its
    headers say. A `damaged` one has more than could be read.
    """

    samples: NDArray[np.float32]
    peak: float
    counted_s: float
    named_s: float
    damaged: bool
    notes: tuple[str, ...] = ()
    rate: int = SAMPLE_RATE

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate


def read_mono(path: Path, file: BinaryIO, size: int, rate: int = SAMPLE_RATE) -> Mono:
    """By libsndfile; by ffmpeg what that does not know, or reads less of than there is."""
    own: Mono | None = None
    parts = survey(file, size)
    with suppress(UnreadableError):
        own = _read_parts(path, parts, partial(open_part, file), rate)
    if own is not None and not own.damaged:
        return _with_note(own, own, helped=False)
    ffmpeg = find_ffmpeg()
    try:
        other = _read_with_ffmpeg(path, parts, ffmpeg, rate)
    except (UnreadableError, SlowError) as error:
        if own is not None and len(own.samples):
            return _with_note(own, own, helped=ffmpeg is not None)
        raise _unreadable(path, ffmpeg, error) from error
    if own is None:
        return _with_note(other, other, helped=True)
    # Of two that are damaged the one with more of it.
    best = other if not other.damaged or len(other.samples) > len(own.samples) else own
    return _with_note(best, own, helped=True)


def _read_with_ffmpeg(path: Path, parts: Sequence[Part], ffmpeg: str | None, rate: int) -> Mono:
    """All of a file at once, or one after the other the files that it was joined of: ffmpeg takes the first.

    Raises:
        UnreadableError, SlowError: as `open_with_ffmpeg`.
    """
    if ffmpeg is None:
        raise UnreadableError("no ffmpeg")
    deadline = time.monotonic() + decoding.TIMEOUT_S

    def opening(part: Part) -> AbstractContextManager[Sound]:
        span = part.pieces[0] if part.pieces else None
        within = span if isinstance(span, range) else None
        return open_with_ffmpeg(ffmpeg, path, MAX_S + 1, within, deadline)

    apart = len(parts) > 1 and all(len(part.pieces) == 1 and part.counted_s is None for part in parts)
    spans = [part.pieces for part in parts] if apart else [()]
    return _read_parts(path, [Part(pieces) for pieces in spans], opening, rate)


def _unreadable(path: Path, ffmpeg: str | None, error: Exception) -> InvalidRequestError:
    if ffmpeg is None:
        return InvalidRequestError(f"Can't read {path.name}: convert it to {USUAL}, or install ffmpeg.")
    if isinstance(error, SlowError):
        return InvalidRequestError(f"{path.name} takes too long to read: convert it to {USUAL}.")
    return InvalidRequestError(f"{path.name} is no sound file: choose a recording in {USUAL}.")


def _with_note(best: Mono, own: Mono, *, helped: bool) -> Mono:
    """The reading with what is to be said of its length, by what `own` found; `helped` by ffmpeg."""
    read_s, named_s = best.duration_s, own.named_s
    note = ""
    if best.damaged or _is_off(read_s, own.counted_s):
        of = f" of about {own.counted_s:.1f} s" if _is_off(read_s, own.counted_s) else ""
        why = "the rest is damaged" if helped else "install ffmpeg, which may read more, or export it anew"
        note = f"Only {read_s:.1f} s{of} could be read: {why}."
    elif _is_off(read_s, named_s):
        note = f"Only {read_s:.1f} s of the {named_s:.1f} s that its header names are in it: it ends early."
    elif _is_off(named_s, read_s):
        note = f"Its header names {named_s:.1f} s, but all {read_s:.1f} s that are in it were read."
    return replace(best, notes=(note, *best.notes)) if note else best


def _is_off(length_s: float, expected_s: float) -> bool:
    """Whether a length falls short of another by more than codecs and rounding make."""
    return expected_s - length_s > max(SHORT_S, SHORT * expected_s)


def _read_parts(
    path: Path, parts: Sequence[Part], opening: Callable[[Part], AbstractContextManager[Sound]], rate: int
) -> Mono:
    """The sounds of a file one after the other. Raises `UnreadableError` where none can be read."""
    counted_s = sum(part.counted_s or 0.0 for part in parts)
    if counted_s > MAX_S:
        raise _too_long(path, counted_s)
    read, lost = [], False
    for part in parts:
        try:
            read.append(_read_sound(path, part, opening, rate))
        except UnreadableError:
            lost = lost or part.counted_s is None or part.counted_s > SHORT_S
        if sum(mono.duration_s for mono in read) > MAX_S:
            raise _too_long(path)
    if not read:
        raise UnreadableError("no sound")
    return Mono(
        np.concatenate([mono.samples for mono in read]) if len(read) > 1 else read[0].samples,
        max(mono.peak for mono in read),
        max(counted_s, sum(mono.counted_s for mono in read)),
        sum(mono.named_s for mono in read),
        lost or any(mono.damaged for mono in read),
        tuple(dict.fromkeys(note for mono in read for note in mono.notes)),
        rate,
    )


def _read_sound(
    path: Path, part: Part, opening: Callable[[Part], AbstractContextManager[Sound]], rate: int
) -> Mono:
    """One sound, mixed down: once more where it turns out that its channels cancel each other."""
    with opening(part) as sound:
        if sound.rate not in RATES_HZ:
            raise InvalidRequestError(f"{path.name} claims {sound.rate} Hz: export it at 44100 or 48000.")
        if part.vouched and sound.frames > MAX_S * sound.rate:
            raise _too_long(path, sound.frames / sound.rate)
        weights = mix_weights(sound.layout, sound.channels)
        polarity = Polarity(weights)
        mix, peak = _mix(path, sound, weights, polarity)
    notes = _noticed(sound)
    signs = polarity.signs()
    if (signs < 0).any():
        with opening(part) as again:
            mix, peak = _mix(path, again, weights * signs)
        notes = (*notes, _TURNED if sound.channels == 2 else _SOME_TURNED)
    length_s = len(mix) / sound.rate
    counted_s = length_s if part.counted_s is None else part.counted_s
    damaged = sound.damaged or _is_off(length_s, max(counted_s, length_s * sound.left_over))
    samples = resample(mix, sound.rate, rate)
    return Mono(samples, peak, counted_s, length_s * part.named, damaged, notes, rate)


def _mix(
    path: Path, sound: Sound, weights: NDArray[np.float32], polarity: Polarity | None = None
) -> tuple[NDArray[np.float32], float]:
    """The sound in one channel [n], and its peak. Never more is held than that, whatever its header says."""
    mono, peak, frames = bytearray(), 0.0, 0
    for block in sound.blocks:
        frames += len(block)
        if frames > MAX_S * sound.rate:
            raise _too_long(path)
        if frames > MAX_FRAMES:
            raise InvalidRequestError(f"{path.name} is too large at {sound.rate} Hz: export it at 48000.")
        with np.errstate(all="ignore"):
            mixed = block @ weights
        loudest = float(np.abs(mixed).max())
        if not loudest < MAX_PEAK:  # or not a number
            raise InvalidRequestError(f"{path.name} holds numbers that are no sound: export it anew.")
        if polarity is not None:
            polarity.hear(block)
        peak = max(peak, loudest)
        mono += mixed.tobytes()
    return np.frombuffer(mono, np.float32), peak


def _noticed(sound: Sound) -> tuple[str, ...]:
    if sound.layout and sound.layout[0] == OMNIDIRECTIONAL:
        return ("It is Ambisonics: its first channel, which hears all around, was taken.",)
    if sound.layout is None and sound.channels > 2:
        return (f"Its {sound.channels} channels were averaged: it doesn't say which speakers they are for.",)
    return ()


def _too_long(path: Path, duration_s: float | None = None) -> InvalidRequestError:
    length = f"{format_time(duration_s)} long" if duration_s else "too long"
    return InvalidRequestError(
        f"{path.name} is {length}: cut it to the {format_time(MAX_S)} or less that matter."
    )
