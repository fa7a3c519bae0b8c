"""What is done with takes of 48 kHz on the disk: edits, recordings, live play, pictures, excerpts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from studio.core.edit import parse_edit
from studio.core.errors import InvalidRequestError
from studio.core.events import Finished
from studio.core.preset import load_preset
from studio.core.request import GenerationRequest
from studio.core.settings import Settings
from studio.pipeline.continuation import FADE_S
from studio.pipeline.renderer import Renderer
from studio.service.batch.folder import Made, SetFolder
from studio.service.batch.rows import Row
from studio.service.live.pcm_stream import stream_for
from studio.service.recordings.read import read_recording
from studio.service.studio import Studio
from studio.service.takes.library import picture_of
from studio.testing import FakeBackend
from tests.service.service_fakes import request

RATE, HOP = 48000, 1920
FADE = 7680
ENDLESS = {"kind": "endless", "base_steps": 6, "group_size": 2, "buffer_frames": 4, "warmup_steps": 3}


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio(Settings(outputs=tmp_path), lambda choice: FakeBackend(), Renderer())
    yield made
    made.close()


def wanted(**values: Any) -> GenerationRequest:
    return request(**{"duration_s": 4.0, "sampler": ENDLESS, "bandwidth": "48k", **values})


def ended(studio: Studio, job: Any) -> Path:
    *_, end = studio.events(job.id)
    assert isinstance(end, Finished), end
    assert end.path is not None
    return end.path


def edited(studio: Studio, kind: str, take: Path, other: str = "", **values: Any) -> Path:
    edit = parse_edit(kind, **{"seed": 1, "steps": 3, **values})
    return ended(studio, studio.edit(edit, str(take), other, paths=True))


def sound(path: Path) -> np.ndarray:
    samples, rate = sf.read(path, dtype="int16")
    assert rate == RATE
    return samples


def test_a_take_is_edited_at_its_own_bandwidth(studio: Studio) -> None:
    take = ended(studio, studio.submit(wanted()))
    path = edited(studio, "repaint", take, start_s=1, end_s=3, prompt="a dog")
    old, new = sound(take), sound(path)
    assert len(old) == len(new) == 4 * RATE
    np.testing.assert_array_equal(old[: RATE - FADE], new[: RATE - FADE])
    np.testing.assert_array_equal(old[3 * RATE + FADE :], new[3 * RATE + FADE :])
    record = load_preset(path.with_suffix(".json"))
    assert record.settings["bandwidth"] == "48k"
    assert record.take is not None
    assert record.take.bands is not None
    assert record.take.edit is not None
    assert record.take.edit.made == ((RATE, 3 * RATE),)
    loop = edited(studio, "loop", take, bpm=100, bars=1)
    assert len(sound(loop)) == round(2.4 * RATE)
    longer = edited(studio, "extend", take, right_s=1)
    assert len(sound(longer)) == 5 * RATE


def test_takes_of_two_bandwidths_are_not_spliced(studio: Studio) -> None:
    takes = [ended(studio, studio.submit(wanted(bandwidth=width))) for width in ("48k", "16k")]
    with pytest.raises(InvalidRequestError, match="is at 16000 Hz"):
        edited(studio, "splice", takes[0], str(takes[1]))


def test_a_recording_is_read_at_the_take_s_rate_and_goes_on(studio: Studio, tmp_path: Path) -> None:
    field = 0.1 * np.random.default_rng(0).standard_normal((2 * 44100, 2))
    sf.write(tmp_path / "field.wav", field, 44100)
    recording = read_recording(tmp_path / "field.wav", RATE)
    assert (len(recording.samples), recording.sample_rate) == (2 * RATE, RATE)
    path = ended(studio, studio.submit(wanted(), recording=recording))
    until = 2 * RATE - round(FADE_S * RATE)
    np.testing.assert_array_equal(sound(path)[:until], np.round(recording.samples * 32767)[:until])


def test_its_listener_hears_48_khz_and_its_picture_reaches_higher(tmp_path: Path) -> None:
    stream = stream_for(wanted(), 8.0)
    assert (stream.sample_rate, stream.lead_s) == (RATE, 8.0)
    high = np.sin(2 * np.pi * 20000 * np.arange(RATE) / RATE)
    sf.write(tmp_path / "high.wav", high, RATE)
    assert (picture_of(tmp_path / "high.wav", 8).argmax(axis=1) > 58).all()


def test_a_row_of_a_set_says_what_was_extended(tmp_path: Path) -> None:
    row, folder = Row("a" * 32, 1, wanted()), SetFolder(tmp_path)
    folder.prepare()
    folder.write(Made(row, RATE, [np.zeros(4 * RATE, np.float32)]), [row.id])
    record = load_preset(folder.sidecar(row.id))
    assert record.take is not None
    assert record.take.bands is not None
    assert record.take.sample_rate == RATE
