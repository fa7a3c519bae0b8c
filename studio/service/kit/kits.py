"""The kits of a studio: made between its takes, one at a time; stopped, and told of."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from studio.core.errors import CancelledError, InvalidRequestError, OutOfResourcesError
from studio.core.files import disk_error
from studio.core.kit import KitPlan
from studio.core.request import GenerationRequest
from studio.core.settings import Settings
from studio.pipeline.cancel import CancelToken
from studio.service.jobs.runner import Render, message_for
from studio.service.kit.loops import Lease, Turn
from studio.service.kit.make import Kit, Stage, Tell, make_kit, require_kit
from studio.service.takes.naming import free_path, slug

log = logging.getLogger(__name__)

FOLDER = "kits"  # below the folder of takes
MAX_WAITING = 4
REMEMBERED = 32
SHUTDOWN_S = 10.0
GONE = "That kit is not known any more: make it again."

Phase = Literal["waiting", "making", "done", "stopped", "failed"]


@dataclass(frozen=True)
class Standing:
    """How a kit stands: the share that is made, what is said of it, and its ZIP once that is there."""

    id: str
    name: str
    phase: Phase
    share: float = 0.0
    said: str = ""
    path: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass
class _Run:
    request: GenerationRequest
    plan: KitPlan
    client: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    cancel: CancelToken = field(default_factory=CancelToken)
    phase: Phase = "waiting"
    stage: Stage = Stage(0.0, "")
    kit: Kit | None = None

    @property
    def ended(self) -> bool:
        return self.phase not in ("waiting", "making")


class Kits:
    """Makes kits with the studio's models. Any thread may ask."""

    def __init__(
        self,
        settings: Settings,
        lease: Lease,
        render: Render,
        turn: Turn,
        admit: Callable[[GenerationRequest], None] = lambda _: None,
    ) -> None:
        """`turn` gives the device of a model between takes; `admit` refuses as it does for takes."""
        self._folder = settings.outputs / FOLDER
        self._lease, self._render, self._turn, self._admit = lease, render, turn, admit
        self._changed = threading.Condition()
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._closed = False
        self._thread: threading.Thread | None = None

    def make(
        self,
        request: GenerationRequest,
        plan: KitPlan,
        out: Path,
        *,
        cancel: CancelToken | None = None,
        tell: Tell = lambda stage: None,
    ) -> Kit:
        """Make a kit at `out` while the caller waits, each of its loops in a turn of its own; raises as
        `make.make_kit`, and where this studio takes such requests from nobody.
        """
        self._admit(request)
        return make_kit(
            request, plan, out, lease=self._lease, render=self._render, turn=self._turn,
            cancel=cancel or CancelToken(), tell=tell,
        )  # fmt: skip

    def begin(self, request: GenerationRequest, plan: KitPlan, client: str = "") -> str:
        """Make a kit below the folder of takes as soon as the device is free; its id.

        Raises:
            InvalidRequestError: no kit can be made of the request, or this studio takes it from nobody.
            OutOfResourcesError: too many kits wait already.
        """
        self._admit(request)
        require_kit(request, self._new_path(request))
        run = _Run(request, plan, client)
        with self._changed:
            if self._closed:
                raise InvalidRequestError("The studio is ending: start it again first.")
            if sum(not one.ended for one in self._runs.values()) > MAX_WAITING:
                raise OutOfResourcesError(
                    f"{MAX_WAITING} kits are waiting already: stop one, or try again later."
                )
            self._runs[run.id] = run
            self._forget_old()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="kits", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return run.id

    def look(self, kit_id: str) -> Standing:
        """How a kit stands. Raises `InvalidRequestError` for one that is not, or no longer, known."""
        with self._changed:
            run = self._known(kit_id)
            kit, stage = run.kit, run.stage
            said = "" if run.phase == "done" else stage.said
            path = kit.path if kit is not None else None
            notes = kit.notes if kit is not None else ()
            return Standing(run.id, run.request.prompt, run.phase, stage.share, said, path, notes)

    def manifest(self, kit_id: str) -> dict[str, Any]:
        """The manifest of a kit that is made; empty of any other. Raises `InvalidRequestError` as `look`."""
        with self._changed:
            kit = self._known(kit_id).kit
            return {} if kit is None else kit.manifest

    def stop(self, kit_id: str) -> None:
        """End a kit: nothing of it is left. Only sets a flag; harmless where it has ended.

        Raises:
            InvalidRequestError: it is not known.
        """
        with self._changed:
            run = self._known(kit_id)
            run.cancel.set("Stopped.")
            if run.phase == "waiting":
                run.phase = "stopped"
            self._changed.notify_all()

    def running(self) -> list[Standing]:
        """Those that are made or wait, in their order."""
        with self._changed:
            ids = [run.id for run in self._runs.values() if not run.ended]
        return [self.look(one) for one in ids]

    def close(self) -> None:
        """End all of them."""
        with self._changed:
            self._closed = True
            for run in self._runs.values():
                run.cancel.set("The studio was ended.")
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(SHUTDOWN_S)

    def _known(self, kit_id: str) -> _Run:
        if kit_id not in self._runs:
            raise InvalidRequestError(GONE)
        return self._runs[kit_id]

    def _new_path(self, request: GenerationRequest) -> Path:
        """Where the next kit of a request goes. Raises `InvalidRequestError`, `OutOfResourcesError`."""
        path = self._folder / f"{slug(request.prompt, 60)}.zip"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, path) from error
        return free_path(path)

    def _forget_old(self) -> None:
        surplus = max(0, len(self._runs) - REMEMBERED)
        for one in [run.id for run in self._runs.values() if run.ended][:surplus]:
            del self._runs[one]

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (waiting := self._next()) and not self._closed:
                    self._changed.wait()
                if self._closed or waiting is None:
                    return
                waiting.phase = "making"
            self._make(waiting)

    def _next(self) -> _Run | None:
        return next((run for run in self._runs.values() if run.phase == "waiting"), None)

    def _make(self, run: _Run) -> None:
        def tell(stage: Stage) -> None:
            run.stage = stage

        try:
            kit = make_kit(
                run.request, run.plan, self._new_path(run.request),
                lease=self._lease, render=self._render, turn=self._turn, cancel=run.cancel, tell=tell,
            )  # fmt: skip
        except CancelledError as error:
            self._end(run, "stopped", str(error))
        except BaseException as error:  # the boundary: without this thread no kit would ever be made again
            self._end(run, "failed", message_for(error))
        else:
            run.kit = kit
            self._end(run, "done", "")

    def _end(self, run: _Run, phase: Phase, said: str) -> None:
        with self._changed:
            run.phase, run.stage = phase, Stage(run.stage.share, said)
