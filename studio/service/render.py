"""Backend × sampler: the one place where a request meets the model and the sampler it names.

The samplers, and torch with them, load with the first take: the page is to open before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from studio.core.events import Event, Progress
from studio.core.request import ClipSampler, EndlessSampler, GenerationRequest
from studio.service.cancel import CancelToken
from studio.service.recording import Origin
from studio.service.steering import Steering

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.service.estimate import Calibration, Estimate


class Renderer:
    """Renders requests; remembers each checkpoint's own strategy once it was measured."""

    def __init__(self, *, estimates: bool = False) -> None:
        """`estimates`: say what a clip will cost before it is begun, and refuse one that can't fit."""
        self._estimates = estimates
        self._strategies: dict[str, str] = {}
        self._calibrations: dict[tuple[object, ...], Calibration] = {}
        self._lock = threading.Lock()

    def __call__(
        self,
        request: GenerationRequest,
        backend: Backend,
        cancel: CancelToken,
        steering: Steering | None = None,
        origin: Origin = None,
    ) -> Iterator[Event]:
        """The events of a take: steps, chunks that follow each other without a gap, attention maps.

        Samples total exactly `round(duration_s · sample_rate)`; without a length they go on for ever. There
        is no terminal event: the end of the iteration, or what it raises, is the end of the take. With a
        save point's state for an `origin`, only what follows it; with a recording, from where it is heard.

        Raises:
            CancelledError: `cancel` was set; noticed at every denoising step.
            InvalidRequestError: the model can't do what is asked, or not from this recording.
            OutOfResourcesError: the clip can't fit the memory that is free.
        """
        from studio.service.clip import render_clip, render_concat
        from studio.service.endless import render_endless

        sampler = request.sampler
        if isinstance(sampler, EndlessSampler):
            saved = isinstance(origin, Mapping)
            strategy: str = origin["strategy"] if isinstance(origin, Mapping) else sampler.strategy
            if strategy == "auto":
                if backend.id not in self._strategies:
                    yield Progress("Looking where the model attends to")
                strategy = self.strategy(backend, cancel)
            yield Progress("Going on" if saved else "Making the first seconds")
            yield from render_endless(request, sampler, strategy, backend, cancel, steering, origin)
            return
        if steering is not None:
            steering.refuse("Only an endless take can change while it plays: start a new one.")
        if isinstance(sampler, ClipSampler):
            if self._estimates:
                yield Progress("Looking what it will cost")
                yield Progress(str(self._estimate(request, backend, cancel)))
            watched = steering is not None and steering.watched
            yield from render_clip(request, sampler, backend, cancel, watched=watched)
        else:
            yield from render_concat(request, sampler, backend, cancel)

    def _estimate(self, request: GenerationRequest, backend: Backend, cancel: CancelToken) -> Estimate:
        """What the clip will cost, from a look at short ones of its settings, taken the first time."""
        from studio.samplers.guidance import needs_negative
        from studio.service.conditioning import bind
        from studio.service.estimate import calibrate, require_fit

        alike = (backend.id, request.attention, needs_negative(request.guidance_scale))
        with self._lock:
            if alike not in self._calibrations:
                self._calibrations[alike] = calibrate(bind(request, backend, cancel), backend)
            return require_fit(self._calibrations[alike], request, backend)

    def strategy(self, backend: Backend, cancel: CancelToken) -> str:
        """What "auto" means for this checkpoint, measured the first time."""
        from studio.service.endless import measure_strategy

        with self._lock:
            if backend.id not in self._strategies:
                self._strategies[backend.id] = measure_strategy(backend, cancel)
            return self._strategies[backend.id]
