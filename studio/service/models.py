"""The models of a studio between takes: loaded ahead, borrowed for a moment, let go of."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from studio.core.errors import InvalidRequestError
from studio.core.request import ModelChoice
from studio.pipeline.model_cache import IN_USE, ModelCache
from studio.service.jobs.scheduler import Scheduler

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.drafts import Drafts

log = logging.getLogger(__name__)


class Models:
    """What holds checkpoints: the cache of backends and, where drafts are heard, the models of these."""

    def __init__(self, backends: ModelCache, drafts: Drafts | None, scheduler: Scheduler) -> None:
        self._backends = backends
        self._drafts = drafts
        self._scheduler = scheduler

    def preload(self, choice: ModelChoice) -> threading.Thread:
        """Load a checkpoint in the background; one that can't be loaded is logged."""

        def load() -> None:
            try:
                with self._backends.lease(choice):
                    pass
            except Exception as error:  # the thread's boundary
                log.warning("Could not load %s yet: %s", choice.id, error)

        thread = threading.Thread(target=load, name="preload", daemon=True)
        thread.start()
        return thread

    @contextmanager
    def borrow(self, choice: ModelChoice) -> Iterator[Backend]:
        """A model, loaded if need be. Raises `InvalidRequestError` where a take is made on its device."""
        with self._scheduler.borrowed(choice), self._backends.lease(choice) as backend:
            yield backend

    def unload(self) -> int:
        """Let go of every model; the bytes freed. Raises `InvalidRequestError` where one is used."""
        if any(job.status == "running" for job in self._scheduler.jobs()):  # it may not have its model yet
            raise InvalidRequestError(IN_USE)
        return self._backends.unload(self._drafts.models.unload if self._drafts is not None else lambda: None)
