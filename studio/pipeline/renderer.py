"""Backend × sampler: the one place where a request meets the model and the sampler it names.

The samplers, and torch with them, load with the first take: the page is to open before.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from studio.core.draft import NoDraft
from studio.core.edit import Vary
from studio.core.errors import InvalidRequestError
from studio.core.events import Event, Progress
from studio.core.request import GenerationRequest
from studio.core.sampling import EndlessSampler
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import RenderEvent
from studio.pipeline.control import TakeControl
from studio.pipeline.start import FRESH, AsRing, FromCheckpoint, FromEdit, FromRecording, Start

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.acoustic import ClipAcoustics
    from studio.pipeline.drafts import Drafts
    from studio.pipeline.estimate import Calibration
    from studio.pipeline.plan import ClipPlan, EndlessPlan, RenderPlan
    from studio.samplers.fifo import FifoPlan

LOADING_DRAFTER = "Loading what makes the draft"
NO_RING = "Only a clip of text alone, by DDIM, is sampled as a loop: make it first, and close it then."
UNSTEERED = "Only an endless take can change while it plays: start a new one."


class Renderer:
    """Renders requests; remembers each checkpoint's own strategy once it was measured."""

    def __init__(self, drafts: Drafts | None = None, *, estimates: bool = False) -> None:
        """`drafts` makes them; `estimates`: say what a clip will cost before it is begun, and refuse one
        that can't fit.
        """
        self._drafts = drafts
        self._estimates = estimates
        # By what is loaded: in another number format, or with other weights, a model may look elsewhere.
        self._strategies: WeakKeyDictionary[Backend, dict[FifoPlan, str]] = WeakKeyDictionary()
        self._calibrations: dict[tuple[object, ...], Calibration] = {}
        self._lock = threading.Lock()

    def __call__(
        self,
        request: GenerationRequest,
        backend: Backend,
        cancel: CancelToken,
        control: TakeControl | None = None,
        start: Start = FRESH,
    ) -> Iterator[RenderEvent]:
        """The events of a take: steps, chunks that follow each other without a gap, attention maps. The
        backend is taken at the request's bandwidth.

        Samples total exactly `round(duration_s · sample_rate)`; without a length they go on for ever. There
        is no terminal event: the end of the iteration, or what it raises, is the end of the take. From a
        checkpoint come only those that follow it; with a recording, from where it is heard.

        Raises:
            CancelledError: `cancel` was set; noticed at every denoising step.
            InvalidRequestError: the model can't do what is asked, or not from this recording.
            OutOfResourcesError: the clip can't fit the memory that is free.
        """
        from studio.backends.base import at_bandwidth
        from studio.pipeline.clip import render_concat
        from studio.pipeline.edits.render import render_edit
        from studio.pipeline.plan import ClipPlan, ConcatPlan, EndlessPlan, Variation, resolve_plan
        from studio.pipeline.ring import can_be_ring, render_ring

        backend, own = at_bandwidth(backend, request.bandwidth), at_bandwidth(backend, "16k")
        control = control or TakeControl(request.prompt, request.lane, script=request.speech.text)
        if isinstance(start, FromEdit) and not isinstance(start.edit, Vary):
            control.refuse(UNSTEERED)
            yield from render_edit(start.edit, start.takes, backend, cancel)
            return
        if isinstance(start, AsRing) and not can_be_ring(request):
            raise InvalidRequestError(NO_RING)
        if not isinstance(request.draft, NoDraft):
            self._drafts_for(backend, start)  # who hears none is told before anything is measured
        strategy = None
        if isinstance(request.sampler, EndlessSampler):
            strategy = yield from self._strategy_for(request.sampler, own, cancel, start)
        plan = resolve_plan(request, backend, strategy)
        if isinstance(start, FromEdit) and isinstance(start.edit, Vary):
            plan, start = replace(plan, variation=Variation(start.edit.seed, start.edit.share)), FRESH
        match plan.sampler:
            case EndlessPlan() as endless:
                yield from self._endless(plan, endless, backend, cancel, control, start)
            case ClipPlan() as clip if isinstance(start, AsRing):
                control.refuse(UNSTEERED)
                yield from render_ring(plan, clip, backend, cancel)
            case ClipPlan() as clip:
                control.refuse(UNSTEERED)
                yield from self._clip(plan, clip, backend, cancel, control)
            case ConcatPlan() as clips:
                control.refuse(UNSTEERED)
                yield from render_concat(plan, clips, backend, cancel)

    def _endless(
        self,
        plan: RenderPlan,
        endless: EndlessPlan,
        backend: Backend,
        cancel: CancelToken,
        control: TakeControl,
        start: Start,
    ) -> Iterator[RenderEvent]:
        from studio.pipeline.acoustic import streaming_acoustics
        from studio.pipeline.endless import render_endless
        from studio.pipeline.speech import streaming_speech

        acoustics = None
        recorded = start.recording.samples if isinstance(start, FromRecording) else ()
        speech = streaming_speech(
            backend, plan.speech, control, len(recorded) // backend.geometry.hop_samples
        )
        if plan.draft is not None:
            drafts = self._drafts_for(backend, start)
            yield Progress(LOADING_DRAFTER)
            acoustics = streaming_acoustics(plan.draft, control, backend, drafts, lambda *_: cancel.check())
        yield Progress("Going on" if isinstance(start, FromCheckpoint) else "Making the first seconds")
        yield from render_endless(plan, endless, backend, cancel, control, start, acoustics, speech)

    def _clip(
        self, plan: RenderPlan, clip: ClipPlan, backend: Backend, cancel: CancelToken, control: TakeControl
    ) -> Iterator[RenderEvent]:
        from studio.pipeline.acoustic import prepare_acoustics
        from studio.pipeline.clip import render_clip
        from studio.pipeline.estimate import require_fit

        acoustics = None
        if plan.draft is not None:
            drafts, prompt = self._drafts_for(backend, FRESH), plan.prompts.opening
            yield Progress(LOADING_DRAFTER)
            acoustics = yield from prepare_acoustics(
                plan.draft, prompt, clip.duration_s, backend, drafts, cancel
            )
        if self._estimates:
            yield Progress("Looking what it will cost")
            known = self.calibration(plan, clip, backend, cancel, acoustics)
            yield Progress(str(require_fit(known, clip, backend)))
        yield from render_clip(plan, clip, backend, cancel, control, acoustics)

    def _drafts_for(self, backend: Backend, start: Start) -> Drafts:
        """What makes drafts. Raises `InvalidRequestError` where there can be none for this take."""
        from studio.pipeline.acoustic import dual_backend

        if self._drafts is None:
            raise InvalidRequestError("There is nothing here that makes drafts: take no draft.")
        if isinstance(start, FromRecording):
            raise InvalidRequestError(
                "A take that goes on from a recording hears no draft: take no draft, or no recording."
            )
        dual_backend(backend)
        return self._drafts

    def calibration(
        self,
        plan: RenderPlan,
        clip: ClipPlan,
        backend: Backend,
        cancel: CancelToken,
        acoustics: ClipAcoustics | None = None,
    ) -> Calibration:
        """What such clips cost, from a look at short ones of their settings, taken the first time.

        Raises:
            CancelledError: `cancel` was set.
            InvalidRequestError: the model can't do what is asked.
        """
        from studio.pipeline.denoiser import build_denoiser
        from studio.pipeline.estimate import calibrate
        from studio.pipeline.speech import clip_speech

        alike = (
            backend.id,
            backend.geometry.sample_rate,
            plan.attention,
            acoustics is not None,
            bool(plan.speech.text),
            plan.guidance.passes,
            plan.stereo.sampled,
            clip.period,
            clip.guided,
        )
        with self._lock:
            if alike not in self._calibrations:
                speech = clip_speech(backend, plan.speech, backend.geometry.frames(clip.duration_s))
                denoise = build_denoiser(plan, backend, cancel, acoustics=acoustics, speech=speech)
                self._calibrations[alike] = calibrate(denoise, backend, plan.stereo.sampled, clip)
            return self._calibrations[alike]

    def _strategy_for(
        self, sampler: EndlessSampler, backend: Backend, cancel: CancelToken, start: Start
    ) -> Generator[Event, None, str]:
        """The take's strategy: of one that goes on, what was measured when it began."""
        from studio.pipeline.plan import plan_window

        strategy: str = sampler.strategy
        if isinstance(start, FromCheckpoint):
            strategy = start.checkpoint.strategy or strategy
        if strategy != "auto":
            return strategy
        if plan_window(sampler, "equal", backend) not in self._strategies.get(backend, {}):
            yield Progress("Looking where the model attends to")
        return self.strategy(backend, sampler, cancel)

    def strategy(self, backend: Backend, sampler: EndlessSampler, cancel: CancelToken) -> str:
        """What "auto" means for what is loaded and the sampler's own window, measured the first time."""
        from studio.pipeline.endless import measure_strategy
        from studio.pipeline.plan import plan_window

        with self._lock:
            measured, window = (
                self._strategies.setdefault(backend, {}),
                plan_window(sampler, "equal", backend),
            )
            if window not in measured:
                measured[window] = measure_strategy(backend, window, cancel)
            return measured[window]
