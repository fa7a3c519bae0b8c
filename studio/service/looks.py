"""Finished takes looked through, for a face: seams, clicks, drift and the rest; the latest are remembered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from studio.core.errors import InvalidRequestError
from studio.core.events import Finished
from studio.core.settings import Settings
from studio.service.jobs.job import Job
from studio.service.takes.library import MAKING, Library

if TYPE_CHECKING:
    from studio.evaluation.embedders.base import Embedder
    from studio.evaluation.suites.take import TakeLook

KEPT = 16
NONE_YET = "Generate a take first: then it can be checked."
EMBEDDER = "judge"  # which is part of the studio, so nothing is fetched


class Jobs(Protocol):
    """What a look needs of the studio."""

    settings: Settings
    library: Library

    def job(self, job_id: str) -> Job: ...


class Looks:
    """Looks through takes' files. What was found is kept while the file is as it was."""

    def __init__(self, studio: Jobs) -> None:
        self._studio = studio
        self._lock = threading.Lock()
        self._embedder: Embedder | None = None
        self._kept: OrderedDict[tuple[Path, int, int], TakeLook] = OrderedDict()

    def of_job(self, job_id: str) -> Path:
        """The file of a job's latest take. Raises `InvalidRequestError` where there is none."""
        outcome = self._studio.job(job_id).outcome if job_id else None
        if not isinstance(outcome, Finished) or outcome.path is None or not outcome.path.is_file():
            raise InvalidRequestError(NONE_YET)
        return outcome.path

    def of_library(self, take_id: str) -> Path:
        """A take's file in the library. Raises `InvalidRequestError`: there is none, or it is being made."""
        take = self._studio.library.get(take_id)
        if take.status == "running":
            raise InvalidRequestError(MAKING)
        return take.path

    def look(self, path: Path) -> Iterator[float | TakeLook]:
        """Shares of the work that are done, and at last what was found; without the spectrogram.

        Whoever asks may leave at any time: nothing goes on behind it.

        Raises:
            InvalidRequestError: the file can't be read.
            WeightsError: the judge is not here.
        """
        try:
            about = path.stat()
        except OSError as error:
            raise InvalidRequestError(f"{path.name} is gone: choose another take.") from error
        key = (path, about.st_mtime_ns, about.st_size)
        with self._lock:
            known = self._kept.get(key)
        if known is not None:
            yield known
            return
        yield 0.0
        # It needs torch, which a page that is opened does not wait for.
        from studio.evaluation.suites.take import look_through

        for step in look_through(path, self._ears()):
            if isinstance(step, float):
                yield step
                continue
            found = replace(step, frames=step.frames[:0])
            with self._lock:
                self._kept[key] = found
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            yield found

    def _ears(self) -> Embedder:
        from studio.evaluation.embedders.registry import load_embedder

        with self._lock:
            if self._embedder is None:
                self._embedder = load_embedder(EMBEDDER, assets=self._studio.settings.assets)
            return self._embedder
