"""Getting models from the Hub in the background: one at a time, with progress, and a way to stop it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass

from studio.backends import catalog, hub
from studio.backends.hub import Plan
from studio.core.errors import CancelledError, InvalidRequestError, StudioError
from studio.core.settings import Settings
from studio.pipeline.cancel import CancelToken

log = logging.getLogger(__name__)

_SPEED_OVER_S = 10.0
_BUG = "Something went wrong inside Longwave: see its log, and get the model again, which goes on from here."


@dataclass(frozen=True)
class DownloadProgress:
    """How getting a model stands. `said` is for the user: how it ended, empty while it goes on."""

    model_id: str
    here: int = 0  # bytes
    total: int = 0
    speed: float = 0.0  # bytes a second
    ended: bool = False
    said: str = ""

    @property
    def left_s(self) -> float | None:
        """Seconds that it will still take; None while nobody can know."""
        return (self.total - self.here) / self.speed if self.speed > 0 and not self.ended else None


class Downloader:
    """The downloads of one studio."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._cancel = CancelToken()
        self._progress: DownloadProgress | None = None
        self._thread: threading.Thread | None = None
        self._seen: deque[tuple[float, int]] = deque()

    @property
    def progress(self) -> DownloadProgress | None:
        """How the latest download stands; None before the first."""
        return self._progress

    def plan(self, model_id: str) -> Plan:
        """What getting a model of the catalog takes.

        Raises:
            InvalidRequestError: the catalog has no such model to be got.
            ModelNotFoundError, WeightsError: as `hub.plan`.
        """
        if not any(model.id == model_id and model.source == "hub" for model in catalog.MODELS):
            raise InvalidRequestError("Choose one of the models that are listed here.")
        return hub.plan(model_id, catalog.licence_of(model_id))

    def start(self, model_id: str) -> None:
        """Begin to get a model of the catalog, or go on with it.

        Raises:
            InvalidRequestError: another one is being got, or the catalog has none of this name.
            ModelNotFoundError, WeightsError, OutOfResourcesError: as `download`.
        """
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                raise InvalidRequestError("Another model is being got: wait for it, or stop it first.")
            wanted = self.plan(model_id)
            wanted.require_room()
            self._cancel, self._seen = CancelToken(), deque()
            self._progress = DownloadProgress(model_id, wanted.here, wanted.size)
            self._thread = threading.Thread(target=self._run, args=(wanted,), name="getting", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop it; what has come is kept, and gone on with at the next start."""
        self._cancel.set("Stopped: what has come is kept.")

    def wait(self, timeout_s: float | None = None) -> None:
        """Until it has ended."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self, wanted: Plan) -> None:
        try:
            hub.download(wanted, self._tell)
            said = f"{wanted.model_id} is here and whole: choose it as the model."
        except (CancelledError, StudioError) as error:
            said = str(error)
        except Exception:
            log.exception("getting %s", wanted.model_id)
            said = _BUG
        latest = self._progress
        here = latest.here if latest else 0
        self._progress = DownloadProgress(wanted.model_id, here, wanted.size, ended=True, said=said)

    def _tell(self, here: int, total: int) -> None:
        self._cancel.check()
        now = time.monotonic()
        self._seen.append((now, here))
        while now - self._seen[0][0] > _SPEED_OVER_S:
            self._seen.popleft()
        since, before = self._seen[0]
        speed = (here - before) / (now - since) if now - since > 0.2 else 0.0
        assert self._progress is not None, "it was started"
        self._progress = DownloadProgress(self._progress.model_id, here, total, max(0.0, speed))
