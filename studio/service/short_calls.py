"""Takes made in short calls: each has a GPU for some seconds, in a process that may be gone afterwards.

A Hugging Face Space on ZeroGPU has none between calls. The render itself stays what it is: what runs here
is a loop on the CPU around it. An endless take goes from call to call by its save points, so that it is,
sample for sample, the take that was never interrupted; what a call had made after its last one is made
again by the next, should it be cut off. Between calls a take costs nothing, and takes up what it was
steered to meanwhile.
"""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakValueDictionary

from studio.core.errors import OutOfResourcesError, StudioError
from studio.core.events import AttentionMap, AudioChunk, StepDone
from studio.core.request import GenerationRequest, ModelChoice
from studio.core.sampling import EndlessSampler
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import EndlessCheckpoint, KeptLatents, RenderEvent, SavePoint
from studio.pipeline.control import TakeControl
from studio.pipeline.start import FRESH, FromCheckpoint, Start

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.model_cache import BackendFactory
    from studio.service.jobs.runner import Render

log = logging.getLogger(__name__)

Call: TypeAlias = "Callable[[bytes, float], Iterator[bytes]]"
Gpu: TypeAlias = "Callable[..., Callable[[Call], Call]]"  # `spaces.GPU`

ENDLESS_S = 20.0  # of a call that makes a part of an endless take …
WORK = 0.5  # … of which so much is work: the model's way to the GPU takes its time
AHEAD_S = 20.0  # of sound in a call: what is further ahead could not be steered
LOADING_S, LONGEST_S = 10.0, 120.0
STEP_S = 0.004  # of work for a step and a second of sound, before any was measured
MARGIN = 1.5
TRIES = 2  # calls in a row that may come to nothing
WITH_SOUND = (AudioChunk, KeptLatents, AttentionMap)  # which count once the save point after them is there


@dataclass(frozen=True)
class Standing:
    """Where a take stands in a call: its save point as plain values, or that it is over."""

    checkpoint: Mapping[str, Any] | None
    control: TakeControl

    @property
    def over(self) -> bool:
        return self.checkpoint is None


class ShortCalls:
    """A `Render` whose work is done in calls. Any thread may use it."""

    def __init__(
        self,
        render: Render,
        gpu: Gpu,
        create: BackendFactory,
        *,
        endless_s: float = ENDLESS_S,
        ahead_s: float = AHEAD_S,
    ) -> None:
        """Make calls of `render`.

        Args:
            gpu: makes a generator function one whose body runs where there is a GPU, for as many seconds as
                its `duration` says of the arguments.
            create: loads a model in a call whose process has not got it.
        """
        self._render, self._create = render, create
        self._endless_s, self._ahead_s = endless_s, ahead_s
        self._here: WeakValueDictionary[tuple[ModelChoice, str], Backend] = WeakValueDictionary()
        self._step_s: dict[str, float] = {}  # by model: of work for a step and a second of sound

        def call(asked: bytes, seconds: float) -> Iterator[bytes]:
            yield from self._made(asked, seconds)

        self._call = gpu(duration=lambda asked, seconds: seconds)(call)

    def __call__(
        self,
        request: GenerationRequest,
        backend: Backend,
        cancel: CancelToken,
        control: TakeControl | None = None,
        start: Start = FRESH,
    ) -> Iterator[RenderEvent]:
        """The events of a take, as of the render.

        Raises:
            CancelledError: `cancel` was set; noticed at every event.
            OutOfResourcesError: the GPU was lost twice in a row, or there was none to be had.
            StudioError: whatever the render raises.
        """
        control = control or TakeControl(request.prompt, request.lane, script=request.speech.text)
        self._here[request.model, request.bandwidth] = backend  # what is forked from here finds it
        lost = 0
        while True:
            before = start
            try:
                while True:
                    reached = yield from self._part(request, start, control, cancel)
                    if reached is None:
                        return
                    lost, start = 0, reached
            except LostError as error:
                start = error.reached or start
                lost = 1 if start is not before else lost + 1
                if lost >= TRIES:
                    raise OutOfResourcesError(
                        f"The GPU was not to be had, or not for long enough ({error}): try again later, or "
                        "take a shorter length."
                    ) from error

    def seconds(self, request: GenerationRequest) -> float:
        """For how long the next call of a take wants a GPU."""
        if isinstance(request.sampler, EndlessSampler):
            return self._endless_s
        step_s = self._step_s.get(request.model.id, STEP_S)
        steps = getattr(request.sampler, "steps", 1)
        return min(LONGEST_S, LOADING_S + MARGIN * step_s * steps * (request.duration_s or 1.0))

    def _part(
        self, request: GenerationRequest, start: Start, control: TakeControl, cancel: CancelToken
    ) -> Generator[RenderEvent, None, FromCheckpoint | None]:
        """What one call makes; where the take goes on, None at its end. Raises `LostError`."""
        handed = control.asked_now
        asked = pickle.dumps((request, start, control))
        reached: FromCheckpoint | None = None
        held: list[RenderEvent] = []
        events = self._call(asked, self.seconds(request))
        while True:
            cancel.check()
            try:
                what = pickle.loads(next(events))
            except StopIteration:
                if reached is None:
                    raise LostError("it made nothing", None) from None
                return reached
            except Exception as error:  # whatever the host says: quota, time, a process that died
                log.warning("A call on the GPU ended: %s", error)
                raise LostError(getattr(error, "message", "") or error, reached) from error
            match what:
                case Standing():
                    control.catch_up(what.control, handed)
                    yield from held
                    held.clear()
                    if what.checkpoint is None:
                        return None
                    checkpoint = EndlessCheckpoint.from_dict(what.checkpoint)
                    reached = FromCheckpoint(checkpoint)
                    yield SavePoint(checkpoint)
                case StudioError():
                    yield from held
                    raise what
                case _ if isinstance(what, WITH_SOUND):
                    held.append(what)
                case _:
                    self._note(request, what)
                    yield what

    def _made(self, asked: bytes, seconds: float) -> Iterator[bytes]:
        """The body of a call: events, each as bytes, up to a save point where it has done enough."""
        request, start, control = pickle.loads(asked)
        until, made_s = time.monotonic() + seconds * WORK, 0.0
        try:
            backend = self._here.get((request.model, request.bandwidth)) or self._create(request.model)
            for event in self._render(request, backend, CancelToken(), control, start):
                if isinstance(event, SavePoint):
                    yield pickle.dumps(Standing(on_cpu(event.checkpoint.to_dict()), control))
                    if made_s >= self._ahead_s or time.monotonic() >= until:
                        return
                    continue
                if isinstance(event, AudioChunk):
                    made_s += len(event.samples) / event.sample_rate
                if isinstance(event, KeptLatents):
                    event = replace(event, latents=on_cpu(event.latents))
                yield pickle.dumps(event)
            yield pickle.dumps(Standing(None, control))
        except StudioError as error:  # whose sentence would not come through otherwise
            yield pickle.dumps(error)

    def _note(self, request: GenerationRequest, event: object) -> None:
        """Remember what a step costs."""
        if isinstance(event, StepDone) and request.duration_s:
            self._step_s[request.model.id] = event.step_s / request.duration_s


class LostError(Exception):
    """A call ended before its work did; `reached` is where the take goes on, if it came to any place."""

    def __init__(self, why: object, reached: FromCheckpoint | None) -> None:
        super().__init__(str(why))
        self.reached = reached


def on_cpu(value: Any) -> Any:
    """Plain values whose tensors lie in memory that outlives the call."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if isinstance(value, Mapping):
        return {key: on_cpu(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(on_cpu(one) for one in value)
    return value
