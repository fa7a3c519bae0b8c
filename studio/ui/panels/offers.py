"""Finished takes that a page may fetch: by tokens that are told to nobody but the page that made them."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import soundfile as sf

from studio.core.errors import StudioError
from studio.service.takes.level import Measured, measure
from studio.service.takes.library import settings_of
from studio.service.takes.shelf import id_of
from studio.ui.panels.live import LiveViews

MAX_OFFERED = 512
MAX_MEASURED_S = 1200.0  # of a longer take the loudness would keep the page waiting
BLOCK_FRAMES = 1 << 16


class Offers:
    """Files by their tokens: those of live views, and others that were offered. The oldest are forgotten."""

    def __init__(self, views: LiveViews) -> None:
        self._views = views
        self._lock = threading.Lock()
        self._paths: OrderedDict[str, Path] = OrderedDict()

    def offer(self, path: Path) -> str:
        """A token for a finished take's file."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._paths[token] = path
            while len(self._paths) > MAX_OFFERED:
                self._paths.popitem(last=False)
        return token

    def path(self, token: str) -> Path | None:
        """The finished file of a token, while it is there."""
        with self._lock:
            path = self._paths.get(token)
        if path is None and (view := self._views.get(token)) is not None:
            path = view.job.outcome.path if view.job.outcome is not None else None
        return path if path is not None and path.is_file() else None


def about(path: Path, *, listed: bool) -> dict[str, Any]:
    """What the page tells of a finished take; its id in the Library where that is `listed` to its reader.

    Raises:
        OSError: the file is gone.
    """
    sidecar = path.with_suffix(".json")  # which alone says what became of the take since
    level = _level(path, path.stat().st_mtime_ns)
    told: dict[str, Any] = {
        "file": path.name,
        "lufs": level.lufs,
        "true_peak_dbtp": level.true_peak_dbtp,
        "library": id_of(path) if listed else "",
    }
    with suppress(StudioError):  # the sound is there all the same
        record = settings_of(sidecar if sidecar.is_file() else path)
        told |= {
            "name": record.name,
            "prompt": str(record.settings.get("prompt", "")),
            "lane": record.settings.get("lane", []),
            "seed": str(record.settings.get("seed", "")),
            "said": [one.model_dump() for one in record.take.said] if record.take else [],
            "favourite": bool(record.take and record.take.favourite),
        }
        if record.take is not None:
            told["topHz"] = record.take.sample_rate / 2
            told["extendedHz"] = record.take.bands.extended_hz if record.take.bands else None
    return told


@lru_cache(maxsize=256)
def _level(path: Path, changed_ns: int) -> Measured:
    try:
        with sf.SoundFile(path) as sound:
            if sound.frames > MAX_MEASURED_S * sound.samplerate:
                return Measured(None, None)
            blocks = sound.blocks(BLOCK_FRAMES, dtype="float64", always_2d=True)
            return measure(blocks, sound.samplerate, sound.channels)
    except sf.LibsndfileError:
        return Measured(None, None)
