"""Who waits for an answer, and the end of a take that nobody waits for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest

from studio.core.errors import InvalidRequestError
from studio.core.request import parse_request
from studio.service.jobs.job import Job
from studio.service.studio import Studio
from studio.ui import callers
from studio.ui.callers import Callers, CallerWatch
from studio.ui.server import client_api
from studio.ui.server.client_api import bounded, render_file
from tests import aio

ENDLESS = {"prompt": "rain", "duration_s": 86400.0, "model": {"id": "tone"}}


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time that `Callers` sees."""
    clock = {"now": 100.0}
    monkeypatch.setattr(callers.time, "monotonic", lambda: clock["now"])
    return lambda value: clock.update(now=value)


def test_a_caller_has_some_seconds_to_listen_and_none_after_it_left(now: Callable[[float], None]) -> None:
    known = Callers()
    assert known.wait_for({"session"}, 100.0)
    now(100.0 + callers.GRACE_S + 0.1)
    assert not known.wait_for({"session"}, 100.0), "it never came for its answer"
    known.enter("session")
    known.enter("session")
    now(900.0)
    assert known.wait_for({"other", "session"}, 100.0)
    known.leave("session")
    assert known.wait_for({"session"}, 100.0), "its second stream is open"
    known.leave("session")
    assert known.wait_for({"session"}, 100.0), "the next one may be on its way"
    now(900.0 + callers.LEFT_S + 0.1)
    assert not known.wait_for({"session"}, 100.0)
    assert known.wait_for({"session"}, 901.0), "a later call has its own seconds"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "MAX_REMEMBERED", 3)
    known = Callers()
    for number in range(10):
        known.enter(str(number))
        known.leave(str(number))
    assert len(known._left_at) == 3
    assert not known._open


@pytest.mark.parametrize(
    ("path", "query", "name"),
    [
        ("/gradio_api/queue/data", b"session_hash=abc", "abc"),
        ("/studio/gradio_api/queue/data", b"session_hash=abc&x=1", "abc"),
        ("/gradio_api/call/infinite/ev1", b"", "ev1"),
        ("/gradio_api/call/v2/infinite/ev1", b"", "ev1"),
        ("/gradio_api/queue/join", b"session_hash=abc", ""),
        ("/", b"", ""),
    ],
)
def test_a_stream_counts_as_long_as_it_is_open(path: str, query: bytes, name: str) -> None:
    known, seen = Callers(), []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(known._open))

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query}
    aio.run(CallerWatch(app, known)(scope, receive, receive))  # type: ignore[arg-type]
    assert seen == [{name: 1} if name else {}]
    assert not known._open


def test_who_hangs_up_is_noticed_before_the_server_looks() -> None:
    known = Callers()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while known._open:
            await asyncio.sleep(0.01)

    messages = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

    async def receive() -> dict[str, Any]:
        return next(messages)

    scope = {"type": "http", "method": "GET", "path": "/gradio_api/call/x/ev1", "query_string": b""}
    aio.run(asyncio.wait_for(CallerWatch(app, known)(scope, receive, receive), 10))  # type: ignore[arg-type]
    assert not known._open


def ended(job: Job) -> bool:
    deadline = time.monotonic() + 20
    while not job.ended and time.monotonic() < deadline:
        time.sleep(0.02)
    return job.ended


def test_a_take_ends_when_nobody_waits_for_it(studio: Studio) -> None:
    answers = iter([True, True, False])
    with pytest.raises(gr.Error) as caught:
        aio.run(_rendered(studio, lambda: next(answers, False)))
    assert "stopped before it had sound" in str(caught.value) or studio.jobs()[0].outcome.path is not None
    (job,) = studio.jobs()
    assert job.cancel.reason == client_api.LEFT


async def _rendered(studio: Studio, waited_for: Callable[[], bool]) -> None:
    file, _ = await render_file(studio, lambda: studio.submit(parse_request(**ENDLESS)), waited_for)
    raise gr.Error(f"made {file}")


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.5])
def test_a_call_that_is_cancelled_leaves_no_take(studio: Studio, after_s: float) -> None:
    def submit() -> Job:
        time.sleep(0.2)  # as reading a recording takes
        return studio.submit(parse_request(**ENDLESS))

    async def call() -> None:
        task = asyncio.ensure_future(render_file(studio, submit))
        await asyncio.sleep(after_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.get_running_loop().shutdown_default_executor()  # what was being submitted is by then

    aio.run(call())
    assert all(ended(job) and job.cancel.is_set() for job in studio.jobs())


def test_a_waiting_take_ends_with_its_call(studio: Studio) -> None:
    first = studio.submit(parse_request(**ENDLESS))

    async def call() -> None:
        task = asyncio.ensure_future(render_file(studio, lambda: studio.submit(parse_request(**ENDLESS))))
        while len(studio.jobs()) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_default_executor()  # what was being submitted is by then

    aio.run(call())
    second = studio.jobs()[-1]
    assert second is not first
    assert ended(second)
    assert second.status == "stopped"
    assert not first.ended
    studio.stop(first.id)


def test_a_call_asks_for_no_more_than_an_unattended_take_may_have(studio: Studio) -> None:
    limit_s = studio.settings.unattended_limit_s
    assert bounded(parse_request(**{**ENDLESS, "duration_s": limit_s}), studio).duration_s == limit_s
    with pytest.raises(InvalidRequestError, match="4:00:00"):
        bounded(parse_request(**{**ENDLESS, "duration_s": limit_s + 1}), studio)
