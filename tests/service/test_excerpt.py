"""What was heard last of a running take, as a take of its own."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError, OutOfResourcesError
from studio.core.events import Finished
from studio.core.request import PromptPoint, parse_request
from studio.service.excerpt import as_flac, excerpt_of, keep
from studio.service.jobs.job import Job
from studio.service.live.pcm_stream import PcmStream
from studio.service.takes.library import Library, settings_of
from studio.service.takes.writer import TakeWriter

RATE = 16000
SOUND = np.random.default_rng(0).integers(-32767, 32767, 5 * RATE).astype("<i2")
LANE = (PromptPoint(at_s=1.5, prompt="thunder"), PromptPoint(at_s=3.5, prompt="birds"))


@pytest.fixture
def take(tmp_path: Path) -> Iterator[TakeWriter]:
    """One of five seconds so far."""
    take = TakeWriter.begin(parse_request(prompt="rain", lane=LANE, duration_s=None, seed=7), RATE, tmp_path)
    take.write(SOUND / np.float32(32767))
    yield take
    take.discard()


@pytest.fixture
def job(take: TakeWriter) -> Job:
    job = Job(parse_request(prompt="rain", lane=LANE, duration_s=None, seed=7), PcmStream(8.0))
    job.file = take.path
    return job


def test_the_last_seconds_heard_become_a_take_that_can_be_opened(job: Job, tmp_path: Path) -> None:
    kept = keep(excerpt_of(job, 2.0, 4.0), tmp_path)
    assert kept.seconds == 2.0
    library = Library(tmp_path)
    take = library.get(kept.id)
    assert (take.status, take.record.name, take.path.suffix) == ("finished", kept.name, ".flac")
    assert kept.name == "rain (0:02–0:04)"
    samples, rate = sf.read(take.path, dtype="int16")
    assert rate == RATE
    np.testing.assert_array_equal(samples, SOUND[2 * RATE : 4 * RATE])
    request = take.record.request()
    assert (request.prompt, request.duration_s, request.seed) == ("thunder", 2.0, 7)
    assert [(point.at_s, point.prompt) for point in request.lane] == [(1.5, "birds")]
    assert [(cue.at_s, cue.prompt) for cue in take.about.cues] == [(0, "thunder"), (1.5, "birds")]
    assert settings_of(take.path).request() == request


def test_where_less_was_heard_less_is_kept(job: Job) -> None:
    np.testing.assert_array_equal(excerpt_of(job, 30.0, 1.25).samples, SOUND[: round(1.25 * RATE)])
    np.testing.assert_array_equal(excerpt_of(job, 1.0, 99.0).samples, SOUND[4 * RATE :])


def test_of_a_take_that_goes_on_only_what_was_heard_now_is_kept(job: Job) -> None:
    job.first_sample = 2 * RATE
    np.testing.assert_array_equal(excerpt_of(job, 30.0, 1.0).samples, SOUND[2 * RATE : 3 * RATE])


def test_two_at_once_have_names_of_their_own(job: Job, tmp_path: Path) -> None:
    excerpt = excerpt_of(job, 1.0, 2.0)
    assert len({keep(excerpt, tmp_path).id for _ in range(3)}) == 3


def test_a_take_that_ended_meanwhile_is_read_where_it_lies(job: Job, take: TakeWriter) -> None:
    job.end(Finished(take.finish("finished", {}), 5.0))
    np.testing.assert_array_equal(excerpt_of(job, 1.0, 3.0).samples, SOUND[2 * RATE : 3 * RATE])


def test_nothing_heard_is_said_in_a_sentence(job: Job) -> None:
    with pytest.raises(InvalidRequestError, match="Nothing was heard"):
        excerpt_of(job, 30.0, 0.0)
    with pytest.raises(InvalidRequestError, match="Nothing was heard"):
        excerpt_of(Job(parse_request(prompt="rain"), PcmStream(8.0)), 30.0, 4.0)


def test_a_full_disk_leaves_nothing_of_it(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    excerpt, before = excerpt_of(job, 1.0, 2.0), sorted(tmp_path.rglob("*"))

    def full(*_: object) -> None:
        raise OutOfResourcesError("The disk is full.")

    monkeypatch.setattr(TakeWriter, "write", full)
    with pytest.raises(OutOfResourcesError):
        keep(excerpt, tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_to_take_away_holds_the_sound_and_its_settings(job: Job) -> None:
    name, content = as_flac(excerpt_of(job, 1.0, 2.0))
    assert name.endswith("__infinite__rain__s7.flac")
    with sf.SoundFile(io.BytesIO(content)) as file:
        np.testing.assert_array_equal(file.read(dtype="int16"), SOUND[RATE : 2 * RATE])
        assert json.loads(file.comment)["settings"]["seed"] == 7
