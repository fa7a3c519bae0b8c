"""The takes in a folder, as they are found: whole ones, and those that can't be read, with the reason.

A folder may hold anything. Only ordinary files are opened, up to a size, and one bad file hides no other.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.core.locks import grows
from studio.core.preset import Preset, TakeRecord, load_preset
from studio.service.takes.export import FORMATS
from studio.service.takes.index import Index, Read
from studio.service.takes.sidecar import Entry, prompts_of, read_entry, stamp_of

SETS = "sets"  # in an outputs folder: a folder for each set, in which those of takes have two digits
_OF_A_SET = re.compile("[0-9a-f]{2}")


@dataclass(frozen=True)
class Take:
    """One take: its sound, its record, and how it stands.

    `id` is FOLDER/STEM of the sidecar, sets/SET/FOLDER/STEM of one of a set. `status` is the record's, but a
    take that never ended is "running" if somebody works on it, else "interrupted". `entry` is what the index
    has of it.
    """

    id: str
    folder: Path
    sidecar_name: str
    sound_name: str
    status: str
    entry: Entry

    @property
    def path(self) -> Path:
        """The sound."""
        return self.folder / self.sound_name

    @property
    def sidecar(self) -> Path:
        return self.folder / self.sidecar_name

    @cached_property
    def record(self) -> Preset:
        """What the sidecar says, brought up to what lies there.

        Raises:
            InvalidRequestError: the sidecar has become unreadable meanwhile.
        """
        try:
            record = Preset(**json.loads(self.entry.record.removeprefix("\ufeff")))
        except ValueError:  # a damaged index; the sidecar is the truth
            record = load_preset(self.sidecar)
        if record.take is None:
            raise InvalidRequestError("This take has another record meanwhile: refresh the list.")
        known: dict[str, object] = {"file": self.sound_name}
        if self.status == "interrupted" and record.take.status == "running":
            known["duration_s"] = self.length_s
        return record.model_copy(update={"take": record.take.model_copy(update=known)})

    @property
    def about(self) -> TakeRecord:
        assert self.record.take is not None
        return self.record.take

    @property
    def prompts(self) -> str:
        """Everything it was asked for, for a search."""
        return prompts_of(self.record.settings)

    @property
    def name(self) -> str:
        return self.entry.title

    @cached_property
    def length_s(self) -> float:
        """Seconds of sound; of a take whose record was never brought up to date what its file holds."""
        never_ended = self.status in ("interrupted", "running") and self.entry.status == "running"
        return _length_s(self.path) if never_ended else self.entry.duration_s

    @property
    def searched(self) -> str:
        """What the words of a search may mean, in lower case. The names of a set's files mean nothing."""
        if is_of_a_set(self.folder):
            return self.entry.words
        return f"{self.entry.words} {shown(self.sound_name).lower()}"

    @cached_property
    def age(self) -> tuple[bool, datetime, str]:
        """What takes are ordered by: the date they were made, before all those that have none."""
        try:
            made = datetime.fromisoformat(self.entry.created)
            made = made.astimezone().replace(tzinfo=None) if made.tzinfo else made
        except (ValueError, OverflowError, OSError):
            return False, datetime.min, self.sidecar_name
        return True, made, self.sidecar_name


@dataclass(frozen=True)
class Unreadable:
    """What lies there as a take's record, and can't be opened; `reason` is a sentence.

    `paths` are its files: the record, and the sound it lies beside, if there is one.
    """

    id: str
    name: str
    paths: tuple[Path, ...]
    reason: str


Found = Take | Unreadable


class Shelf:
    """Reads the folders of an outputs folder. A record that has not changed since it was last read, by any
    process, is not read again.
    """

    def __init__(self, outputs: Path) -> None:
        self._outputs = outputs
        self._index = Index(outputs)

    def read(self, folders: Iterable[Path], live: Collection[Path] = ()) -> list[tuple[Path, list[Found]]]:
        """Whatever is a take in each of the folders, in no order. Nothing where there is no such folder.

        `live` are the files that this process works on. Never raises.
        """
        keys = {folder: str(folder.relative_to(self._outputs)) for folder in folders}
        known = self._index.known(keys.values())
        changes: dict[str, Mapping[str, Read | None]] = {}
        read: list[tuple[Path, list[Found]]] = []
        for folder, key in keys.items():
            found, changed = _read_folder(folder, known.get(key, {}), live)
            read.append((folder, found))
            if changed:
                changes[key] = changed
        if changes:
            self._index.put(changes)
        return read

    def forget_lost(self) -> None:
        """Let go of what is known of folders that are not there any more."""
        lost = {key for key in self._index.folders() if not os.path.isdir(self._outputs / key)}
        if lost:
            self._index.forget(lost)


def _read_folder(
    folder: Path, known: Mapping[str, Read], live: Collection[Path]
) -> tuple[list[Found], dict[str, Read | None]]:
    """Its takes, and what of its sidecars is new, changed or gone since they were known."""
    try:
        with os.scandir(folder) as entries:
            names = {entry.name: entry for entry in entries}
    except (FileNotFoundError, NotADirectoryError):
        return [], dict.fromkeys(known)
    except OSError as error:
        name = place_of(folder)
        return [Unreadable(name, name, (), f"This folder can't be opened: {_why(error)}.")], {}
    changed: dict[str, Read | None] = dict.fromkeys(known.keys() - names.keys())
    found: list[Found] = []
    claimed: set[str] = set()
    worked_on = {path.name for path in live if path.parent == folder}
    for name in sorted(name for name in names if name.endswith(".json")):
        try:
            about = os.stat(names[name].path)
            stamp = stamp_of(about)
            if name in known and known[name][0] == stamp:
                entry = known[name][1]
            else:
                entry = read_entry(folder / name, about)
                changed[name] = stamp, entry
        except OSError as error:  # which may be over the next time
            entry = Entry(reason=f"Its record can't be read: {_why(error)}.")
            changed |= {name: None} if name in known else {}
        one = _take(folder, name, entry, names, worked_on)
        if isinstance(one, Take) and one.sound_name in claimed:
            one = _unreadable(one.sidecar, (one.sidecar,), _anothers(one.sound_name))
        elif isinstance(one, Take):
            claimed.add(one.sound_name)
        if one is not None:
            found.append(one)
    return found, changed


def _take(
    folder: Path, name: str, entry: Entry, names: Mapping[str, os.DirEntry[str]], worked_on: Collection[str]
) -> Found | None:
    beside = _beside(os.path.splitext(name)[0], names)
    if not entry.reason and not entry.file:
        return None
    if entry.reason and not entry.certain and not beside:
        return None
    reason, sound = entry.reason, ""
    if not reason:
        try:
            sound = _sound(name, entry.file, beside, names)
            if not _is_file(names[sound]):
                reason = f"Its sound {shown(sound)} is no ordinary file, or gone."
        except InvalidRequestError as error:
            reason = str(error)
    if reason:
        sidecar = folder / name
        return _unreadable(sidecar, (sidecar, *([folder / beside] if beside else [])), reason)
    status = _status(folder, sound, entry.status, worked_on)
    return Take(id_of(folder / name), folder, name, sound, status, entry)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _status(folder: Path, sound: str, said: str, worked_on: Collection[str]) -> str:
    """The record's word, but for a take that was never ended."""
    if sound in worked_on or (said == "running" and grows(folder / sound)):
        return "running"
    return "interrupted" if said == "running" else said


def _sound(sidecar: str, named: str, beside: str | None, names: Collection[str]) -> str:
    """The name of the sound that is a record's own: one of its own stem, or one that has no other record.

    Raises:
        InvalidRequestError: there is none.
    """
    fits = named in names and named.lower().endswith(FORMATS)
    if fits and sidecar in _records_of(named):
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
    """The id of a take by its record, or by the sound beside it, in characters that any encoding has."""
    return f"{place_of(sidecar.parent)}/{shown(os.path.splitext(sidecar.name)[0])}"


def place_of(folder: Path) -> str:
    """What the ids of the takes in a folder begin with."""
    parts = folder.parts[-3:] if is_of_a_set(folder) else (folder.name,)
    return "/".join(map(shown, parts))


def is_of_a_set(folder: Path) -> bool:
    """Whether a folder is one of those that a set's takes lie in, called by their rows' ids."""
    return folder.parent.parent.name == SETS and _OF_A_SET.fullmatch(folder.name) is not None


def shown(name: str) -> str:
    """A file's name as text that any encoding has and no terminal obeys; different names stay so."""
    if name.isprintable():
        return name
    return "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode() for ch in name)


def _why(error: OSError) -> str:
    return (error.strerror or "the system gives no reason").lower()


def _length_s(path: Path) -> float:
    """Of a take whose record was never brought up to date; 0 where the file tells nothing."""
    try:
        return float(sf.info(path).duration)
    except (OSError, RuntimeError):
        return 0.0
