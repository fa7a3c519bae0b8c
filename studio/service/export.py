"""A take, or a span of it, in another format: by soundfile, in blocks, its settings in the comment tag."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.core.audio import format_time, to_int16
from studio.core.errors import InvalidRequestError, OutOfResourcesError, StudioError
from studio.service.disk import part_beside
from studio.service.tags import read_comment
from studio.service.wav import GrowingWav

BLOCK_FRAMES = 1 << 16
_ENCODINGS = {
    ".flac": ("FLAC", "PCM_16"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".ogg": ("OGG", "VORBIS"),
}
FORMATS = (".wav", *_ENCODINGS)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Cut:
    """What of a take is wanted: from `start_s` to `end_s` (None: its end), at `lufs` (None: as it is)."""

    start_s: float = 0.0
    end_s: float | None = None
    lufs: float | None = None


WHOLE = Cut()
PEAK_CEILING = 10 ** (-1 / 20)  # a louder target is reached only so far as the peaks stay below −1 dBFS


def checked_suffix(path: Path) -> str:
    """The path's suffix in lower case.

    Raises:
        InvalidRequestError: not a format the studio writes.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InvalidRequestError(
            f"Can't write '{path.name}': end the name in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}."
        )
    return suffix


def disk_error(error: OSError, path: Path) -> StudioError:
    """What the user should read when writing `path` failed."""
    if error.errno in _FULL:
        return OutOfResourcesError(f"The disk of {path.parent} is full: free some space and try again.")
    if isinstance(error, FileNotFoundError):
        lost = path if path.parent.is_dir() else path.parent
        return InvalidRequestError(f"{lost} was deleted or moved meanwhile: start the take again.")
    return InvalidRequestError(f"Can't write {path} ({error.strerror or error}): choose another folder.")


def convert(source: Path, target: Path, comment: str = "", cut: Cut = WHOLE) -> Path:
    """Write the sound of `source` to `target` in the format its suffix names, atomically.

    Args:
        source: a file libsndfile reads, mono.
        target: replaced if it exists; untouched unless the whole conversion went well.
        comment: ASCII text for the comment tag, the take's JSON. Empty keeps the source's own.
        cut: the span, and the loudness it is brought to.

    Raises:
        InvalidRequestError: unknown suffix, unreadable source, a span outside it, or a folder that can't be
            written.
        OutOfResourcesError: the disk is full.
    """
    suffix = checked_suffix(target)
    partial = part_beside(target)
    write = _write_wav if suffix == ".wav" else _write_encoded
    try:
        write(source, partial, suffix, comment or read_comment(source), cut)
        _sync(partial)  # or a power cut after the replacement could leave an empty file
        os.replace(partial, target)
    except OSError as error:
        raise disk_error(error, target) from error
    except sf.LibsndfileError as error:
        raise _encode_error(error, source, target) from error
    finally:
        partial.unlink(missing_ok=True)
    return target


def _write_encoded(source: Path, partial: Path, suffix: str, comment: str, cut: Cut) -> None:
    kind, subtype = _ENCODINGS[suffix]
    with (
        sf.SoundFile(source) as sound,
        sf.SoundFile(partial, "w", sound.samplerate, sound.channels, subtype, format=kind) as out,
    ):
        if comment:
            out.comment = comment
        for block in _samples(sound, cut):
            out.write(block)


def _write_wav(source: Path, partial: Path, suffix: str, comment: str, cut: Cut) -> None:
    with sf.SoundFile(source) as sound, GrowingWav(partial, sound.samplerate) as out:
        for block in _samples(sound, cut):
            out.write(block)
        out.close(comment)


def _samples(sound: sf.SoundFile, cut: Cut) -> Iterator[NDArray[np.int16]]:
    """The samples wanted, in blocks; those of an untouched take bit by bit."""
    start, stop = _span(sound, cut)
    gain = 1.0 if cut.lufs is None else _gain(sound, start, stop, cut.lufs)
    for block in _read(sound, start, stop):
        yield block if gain == 1.0 else to_int16(block.astype(np.float32) * np.float32(gain / 32767))


def _span(sound: sf.SoundFile, cut: Cut) -> tuple[int, int]:
    start = round(cut.start_s * sound.samplerate)
    stop = sound.frames if cut.end_s is None else min(round(cut.end_s * sound.samplerate), sound.frames)
    if not 0 <= start < stop and (sound.frames or cut != WHOLE):
        length = format_time(sound.frames / sound.samplerate)
        raise InvalidRequestError(f"The take is {length} long: choose a span inside it.")
    return start, stop


def _read(sound: sf.SoundFile, start: int, stop: int) -> Iterator[NDArray[np.int16]]:
    sound.seek(start)
    while (left := stop - sound.tell()) > 0:
        yield sound.read(min(left, BLOCK_FRAMES), dtype="int16")


def _gain(sound: sf.SoundFile, start: int, stop: int, lufs: float) -> float:
    """What brings the span to that loudness, or as near as its peaks allow; 1 for silence."""
    from studio.dsp.loudness import LoudnessMeter  # its filters take longer to import than the page has

    meter = LoudnessMeter(sound.samplerate)
    for block in _read(sound, start, stop):
        meter.push(block / 32768)
    measured = meter.integrated()
    return min(10 ** ((lufs - measured) / 20), PEAK_CEILING / meter.peak) if np.isfinite(measured) else 1.0


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _encode_error(error: sf.LibsndfileError, source: Path, target: Path) -> StudioError:
    """libsndfile reports a full disk as a short write, without an errno: ask the disk."""
    disk = os.statvfs(target.parent) if hasattr(os, "statvfs") else None
    if disk is not None and disk.f_bavail * disk.f_frsize < BLOCK_FRAMES:
        return disk_error(OSError(errno.ENOSPC, "disk full"), target)
    return InvalidRequestError(f"Can't convert {source.name} ({error.error_string}): check that it plays.")
