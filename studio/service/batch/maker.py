"""A unit of rows → the sound of those that are wanted: one row as any take is made, several side by side.

A worker has one maker, which keeps the models that it has loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InvalidRequestError
from studio.core.events import AudioChunk, Event
from studio.core.request import ModelChoice
from studio.core.sampling import ClipSampler
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import FOR_WRITERS
from studio.pipeline.control import TakeControl
from studio.pipeline.start import FRESH
from studio.service.batch.folder import Made
from studio.service.batch.rows import Row
from studio.service.batch.side_by_side import Look, SideBySide
from studio.service.batch.units import Unit
from studio.service.batch.work import Fault
from studio.service.jobs.runner import Render
from studio.service.jobs.telemetry import Meter

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.drafts import Drafts

BATCH = "batch"  # the figure: how many were denoised side by side
ENDLESS = "A row of a set has an end: give seconds."


class UnitMaker:
    """Makes units, one after the other (`service.batch.work.Maker`)."""

    def __init__(
        self,
        lease: Callable[[ModelChoice], AbstractContextManager[Backend]],
        render: Render,
        drafts: Drafts | None = None,
        look: Look | None = None,
        workers: int = 1,
    ) -> None:
        """Take what makes sound.

        Args:
            lease: gives a loaded model for as long as a unit is made.
            render: makes a take of one row (`pipeline.renderer.Renderer`).
            drafts: makes what rows of a unit hear beside their text.
            look: tells what a clip costs (`Renderer.calibration`), so that no more are made side by side than
                memory holds; without it all of a unit are, until memory runs out.
            workers: how many share the device's memory.
        """
        self._lease, self._render = lease, render
        self._drafts, self._look, self._workers = drafts, look, workers

    def __call__(
        self,
        unit: Unit,
        wanted: Collection[str],
        cancel: CancelToken,
        tell: Callable[[Event], None] = lambda event: None,
    ) -> Iterator[Made | Fault]:
        """Each row of the unit whose id is wanted, in the unit's order; what can't be made is a `Fault`.

        Rows that are not wanted are denoised beside the others all the same, since what a row comes to is, in
        its last bits, its whole batch's. `tell` hears of the steps.

        Raises:
            CancelledError: `cancel` was set.
            StudioError: the model can't be had, or the one row of the unit can't be made.
        """
        rows = unit.rows
        from studio.backends.base import at_bandwidth  # torch

        with self._lease(rows[0].request.model) as model:
            backend = at_bandwidth(model, rows[0].request.bandwidth)
            if len(rows) > 1:
                together = SideBySide(backend, self._drafts, self._look, self._workers, cancel, tell)
                yield from together.make(rows, wanted)
            elif rows[0].id in wanted:
                yield self._alone(rows[0], backend, cancel, tell)

    def _alone(self, row: Row, backend: Backend, cancel: CancelToken, tell: Callable[[Event], None]) -> Made:
        if row.request.duration_s is None:
            raise InvalidRequestError(ENDLESS)
        made = Made(row, backend.geometry.sample_rate, ())
        made.chunks = self._chunks(made, backend, cancel, tell)
        return made

    def _chunks(
        self, made: Made, backend: Backend, cancel: CancelToken, tell: Callable[[Event], None]
    ) -> Iterator[NDArray[np.float32]]:
        """The take's samples as they come; afterwards what there is to tell of it is in `made`."""
        request = made.row.request
        control = TakeControl(request.prompt, request.lane, script=request.speech.text)
        clip_s = request.duration_s if isinstance(request.sampler, ClipSampler) else None
        meter = Meter(str(backend.device), clip_s=clip_s)
        for event in self._render(request, backend, cancel, control, FRESH):
            if isinstance(event, FOR_WRITERS):
                continue
            meter.see(event)
            if isinstance(event, AudioChunk):
                yield event.samples
            else:
                tell(event)
        made.figures = {**meter.figures(), BATCH: 1.0}
        made.said, made.script = control.said, control.script
