"""The kits of a studio: made between its takes, one at a time; stopped, and told of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.core.files import disk_error
from studio.core.kit import KitPlan
from studio.core.request import GenerationRequest
from studio.core.settings import Settings
from studio.pipeline.cancel import CancelToken
from studio.service.jobs.errands import Errands, Phase, Tell
from studio.service.jobs.runner import Render
from studio.service.kit.loops import Lease, Turn
from studio.service.kit.make import Kit, make_kit, require_kit
from studio.service.takes.naming import free_path, slug

FOLDER = "kits"  # below the folder of takes
MAX_WAITING = 4
GONE = "That kit is not known any more: make it again."
CROWDED = f"{MAX_WAITING} kits are waiting already: stop one, or try again later."


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
        self._errands: Errands[Kit] = Errands("kits", gone=GONE, crowded=CROWDED, most=MAX_WAITING)

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

    def begin(self, request: GenerationRequest, plan: KitPlan) -> str:
        """Make a kit below the folder of takes as soon as the device is free; its id.

        Raises:
            InvalidRequestError: no kit can be made of the request, or this studio takes it from nobody.
            OutOfResourcesError: too many kits wait already.
        """
        self._admit(request)
        require_kit(request, self._new_path(request))

        def work(cancel: CancelToken, tell: Tell) -> Kit:
            return make_kit(
                request, plan, self._new_path(request),
                lease=self._lease, render=self._render, turn=self._turn, cancel=cancel, tell=tell,
            )  # fmt: skip

        return self._errands.begin(request.prompt, work)

    def look(self, kit_id: str) -> Standing:
        """How a kit stands. Raises `InvalidRequestError` for one that is not, or no longer, known."""
        one = self._errands.look(kit_id)
        path = one.made.path if one.made is not None else None
        notes = one.made.notes if one.made is not None else ()
        return Standing(one.id, one.name, one.phase, one.share, one.said, path, notes)

    def manifest(self, kit_id: str) -> dict[str, Any]:
        """The manifest of a kit that is made; empty of any other. Raises `InvalidRequestError` as `look`."""
        kit = self._errands.look(kit_id).made
        return {} if kit is None else kit.manifest

    def stop(self, kit_id: str) -> None:
        """End a kit: nothing of it is left. Only sets a flag; harmless where it has ended.

        Raises:
            InvalidRequestError: it is not known.
        """
        self._errands.stop(kit_id)

    def running(self) -> list[Standing]:
        """Those that are made or wait, in their order."""
        return [self.look(one.id) for one in self._errands.running()]

    def close(self) -> None:
        """End all of them."""
        self._errands.close()

    def _new_path(self, request: GenerationRequest) -> Path:
        """Where the next kit of a request goes. Raises `InvalidRequestError`, `OutOfResourcesError`."""
        path = self._folder / f"{slug(request.prompt, 60)}.zip"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, path) from error
        return free_path(path)
