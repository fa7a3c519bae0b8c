"""Work beside the takes that one waits for: piece by piece in a thread of its own; told of, and stopped."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from studio.core.errors import CancelledError, InvalidRequestError, OutOfResourcesError
from studio.pipeline.cancel import CancelToken
from studio.service.jobs.runner import message_for

REMEMBERED = 32
SHUTDOWN_S = 10.0

Phase = Literal["waiting", "making", "done", "stopped", "failed"]
Made = TypeVar("Made")


@dataclass(frozen=True)
class Stage:
    """How far something is: which share of the work is done, and what is being done, in words."""

    share: float
    said: str


Tell = Callable[[Stage], None]
Work = Callable[[CancelToken, Tell], Made]


@dataclass(frozen=True)
class Errand(Generic[Made]):
    """How one stands; `made` is there once it is done."""

    id: str
    name: str
    phase: Phase
    share: float
    said: str
    made: Made | None


@dataclass
class _Run(Generic[Made]):
    name: str
    work: Work[Made]
    client: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    cancel: CancelToken = field(default_factory=CancelToken)
    phase: Phase = "waiting"
    stage: Stage = Stage(0.0, "")
    made: Made | None = None

    @property
    def ended(self) -> bool:
        return self.phase not in ("waiting", "making")


class Errands(Generic[Made]):
    """Takes work in, and does it in the order in which it came. Any thread may ask."""

    def __init__(self, name: str, *, gone: str, crowded: str, most: int = 4) -> None:
        """`name` is the thread's; `gone` is said of one that is not known, `crowded` where `most` wait."""
        self._name, self._gone, self._crowded, self._most = name, gone, crowded, most
        self._changed = threading.Condition()
        self._runs: OrderedDict[str, _Run[Made]] = OrderedDict()
        self._closed = False
        self._thread: threading.Thread | None = None

    def begin(self, name: str, work: Work[Made], client: str = "") -> str:
        """Do it as soon as what came before is done; its id. `client` is who asked, where that counts.

        Raises:
            InvalidRequestError: the studio is ending.
            OutOfResourcesError: too many wait already.
        """
        run = _Run(name, work, client)
        with self._changed:
            if self._closed:
                raise InvalidRequestError("The studio is ending: start it again first.")
            if sum(not one.ended for one in self._runs.values()) > self._most:
                raise OutOfResourcesError(self._crowded)
            self._runs[run.id] = run
            self._forget_old()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return run.id

    def look(self, errand_id: str) -> Errand[Made]:
        """How one stands. Raises `InvalidRequestError` for one that is not, or no longer, known."""
        with self._changed:
            run = self._known(errand_id)
            said = "" if run.phase == "done" else run.stage.said
            return Errand(run.id, run.name, run.phase, run.stage.share, said, run.made)

    def stop(self, errand_id: str) -> None:
        """End one. Only sets a flag; harmless where it has ended. Raises `InvalidRequestError` as `look`."""
        with self._changed:
            run = self._known(errand_id)
            run.cancel.set("Stopped.")
            if run.phase == "waiting":
                run.phase = "stopped"
                run.stage = Stage(0.0, "Stopped.")
            self._changed.notify_all()

    def running(self) -> list[Errand[Made]]:
        """Those that are done or wait, in their order."""
        with self._changed:
            ids = [run.id for run in self._runs.values() if not run.ended]
        return [self.look(one) for one in ids]

    def under_way(self, client: str) -> int:
        """How many of a client's are done or wait."""
        with self._changed:
            return sum(run.client == client and not run.ended for run in self._runs.values())

    def close(self) -> None:
        """End all of them."""
        with self._changed:
            self._closed = True
            for run in self._runs.values():
                run.cancel.set("The studio was ended.")
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(SHUTDOWN_S)

    def _known(self, errand_id: str) -> _Run[Made]:
        if errand_id not in self._runs:
            raise InvalidRequestError(self._gone)
        return self._runs[errand_id]

    def _forget_old(self) -> None:
        surplus = max(0, len(self._runs) - REMEMBERED)
        for one in [run.id for run in self._runs.values() if run.ended][:surplus]:
            del self._runs[one]

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (waiting := self._next()) and not self._closed:
                    self._changed.wait()
                if self._closed or waiting is None:
                    return
                waiting.phase = "making"
            self._do(waiting)

    def _next(self) -> _Run[Made] | None:
        return next((run for run in self._runs.values() if run.phase == "waiting"), None)

    def _do(self, run: _Run[Made]) -> None:
        def tell(stage: Stage) -> None:
            run.stage = stage

        try:
            made = run.work(run.cancel, tell)
        except CancelledError as error:
            self._end(run, "stopped", str(error))
        except BaseException as error:  # the boundary: without this thread nothing would ever be made again
            self._end(run, "failed", message_for(error))
        else:
            run.made = made
            self._end(run, "done", "")

    def _end(self, run: _Run[Made], phase: Phase, said: str) -> None:
        with self._changed:
            run.phase, run.stage = phase, Stage(run.stage.share, said)
