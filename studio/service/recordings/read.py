"""A recording of the user's, read whatever it is, bounded in length and time."""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.core.audio import SAMPLE_RATE
from studio.core.errors import InvalidRequestError
from studio.core.preset import Source
from studio.pipeline.recording import Recording
from studio.service.recordings.mono import Mono, read_mono

MAX_BYTES = 4 << 30
MIN_S = 1.0
AUDIBLE_DB = 0.05


def read_recording(path: Path, sample_rate: int = SAMPLE_RATE) -> Recording:
    """Read any rate, any channels, any format that libsndfile reads, or ffmpeg where it is installed, as
    samples at `sample_rate`.

    All of the sound that is in it is read; where that can't be, `notes` say how much was and why.

    Raises:
        InvalidRequestError: no sound, none of a length that can be gone on from, or a format that needs
            ffmpeg.
    """
    with _opened(path) as (file, size):
        mono = read_mono(path, file, size, sample_rate)
        if len(mono.samples) < MIN_S * sample_rate:
            raise InvalidRequestError(f"{path.name} is shorter than {MIN_S:g} s: choose a longer recording.")
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    source = Source(file=path.name, sha256=digest, duration_s=mono.duration_s)
    samples, notes = _fit(mono)
    return Recording(samples, source, notes, sample_rate)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BufferedReader, int]]:
    """The file and its size in bytes. A pipe or a device is not waited for."""
    no_wait = getattr(os, "O_NONBLOCK", 0)
    try:
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | no_wait))  # noqa: SIM115
    except FileNotFoundError as error:
        raise InvalidRequestError(f"Can't read {path.name}: check that the file exists.") from error
    except IsADirectoryError as error:
        raise _no_file(path) from error
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"Can't read {path.name}: check that you may open it.") from error
    with file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise _no_file(path)
        if about.st_size == 0:
            raise InvalidRequestError(f"{path.name} is empty: choose another recording.")
        if about.st_size > MAX_BYTES:
            raise InvalidRequestError(
                f"{path.name} is larger than {MAX_BYTES >> 30} GB: cut it to the part that matters."
            )
        yield file, about.st_size


def _no_file(path: Path) -> InvalidRequestError:
    return InvalidRequestError(f"{path.name or path} is no file: choose a sound file.")


def _fit(mono: Mono) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """The samples within ±1: scaled as a whole where the file's own lay beyond.

    What overshoots by the change of rate alone is cut.
    """
    notes = mono.notes
    if mono.peak > 1.0:
        peak = max(mono.peak, float(np.abs(mono.samples).max()))
        down_db = 20 * math.log10(peak)
        if down_db >= AUDIBLE_DB:
            notes = (*notes, f"It was scaled down by {down_db:.1f} dB: its peaks lay above full scale.")
        return (mono.samples / np.float32(peak)).astype(np.float32), notes
    return np.clip(mono.samples, -1.0, 1.0), notes
