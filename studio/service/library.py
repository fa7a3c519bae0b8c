"""The takes on disk: find, mark, rename, put away; and the settings inside any file the studio made."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.core.errors import InvalidRequestError
from studio.core.preset import Preset, TakeRecord, load_preset, parse_preset
from studio.core.text import one_line
from studio.dsp.spectrogram import overview
from studio.service.export import disk_error
from studio.service.naming import free_stem, slug
from studio.service.savepoint import SUFFIX
from studio.service.sidecar import write_sidecar
from studio.service.tags import SUFFIXES as TAGGED
from studio.service.tags import settings_texts
from studio.service.wav import grows

TRASH = "trash"
PICTURE_WIDTH, PICTURE_BLOCK = 240, 2048


@dataclass(frozen=True)
class Take:
    """One take: its sound, its record, and how it stands.

    `id` is DATE/STEM of the sidecar. `status` is the record's, but a take that never ended is "running" if
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
        return " · ".join(dict.fromkeys(said))


class Library:
    """The takes under an outputs folder. What lies there and is none of the studio's is passed over."""

    def __init__(self, outputs: Path, live: Callable[[], Collection[Path]] = tuple) -> None:
        """`live` gives the files that this process works on, be they open at the moment or not."""
        self._outputs = outputs
        self._live = live

    def takes(self, words: str = "", *, favourites: bool = False) -> Iterator[Take]:
        """The takes whose name, prompts, seed or file hold every one of the `words`, the newest first."""
        wanted = words.lower().split()
        for sidecar in self._sidecars():
            take = self._read(sidecar)
            if take is None or (favourites and not take.about.favourite):
                continue
            seed = take.record.settings.get("seed")
            text = f"{take.record.name} {take.prompts} {seed} {take.path.name}".lower()
            if all(word in text for word in wanted):
                yield take

    def get(self, take_id: str) -> Take:
        """One take by its id. Raises `InvalidRequestError` where there is none."""
        named = (sidecar for sidecar in self._sidecars() if _id(sidecar) == take_id)
        if take := next(filter(None, map(self._read, named)), None):
            return take
        raise InvalidRequestError("That take is not in the library any more: refresh the list.")

    def favour(self, take_id: str, favourite: bool) -> Take:
        """Mark a take as a favourite, or not."""
        take = self._whole(take_id)
        return self._write(
            take, take.path, take.sidecar, take.about.model_copy(update={"favourite": favourite})
        )

    def rename(self, take_id: str, name: str) -> Take:
        """Give a take another name; its files are called by it too.

        Raises:
            InvalidRequestError: no such take, one that still grows, or no name.
        """
        take = self._whole(take_id)
        name = " ".join("".join(ch if ch.isprintable() else " " for ch in name).split())[:200]
        if not name:
            raise InvalidRequestError("The name is empty: type one.")
        folder, stem = take.path.parent, slug(name)
        stem = stem if stem == take.path.stem == take.sidecar.stem else free_stem(folder, stem)
        path = folder / f"{stem}{take.path.suffix}"
        about = take.about.model_copy(update={"file": path.name})
        return self._write(take, path, path.with_suffix(".json"), about, name)

    def delete(self, take_id: str) -> Path:
        """Move a take's files to the trash folder; where its sound is now."""
        take = self._whole(take_id)
        trash = self._outputs / TRASH
        try:
            trash.mkdir(exist_ok=True)
            stem = free_stem(trash, take.path.stem)
            shutil.move(take.path, trash / f"{stem}{take.path.suffix}")
            shutil.move(take.sidecar, trash / f"{stem}.json")
            take.path.with_suffix(SUFFIX).unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(error, trash) from error
        return trash / f"{stem}{take.path.suffix}"

    def _sidecars(self) -> list[Path]:
        """What may be a take's record, the newest first."""
        found = (path for path in self._outputs.glob("*/*.json") if path.parent.name != TRASH)
        return sorted(found, key=lambda path: path.name, reverse=True)

    def _whole(self, take_id: str) -> Take:
        take = self.get(take_id)
        if take.status == "running":
            raise InvalidRequestError("That take is still being made: stop it first.")
        return take

    def _read(self, sidecar: Path) -> Take | None:
        try:
            record = load_preset(sidecar)
            record.request()  # or what follows would have to doubt every setting
        except InvalidRequestError:
            return None
        about = record.take
        path = sidecar.parent / (about.file if about else "")
        if about is None or path.parent != sidecar.parent or not path.is_file():
            return None
        status = about.status
        if path in self._live() or (status == "running" and grows(path)):
            status = "running"
        elif status == "running":
            status = "interrupted"
            about = about.model_copy(update={"duration_s": _length_s(path)})
        record = record.model_copy(update={"take": about})
        return Take(_id(sidecar), path, sidecar, record, status)

    def _write(
        self, take: Take, path: Path, sidecar: Path, about: TakeRecord, name: str | None = None
    ) -> Take:
        record = take.record.model_copy(update={"take": about, "name": name or take.record.name})
        try:
            # First the record, which counts only once its sound is there: a kill in between loses nothing.
            write_sidecar(sidecar, record)
            if path != take.path:
                take.path.rename(path)
                saved = take.path.with_suffix(SUFFIX)
                if saved.exists():
                    saved.rename(path.with_suffix(SUFFIX))
            if sidecar != take.sidecar:
                take.sidecar.unlink()
        except OSError as error:
            raise disk_error(error, path) from error
        return Take(_id(sidecar), path, sidecar, record, take.status)


def _id(sidecar: Path) -> str:
    return f"{sidecar.parent.name}/{sidecar.stem}"


def _length_s(path: Path) -> float:
    """Of a take whose record was never brought up to date; 0 where the file tells nothing."""
    try:
        return float(sf.info(path).duration)
    except RuntimeError:
        return 0.0


def picture_of(path: Path, width: int = PICTURE_WIDTH) -> NDArray[np.uint8]:
    """A take at a glance, however long: mel columns [width, 64], each from one place of the sound.

    Raises:
        InvalidRequestError: it is no sound file.
    """
    blocks = []
    try:
        with sf.SoundFile(path) as sound:
            for column in range(width):
                sound.seek(min(column * sound.frames // width, max(0, sound.frames - PICTURE_BLOCK)))
                blocks.append(sound.read(PICTURE_BLOCK, dtype="float32"))
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
