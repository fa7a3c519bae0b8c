"""Sound files of anybody's, as metrics read them: in one channel, at the rate of who listens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.core.errors import InvalidRequestError
from studio.core.sound_files import USUAL, WITHOUT_FFMPEG
from studio.dsp.resample import resample, resample_stream

Samples = NDArray[np.float32]

RATES_HZ = range(4000, 384_001)
MAX_HELD = 600_000_000  # samples of one file held at once: over three hours at 48 kHz
_BLOCK_FRAMES = 1 << 16


def sound_files(folder: Path) -> list[Path]:
    """The sound files in a folder and its folders, in the order of their names; hidden ones are left out.

    Raises:
        InvalidRequestError: there is no such folder, or no sound in it.
    """
    if not folder.is_dir():
        raise InvalidRequestError(f"There is no folder {folder}: give one that holds sound files.")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in WITHOUT_FFMPEG
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise InvalidRequestError(f"{folder} holds no sound files: put {USUAL} files there.")
    return found


def read_mono(path: Path, sample_rate: int, start_s: float = 0.0, seconds: float | None = None) -> Samples:
    """A file's samples [n] in one channel, the average of all, at `sample_rate`.

    Args:
        path: what libsndfile reads.
        sample_rate: in Hz, whatever the file's.
        start_s: where to begin.
        seconds: how much at the most; None reads to the end.

    Raises:
        InvalidRequestError: it can't be read, holds no sound, or numbers that are none, or ends too early.
    """
    with _opened(path) as sound:
        first = round(start_s * sound.samplerate)
        if first:
            if not 0 <= first < sound.frames:
                raise InvalidRequestError(
                    f"{path.name} ends before {start_s:g} s, where its reading should begin: begin earlier."
                )
            sound.seek(first)
        limit = MAX_HELD if seconds is None else round(seconds * sound.samplerate)
        read = []
        for block in _blocks(path, sound, min(limit, MAX_HELD)):
            read.append(block)
        if seconds is None and sum(map(len, read)) >= MAX_HELD:
            raise InvalidRequestError(f"{path.name} is too long to hold at once: cut it into pieces.")
        if not read:
            raise InvalidRequestError(f"{path.name} holds no sound: take it out of the folder.")
        return resample(np.concatenate(read), sound.samplerate, sample_rate)


def stream_mono(path: Path, sample_rate: int, block_s: float) -> Iterator[Samples]:
    """`read_mono` of a whole file in blocks of `block_s`, the last one shorter, at constant memory.

    Raises:
        InvalidRequestError: as `read_mono`.
    """
    length = max(1, round(block_s * sample_rate))
    held, count = [], 0
    with _opened(path) as sound:
        for part in resample_stream(_blocks(path, sound), sound.samplerate, sample_rate):
            held.append(part)
            count += len(part)
            if count >= length:
                joined = np.concatenate(held)
                whole = len(joined) // length * length
                yield from joined[:whole].reshape(-1, length)
                held, count = [joined[whole:]], len(joined) - whole
        if not held:
            raise InvalidRequestError(f"{path.name} holds no sound: take it out of the folder.")
    if count:
        yield np.concatenate(held)


def rate_of(path: Path) -> int:
    """A file's own sample rate in Hz. Raises as `read_mono`."""
    with _opened(path) as sound:
        return int(sound.samplerate)


@contextmanager
def _opened(path: Path) -> Iterator[sf.SoundFile]:
    try:
        with sf.SoundFile(path) as sound:
            if sound.samplerate not in RATES_HZ:
                raise InvalidRequestError(
                    f"{path.name} claims {sound.samplerate} Hz: export it at 44100 or 48000."
                )
            yield sound
    except (OSError, RuntimeError) as error:  # libsndfile's own are of both kinds
        raise InvalidRequestError(f"Can't read {path.name}: convert it to {USUAL}.") from error


def _blocks(path: Path, sound: sf.SoundFile, limit: int | None = None) -> Iterator[Samples]:
    """Its channels' average, block by block: never more is held than is in it, whatever its header says."""
    left = limit
    while left is None or left > 0:
        frames = _BLOCK_FRAMES if left is None else min(_BLOCK_FRAMES, left)
        block = sound.read(frames, dtype="float32", always_2d=True)
        if not len(block):
            return
        mixed = block.mean(axis=1, dtype=np.float64).astype(np.float32)
        if not np.isfinite(mixed).all():
            raise InvalidRequestError(f"{path.name} holds numbers that are no sound: export it anew.")
        left = None if left is None else left - len(block)
        yield mixed
