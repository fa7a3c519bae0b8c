"""A take, or a span of it, in another format: by soundfile, in blocks, its settings in the comment tag."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.core.errors import InvalidRequestError, StudioError
from studio.core.files import disk_error, part_beside
from studio.core.preset import SYNTHETIC
from studio.core.speech import Said, within
from studio.service.takes.export_range import ExportRange
from studio.service.takes.level import MARGIN_DB, Level, Leveller, Measured, Plan, measure
from studio.service.takes.tags import read_comment
from studio.service.takes.wav import GrowingWav

BLOCK_FRAMES = 1 << 16
_ENCODINGS = {
    ".flac": ("FLAC", "PCM_16"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".ogg": ("OGG", "VORBIS"),
}
FORMATS = (".wav", *_ENCODINGS)
_LOSSLESS = {".wav", ".flac"}
WHOLE = ExportRange()
_ATTEMPTS = 7  # at a format whose own noise lifts loudness, and peaks over the ceiling
_ASTRAY_LU = 0.05


@dataclass(frozen=True)
class Export:
    """What was written, and the level it came to if a loudness was asked for."""

    path: Path
    level: Level | None = None


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


def convert(source: Path, target: Path, comment: str = "", cut: ExportRange = WHOLE) -> Path:
    """As `export`; the path alone."""
    return export(source, target, comment, cut).path


def export(
    source: Path, target: Path, comment: str = "", cut: ExportRange = WHOLE, *, labelled: bool = False
) -> Export:
    """Write the sound of `source` to `target` in the format its suffix names, atomically.

    Args:
        source: a file libsndfile reads.
        target: replaced if it exists; untouched unless the whole conversion went well.
        comment: ASCII text for the comment tag, the take's JSON. Empty keeps the source's own. The level
            that was reached is added to a take's figures.
        cut: the span, and the loudness it is brought to; samples of an untouched level stay bit by bit.
        labelled: the file's name, of what else it is, also says the loudness reached.

    Raises:
        InvalidRequestError: unknown suffix, unreadable source, a folder that can't be written, or the source
            itself as the target.
        ExportRangeError: a span outside the take.
        OutOfResourcesError: the disk is full.
    """
    suffix = checked_suffix(target)
    if target.exists() and source.exists() and target.samefile(source):
        raise InvalidRequestError(f"{target.name} is the take itself: choose another name.")
    if not target.parent.is_dir():
        raise InvalidRequestError(f"There is no folder {target.parent}: choose another, or make it first.")
    partial = part_beside(target)
    try:
        comment = comment or read_comment(source)
        with sf.SoundFile(source) as sound:
            start, stop = cut.frames(sound.frames, sound.samplerate)
            if (start, stop) != (0, sound.frames):
                comment = with_said_within(comment, start / sound.samplerate, stop / sound.samplerate)
            level = _write(_Source(sound, cut), partial, suffix, comment, cut)
        if labelled and level is not None:
            target = target.with_name(f"{target.stem}__{level.label}{target.suffix}")
        _sync(partial)  # or a power cut after the replacement could leave an empty file
        os.replace(partial, target)
    except OSError as error:
        raise disk_error(error, target) from error
    except sf.LibsndfileError as error:
        raise _encode_error(error, source, target) from error
    finally:
        partial.unlink(missing_ok=True)
    return Export(target, level)


class _Source:
    """The span of an open sound, to be read over and over in blocks [n, channels]."""

    def __init__(self, sound: sf.SoundFile, cut: ExportRange) -> None:
        self._sound = sound
        self._start, self._stop = cut.frames(sound.frames, sound.samplerate)
        self.sample_rate, self.channels = sound.samplerate, sound.channels

    def samples(self) -> Iterator[NDArray[np.int16]]:
        """As they are."""
        return self._blocks("int16")

    def floats(self) -> Iterator[NDArray[np.float64]]:
        """With full scale 1."""
        return self._blocks("float64")

    def _blocks(self, dtype: str) -> Iterator[NDArray[Any]]:
        if self._sound.tell() != self._start:  # in an MP3 a needless seek costs the frame before
            self._sound.seek(self._start)
        while (left := self._stop - self._sound.tell()) > 0:
            block = self._sound.read(min(left, BLOCK_FRAMES), dtype=dtype, always_2d=True)
            if not len(block):
                return
            yield block


def _write(source: _Source, partial: Path, suffix: str, comment: str, cut: ExportRange) -> Level | None:
    """Write the samples wanted; the level that they came to, where a loudness is asked for.

    It is measured on the file as it is read back. What a lossy format adds is taken off in another attempt;
    a file whose comment does not yet say its level is written once more.
    """
    if cut.lufs is None:
        _encode(source, source.samples(), partial, suffix, comment)
        return None
    leveller = Leveller(source.floats, source.sample_rate, source.channels)
    wanted, ceiling = cut.lufs, cut.ceiling_dbtp
    plan, told = leveller.settle(wanted, ceiling), None
    written, reached = plan, Measured(None, None)
    for attempt in range(_ATTEMPTS):
        text = comment if told is None else with_figures(comment, told.figures)
        _encode(source, leveller.made(plan), partial, suffix, text)
        if told is None or plan != written or suffix not in _LOSSLESS:  # the samples are others than before
            reached = _measured(partial)
        written = plan
        level = Level(cut.lufs, cut.ceiling_dbtp, reached, plan.gain_db, leveller.reduction_db)
        over_db, louder_lu = _astray(level, plan)
        better = cut.lufs - louder_lu
        if attempt < _ATTEMPTS - 2 and (over_db > 0 or abs(better - wanted) > _ASTRAY_LU):
            ceiling -= over_db and over_db + (1 + attempt) * MARGIN_DB
            wanted = better
            plan = leveller.settle(wanted, ceiling)
        elif told is not None and told.figures == level.figures:
            break
        told = level
    return level


def _astray(level: Level, plan: Plan) -> tuple[float, float]:
    """What the format added to the sound: decibels above the ceiling, and LU above the loudness planned."""
    lufs, peak = level.reached.lufs, level.reached.true_peak_dbtp
    over_db = 0.0 if peak is None else max(0.0, peak - level.ceiling_dbtp)
    return over_db, 0.0 if lufs is None or plan.lufs is None else lufs - plan.lufs


def _encode(
    source: _Source, samples: Iterable[NDArray[np.int16]], partial: Path, suffix: str, comment: str
) -> None:
    partial.unlink(missing_ok=True)
    encode(partial, suffix, source.sample_rate, source.channels, samples, comment)


def encode(
    path: Path,
    suffix: str,
    sample_rate: int,
    channels: int,
    samples: Iterable[NDArray[np.int16]],
    comment: str,
) -> None:
    """A new file `path` of 16-bit samples [n] or [n, channels] in the format that `suffix` names.

    Raises:
        OSError: what the disk says.
        soundfile.LibsndfileError: libsndfile, which says no more of a full disk (`disk_is_full`).
    """
    if suffix == ".wav":
        with GrowingWav(path, sample_rate, channels) as wav:
            for block in samples:
                wav.write(block)
            wav.close(comment)
        return
    kind, subtype = _ENCODINGS[suffix]
    with sf.SoundFile(path, "w", sample_rate, channels, subtype, format=kind) as out:
        if comment:
            out.comment = comment
        for block in samples:
            out.write(block)


def _measured(path: Path) -> Measured:
    with sf.SoundFile(path) as sound:
        source = _Source(sound, WHOLE)
        return measure(source.floats(), source.sample_rate, source.channels)


def with_figures(comment: str, figures: Mapping[str, float]) -> str:
    """A take's JSON with these among its figures; any other comment as it is."""
    try:
        record = json.loads(comment)
        record["take"]["figures"] = {**record["take"].get("figures", {}), **figures}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return comment
    return json.dumps(record)


def with_said_within(comment: str, start_s: float, end_s: float) -> str:
    """A take's JSON with what is said from a time of it to another, in the time from there on; one of which
    nothing is said, and any other comment, as it is.
    """
    try:
        record = json.loads(comment)
        said = tuple(Said(**one) for one in record["take"]["said"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return comment
    if not said:
        return comment
    kept = within(said, start_s, end_s)
    record["take"]["said"] = [one.model_dump() for one in kept]
    record["description"] = SYNTHETIC if kept else ""
    return json.dumps(record)


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def disk_is_full(folder: Path) -> bool:
    """Whether no block of sound fits any more: libsndfile reports a full disk as a short write, without an
    errno.
    """
    disk = os.statvfs(folder) if hasattr(os, "statvfs") else None
    return disk is not None and disk.f_bavail * disk.f_frsize < BLOCK_FRAMES


def _encode_error(error: sf.LibsndfileError, source: Path, target: Path) -> StudioError:
    if disk_is_full(target.parent):
        return disk_error(OSError(errno.ENOSPC, "disk full"), target)
    return InvalidRequestError(f"Can't convert {source.name} ({error.error_string}): check that it plays.")
