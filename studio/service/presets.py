"""A preset by whatever names it: one that ships, a file of settings, or a take's sound."""

from __future__ import annotations

import os
from pathlib import Path

from studio.core.preset import Preset, load_preset, named_preset
from studio.core.settings import Settings


def find_preset(name: str, settings: Settings) -> Preset:
    """A preset by its file's path, or by the name of one that ships.

    The file may be a take's sound too: its settings are among its tags.

    Raises:
        InvalidRequestError: there is none, or it can't be read.
    """
    path = Path(name)
    if not path.suffix and not os.path.isfile(name):
        return named_preset(name, settings.presets)
    from studio.service.takes.library import TAGGED, settings_of

    return settings_of(path) if path.suffix.lower() in TAGGED else load_preset(path)
