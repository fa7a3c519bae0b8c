"""The loops of a kit: each sampled as a ring, and kept on the disk until the kit is packed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.core.audio import NO_SOUND, sound_before_fault
from studio.core.errors import InvalidRequestError, NoSoundError
from studio.core.events import AudioChunk, StepDone
from studio.core.files import disk_error
from studio.core.kit import LEAST_LOOP_S, MAX_LOOP_S
from studio.core.request import GenerationRequest, ModelChoice
from studio.pipeline.cancel import CancelToken
from studio.pipeline.control import TakeControl
from studio.pipeline.start import AsRing
from studio.service.jobs.runner import Render

if TYPE_CHECKING:
    from studio.backends.base import Backend

Samples = NDArray[np.float32]
Lease = Callable[[ModelChoice], AbstractContextManager["Backend"]]
Turn = Callable[[ModelChoice, CancelToken], AbstractContextManager[None]]
NO_RING = "A kit is made of clips of text alone, by DDIM: leave the rest out."


@dataclass(frozen=True)
class Loop:
    """A loop [n] or [n, 2] that lies in a file of its own, with its request.

    Where several lie on top of each other, `seeds` are those of all; the request is the first one's.
    """

    request: GenerationRequest
    path: Path
    sample_rate: int
    seeds: tuple[int, ...] = ()

    def read(self) -> Samples:
        """Its samples, full scale 1. Raises `OSError`."""
        samples: Samples = np.load(self.path, allow_pickle=False)
        return samples


def require_loop(request: GenerationRequest) -> None:
    """Raise `InvalidRequestError` for what a kit's loops can't be made of."""
    from studio.pipeline.ring import can_be_ring

    length_s = request.duration_s
    if length_s is None or not LEAST_LOOP_S <= length_s <= MAX_LOOP_S:
        raise InvalidRequestError(
            f"The loops of a kit last {LEAST_LOOP_S:g} to {MAX_LOOP_S:g} s: choose a length between."
        )
    if not can_be_ring(request):
        raise InvalidRequestError(NO_RING)


class LoopMaker:
    """Makes loops one after the other, each of them once."""

    def __init__(self, lease: Lease, render: Render, turn: Turn, folder: Path, rate: int | None) -> None:
        """`turn` gives the device for as long as a loop is made; `rate` in Hz is what the loops have, None
        is the model's own; `folder` is where they are kept.
        """
        self._lease, self._render, self._turn = lease, render, turn
        self._folder, self._rate = folder, rate
        self._made: dict[str, Loop] = {}
        self._count = 0

    def make(self, request: GenerationRequest, cancel: CancelToken, tell: Callable[[float], None]) -> Loop:
        """The loop of a request; `tell` hears which share of its steps is done.

        Raises:
            CancelledError: `cancel` was set.
            NoSoundError: the model gave numbers that are none.
            OutOfResourcesError: the disk is full.
            StudioError: the model can't be had, or can't do what is asked.
        """
        from studio.backends.base import at_bandwidth

        key = request.model_dump_json()
        if key in self._made:
            return self._made[key]
        with self._turn(request.model, cancel), self._lease(request.model) as model:
            backend = at_bandwidth(model, request.bandwidth)
            own_rate = backend.geometry.sample_rate
            samples = self._sampled(request, backend, cancel, tell)
        rate = self._rate or own_rate
        path = self._kept(_at_rate(samples, own_rate, rate))
        self._made[key] = loop = Loop(request, path, rate)
        return loop

    def layered(self, loops: Sequence[Loop]) -> Loop:
        """Loops of one length on top of each other, each at its own level. Raises as `make`."""
        first = loops[0]
        path = self._kept(np.sum([loop.read() for loop in loops], axis=0, dtype=np.float32))
        return Loop(first.request, path, first.sample_rate, tuple(loop.request.seed for loop in loops))

    def _kept(self, samples: Samples) -> Path:
        """Where they are kept, until the kit is packed."""
        path = self._folder / f"loop-{self._count}.npy"
        self._count += 1
        try:
            np.save(path, samples, allow_pickle=False)
        except OSError as error:
            raise disk_error(error, path) from error
        return path

    def _sampled(
        self,
        request: GenerationRequest,
        backend: Backend,
        cancel: CancelToken,
        tell: Callable[[float], None],
    ) -> Samples:
        control = TakeControl(request.prompt)
        pieces = []
        for event in self._render(request, backend, cancel, control, AsRing()):
            if isinstance(event, AudioChunk):
                pieces.append(event.samples)
            elif isinstance(event, StepDone) and event.total:
                tell(event.step / event.total)
        cancel.check()
        samples = np.concatenate(pieces)
        if len(sound_before_fault(samples)) < len(samples):
            raise NoSoundError(NO_SOUND)
        return samples


def _at_rate(ring: Samples, own_rate: int, rate: int) -> Samples:
    """A ring [n] or [n, channels] at another rate, without ends."""
    from studio.pipeline.ring import stretched

    if rate == own_rate:
        return ring
    wanted = round(len(ring) * rate / own_rate)
    if ring.ndim == 1:
        return stretched(ring, wanted)
    return np.stack([stretched(channel, wanted) for channel in ring.T], axis=1)
