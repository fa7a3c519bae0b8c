"""A scene by whatever names it: one that ships, a file of JSON, or a mix's sound."""

from __future__ import annotations

import os
from pathlib import Path

from studio.core.errors import InvalidRequestError
from studio.core.preset import Preset
from studio.core.scene import Scene, load_scene, named_scene
from studio.core.text import one_line
from studio.service.takes.library import TAGGED, settings_of


def find_scene(name: str, presets: Path) -> Scene:
    """A scene by its file's path, by that of a mix, or by the name of one that ships.

    Raises:
        InvalidRequestError: there is none, or it can't be used.
    """
    path = Path(name)
    if not path.suffix and not os.path.isfile(name):
        return named_scene(name, presets)
    if path.suffix.lower() in TAGGED:
        return scene_of(settings_of(path), path.name)
    return load_scene(path)


def scene_of(record: Preset, name: str) -> Scene:
    """The scene that a mix was made of. Raises `InvalidRequestError` for what is no mix."""
    if record.take is None or record.take.mix is None:
        raise InvalidRequestError(f"{one_line(name)} is no mix: it names no scene. Choose another file.")
    return record.take.mix
