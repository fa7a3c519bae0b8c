"""Calls of a studio with a queue: their takes come from whoever works on the folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.app import build_maker, build_studio
from studio.core.settings import Settings
from studio.pipeline.cancel import CancelToken
from studio.service.batch.queue import asked_ns, work_queue
from studio.service.studio import Studio
from studio.ui.callers import Callers
from studio.ui.server import client_api, queued_calls
from tests import aio
from tests.waiting import until

VALUES = {"prompt": "rain", "seconds": 0.5, "seed": 7, "model": "tone", "attention": "dense"}


@pytest.fixture
def queued(tmp_path: Path) -> Iterator[Studio]:
    studio = build_studio(Settings(outputs=tmp_path, queue=tmp_path / "sets", device="cpu"))
    yield studio
    studio.close()


def call_of(studio: Studio) -> Callable[..., Any]:
    with gr.Blocks() as page:
        client_api.build(studio, Callers())
    return next(function.fn for function in page.fns.values() if function.api_name == "sparse")


def work_in(studio: Studio, cancel: CancelToken) -> threading.Thread:
    assert studio.settings.queue is not None
    arguments = (studio.settings.queue, build_maker(studio.settings))
    thread = threading.Thread(target=work_queue, args=arguments, kwargs={"cancel": cancel, "look_s": 0.02})
    thread.start()
    return thread


def test_a_worker_elsewhere_makes_the_take(
    queued: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queued_calls, "POLL_S", 0.02)
    monkeypatch.setattr(queued, "submit", lambda *_, **__: pytest.fail("made here"))
    monkeypatch.setattr(client_api, "handed", str)
    monkeypatch.setattr(client_api, "attended", lambda *_: lambda: True)
    call, cancel = call_of(queued), CancelToken()
    worker = work_in(queued, cancel)
    try:
        path, figures = aio.run(call(gr.Request(), **VALUES))
    finally:
        cancel.set()
        worker.join(30)
    assert Path(path).parent.parent.parent == tmp_path / "sets"
    assert figures["seed"] == "7"
    (take,) = queued.library.takes()
    assert take.about.duration_s == 0.5


def test_who_waits_no_more_has_it_taken_back(queued: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_api, "attended", lambda *_: lambda: False)
    with pytest.raises(gr.Error, match="stopped before it was made"):
        aio.run(call_of(queued)(gr.Request(), **VALUES))
    (one,) = queued.sets.all()
    assert one.phase == "stopped"
    assert not asked_ns(queued.sets.folder(one.id))


def test_a_wrong_value_is_said_before_anything_is_put_there(queued: Studio) -> None:
    with pytest.raises(gr.Error, match="Seed"):
        aio.run(call_of(queued)(gr.Request(), **{**VALUES, "seed": 0.5}))
    assert not queued.sets.all()


def test_what_is_under_way_is_told_as_it_comes(queued: Studio) -> None:
    """The page's table, over a folder that this process makes nothing of."""
    request = client_api.request_of("sparse", client_api.read_call("sparse", VALUES), queued)
    rows = [
        queued_calls.row_of(request.model_copy(update={"seed": seed}), queued.sets.fingerprint)
        for seed in range(3)
    ]
    set_id = queued.sets.begin(rows, "Three rains")
    assert [one.id for one in queued.sets.running()] == [set_id]
    assert queued.sets.summary(set_id).phase == "waiting"
    queued.sets.stop(set_id)
    assert queued.sets.summary(set_id).phase == "stopped"
    assert not queued.sets.running()
    queued.sets.go_on(set_id)
    cancel = CancelToken()
    worker = work_in(queued, cancel)
    try:
        until(lambda: queued.sets.summary(set_id).phase == "done")
    finally:
        cancel.set()
        worker.join(30)
    look = queued.sets.look(set_id)
    assert [look.of(row) for row in look.rows] == ["done"] * 3
    assert len(list(queued.library.takes())) == 3
