"""The takes on disk: where they are and what made them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.core.errors import InvalidRequestError
from studio.core.preset import Preset, load_preset, parse_preset
from studio.service.export import read_comment


@dataclass(frozen=True)
class Take:
    """One take: its sound and its record, whose `take` is never None."""

    path: Path
    record: Preset


def takes(outputs: Path) -> Iterator[Take]:
    """Every take under the outputs folder, the newest first; files of other origin are passed over."""
    for sidecar in sorted(outputs.glob("*/*.json"), key=lambda path: path.name, reverse=True):
        try:
            record = load_preset(sidecar)
        except InvalidRequestError:
            continue
        if record.take is not None and (sidecar.parent / record.take.file).is_file():
            yield Take(sidecar.parent / record.take.file, record)


def settings_of(path: Path) -> Preset:
    """The settings inside a sound file made by the studio, from its comment tag.

    Raises:
        InvalidRequestError: the file holds none.
    """
    try:
        return parse_preset(read_comment(path))
    except (OSError, RuntimeError) as error:
        raise InvalidRequestError(f"Can't read {path.name}: it is no sound file.") from error
