"""What the papers' systems are asked for, and the recordings that they are held against."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from studio.core.audio import SAMPLE_RATE, to_int16
from studio.core.errors import InvalidRequestError
from studio.core.files import disk_error, replacing_path
from studio.core.request import MAX_PROMPT_CHARS
from studio.core.sound_files import WITHOUT_FFMPEG
from studio.evaluation.embedders.base import Samples

COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")
CLIP_S = 10.0  # AudioCaps' recordings
MAX_MANIFEST_BYTES = 64 * 2**20
MANIFEST_IS = f"a csv with the columns {', '.join(COLUMNS)}"


@dataclass(frozen=True)
class Example:
    """A caption and its recording: a file, or samples [n] at 16 kHz.

    `number` is its place in the whole set, from which its seed follows whatever is chosen of the set;
    `families` are the sounds that the project's classifier should find in it, where they are known.
    """

    name: str
    number: int
    caption: str
    recording: Path | Samples
    families: tuple[str, ...] = ()

    def file_in(self, folder: Path) -> Path:
        """Its file: samples that are held in memory are written to one in a folder, once.

        Raises:
            StudioError: it can't be written.
        """
        if isinstance(self.recording, Path):
            return self.recording
        held = np.ascontiguousarray(self.recording, np.float32)
        path = folder / f"{hashlib.sha256(held.tobytes()).hexdigest()[:32]}.flac"
        try:
            if not path.is_file():
                folder.mkdir(parents=True, exist_ok=True)
                with replacing_path(path) as partial:
                    sf.write(partial, to_int16(held), SAMPLE_RATE, format="FLAC")
        except OSError as error:
            raise disk_error(error, path) from error
        return path


@dataclass(frozen=True)
class Examples:
    """A set of captions with recordings, and what it is, in a sentence's part."""

    examples: Sequence[Example]
    title: str
    missing: int = 0  # rows of its manifest without a recording

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    def __len__(self) -> int:
        return len(self.examples)

    def one_a_recording(self) -> Examples:
        """The first caption of each recording: AudioCaps has five of each that is tested."""
        first: dict[object, Example] = {}
        for example in self.examples:
            shared = isinstance(example.recording, Path)
            first.setdefault(example.recording if shared else example.name, example)
        return Examples(list(first.values()), self.title, self.missing)


def read_audiocaps(manifest: Path, audio: Path) -> Examples:
    """AudioCaps' csv and the folder of its recordings.

    A recording is named by its video (`Y…` or not, with its start or not, as the usual downloads name them)
    or by its number in the csv. Videos vanish: rows without a recording are left out and counted.

    Raises:
        InvalidRequestError: the csv can't be read or lacks a column, a row is not whole, or fewer than two of
            its recordings are in the folder.
    """
    if not audio.is_dir():
        raise InvalidRequestError(
            f"There is no folder {audio}: give the folder of the recordings as --audio."
        )
    files = {path.stem: path for path in sorted(audio.iterdir()) if path.suffix.lower() in WITHOUT_FFMPEG}
    found, missing, names = [], 0, set()
    for number, row in enumerate(_rows(manifest)):
        where = f"{manifest.name}, line {number + 2}"
        name, caption = row["audiocap_id"].strip(), " ".join(row["caption"].split())
        if not name or name in names:
            raise InvalidRequestError(
                f"{where}: audiocap_id is {'twice there' if name else 'empty'}; mend it."
            )
        if not caption or len(caption) > MAX_PROMPT_CHARS:
            raise InvalidRequestError(f"{where}: a caption has 1 to {MAX_PROMPT_CHARS} characters; mend it.")
        names.add(name)
        path = next((files[stem] for stem in _stems(row, where) if stem in files), None)
        if path is None:
            missing += 1
        else:
            found.append(Example(name, number, caption, path))
    if len(found) < 2:
        raise InvalidRequestError(
            f"{len(found)} of {len(found) + missing} recordings of {manifest.name} are in {audio}: name them "
            "by youtube_id, as in Y2ABngPM3raQ.wav."
        )
    return Examples(found, f"AudioCaps by {manifest.name}", missing)


def _rows(manifest: Path) -> list[dict[str, str]]:
    try:
        if manifest.stat().st_size > MAX_MANIFEST_BYTES:
            raise InvalidRequestError(f"{manifest.name} is too large for {MANIFEST_IS}.")
        reader = csv.DictReader(io.StringIO(manifest.read_text(encoding="utf-8-sig"), newline=""))
        rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequestError(f"Can't read {manifest.name}: give {MANIFEST_IS}.") from error
    if lacking := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        raise InvalidRequestError(f"{manifest.name} has no column {lacking[0]}: give {MANIFEST_IS}.")
    for number, row in enumerate(rows):
        if any(row[name] is None for name in COLUMNS):
            raise InvalidRequestError(f"{manifest.name}, line {number + 2} is cut off: give {MANIFEST_IS}.")
    return rows


def _stems(row: dict[str, str], where: str) -> Iterator[str]:
    """What a row's file may be called, the surest first."""
    video = row["youtube_id"].strip()
    try:
        start = float(row["start_time"])
        cut = f"{start * 1000:.0f}_{(start + CLIP_S) * 1000:.0f}"
    except (ValueError, OverflowError) as error:
        raise InvalidRequestError(f"{where}: start_time is no number of seconds; mend it.") from error
    for prefix in ("", "Y"):
        yield from (f"{prefix}{video}_{start:g}", f"{prefix}{video}_{cut}", f"{prefix}{video}")
    yield row["audiocap_id"].strip()
