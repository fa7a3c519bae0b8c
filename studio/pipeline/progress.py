"""Steps of samplers as events, and what a call tells by a callback as events too, while it still runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from studio.core.errors import CancelledError
from studio.core.events import Event, Preview, Progress, StepDone

if TYPE_CHECKING:
    from studio.samplers.ddim import DdimStep

Result = TypeVar("Result")


def step_events(
    steps: Generator[DdimStep, None, Result], look: Callable[[DdimStep], Preview | None] | None = None
) -> Generator[Event, None, Result]:
    """As `yield from`: a `StepDone` for each of a sampler's steps, then what they come to.

    `look` may make a picture of a step, whose time is no step's.
    """
    while True:
        began = time.perf_counter()
        try:
            done = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield StepDone(done.step, done.total, time.perf_counter() - began)
        preview = look(done) if look is not None else None
        if preview is not None:
            yield preview


class _Done(Generic[Result]):
    """What a call came to."""

    def __init__(self) -> None:
        self.result: Result | None = None
        self.error: BaseException | None = None


class CallProgress:
    """Runs a call in a thread beside, and yields what it tells as it happens.

    Let the call use `tell`, and hand it to `run`.
    """

    def __init__(self) -> None:
        self._told: SimpleQueue[Progress | None] = SimpleQueue()
        self._abandoned = False

    def tell(self, event: Progress) -> None:
        """Yield this. Raises `CancelledError` when nobody reads any more."""
        if self._abandoned:
            raise CancelledError("Stopped.")
        self._told.put(event)

    def run(self, call: Callable[[], Result]) -> Generator[Event, None, Result]:
        """As `yield from`: what `call` tells, then its result. Raises what the call raises."""
        done: _Done[Result] = _Done()
        thread = threading.Thread(target=self._work, args=(call, done), name="call", daemon=True)
        thread.start()
        try:
            while (event := self._told.get()) is not None:
                yield event
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
            self._told.put(None)
