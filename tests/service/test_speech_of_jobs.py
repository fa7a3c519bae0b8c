"""What a take says, as the service keeps it: as it was heard, whatever ended the take."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.core.events import AudioChunk
from studio.core.preset import SYNTHETIC
from studio.core.request import GenerationRequest, parse_request
from studio.core.settings import Settings
from studio.core.speech import MAX_SPEECH_CHARS
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import SavePoint
from studio.pipeline.control import TakeControl
from studio.pipeline.renderer import Renderer
from studio.pipeline.start import FRESH
from studio.service.excerpt import as_flac, excerpt_of, keep
from studio.service.jobs.job import Job
from studio.service.studio import Studio
from studio.service.takes.export import convert
from studio.service.takes.export_range import ExportRange
from studio.service.takes.library import Library, Take, settings_of
from studio.service.takes.tags import read_comment
from studio.service.takes.writer import TakeWriter
from studio.testing import FakeBackend, FakeSpeakingBackend

FIFO = {"kind": "endless", "strategy": "equal", "base_steps": 6, "group_size": 2, "buffer_frames": 4}
RATE = 16000


def asked(text: str = "", seconds: float | None = 8.0, **values: Any) -> GenerationRequest:
    speech = {"text": text, "pause_s": 0.4}
    return parse_request(prompt="rain", seed=3, duration_s=seconds, sampler=FIFO, speech=speech, **values)


class Steered:
    """A render that does something to its take once so many seconds are there."""

    def __init__(self, at_s: float, act: Callable[[CancelToken, TakeControl], None]) -> None:
        self.at, self.act = round(at_s * RATE), act

    def __call__(
        self, request: Any, backend: Any, cancel: CancelToken, control: TakeControl, start: Any = FRESH
    ) -> Iterator[Any]:
        made, acted = 0, False
        for event in Renderer()(request, backend, cancel, control, start):
            yield event
            made += len(event.samples) if isinstance(event, AudioChunk) else 0
            if made >= self.at and not acted:
                acted = True
                self.act(cancel, control)


def take_of(
    outputs: Path, request: GenerationRequest, render: Any = None, backend: Any = None
) -> tuple[Take, Job]:
    made = backend or FakeSpeakingBackend()
    studio = Studio(Settings(outputs=outputs), lambda _: made, render or Renderer())
    job = studio.submit(request)
    list(studio.events(job.id))
    studio.close()
    (take,) = Library(outputs).takes()
    return take, job


def said(take: Take) -> list[tuple[str, float, float]]:
    return [(one.text, one.start_s, one.end_s) for one in take.about.said]


def test_the_library_knows_what_was_said_and_finds_it(tmp_path: Path) -> None:
    take, _ = take_of(tmp_path, asked("ab\n0:03 | Cd."))
    assert said(take) == [("ab", 0.4, 0.56), ("Cd.", 3.0, 3.24)]
    assert take.record.description == SYNTHETIC
    assert take.record.request().speech.text == "ab\n0:03 | Cd.", "as it was typed"
    assert [one.id for one in Library(tmp_path).takes("cd.")] == [take.id]


def test_of_a_take_that_was_stopped_only_what_is_in_the_file_was_said(tmp_path: Path) -> None:
    render = Steered(1.6, lambda cancel, _: cancel.set("Stopped."))
    take, job = take_of(
        tmp_path, asked("one\n0:01.2 | two two two two two\n0:03 | three", seconds=None), render
    )
    length_s = take.about.duration_s
    assert length_s < 2
    assert job.control.said[-1].end_s > length_s, "it was laid out, and not heard to its end"
    assert said(take) == [("one", 0.4, 0.64), ("two two two two two", 1.2, round(length_s, 3))]


def test_a_script_changed_while_it_plays_is_kept_as_it_was_said(tmp_path: Path) -> None:
    render = Steered(
        2.0, lambda _, control: control.request_change("rain", (), "one\nanother\n0:07 | the end")
    )
    take, job = take_of(tmp_path / "a", asked("one"), render)
    assert [text for text, *_ in said(take)] == ["one", "another", "the end"]
    assert said(take)[1][1] > 2.0, "what was there by then stays"
    request = take.record.request()
    assert [sentence.at_s for sentence in request.speech.sentences] == [begin for _, begin, _ in said(take)]
    assert job.control.asked_script == "one\nanother\n0:07 | the end"
    again, _ = take_of(tmp_path / "b", request)
    assert said(again) == said(take)
    np.testing.assert_array_equal(sf.read(again.path)[0], sf.read(take.path)[0])


@pytest.mark.parametrize("backend", [FakeBackend(), FakeSpeakingBackend(content_band=None)])
def test_who_says_nothing_can_not_be_made_to(tmp_path: Path, backend: Any) -> None:
    told: list[str] = []

    def act(_: CancelToken, control: TakeControl) -> None:
        control.request_change("wind", (), "")
        with pytest.raises(InvalidRequestError, match="says nothing") as refused:
            control.request_change("sea", (), "hello")
        told.append(str(refused.value))

    take, job = take_of(tmp_path, asked(), Steered(1.0, act), backend)
    assert (len(told), take.about.said, job.control.asked[0]) == (1, (), "wind")


def test_what_is_too_much_to_be_kept_is_not_taken_up() -> None:
    control = TakeControl("rain", script="one")
    control.tell_said("word " * 200, 0.0, 1.0)
    long = "word word\n" * (MAX_SPEECH_CHARS // 10 - 10)
    with pytest.raises(InvalidRequestError, match="says 50,000 characters at most"):
        control.request_script(long)
    assert control.asked_script == "one"


def killed(outputs: Path, request: GenerationRequest, at_s: float) -> np.ndarray:
    """Leave behind what a kill does at that time; the samples that the take would have had."""
    control, samples = TakeControl(request.prompt, script=request.speech.text), []
    take: TakeWriter | None = TakeWriter.begin(request, RATE, outputs)
    told = control.said
    for event in Renderer()(request, FakeSpeakingBackend(), CancelToken(), control):
        if isinstance(event, AudioChunk):
            samples.append(event.samples)
        made_s = sum(map(len, samples)) / RATE
        if made_s > 1 and control.asked_script == request.speech.text:
            control.request_script(f"{request.speech.text}\nthe last")
        if take is None:
            continue
        if control.said is not told:
            told = control.said
            take.tell_said(told, control.script)
        if isinstance(event, AudioChunk):
            take.write(event.samples)
        elif isinstance(event, SavePoint):
            take.save(event.checkpoint)
        if made_s > at_s:
            take._wav.close()
            take = None
    return np.concatenate(samples)


@pytest.mark.parametrize("every_s", [0.0, 3600.0], ids=["saved to the end", "saved before the change"])
def test_a_take_that_was_killed_goes_on_saying_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every_s: float
) -> None:
    monkeypatch.setattr("studio.service.takes.writer.INTERVAL_S", every_s)
    whole = killed(tmp_path, asked("one\n0:02 | two"), at_s=4.0)
    studio = Studio(Settings(outputs=tmp_path), lambda _: FakeSpeakingBackend(), Renderer())
    (take,) = studio.library.takes()
    assert (take.status, take.record.description) == ("interrupted", SYNTHETIC)
    job = studio.resume(take.id)
    list(studio.events(job.id))
    studio.close()
    (take,) = Library(tmp_path).takes()
    assert [text for text, *_ in said(take)] == ["one", "two", "the last"]
    np.testing.assert_allclose(sf.read(take.path)[0], whole.clip(-1, 1), atol=1e-4)
    again, _ = take_of(tmp_path / "again", take.record.request())
    assert said(again) == said(take)


def test_an_excerpt_has_the_words_within_it(tmp_path: Path) -> None:
    heard = threading.Event()
    kept: list[Any] = []

    def act(_: CancelToken, control: TakeControl) -> None:
        excerpt = excerpt_of(studio.jobs()[0], 1.9, 3.0)
        kept.extend([keep(excerpt, tmp_path / "kept"), as_flac(excerpt)])
        heard.set()

    studio = Studio(Settings(outputs=tmp_path), lambda _: FakeSpeakingBackend(), Steered(3.2, act))
    job = studio.submit(asked("one\n0:00.9 | two\n0:02 | three\n0:04 | four"))
    list(studio.events(job.id))
    studio.close()
    assert heard.is_set()
    take = Library(tmp_path / "kept").get(kept[0].id)
    assert said(take) == [("two", 0.0, 0.18), ("three", 0.9, 1.3)]
    assert take.record.request().speech.text == "0:00 | two\n0:00.9 | three"
    name, sound = kept[1]
    (tmp_path / name).write_bytes(sound)
    assert settings_of(tmp_path / name).description == SYNTHETIC


def test_an_export_of_a_span_has_the_words_within_it(tmp_path: Path) -> None:
    take, _ = take_of(tmp_path, asked("one\n0:02 | two\n0:04 | three"))
    for start_s, words in ((1.0, [("two", 1.0, 1.24)]), (2.5, [])):
        cut = convert(take.path, tmp_path / "cut.ogg", cut=ExportRange(start_s, start_s + 1.4))
        told = json.loads(read_comment(cut))
        said = told["take"]["said"]
        assert [(one["text"], one["start_s"], one["end_s"]) for one in said] == words
        assert [one["words_s"] for one in said] == [[[start_s, end_s]] for _, start_s, end_s in words]
        assert told["description"] == (SYNTHETIC if words else "")
    whole = convert(take.path, tmp_path / "whole.ogg")
    assert [one["text"] for one in json.loads(read_comment(whole))["take"]["said"]] == ["one", "two", "three"]
