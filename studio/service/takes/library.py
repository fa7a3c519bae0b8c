"""The takes on disk: find, mark, rename, put away; and the settings inside any file the studio made."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.core.audio import middle
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.files import disk_error
from studio.core.locks import grows
from studio.core.preset import MAX_MARKERS, Marker, Preset, load_preset, parse_preset
from studio.core.text import one_line
from studio.dsp.spectrogram import overview, window_samples
from studio.service.takes.naming import LATENTS, free_stem, slug
from studio.service.takes.order import Order, ordered
from studio.service.takes.savepoint import SUFFIX
from studio.service.takes.shelf import (
    SETS,
    Found,
    Shelf,
    Take,
    Unreadable,
    id_of,
    is_of_a_set,
    place_of,
    shown,
)
from studio.service.takes.sidecar import write_sidecar
from studio.service.takes.tags import SUFFIXES as TAGGED
from studio.service.takes.tags import settings_texts
from studio.service.takes.trash import TRASH, Trash, remove_files, size_of

__all__ = ["TAGGED", "TRASH", "Library", "Take", "Unreadable", "picture_of", "settings_of"]

MAKING = "That take is still being made: stop it first."
MAX_NAME_CHARS = 200
PICTURE_WIDTH, PICTURE_WINDOWS = 240, 2


class Library:
    """The takes under an outputs folder. What lies there and is none of the studio's is passed over."""

    def __init__(self, outputs: Path, live: Callable[[], Collection[Path]] = tuple) -> None:
        """`live` gives the files that this process works on, be they open at the moment or not."""
        self._outputs = outputs
        self._live = live
        self._shelf = Shelf(outputs)
        self.trash = Trash(self._folders, outputs / TRASH, self._shelf)

    def takes(self, words: str = "", *, favourites: bool = False) -> Iterator[Take]:
        """The takes whose name, prompts, seed or file hold every one of the `words`, the newest first."""
        return iter(self.find(words, favourites=favourites)[0])

    def find(
        self, words: str = "", *, favourites: bool = False, order: Order = "newest"
    ) -> tuple[list[Take], list[Unreadable]]:
        """The takes as `takes` has them, in this order, and those that can't be read, by their names; never
        raises.
        """
        wanted = words.lower().split()
        takes: list[Take] = []
        others: list[Unreadable] = []
        for found in self._all():
            if isinstance(found, Unreadable):
                if not favourites and all(word in found.name.lower() for word in wanted):
                    others.append(found)
            elif (found.entry.favourite or not favourites) and all(word in found.searched for word in wanted):
                takes.append(found)
        return ordered(takes, order), sorted(others, key=lambda other: other.id)

    def holds(self) -> tuple[int, int]:
        """How many takes there are, those that can't be read too, and their bytes; not those in the trash."""
        sizes = [sum(map(size_of, _files_of(found))) for found in self._all()]
        return len(sizes), sum(sizes)

    def get(self, take_id: str) -> Take:
        """One take by its id. Raises `InvalidRequestError` where there is none, or none that can be read."""
        return self._readable(self._found(take_id))

    def get_all(self, take_ids: Sequence[str]) -> list[Take]:
        """Several takes in one look at the disk. Raises as `get`."""
        return [self._readable(found) for found in self._find_all(take_ids)]

    def _readable(self, found: Found) -> Take:
        if isinstance(found, Unreadable):
            raise InvalidRequestError(f"This take can't be opened: {_continued(found.reason)}")
        return found

    def favour(self, take_id: str, favourite: bool) -> Take:
        """Mark a take as a favourite, or not."""
        self.favour_all([take_id], favourite)
        return self.get(take_id)

    def favour_all(self, take_ids: Sequence[str], favourite: bool) -> None:
        """Mark several takes as favourites, or not; none where one can't be.

        Raises:
            InvalidRequestError: no such take, or one that still grows; or the disk refuses, for the rest.
        """
        for take in [_whole(take) for take in self.get_all(take_ids)]:
            self._write(take, take.path, take.sidecar, {"favourite": favourite})

    def mark(self, take_id: str, markers: Sequence[Marker]) -> Take:
        """Give a take these markers in place of those that it has.

        Raises:
            InvalidRequestError: no such take, one that still grows, too many of them, or one behind its end.
        """
        take = _whole(self.get(take_id))
        if len(markers) > MAX_MARKERS:
            raise InvalidRequestError(f"A take has up to {MAX_MARKERS} markers: remove some.")
        if any(one.at_s > take.length_s for one in markers):
            raise InvalidRequestError("A marker lies behind the take's end: choose an earlier time.")
        ordered = tuple(sorted(markers, key=lambda one: one.at_s))
        self._write(take, take.path, take.sidecar, {"markers": ordered})
        return self.get(take_id)

    def rename(self, take_id: str, name: str) -> Take:
        """Give a take another name; its files are called by it too, but for those of a set.

        Raises:
            InvalidRequestError: no such take, one that still grows, or no name.
        """
        take = _whole(self.get(take_id))
        name = one_line(one_line(name)[:MAX_NAME_CHARS])
        if not name:
            raise InvalidRequestError("The name is empty: type one.")
        folder, stem = take.path.parent, slug(name)
        stem = stem if stem == take.path.stem == take.sidecar.stem else free_stem(folder, stem)
        path = take.path if is_of_a_set(folder) else folder / f"{stem}{take.path.suffix}"
        sidecar = path.with_suffix(".json")
        self._write(take, path, sidecar, {}, name)
        return self.get(id_of(sidecar))

    def delete(self, take_id: str) -> str:
        """Move a take's files to the trash; its id there. Raises as `delete_all`."""
        (deleted,) = self.delete_all([take_id])
        return deleted

    def delete_all(self, take_ids: Sequence[str]) -> list[str]:
        """Move several takes' files to the trash; their ids there. None where one can't be.

        Raises:
            InvalidRequestError: no such take, one that still grows, or a folder that can't be written.
            OutOfResourcesError: the disk is so full that not even a folder can be made for them.
        """
        wanted = [self._files(found) for found in self._find_all(take_ids)]
        deleted: list[str] = []
        try:
            for files in wanted:
                deleted.append(self.trash.put(files))
        except StudioError:
            self.trash.restore_all(deleted)
            raise
        finally:
            self._shelf.read({files[0].parent for files in wanted})
        return deleted

    def erase(self, take_id: str) -> int:
        """Delete a take for good; the bytes that its files had. Raises as `delete`."""
        return self.erase_all([take_id])

    def erase_all(self, take_ids: Sequence[str]) -> int:
        """Delete several takes for good; the bytes that their files had. Raises as `delete_all`."""
        wanted = [self._files(found) for found in self._find_all(take_ids)]
        try:
            return sum(remove_files(files) for files in wanted)
        finally:
            self._shelf.read({files[0].parent for files in wanted})  # the index keeps no word of what is gone

    def _folders(self) -> list[Path]:
        """Those that may hold takes; none where the outputs are on a disk that isn't there."""
        try:
            with os.scandir(self._outputs) as entries:
                own = sorted(self._outputs / entry.name for entry in entries if _is_shelf(entry))
            return own + _folders_of_sets(self._outputs / SETS)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _all(self) -> Iterator[Found]:
        live = self._live()
        try:
            folders = self._folders()
        except OSError as error:
            name, reason = shown(self._outputs.name), (error.strerror or "").lower()
            yield Unreadable(name, name, (), f"The folder of takes can't be opened: {reason}.")
            return
        for _, found in self._shelf.read(folders, live):
            yield from found
        self._shelf.forget_lost()

    def _found(self, take_id: str) -> Found:
        (found,) = self._find_all([take_id])
        return found

    def _find_all(self, take_ids: Sequence[str]) -> list[Found]:
        """Takes by their ids; they are looked for among what is there, never made into paths.

        Raises:
            InvalidRequestError: one is not there.
        """
        names = {take_id.rpartition("/")[0] for take_id in take_ids}
        live = self._live()
        try:
            folders = [folder for folder in self._folders() if place_of(folder) in names]
        except OSError:
            folders = []
        there = {one.id: one for _, found in self._shelf.read(folders, live) for one in found}
        if not all(take_ids):
            raise InvalidRequestError("No take is chosen: choose one in the list.")
        if not there.keys() >= set(take_ids):
            raise InvalidRequestError("That take is not in the library any more: refresh the list.")
        return [there[take_id] for take_id in dict.fromkeys(take_ids)]

    def _files(self, found: Found) -> tuple[Path, ...]:
        """What belongs to a take that may be put away. Raises `InvalidRequestError` for any other."""
        if isinstance(found, Take):
            return _files_of(_whole(found))
        if not found.paths:
            raise InvalidRequestError(f"A folder can't be deleted here: {_continued(found.reason)}")
        live = self._live()
        if any(path in live or (path.is_file() and grows(path)) for path in found.paths):
            raise InvalidRequestError(MAKING)
        return _files_of(found)

    def _write(
        self, take: Take, path: Path, sidecar: Path, changes: Mapping[str, object], name: str | None = None
    ) -> None:
        record = load_preset(take.sidecar)  # not what the index has of it: a cache makes no record
        about = (record.take or take.about).model_copy(
            update={"file": path.name, "duration_s": take.about.duration_s, **changes}
        )
        record = record.model_copy(update={"take": about, "name": name or record.name})
        try:
            # First the record, which counts only once its sound is there: a kill in between loses nothing.
            write_sidecar(sidecar, record)
            if path != take.path:
                take.path.rename(path)
                for suffix in (SUFFIX, LATENTS):
                    beside = take.path.with_suffix(suffix)
                    if beside.exists():
                        beside.rename(path.with_suffix(suffix))
            if sidecar != take.sidecar:
                take.sidecar.unlink()
        except OSError as error:
            raise disk_error(error, path) from error


def _whole(take: Take) -> Take:
    if take.status == "running":
        raise InvalidRequestError(MAKING)
    return take


def _files_of(found: Found) -> tuple[Path, ...]:
    """What belongs to a take, its sound first, there or not; one that can't be read has what lies there."""
    if isinstance(found, Take):
        return found.path, found.path.with_suffix(SUFFIX), found.path.with_suffix(LATENTS), found.sidecar
    if not found.paths:
        return ()
    record = found.paths[0]
    return *found.paths[:0:-1], record.with_suffix(SUFFIX), record.with_suffix(LATENTS), record


def _continued(sentence: str) -> str:
    """A sentence after a colon; a file's name at its beginning stays as it is."""
    return sentence[0].lower() + sentence[1:] if sentence.startswith(("It", "This")) else sentence


def _folders_of_sets(sets: Path) -> list[Path]:
    """The folders of takes in those of sets."""
    found: list[Path] = []
    with suppress(OSError), os.scandir(sets) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            with suppress(OSError), os.scandir(entry.path) as inside:
                found += sorted(folder for one in inside if is_of_a_set(folder := Path(one.path)))
    return found


def _is_shelf(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.name != TRASH and entry.is_dir()
    except OSError:
        return False


def picture_of(path: Path, width: int = PICTURE_WIDTH) -> NDArray[np.uint8]:
    """A take at a glance, however long: mel columns [width, 64], each from one place of the sound.

    Raises:
        InvalidRequestError: it is no sound file.
    """
    blocks = []
    try:
        with sf.SoundFile(path) as sound:
            block = PICTURE_WINDOWS * window_samples(sound.samplerate)
            for column in range(width):
                sound.seek(min(column * sound.frames // width, max(0, sound.frames - block)))
                blocks.append(middle(sound.read(block, dtype="float32")))
            return overview(blocks, sound.samplerate)
    except (OSError, RuntimeError) as error:
        raise InvalidRequestError(f"Can't read {path.name}: it is no sound file.") from error


def settings_of(path: Path) -> Preset:
    """The settings in any file the studio made: a preset, a sidecar, or among a sound's tags.

    Raises:
        InvalidRequestError: the file holds none.
    """
    suffix = path.suffix.lower()
    if suffix == ".json":
        return load_preset(path)
    if suffix not in TAGGED:
        raise InvalidRequestError(f"{one_line(path.name)} is no sound and no preset: choose another file.")
    try:
        texts = settings_texts(path)
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"Can't read {one_line(path.name)}: choose another file.") from error
    refused: InvalidRequestError | None = None
    for text in texts:
        try:
            return parse_preset(text)
        except InvalidRequestError as error:
            refused = refused or error
    raise refused or InvalidRequestError(
        f"{one_line(path.name)} holds no settings: choose a sound that Longwave made."
    )
