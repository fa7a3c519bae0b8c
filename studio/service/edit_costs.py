"""What an edit will take before it is asked for, by a trial of its take's model where that is loaded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from studio.core.edit import AnyEdit, Vary
from studio.core.errors import StudioError
from studio.core.request import GenerationRequest, ModelChoice
from studio.service.batch.rows import row_of
from studio.service.batch.sets import Sets
from studio.service.edits import start_of, varied_request
from studio.service.takes.source import TakeOnDisk

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.edits.cost import BridgeSpeed

    Borrow: TypeAlias = Callable[[ModelChoice], AbstractContextManager[Backend]]

log = logging.getLogger(__name__)

CLOSE_S = 10.0
Kind: TypeAlias = tuple[object, ...]


@dataclass(frozen=True)
class Cost:
    """Seconds, and MiB beyond the model where they are known; where the time is not known, why.

    "trying": it is being found out; "unloaded": the take's model is not loaded, and no look is worth that;
    "busy": something is made with it.
    """

    time_s: float | None = None
    memory_mb: float | None = None
    unknown: Literal["", "trying", "unloaded", "busy"] = ""


class EditCosts:
    """Knows how fast the models here make bridges, once each was tried. Any thread may ask."""

    def __init__(self, holds: Callable[[ModelChoice], bool], borrow: Borrow, sets: Sets) -> None:
        """`holds` says whether a model is loaded, `borrow` gives it where nothing is made with it; `sets`
        know how long whole takes take.
        """
        self._holds, self._borrow, self._sets = holds, borrow, sets
        self._lock = threading.Lock()
        self._speeds: dict[Kind, BridgeSpeed] = {}
        self._trial: threading.Thread | None = None

    def cost(
        self, edit: AnyEdit, takes: Sequence[TakeOnDisk], count: int = 1, *, again: bool = False
    ) -> Cost:
        """What `count` candidates of an edit take; `again` asks how a trial ended, and begins none.

        Raises:
            InvalidRequestError: the takes can't be edited so.
        """
        start_of(edit, takes)
        if isinstance(edit, Vary):
            return self._of_variation(varied_request(takes[0]), count, again=again)
        request = takes[0].request
        speed = self._speeds.get(_kind(request))
        if speed is None:
            return self._unknown(request.model, self._trying(None if again else request))
        from studio.pipeline.edits.cost import bridge_cost

        time_s, memory_mb = bridge_cost(edit, takes, speed)
        return Cost(count * time_s, memory_mb)

    def close(self) -> None:
        """Wait for the end of a trial."""
        if self._trial is not None:
            self._trial.join(CLOSE_S)

    def _of_variation(self, request: GenerationRequest, count: int, *, again: bool) -> Cost:
        """It is a take of its own, whose time is found out as that of a set."""
        rows = [row_of(request, lambda _: "")]
        time_s = self._sets.plan(rows).time_s
        if time_s is not None:
            return Cost(count * time_s)
        loaded = self._holds(request.model)
        return self._unknown(request.model, loaded and self._sets.try_out([] if again else rows))

    def _unknown(self, model: ModelChoice, trying: bool) -> Cost:
        return Cost(unknown="trying" if trying else "busy" if self._holds(model) else "unloaded")

    def _trying(self, request: GenerationRequest | None) -> bool:
        """Whether a trial is under way; where a loaded model's request is given, one begins."""
        with self._lock:
            if self._trial is not None and self._trial.is_alive():
                return True
            if request is None or not self._holds(request.model):
                return False
            self._trial = threading.Thread(target=self._try, args=(request,), daemon=True)
            self._trial.start()
            return True

    def _try(self, request: GenerationRequest) -> None:
        from studio.backends.base import at_bandwidth
        from studio.pipeline.edits.cost import bridge_speed

        try:
            with self._borrow(request.model) as model:
                speed = bridge_speed(request, at_bandwidth(model, request.bandwidth))
        except StudioError as error:
            log.info("Can't say how long an edit takes: %s", error)
        except Exception:  # nobody's edit fails for it
            log.exception("Could not try how long an edit takes")
        else:
            self._speeds[_kind(request)] = speed


def _kind(request: GenerationRequest) -> Kind:
    """What takes have in common whose bridges are made as fast."""
    guided = request.guidance_scale != 1, bool(request.negative_prompt)
    return request.model, request.bandwidth, request.stereo, guided
