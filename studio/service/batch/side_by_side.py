"""Rows of a unit denoised in one batch, or in as few parts as memory allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from studio.core.audio import NO_SOUND
from studio.core.errors import CancelledError, NoSoundError, OutOfResourcesError, StudioError
from studio.core.events import Event, StepDone
from studio.pipeline.cancel import CancelToken
from studio.pipeline.control import TakeControl
from studio.pipeline.model_cache import collect
from studio.service.batch.folder import Made
from studio.service.batch.rows import Row
from studio.service.batch.work import Fault
from studio.service.jobs.runner import OUT_OF_MEMORY_MESSAGE, is_out_of_memory

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.acoustic import ClipAcoustics
    from studio.pipeline.batch import Clip
    from studio.pipeline.drafts import Drafts
    from studio.pipeline.estimate import Calibration
    from studio.pipeline.plan import ClipPlan, RenderPlan

    Look = Callable[[RenderPlan, ClipPlan, Backend, CancelToken, ClipAcoustics | None], Calibration]
else:
    Look = Callable[..., object]


class SideBySide:
    """Makes the rows of one unit, which are alike (`pipeline.alike`).

    Where they don't fit the memory that is free, the first half is made and then the second, each of which
    may be halved again: a part is a batch of its own. What a row sounds like is the same in any, but for
    rounding.
    """

    def __init__(
        self,
        backend: Backend,
        drafts: Drafts | None,
        look: Look | None,
        workers: int,
        cancel: CancelToken,
        tell: Callable[[Event], None],
    ) -> None:
        """As `UnitMaker` has them."""
        self._backend, self._drafts, self._look = backend, drafts, look
        self._workers, self._cancel, self._tell = workers, cancel, tell
        self._heard: dict[str, ClipAcoustics | None] = {}

    def make(self, rows: Sequence[Row], wanted: Collection[str]) -> Iterator[Made | Fault]:
        """Each wanted row, in their order. A row that can't be drafted or bound is left out of its batch.

        Raises:
            CancelledError: the run was cancelled.
        """
        from studio.pipeline.batch import draft_clips

        sound = []
        for row in rows:
            try:
                drafted = draft_clips([row.request], self._backend, self._drafts, self._cancel)
            except CancelledError:
                raise
            except StudioError as error:
                if row.id in wanted:
                    yield Fault(row, error)
            else:
                self._heard[row.id] = drafted[0] if drafted else None
                sound.append(row)
        yield from self._part(sound, wanted)

    def _part(self, rows: Sequence[Row], wanted: Collection[str]) -> Iterator[Made | Fault]:
        """These in one batch; in two where they don't fit; nothing where none of them is wanted."""
        if not any(row.id in wanted for row in rows):
            return
        left, problem, fits = set(wanted), None, False
        try:
            fits = self._fits(rows)
            if fits:
                for made in self._batch(rows, wanted):
                    left.discard(made.row.id)
                    yield made
                return
        except Exception as error:  # sorted out below, where nothing holds the memory of what failed
            problem = error.with_traceback(None)
        if problem is None or is_out_of_memory(problem):
            yield from self._halves(rows, left)
        elif isinstance(problem, StudioError) and not isinstance(problem, CancelledError):
            yield from self._without_faults(rows, left, problem)
        else:
            raise problem

    def _halves(self, rows: Sequence[Row], wanted: Collection[str]) -> Iterator[Made | Fault]:
        collect()
        if len(rows) == 1:
            yield Fault(rows[0], OutOfResourcesError(OUT_OF_MEMORY_MESSAGE))
            return
        middle = (len(rows) + 1) // 2
        yield from self._part(rows[:middle], wanted)
        yield from self._part(rows[middle:], wanted)

    def _without_faults(
        self, rows: Sequence[Row], wanted: Collection[str], problem: StudioError
    ) -> Iterator[Made | Fault]:
        """The rows that are no reason for a problem, in a batch of their own."""
        faults = {row.id: fault for row in rows if (fault := self._fault_of(row)) is not None}
        if not faults:
            raise problem
        for row in rows:
            if row.id in faults and row.id in wanted:
                yield Fault(row, faults[row.id])
        yield from self._part([row for row in rows if row.id not in faults], wanted)

    def _fault_of(self, row: Row) -> StudioError | None:
        """Why a row can't be made by itself either."""
        from studio.pipeline.batch import ClipBatch, clip_of
        from studio.pipeline.plan import resolve_plan

        try:
            plan = resolve_plan(row.request, self._backend)
            control = TakeControl(row.request.prompt, script=row.request.speech.text)
            heard = self._heard[row.id]
            ClipBatch(
                [plan],
                clip_of(plan),
                self._backend,
                self._cancel,
                None if heard is None else [heard],
                controls=[control],
            )
            self._fits([row])
        except CancelledError:
            raise
        except StudioError as error:
            return error
        return None

    def _fits(self, rows: Sequence[Row]) -> bool:
        """Whether free memory, this worker's share of it, holds so many at once.

        Raises:
            OutOfResourcesError: it doesn't even hold one.
        """
        if self._look is None:
            return True
        from studio.pipeline.batch import clip_of
        from studio.pipeline.estimate import RESERVE_MB, free_mb, require_fit
        from studio.pipeline.plan import resolve_plan

        plan = resolve_plan(rows[0].request, self._backend)
        clip = clip_of(plan)
        known = self._look(plan, clip, self._backend, self._cancel, self._heard[rows[0].id])
        if len(rows) == 1:
            require_fit(known, clip, self._backend)
            return True
        free = free_mb(self._backend.device) - RESERVE_MB
        return known.memory_mb(clip.duration_s, len(rows)) <= free / self._workers

    def _batch(self, rows: Sequence[Row], wanted: Collection[str]) -> Iterator[Made | Fault]:
        """All of them side by side, then the sound of each that is wanted."""
        from studio.pipeline.batch import Clip, clip_events

        requests = [row.request for row in rows]
        controls = [TakeControl(each.prompt, script=each.speech.text) for each in requests]
        heard = [each for row in rows if (each := self._heard[row.id]) is not None]
        steps: list[float] = []
        decoding = time.perf_counter()
        for event in clip_events(
            requests,
            self._backend,
            drafts=self._drafts,
            acoustics=heard or None,
            cancel=self._cancel,
            controls=controls,
            decoded=[index for index, row in enumerate(rows) if row.id in wanted],
        ):
            if isinstance(event, Clip):
                decode_s = time.perf_counter() - decoding
                yield self._made(rows, event, controls[event.index], steps, decode_s)
            else:
                if isinstance(event, StepDone):
                    steps.append(event.step_s)
                self._tell(event)
            decoding = time.perf_counter()

    def _made(
        self, rows: Sequence[Row], clip: Clip, control: TakeControl, steps: Sequence[float], decode_s: float
    ) -> Made | Fault:
        """A row's sound and its share of what its batch took."""
        row, rate = rows[clip.index], self._backend.geometry.sample_rate
        if not np.isfinite(clip.samples).all():
            return Fault(row, NoSoundError(NO_SOUND))
        audio_s, steps_s = len(clip.samples) / rate, sum(steps)
        figures = {
            "audio_s": audio_s,
            "rtf": (steps_s / len(rows) + decode_s) / audio_s,
            "step_ms": 1000.0 * steps_s / len(steps),
            "steps": float(len(steps)),
            "steps_s": steps_s,
            "batch": float(len(rows)),
        }
        rounded = {name: round(value, 4) for name, value in figures.items()}
        return Made(row, rate, [clip.samples], rounded, control.said, control.script)
