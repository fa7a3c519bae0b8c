"""Turns of a device between takes: after all that wait, and in nobody's way."""

from __future__ import annotations

import threading

import pytest

from studio.core.errors import CancelledError
from studio.pipeline.cancel import CancelToken
from studio.service.jobs.device_queue import DeviceQueue
from studio.service.jobs.job import Job
from tests.service.service_fakes import request
from tests.waiting import until


def test_takes_that_wait_go_first() -> None:
    queue = DeviceQueue("cpu", lambda job: None)
    queue.close(5)  # nobody takes up what waits from now on
    queue.put(Job(request()))
    cancel = CancelToken()
    cancel.set()
    with pytest.raises(CancelledError), queue.turn(cancel):
        pytest.fail("its turn came while a take waited")


def test_a_take_is_not_begun_during_a_turn_but_right_behind_it() -> None:
    begun = threading.Event()
    queue = DeviceQueue("cpu", lambda job: begun.set())
    try:
        with queue.turn(CancelToken()):
            until(lambda: len(queue._changed._waiters) == 1)  # type: ignore[attr-defined]
            job = Job(request())
            queue.put(job)
            # Its thread was woken, looked, and went back to wait.
            until(lambda: queue.current is not None or len(queue._changed._waiters) == 1)  # type: ignore[attr-defined]
            assert queue.current is None
            assert queue.waiting() == [job]
        assert begun.wait(30)
    finally:
        queue.close(5)
