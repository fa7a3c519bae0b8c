"""Presets and takes, as what the next sound begins from."""

from __future__ import annotations

from pathlib import Path

from studio.core.kit import KitPreset, kit_preset
from studio.core.preset import Preset
from studio.core.settings import Settings
from studio.service.presets import find_preset


def load_preset(source: str | Path) -> Preset:
    """The settings in a preset's or a sound's file, or those of a preset that ships, by its name.

    Raises:
        InvalidRequestError: there is none, or it can't be read.
    """
    return find_preset(str(source), Settings())


def load_kit_preset(source: str | Path) -> KitPreset:
    """A kit's preset in a file of JSON, or one that ships, by its name.

    Raises:
        InvalidRequestError: there is none, or it can't be read.
    """
    return kit_preset(str(source), Settings().presets)
