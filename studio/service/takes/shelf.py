"""The takes in a folder, as they are found: whole ones, and those that can't be read, with the reason.

A folder may hold anything. Only ordinary files are opened, up to a size, and one bad file hides no other.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.core.locks import grows
from studio.core.preset import (
    MAX_PRESET_BYTES,
    UNUSABLE,
    Preset,
    TakeRecord,
    describes_take,
    parse_preset,
)
from studio.core.text import one_line, read_text
from studio.service.takes.export import FORMATS


@dataclass(frozen=True)
class Take:
    """One take: its sound, its record, and how it stands.

    `id` is FOLDER/STEM of the sidecar. `status` is the record's, but a take that never ended is "running" if
    somebody works on it, else "interrupted".
    """

    id: str
    path: Path
    sidecar: Path
    record: Preset
    status: str

    @property
    def about(self) -> TakeRecord:
        assert self.record.take is not None
        return self.record.take

    @property
    def prompts(self) -> str:
        """Everything it was asked for, for a search."""
        lane = self.record.settings.get("lane") or ()
        said = (self.record.settings.get("prompt", ""), *(point["prompt"] for point in lane))
        return " · ".join(dict.fromkeys(map(one_line, said)))

    @property
    def searched(self) -> str:
        """What the words of a search may mean, in lower case."""
        seed = self.record.settings.get("seed")
        return f"{self.record.name} {self.prompts} {seed} {shown(self.path.name)}".lower()

    @cached_property
    def age(self) -> tuple[bool, datetime, str]:
        """What takes are ordered by: the date they were made, before all those that have none."""
        try:
            made = datetime.fromisoformat(self.about.created)
            made = made.astimezone().replace(tzinfo=None) if made.tzinfo else made
        except (ValueError, OverflowError, OSError):
            return False, datetime.min, self.sidecar.name
        return True, made, self.sidecar.name


@dataclass(frozen=True)
class Unreadable:
    """What lies there as a take's record, and can't be opened; `reason` is a sentence.

    `paths` are its files: the record, and the sound it lies beside, if there is one.
    """

    id: str
    name: str
    paths: tuple[Path, ...]
    reason: str


@dataclass(frozen=True)
class _Damaged:
    """Why a record can't be read. `certain`: it is a take's, whether a sound lies beside it or not."""

    reason: str
    certain: bool = False


Found = Take | Unreadable
_Record = Preset | _Damaged | None  # None: it is none of a take's
_Look = tuple[tuple[int, ...] | None, _Record]  # and what tells that the file has changed


class Shelf:
    """Reads folders of takes. A record that has not changed since the last time is not read again."""

    def __init__(self) -> None:
        self._records: dict[Path, dict[str, _Look]] = {}

    def read(self, folder: Path, live: Collection[Path] = ()) -> list[Found]:
        """Whatever is a take in `folder`, in no order. Nothing where there is no such folder.

        `live` are the files that this process works on. Never raises.
        """
        try:
            with os.scandir(folder) as entries:
                names = {entry.name for entry in entries}
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            name = shown(folder.name)
            return [Unreadable(name, name, (), f"This folder can't be opened: {_why(error)}.")]
        known = self._records.get(folder, {})
        records = {name: _look(folder / name, known.get(name)) for name in names if name.endswith(".json")}
        self._records[folder] = records
        takes: list[Found] = []
        claimed: set[Path] = set()
        for name in sorted(records):
            found = _take(folder / name, records[name][1], names, live)
            if isinstance(found, Take) and found.path in claimed:
                found = _unreadable(found.sidecar, (found.sidecar,), _anothers(found.path.name))
            elif isinstance(found, Take):
                claimed.add(found.path)
            if found is not None:
                takes.append(found)
        return takes

    def keep(self, folders: Collection[Path]) -> None:
        """Let go of what is known of other folders."""
        known = self._records  # another thread may put its own in place meanwhile
        self._records = {folder: known[folder] for folder in folders if folder in known}


def _take(sidecar: Path, record: _Record, names: Collection[str], live: Collection[Path]) -> Found | None:
    beside = _beside(sidecar.stem, names)
    paths = (sidecar, *([sidecar.with_name(beside)] if beside else []))
    if isinstance(record, _Damaged):
        return _unreadable(sidecar, paths, record.reason) if record.certain or beside else None
    if record is None or record.take is None:
        return None
    try:
        path = sidecar.with_name(_sound(sidecar, record.take.file, beside, names))
        if not path.is_file():
            raise InvalidRequestError(f"Its sound {shown(path.name)} is no ordinary file, or gone.")
    except InvalidRequestError as error:
        return _unreadable(sidecar, paths, str(error))
    return _stood(sidecar, path, record, record.take, live)


def _look(sidecar: Path, known: _Look | None) -> _Look:
    """A record as it is now; what was `known` of it if it has not changed."""
    try:
        about = sidecar.stat()
        stamp = about.st_mtime_ns, about.st_ctime_ns, about.st_size, about.st_ino
        if known is not None and known[0] == stamp:
            return known
        if not stat.S_ISREG(about.st_mode):
            return stamp, _Damaged("Its record is no ordinary file.")
        if about.st_size > MAX_PRESET_BYTES:
            return stamp, _Damaged(f"Its record is {about.st_size / 1e6:.0f} MB large: no take's is.")
        return stamp, _read_record(sidecar)
    except OSError as error:  # which may be over the next time
        return None, _Damaged(f"Its record can't be read: {_why(error)}.")


def _read_record(sidecar: Path) -> _Record:
    """Raises `OSError`."""
    try:
        text = read_text(sidecar, MAX_PRESET_BYTES)
    except InvalidRequestError as error:
        return _Damaged(str(error))
    described = describes_take(text)
    if described is None:
        return _Damaged("Its record is damaged: its text is not JSON.")
    if not described:
        return None
    try:
        record = parse_preset(text)
        record.request()  # or what follows would have to doubt every setting
    except InvalidRequestError as error:
        why = str(error).removeprefix(UNUSABLE)
        return _Damaged(f"Its record can't be used: {why}", certain=True)
    return record


def _stood(sidecar: Path, path: Path, record: Preset, about: TakeRecord, live: Collection[Path]) -> Take:
    """The take as it stands: its record's word, but for one that was never ended."""
    status = about.status
    known: dict[str, object] = {"file": path.name}
    if path in live or (status == "running" and grows(path)):
        status = "running"
    elif status == "running":
        status = "interrupted"
        known["duration_s"] = _length_s(path)
    record = record.model_copy(update={"take": about.model_copy(update=known)})
    return Take(id_of(sidecar), path, sidecar, record, status)


def _sound(sidecar: Path, named: str, beside: str | None, names: Collection[str]) -> str:
    """The name of the sound that is a record's own: one of its own stem, or one that has no other record.

    Raises:
        InvalidRequestError: there is none.
    """
    fits = named in names and named.lower().endswith(FORMATS)
    if fits and sidecar.name in _records_of(named):
        return named
    if beside is not None:
        return beside
    if not fits:
        raise InvalidRequestError(f"Its sound {shown(named)[:80]} is not in its folder.")
    if any(record in names for record in _records_of(named)):
        raise InvalidRequestError(_anothers(named))
    return named


def _anothers(sound: str) -> str:
    return f"Its record names the sound of another take, {shown(sound)}."


def _records_of(sound: str) -> tuple[str, str]:
    return f"{os.path.splitext(sound)[0]}.json", f"{sound}.json"


def _beside(stem: str, names: Collection[str]) -> str | None:
    """The sound of a record's own stem; the record of `a.flac` may be called `a.flac.json` too."""
    found = [name for name in (stem, *(stem + suffix for suffix in FORMATS)) if name in names]
    return next((name for name in found if name.lower().endswith(FORMATS)), None)


def _unreadable(sidecar: Path, paths: tuple[Path, ...], reason: str) -> Unreadable:
    return Unreadable(id_of(sidecar), shown(sidecar.stem), paths, reason)


def id_of(sidecar: Path) -> str:
    """FOLDER/STEM of a take's record, or of the sound beside it, in characters that any encoding has."""
    return f"{shown(sidecar.parent.name)}/{shown(sidecar.stem)}"


def shown(name: str) -> str:
    """A file's name as text that any encoding has and no terminal obeys; different names stay so."""
    return "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode() for ch in name)


def _why(error: OSError) -> str:
    return (error.strerror or "the system gives no reason").lower()


def _length_s(path: Path) -> float:
    """Of a take whose record was never brought up to date; 0 where the file tells nothing."""
    try:
        return float(sf.info(path).duration)
    except (OSError, RuntimeError):
        return 0.0
