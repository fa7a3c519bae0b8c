"""Backend × sampler: the one place where a request meets the model and the sampler it names.

The samplers, and torch with them, load with the first take: the page is to open before.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING

from studio.core.errors import InvalidRequestError
from studio.core.events import Event, Progress
from studio.core.request import GenerationRequest
from studio.core.sampling import ClipSampler, EndlessSampler
from studio.pipeline.cancel import CancelToken
from studio.pipeline.control import TakeControl
from studio.pipeline.recording import Origin, Recording

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.acoustic import ClipAcoustics, StreamingAcoustics
    from studio.pipeline.drafts import Drafts
    from studio.pipeline.estimate import Calibration, Estimate


class Renderer:
    """Renders requests; remembers each checkpoint's own strategy once it was measured."""

    def __init__(self, drafts: Drafts | None = None, *, estimates: bool = False) -> None:
        """`drafts` makes them; `estimates`: say what a clip will cost before it is begun, and refuse one
        that can't fit.
        """
        self._drafts = drafts
        self._estimates = estimates
        self._strategies: dict[tuple[object, ...], str] = {}
        self._calibrations: dict[tuple[object, ...], Calibration] = {}
        self._lock = threading.Lock()

    def __call__(
        self,
        request: GenerationRequest,
        backend: Backend,
        cancel: CancelToken,
        control: TakeControl | None = None,
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
        from studio.pipeline.acoustic import ClipAcoustics, StreamingAcoustics
        from studio.pipeline.clip import render_clip, render_concat
        from studio.pipeline.endless import render_endless

        sampler, acoustics = request.sampler, None
        if request.draft.kind != "none":
            acoustics = yield from self._acoustics(request, backend, cancel, origin, control)
        if isinstance(sampler, EndlessSampler):
            saved = isinstance(origin, Mapping)
            strategy: str = sampler.strategy
            if isinstance(origin, Mapping):  # "auto" is what was measured then
                strategy = origin.get("strategy", strategy)
            if strategy == "auto":
                if _window(backend, sampler) not in self._strategies:
                    yield Progress("Looking where the model attends to")
                strategy = self.strategy(backend, sampler, cancel)
            yield Progress("Going on" if saved else "Making the first seconds")
            assert not isinstance(acoustics, ClipAcoustics)
            yield from render_endless(request, sampler, strategy, backend, cancel, control, origin, acoustics)
            return
        assert not isinstance(acoustics, StreamingAcoustics)
        if control is not None:
            control.refuse("Only an endless take can change while it plays: start a new one.")
        if isinstance(sampler, ClipSampler):
            if self._estimates:
                yield Progress("Looking what it will cost")
                yield Progress(str(self._estimate(request, backend, cancel, acoustics)))
            watched = control is not None and control.watched
            yield from render_clip(request, backend, cancel, watched=watched, acoustics=acoustics)
        else:
            yield from render_concat(request, sampler, backend, cancel)

    def _acoustics(
        self,
        request: GenerationRequest,
        backend: Backend,
        cancel: CancelToken,
        origin: Origin,
        control: TakeControl | None,
    ) -> Generator[Event, None, ClipAcoustics | StreamingAcoustics]:
        """The request's draft, made, and what the model hears of it."""
        from studio.pipeline.acoustic import prepare_acoustics

        if self._drafts is None:
            raise InvalidRequestError("There is nothing here that makes drafts: take no draft.")
        if isinstance(origin, Recording):
            raise InvalidRequestError(
                "A take that goes on from a recording hears no draft: take no draft, or no recording."
            )
        return (yield from prepare_acoustics(request, backend, self._drafts, cancel, control))

    def _estimate(
        self,
        request: GenerationRequest,
        backend: Backend,
        cancel: CancelToken,
        acoustics: ClipAcoustics | None,
    ) -> Estimate:
        """What the clip will cost, from a look at short ones of its settings, taken the first time."""
        from studio.pipeline.denoiser import build_denoiser
        from studio.pipeline.estimate import calibrate, require_fit
        from studio.samplers.guidance import dual_weights, needs_negative

        weights = dual_weights(request.guidance_scale, request.acoustic_scale)
        passes = len(weights) if acoustics else 1 + needs_negative(request.guidance_scale)
        alike = (backend.id, request.attention, acoustics is None, passes)
        with self._lock:
            if alike not in self._calibrations:
                self._calibrations[alike] = calibrate(
                    build_denoiser(request, backend, cancel, acoustics=acoustics), backend
                )
            return require_fit(self._calibrations[alike], request, backend)

    def strategy(self, backend: Backend, sampler: EndlessSampler, cancel: CancelToken) -> str:
        """What "auto" means for this checkpoint and window, measured the first time."""
        from studio.pipeline.endless import measure_strategy

        with self._lock:
            window = _window(backend, sampler)
            if window not in self._strategies:
                self._strategies[window] = measure_strategy(backend, sampler, cancel)
            return self._strategies[window]


def _window(backend: Backend, sampler: EndlessSampler) -> tuple[object, ...]:
    """What decides how a window's frames are laid out."""
    return backend.id, sampler.base_steps, sampler.skip_factor, sampler.group_size, sampler.buffer_frames
