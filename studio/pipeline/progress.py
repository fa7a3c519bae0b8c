"""Samplers report steps by a callback; readers want them as events, while the sampler still runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from queue import SimpleQueue
from typing import Generic, TypeVar

from torch import Tensor

from studio.core.errors import CancelledError
from studio.core.events import Preview, Progress, StepDone

Result = TypeVar("Result")
Told = StepDone | Preview | Progress


class _Done(Generic[Result]):
    """What a call came to."""

    def __init__(self) -> None:
        self.result: Result | None = None
        self.error: BaseException | None = None


class StepProgress:
    """Runs sampler calls in a thread beside, and yields a `StepDone` for each of their steps as it happens.

    Hand `on_step` to the sampler and the call to `run`.
    """

    def __init__(self) -> None:
        self._steps: SimpleQueue[Told | None] = SimpleQueue()
        self._last = time.perf_counter()
        self._abandoned = False

    def on_step(self, step: int, total: int, latents: Tensor) -> None:
        """The callback. Raises `CancelledError` when nobody reads the steps any more."""
        if self._abandoned:
            raise CancelledError("Stopped.")
        now = time.perf_counter()
        self._steps.put(StepDone(step, total, now - self._last))
        self._last = now

    def tell(self, event: Preview | Progress) -> None:
        """Yield this too, between the steps; the time that it took is no step's."""
        if self._abandoned:
            raise CancelledError("Stopped.")
        self._steps.put(event)
        self._last = time.perf_counter()

    def run(self, call: Callable[[], Result]) -> Generator[Told, None, Result]:
        """As `yield from`: the steps of `call`, then its result. Raises what the call raises."""
        done: _Done[Result] = _Done()
        self._last = time.perf_counter()
        thread = threading.Thread(target=self._work, args=(call, done), name="sampler", daemon=True)
        thread.start()
        try:
            while (step := self._steps.get()) is not None:
                yield step
        except GeneratorExit:
            self._abandoned = True
            raise
        finally:
            thread.join()
        if done.error is not None:
            raise done.error
        return done.result  # type: ignore[return-value]

    def _work(self, call: Callable[[], Result], done: _Done[Result]) -> None:
        try:
            done.result = call()
        except BaseException as error:  # handed over to the thread that asked, not handled here
            done.error = error
        finally:
            self._steps.put(None)
