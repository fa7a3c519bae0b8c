"""A training set as a file: one JSON object a line, `{"audio": "rain.wav", "caption": "heavy rain"}`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import soundfile as sf

from studio.core.errors import InvalidRequestError


@dataclass(frozen=True)
class Entry:
    """A sound file, what it is called, and where that is said."""

    audio: Path
    caption: str
    where: str


def read_manifest(path: Path) -> list[Entry]:
    """The entries of a manifest; paths are relative to its folder.

    Raises:
        InvalidRequestError: it can't be read, or a line is no entry or names no sound file: says which line.
    """
    try:
        # Not splitlines(), which also splits at what JSON leaves as it is in a caption, like U+2028.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"Can't read the manifest {path.name}: check that it exists.") from error
    entries = [_entry(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not entries:
        raise InvalidRequestError(f"{path.name} has no entries: write one JSON object a line.")
    return entries


def _entry(path: Path, number: int, line: str) -> Entry:
    where = f"{path.name}, line {number}"
    try:
        value = json.loads(line)
    except ValueError as error:
        raise InvalidRequestError(f"{where}: this is no JSON; write one object a line.") from error
    for key in ("audio", "caption"):
        text = value.get(key) if isinstance(value, dict) else None
        if not isinstance(text, str) or not text.strip():
            raise InvalidRequestError(f'{where}: there is no "{key}"; give it a text.')
    audio = path.parent / value["audio"]
    if not audio.is_file():
        raise InvalidRequestError(f"{where}: there is no file {value['audio']}.")
    try:
        if not sf.info(audio).frames:
            raise InvalidRequestError(f"{where}: {value['audio']} is empty; give it a sound.")
    except (OSError, sf.LibsndfileError) as error:
        raise InvalidRequestError(
            f"{where}: {value['audio']} is no sound; convert it to WAV or FLAC."
        ) from error
    return Entry(audio, value["caption"].strip(), where)
