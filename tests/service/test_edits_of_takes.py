"""A studio's edits: a new take beside the old one, whose record says of what it was made."""

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
from studio.core.settings import Settings
from studio.pipeline.edits.make import WORDLESS
from studio.pipeline.renderer import Renderer
from studio.service.edits import ENCODED
from studio.service.studio import Studio
from studio.service.takes.latents import StoredLatents
from studio.service.takes.naming import LATENTS
from studio.testing import FakeBackend, FakeSpeakingBackend
from tests.service.service_fakes import RATE, request

ENDLESS = {"kind": "endless", "strategy": "equal", "base_steps": 6, "group_size": 2, "buffer_frames": 4,
           "warmup_steps": 3}  # fmt: skip
LANE = [{"at_s": 2.0, "prompt": "wind"}]
FADE = 2560


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio(Settings(outputs=tmp_path), lambda choice: FakeBackend(), Renderer())
    yield made
    made.close()


def _end(studio: Studio, job: Any) -> Path:
    *_, end = studio.events(job.id)
    assert isinstance(end, Finished), end
    assert end.path is not None
    return end.path


def _made(studio: Studio, **values: Any) -> Path:
    return _end(studio, studio.submit(request(**{"duration_s": 5.0, "sampler": ENDLESS, **values})))


def _edited(studio: Studio, kind: str, take: Path, other: str = "", **values: Any) -> Path:
    steps = {} if kind == "vary" else {"steps": 3}
    edit = parse_edit(kind, **{"seed": 1, **steps, **values})
    return _end(studio, studio.edit(edit, _id(take), other))


def _id(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _sound(path: Path) -> np.ndarray:
    return sf.read(path, dtype="int16")[0]


def test_a_repaint_is_the_take_s_next_version_with_a_record_of_its_own(studio: Studio) -> None:
    take = _made(studio, lane=LANE)
    before = take.read_bytes()
    path = _edited(studio, "repaint", take, start_s=1, end_s=3, prompt="a dog")
    assert path.name == f"{take.stem}.v2.flac"
    assert take.read_bytes() == before
    old, new = _sound(take), _sound(path)
    np.testing.assert_array_equal(old[: RATE - FADE], new[: RATE - FADE])
    np.testing.assert_array_equal(old[3 * RATE + FADE :], new[3 * RATE + FADE :])
    assert np.abs(old[RATE : 3 * RATE] - new[RATE : 3 * RATE].astype(int)).mean() > 100
    record = load_preset(path.with_suffix(".json"))
    assert record.take is not None
    assert record.take.edit is not None
    assert record.take.edit.of == (take.name,)
    assert record.take.edit.made == ((RATE, 3 * RATE),)
    assert record.take.edit.settings.kind == "repaint"
    assert not record.take.edit.encoded
    assert [(cue.at_s, cue.prompt) for cue in record.take.cues] == [
        (0, "rain on tin"), (1, "a dog"), (3, "wind"),
    ]  # fmt: skip
    assert record.take.loop is None
    assert StoredLatents(path.with_suffix(LATENTS)).frames >= 125
    again = _edited(studio, "repaint", path, start_s=3.5, end_s=4)
    assert again.name == f"{take.stem}.v3.flac"
    assert {one.about.status for one in studio.library.takes()} == {"finished"}


def test_a_loop_says_which_samples_go_round(studio: Studio) -> None:
    take = _made(studio)
    path = _edited(studio, "loop", take, bpm=120, bars=2)
    record = load_preset(path.with_suffix(".json")).take
    assert record is not None
    assert record.loop == (0, 4 * RATE)
    assert len(_sound(path)) == 4 * RATE
    again = _edited(studio, "loop", path)
    np.testing.assert_array_equal(_sound(again), _sound(path))


def test_a_loop_stays_one_where_only_its_middle_is_made_anew(studio: Studio) -> None:
    loop = _edited(studio, "loop", _made(studio), bpm=120, bars=2)
    inside = _edited(studio, "repaint", loop, start_s=1, end_s=2)
    assert load_preset(inside.with_suffix(".json")).take.loop == (0, 4 * RATE)
    for sample in 0, -1:
        assert _sound(inside)[sample] == _sound(loop)[sample]
    to_the_end = _edited(studio, "repaint", inside, start_s=3, end_s=4)
    assert load_preset(to_the_end.with_suffix(".json")).take.loop is None


def test_extending_moves_what_is_told_of_the_take(studio: Studio) -> None:
    take = _made(studio, lane=LANE)
    path = _edited(studio, "extend", take, left_s=1, right_s=1, prompt="sea")
    record = load_preset(path.with_suffix(".json")).take
    assert record is not None
    assert [(cue.at_s, cue.prompt) for cue in record.cues] == [
        (0, "sea"), (1, "rain on tin"), (3, "wind"), (6, "sea"),
    ]  # fmt: skip
    assert record.duration_s == 7


def test_a_splice_is_made_of_both(studio: Studio) -> None:
    first, second = _made(studio), _made(studio, seed=7, prompt="sea")
    path = _edited(studio, "splice", first, _id(second), bridge_s=1)
    record = load_preset(path.with_suffix(".json")).take
    assert record is not None
    assert record.edit is not None
    assert record.edit.of == (first.name, second.name)
    assert record.edit.made == ((5 * RATE, 6 * RATE),)
    assert record.duration_s == 11


def test_a_variation_of_none_is_the_take_again_and_an_edit_is_varied_no_more(studio: Studio) -> None:
    take = _made(studio)
    same = _edited(studio, "vary", take, share=0)
    np.testing.assert_array_equal(_sound(same), _sound(take))
    assert not np.array_equal(_sound(_edited(studio, "vary", take, share=0.4)), _sound(take))
    edited = _edited(studio, "repaint", take, start_s=1, end_s=2)
    with pytest.raises(InvalidRequestError, match="This take was edited"):
        _edited(studio, "vary", edited)


def test_a_stereo_take_is_varied_and_edited_in_both_channels(studio: Studio) -> None:
    take = _made(studio, stereo="twin", width=0.7)
    np.testing.assert_array_equal(_sound(_edited(studio, "vary", take, share=0)), _sound(take))
    assert not np.array_equal(_sound(_edited(studio, "vary", take, share=0.5)), _sound(take))
    assert StoredLatents(take.with_suffix(LATENTS)).sizes == (2, 8, 16)
    longer = _edited(studio, "extend", take, right_s=1)
    np.testing.assert_array_equal(_sound(longer)[: 5 * RATE - FADE], _sound(take)[: 5 * RATE - FADE])
    new = _sound(longer)[5 * RATE :].astype(int)
    assert np.abs(new[:, 0] - new[:, 1]).mean() > 50
    assert StoredLatents(longer.with_suffix(LATENTS)).sizes == (2, 8, 16)
    record = load_preset(_edited(studio, "loop", longer).with_suffix(".json"))
    assert record.request().stereo == "twin"
    assert record.take is not None
    assert record.take.edit is not None
    assert not record.take.edit.encoded


def test_words_that_are_said_again_stay_on_record_and_others_are_told_of(tmp_path: Path) -> None:
    studio = Studio(Settings(outputs=tmp_path), lambda choice: FakeSpeakingBackend(), Renderer())
    try:
        clip = {"mode": "sparse", "sampler": {"kind": "clip", "steps": 3}, "speech": {"text": "Stay inside."}}
        take = _made(studio, **clip)
        said = [load_preset(take.with_suffix(".json")).take]
        said.append(
            load_preset(_edited(studio, "repaint", take, start_s=0, end_s=2).with_suffix(".json")).take
        )
        assert said[0] is not None
        assert said[1] is not None
        assert said[1].said == said[0].said != ()
        job = studio.edit(parse_edit("extend", right_s=1, steps=3), _id(take))
        _end(studio, job)
    finally:
        studio.close()
    assert job.notes == (WORDLESS,)


def test_without_latents_the_sound_is_heard_again_and_the_edit_says_so(tmp_path: Path) -> None:
    settings = Settings(outputs=tmp_path, keep_latents=False)
    studio = Studio(settings, lambda choice: FakeBackend(), Renderer())
    try:
        take = _made(studio)
        assert not list(tmp_path.glob(f"*/*{LATENTS}"))
        job = studio.edit(parse_edit("repaint", start_s=1, end_s=2, steps=3), _id(take))
        path = _end(studio, job)
    finally:
        studio.close()
    assert job.notes == (ENCODED,)
    record = load_preset(path.with_suffix(".json")).take
    assert record is not None
    assert record.edit is not None
    assert record.edit.encoded


def test_a_take_is_edited_to_a_file_of_one_s_own(studio: Studio, tmp_path: Path) -> None:
    take = _made(studio)
    out = tmp_path / "deep" / "mine.wav"
    edit = parse_edit("extend", right_s=1, steps=3)
    assert _end(studio, studio.edit(edit, str(take), out=out, paths=True)) == out
    assert len(_sound(out)) == 6 * RATE
    assert load_preset(out.with_suffix(".json")).take is not None
    assert not list(out.parent.glob(f"*{LATENTS}"))
    again = _end(studio, studio.edit(edit, str(out), paths=True))  # a sound that lies elsewhere
    assert again.parent.parent == tmp_path
    assert len(_sound(again)) == 7 * RATE


def test_what_can_not_be_edited_is_told_before_anything_is_made(studio: Studio, tmp_path: Path) -> None:
    take = _made(studio)
    for kind, values, sentence in (
        ("repaint", {"start_s": 4, "end_s": 6}, "The span ends beyond"),
        ("loop", {"start_s": 1, "end_s": 2}, "too short for a bridge"),
    ):
        with pytest.raises(InvalidRequestError, match=sentence):
            _edited(studio, kind, take, **values)
    edit = parse_edit("extend", left_s=1)
    for name in ("2026-01-31/none", str(take), f"{_id(take)}.flac", f"../{tmp_path.name}/{_id(take)}"):
        with pytest.raises(InvalidRequestError, match="not in the library"):
            studio.edit(edit, name)  # a path is none of an id, unless paths are allowed
    stereo = tmp_path / "stereo.wav"
    sf.write(stereo, np.zeros((RATE, 2)), RATE)
    stereo.with_suffix(".json").write_text(take.with_suffix(".json").read_text())
    with pytest.raises(InvalidRequestError, match="2 channels"):
        studio.edit(edit, str(stereo), paths=True)


def test_a_stopped_edit_leaves_nothing(studio: Studio) -> None:
    take = _made(studio)
    there = sorted(take.parent.iterdir())
    job = studio.edit(parse_edit("repaint", start_s=1, end_s=2, steps=900), _id(take))
    for _ in studio.events(job.id):
        studio.stop(job.id)
    assert isinstance(job.outcome, Finished)
    assert job.outcome.path is None
    assert sorted(take.parent.iterdir()) == there
