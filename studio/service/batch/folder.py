"""The folder of a set: where a row's sound, its record and its error lie, and which rows are done.

    DIR/ab/abcdef….flac         the sound, its settings in the comment tag
    DIR/ab/abcdef….json         its record, an ordinary sidecar, written last
    DIR/ab/abcdef….error.json   why a row could not be made
    DIR/.claims/…               what is being made at the moment (`claims`)

A row is done when its sound and the record that names it are there, and nothing else says so. Each file is
written under another name, put on the disk and then renamed; the record is renamed only after the name of the
sound is on the disk. So whatever is there after a kill or a power cut is whole, and what a power cut takes
back is a record at the most, whose row is then made again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio import __version__
from studio.core.audio import to_int16
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.files import disk_error, part_beside, replace_file, sweep_parts, sync_folder
from studio.core.preset import SYNTHETIC, Bands, BatchRow, Group, Preset, TakeRecord, load_preset
from studio.core.speech import Said, Sentence, within
from studio.core.text import read_text
from studio.service.batch.identity import FORMAT
from studio.service.batch.rows import Row
from studio.service.takes.export import FORMATS, checked_suffix, disk_is_full, encode
from studio.service.takes.record import comment_of, cues_of, with_script
from studio.service.takes.sidecar import write_sidecar

CLAIMS = ".claims"
ERROR = ".error.json"
MAX_ERROR_BYTES = 100_000
KEPT_BYTES = 1 << 23  # of a row's sound in memory; a longer one is kept on the disk until it is encoded
_BLOCK_BYTES = 1 << 17
_ROW = re.compile(r"[0-9a-f]{32}")
NO_SOUND = "The model made no sound of this row: ask for more seconds."


class FolderError(StudioError):
    """The folder of a set can't be read or written: the run ends, and no row is at fault."""


@dataclass
class Made:
    """A row as it is made: `chunks` are consecutive samples [n], or of stereo [n, 2], in [−1, 1], taken once,
    as they are written.

    What else there is to tell may be set until they have ended: `figures`, what is `said` in the take and
    when, and the `script` as it was read where that is another than the request's.
    """

    row: Row
    sample_rate: int
    chunks: Iterable[NDArray[np.floating]]
    figures: Mapping[str, float] = field(default_factory=dict)
    said: tuple[Said, ...] = ()
    script: tuple[Sentence, ...] | None = None


@dataclass(frozen=True)
class RowError:
    """Why a row could not be made: the error's class, and the sentence for the user."""

    row: str
    line: int
    kind: str
    sentence: str


@dataclass(frozen=True)
class Survey:
    """The ids of the rows that were done when the folder was listed, and of those that left an error."""

    done: frozenset[str]
    failed: frozenset[str]

    @cached_property
    def settled(self) -> frozenset[str]:
        """Those of which nothing is to be made."""
        return self.done | self.failed


class SetFolder:
    """The rows of a set on the disk. Any number of processes and machines may work in one folder.

    Every method raises `FolderError` where the disk refuses.
    """

    def __init__(self, path: Path, suffix: str = ".flac", *, group: str = "", rows: int = 0) -> None:
        """`suffix` names the format of new sounds. `group` is what the Library knows the set by (by the
        folder's name where it is empty), of so many `rows`.

        Raises:
            InvalidRequestError: no format that the studio writes.
        """
        self.path = path
        self.suffix = checked_suffix(Path(f"x{suffix}"))
        name = os.fsencode(path.absolute().name)
        self.group = group or f"set-{hashlib.sha256(name).hexdigest()[:12]}"
        self.rows = rows
        self._unsettled: set[Path] = set()

    def prepare(self) -> None:
        """Make the folder if it is not there."""
        with self._disk(self.path):
            (self.path / CLAIMS).mkdir(parents=True, exist_ok=True)

    def sound(self, row_id: str) -> Path:
        """Where a row's sound is put."""
        return self._of(row_id, self.suffix)

    def sidecar(self, row_id: str) -> Path:
        """Where its record is put."""
        return self._of(row_id, ".json")

    def error(self, row_id: str) -> Path:
        """Where its error is put."""
        return self._of(row_id, ERROR)

    def is_done(self, row_id: str) -> bool:
        """Whether the row's sound is there, and the record that names it."""
        return self.found(row_id) is not None

    def seems_done(self, row_id: str) -> bool:
        """As `is_done`, and as `survey` has it: the record is read only where its sound is of another format.

        A record beside a sound of its stem was written after it.
        """
        place = f"{self.path}{os.sep}{row_id[:2]}{os.sep}{row_id}"
        if not os.path.exists(f"{place}.json"):
            return False
        return os.path.exists(f"{place}{self.suffix}") or self.is_done(row_id)

    def found(self, row_id: str) -> Path | None:
        """The sound of a row that is done, in whatever format it was made; None for any other row."""
        sidecar = self.sidecar(row_id)
        if not sidecar.is_file():
            return None
        try:
            take = load_preset(sidecar).take
        except InvalidRequestError:
            return None
        if take is None or not take.file.startswith(row_id) or not (sidecar.parent / take.file).is_file():
            return None
        return sidecar.parent / take.file

    def survey(self, row_ids: Iterable[str] | None = None) -> Survey:
        """What is there of all rows or of some, from one listing of each folder that they lie in."""
        wanted = None if row_ids is None else frozenset(row_ids)
        done: set[str] = set()
        failed: set[str] = set()
        for shelf in self._shelves() if wanted is None else {row_id[:2] for row_id in wanted}:
            self._look(self._names(self.path / shelf), done, failed)
        failed -= done
        if wanted is not None:
            done, failed = done & wanted, failed & wanted
        return Survey(frozenset(done), frozenset(failed))

    def write(self, made: Made, unit: Sequence[str], before: Callable[[], None] = lambda: None) -> float:
        """Put a row's sound and record in their places; the seconds it lasts.

        However long it is, no more than `KEPT_BYTES` of it are in memory. The sound file of the same samples
        is the same, byte by byte, whoever made it and when (but for Ogg, whose streams have numbers drawn).

        Args:
            made: its chunks are taken here.
            unit: the ids of the rows made side by side.
            before: called before the first file is renamed; what it raises leaves nothing.

        Raises:
            NoSoundError: a sample is no number.
            InvalidRequestError: there are no samples.
            FolderError: the disk is full, or the folder is gone.
        """
        sound = self.sound(made.row.id)
        self._make_shelf(sound.parent)
        with self._disk(sound):
            spool = tempfile.SpooledTemporaryFile(KEPT_BYTES, dir=str(sound.parent))  # noqa: SIM115 - closed below
        with spool:
            frames = self._take_in(made, spool, sound)
            record = self._record(made, frames, unit)
            with self._disk(sound):
                self._put(sound, record, spool, made.row.request.channels, before)
        return frames / made.sample_rate

    def settle(self) -> None:
        """Put the names of what was written on the disk, for a run to end with."""
        folders = [*self._unsettled, self.path] if self._unsettled else []
        self._unsettled.clear()
        for folder in folders:
            with self._disk(folder):
                sync_folder(folder)

    def sweep(self) -> None:
        """Remove what killed writers left half-written, once it is surely nobody's. Never raises."""
        with suppress(StudioError):
            for shelf in self._shelves():
                sweep_parts(self.path / shelf)

    def error_of(self, row_id: str) -> RowError | None:
        """Why a row could not be made; None where no error is there that can be read."""
        try:
            said = json.loads(read_text(self.error(row_id), MAX_ERROR_BYTES))
            return RowError(row_id, int(said["line"]), str(said["kind"]), str(said["sentence"]))
        except (OSError, ValueError, KeyError, TypeError, InvalidRequestError):
            return None

    def write_error(self, row: Row, kind: str, sentence: str) -> RowError:
        """Say why a row could not be made."""
        error = RowError(row.id, row.line, kind, sentence)
        path = self.error(row.id)
        self._make_shelf(path.parent)
        with self._disk(path):
            replace_file(path, f"{json.dumps(asdict(error), ensure_ascii=False)}\n".encode(), sync=True)
        return error

    def clear_errors(self, row_ids: Iterable[str]) -> None:
        """Let rows be tried again."""
        for row_id in self.survey(row_ids).failed:
            with self._disk(self.error(row_id)):
                self.error(row_id).unlink(missing_ok=True)

    def _of(self, row_id: str, ending: str) -> Path:
        if not _ROW.fullmatch(row_id):
            raise ValueError(f"{row_id!r} is no row's id")
        return self.path / row_id[:2] / f"{row_id}{ending}"

    def _make_shelf(self, shelf: Path) -> None:
        with self._disk(shelf):
            shelf.mkdir(exist_ok=True)  # a folder of the set's own that was taken away is not made again

    def _shelves(self) -> list[str]:
        return [name for name in self._names(self.path) if len(name) == 2]

    def _names(self, folder: Path) -> list[str]:
        with self._disk(folder):
            try:
                return os.listdir(folder)
            except (FileNotFoundError, NotADirectoryError):
                return []

    def _look(self, names: Collection[str], done: set[str], failed: set[str]) -> None:
        """Add what a folder's names say. A record is read only where more than one sound may be its own."""
        there = set(names)
        for name in names:
            row_id, ending = name[:32], name[32:]
            if not _ROW.fullmatch(row_id):
                continue
            if ending == ERROR:
                failed.add(row_id)
            elif ending == ".json":
                sounds = [suffix for suffix in FORMATS if f"{row_id}{suffix}" in there]
                if sounds == [self.suffix] or (sounds and self.is_done(row_id)):
                    done.add(row_id)

    def _take_in(self, made: Made, kept: IO[bytes], sound: Path) -> int:
        """Keep the samples in 16 bits; how many there are. What goes wrong in making them is no disk's."""
        frames = 0
        for chunk in made.chunks:
            pcm = to_int16(chunk)
            with self._disk(sound):
                kept.write(pcm.tobytes())
            frames += len(pcm)
        if not frames:
            raise InvalidRequestError(NO_SOUND)
        return frames

    def _put(
        self, sound: Path, record: Preset, kept: IO[bytes], channels: int, before: Callable[[], None]
    ) -> None:
        """The sound first, then the record. Raises `OSError` and what libsndfile does."""
        take = _take(record)
        batch = take.batch and take.batch.model_copy(update={"line": 0})
        # Without what differs from one making or set to another, so that the same samples are the same file.
        plain = record.model_copy(
            update={"take": _take(record, created="", figures={}, group=None, batch=batch)}
        )
        partial = part_beside(sound)
        try:
            blocks = _blocks(kept, channels)
            encode(partial, self.suffix, take.sample_rate, channels, blocks, comment_of(plain))
            with open(partial, "rb+") as file:
                os.fsync(file.fileno())
            before()
            os.replace(partial, sound)
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(sound.parent)  # or a power cut could leave the record without its sound
        write_sidecar(sound.with_suffix(".json"), record, sync=True)
        sound.with_suffix(ERROR).unlink(missing_ok=True)
        self._unsettled.add(sound.parent)

    def _record(self, made: Made, frames: int, unit: Sequence[str]) -> Preset:
        row, request = made.row, made.row.request
        if made.script is not None:
            request = with_script(request, made.script)
        duration_s = frames / made.sample_rate
        position = max(1, row.line)
        take = TakeRecord(
            file=self.sound(row.id).name,
            created=datetime.now().isoformat(timespec="milliseconds"),
            version=__version__,
            duration_s=duration_s,
            sample_rate=made.sample_rate,
            bands=Bands.of(request),
            cues=cues_of(request, duration_s),
            said=within(made.said, 0.0, duration_s),
            figures=dict(made.figures),
            group=Group(id=self.group, position=position, takes=max(position, self.rows)),
            batch=BatchRow(row=row.id, line=row.line, unit=tuple(unit), format=FORMAT),
        )
        about = SYNTHETIC if take.said else ""
        name = row.name[:200] or request.prompt[:200]
        return Preset(name=name, description=about, settings=request.model_dump(mode="json"), take=take)

    @contextmanager
    def _disk(self, path: Path) -> Iterator[None]:
        try:
            yield
        except (OSError, sf.LibsndfileError) as error:
            raise self.fault(error, path) from error

    def fault(self, error: OSError | sf.LibsndfileError, path: Path) -> FolderError:
        """What the user should read when `path` in the folder could not be written."""
        if not self.path.is_dir():
            return FolderError(f"The folder {self.path} was deleted or moved meanwhile: start the run again.")
        if isinstance(error, sf.LibsndfileError):
            full = disk_is_full(path.parent)  # which libsndfile does not tell
            error = OSError(errno.ENOSPC if full else errno.EIO, error.error_string)
        return FolderError(str(disk_error(error, path)))


def _take(record: Preset, **changes: object) -> TakeRecord:
    assert record.take is not None
    return record.take.model_copy(update=changes)


def _blocks(kept: IO[bytes], channels: int) -> Iterator[NDArray[np.int16]]:
    """What was kept, as samples [n] or [n, channels]."""
    kept.seek(0)
    while block := kept.read(channels * _BLOCK_BYTES):
        samples = np.frombuffer(block, "<i2")
        yield samples if channels == 1 else samples.reshape(-1, channels)
