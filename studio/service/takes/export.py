"""A take, or a span of it, in another format: in blocks, its settings in the comment tag."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.core.errors import InvalidRequestError, StudioError
from studio.core.files import disk_error, part_beside
from studio.service.takes.export_range import ExportRange
from studio.service.takes.files.coding import AS_IT_IS, FORMATS, LOSSLESS, Coding
from studio.service.takes.files.encode import encode
from studio.service.takes.files.marks import NOTHING, About, Span, about, record_of, record_within
from studio.service.takes.files.samples import BLOCK_FRAMES, Samples, Source, rounded
from studio.service.takes.files.wav_chunks import write_loudness
from studio.service.takes.level import MARGIN_DB, Level, Leveller, Measured, Plan, measure
from studio.service.takes.record import told_of

WHOLE = ExportRange()
_ATTEMPTS = 7  # at a format whose own noise lifts loudness, and peaks over the ceiling
_ASTRAY_LU = 0.05

__all__ = ["FORMATS", "Export", "checked_suffix", "convert", "disk_is_full", "encode", "export"]


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
    source: Path,
    target: Path,
    comment: str = "",
    cut: ExportRange = WHOLE,
    *,
    labelled: bool = False,
    coding: Coding = AS_IT_IS,
    check: Callable[[], None] = lambda: None,
) -> Export:
    """Write the sound of `source` to `target` in the format its suffix names, atomically.

    Args:
        source: a file libsndfile reads.
        target: replaced if it exists; untouched unless the whole conversion went well.
        comment: ASCII text for the comment tag, the take's JSON. Empty keeps the source's own. The level
            that was reached is added to a take's figures; what is heard when, and a take's loop, are told as
            they lie in the file, in the comment and in what other programs read (`files`).
        cut: the span, and the loudness it is brought to; samples of an untouched level stay bit by bit.
        coding: the bit depth and the rate; what has to be rounded for them is dithered.
        labelled: the file's name, of what else it is, also says the loudness reached.
        check: called before each block that is read; what it raises ends the conversion.

    Raises:
        InvalidRequestError: unknown suffix, unreadable source, a folder that can't be written, or the source
            itself as the target.
        ExportRangeError: a span outside the take, a depth or a rate that the format has not.
        OutOfResourcesError: the disk is full.
    """
    suffix = checked_suffix(target)
    coding.check(suffix)
    if target.exists() and source.exists() and target.samefile(source):
        raise InvalidRequestError(f"{target.name} is the take itself: choose another name.")
    if not target.parent.is_dir():
        raise InvalidRequestError(f"There is no folder {target.parent}: choose another, or make it first.")
    partial = part_beside(target)
    try:
        with sf.SoundFile(source) as sound:
            file = _file_of(sound, comment or told_of(source), cut, suffix, coding, partial, check)
            level = _write(file, cut)
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


@dataclass(frozen=True)
class _File:
    """What is to be written where, and how."""

    source: Source
    path: Path
    suffix: str
    comment: str
    coding: Coding
    about: About

    @property
    def exact(self) -> bool:
        """Whether the source's samples can be written as they are."""
        return self.source.fits(self.coding.depth if self.suffix in LOSSLESS else 16)

    def encode(self, samples: Iterable[Samples], comment: str) -> None:
        self.path.unlink(missing_ok=True)
        encode(
            self.path, self.suffix, self.source.sample_rate, self.source.channels, samples, comment,
            coding=self.coding, about=self.about,
        )  # fmt: skip

    def as_it_is(self) -> Iterator[Samples]:
        """The source's samples at no other level."""
        if self.exact and (self.suffix not in LOSSLESS or self.coding.depth == 16):
            return self.source.samples()
        return self.coded(self.source.floats(), dither=not self.exact)

    def coded(self, blocks: Iterable[NDArray[np.float64]], *, dither: bool) -> Iterator[Samples]:
        """Blocks as the format takes them: a lossy one rounds by itself."""
        return rounded(blocks, self.coding.depth if self.suffix in LOSSLESS else 32, dither=dither)

    def measured(self) -> Measured:
        """What was written, as it is read back."""
        with sf.SoundFile(self.path) as sound:
            whole = Source(sound, 0, sound.frames, sound.samplerate)
            return measure(whole.floats(), whole.sample_rate, whole.channels)


def _file_of(
    sound: sf.SoundFile,
    comment: str,
    cut: ExportRange,
    suffix: str,
    coding: Coding,
    path: Path,
    check: Callable[[], None],
) -> _File:
    start, stop = cut.frames(sound.frames, sound.samplerate)
    record = record_of(comment)
    loops = record is not None and record.take is not None and record.take.loop == (start, stop)
    source = Source(
        sound,
        start,
        stop,
        coding.rate_of(suffix, sound.samplerate),
        goes_round=loops,
        width=cut.width,
        check=check,
    )
    span = Span(start, stop, sound.samplerate, source.sample_rate, source.frames)
    told = record_within(comment, span, sound.frames)
    if cut.width != 1 and sound.channels == 2:
        told = with_figures(told, {"kept_width": cut.width})
    return _File(source, path, suffix, told, coding, about(comment, span))


def _write(file: _File, cut: ExportRange) -> Level | None:
    """Write the samples wanted; the level that they came to, where a loudness is asked for.

    It is measured on the file as it is read back. What a lossy format adds is taken off in another attempt;
    a file whose comment does not yet say its level is written once more.
    """
    if cut.lufs is None:
        file.encode(file.as_it_is(), file.comment)
        if file.suffix == ".wav" and file.about is not NOTHING:
            write_loudness(file.path, file.measured())
        return None
    source = file.source
    leveller = Leveller(source.floats, source.sample_rate, source.channels)
    wanted, ceiling = cut.lufs, cut.ceiling_dbtp
    plan, told = leveller.settle(wanted, ceiling), None
    written, reached = plan, Measured(None, None)
    for attempt in range(_ATTEMPTS):
        text = file.comment if told is None else with_figures(file.comment, told.figures)
        nothing_done = plan.gain_db == 0 and plan.limit_dbtp is None
        made = file.as_it_is() if nothing_done else file.coded(leveller.made(plan), dither=True)
        file.encode(made, text)
        if told is None or plan != written or file.suffix not in LOSSLESS:  # no longer the samples measured
            reached = file.measured()
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
    if file.suffix == ".wav":
        write_loudness(file.path, reached)
    return level


def _astray(level: Level, plan: Plan) -> tuple[float, float]:
    """What the format added to the sound: decibels above the ceiling, and LU above the loudness planned."""
    lufs, peak = level.reached.lufs, level.reached.true_peak_dbtp
    over_db = 0.0 if peak is None else max(0.0, peak - level.ceiling_dbtp)
    return over_db, 0.0 if lufs is None or plan.lufs is None else lufs - plan.lufs


def with_figures(comment: str, figures: Mapping[str, float]) -> str:
    """A take's JSON with these among its figures; any other comment as it is."""
    try:
        record = json.loads(comment)
        record["take"]["figures"] = {**record["take"].get("figures", {}), **figures}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return comment
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
