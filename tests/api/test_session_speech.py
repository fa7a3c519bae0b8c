"""Words in Python: said in a sound, changed while one streams, kept in its file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import studio
from studio.core.preset import SYNTHETIC, load_preset
from studio.testing import FakeBackend, FakeSpeakingBackend

QUICK = {"kind": "endless", "strategy": "equal", "base_steps": 6, "group_size": 2, "buffer_frames": 4}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[studio.Session]:
    settings = studio.Settings(outputs=tmp_path / "kept", model_id="tone", device="cpu")
    with studio.Session(settings, create_backend=lambda _: FakeSpeakingBackend()) as session:
        yield session


def test_a_sound_tells_what_is_said_and_so_does_its_file(session: studio.Session, tmp_path: Path) -> None:
    speech = studio.Speech(text="Hi.\n0:02 | It is 3 o'clock.")
    sound = session.generate("rain", duration_s=6, sampler=QUICK, speech=speech)
    wanted = [("Hi.", 0.4), ("It is three o'clock.", 2.0)]
    assert [(one.text, one.start_s) for one in sound.said] == wanted
    record = load_preset(sound.save(tmp_path / "a.ogg").with_suffix(".json"))
    assert record.take is not None
    assert [(one.text, one.start_s) for one in record.take.said] == wanted
    assert (record.description, record.request().speech) == (SYNTHETIC, speech)


def test_other_words_are_said_while_it_streams(session: studio.Session) -> None:
    with session.stream("rain", sampler=QUICK, speech={"text": "One."}) as stream:
        next(stream.chunks())
        assert [one.text for one in stream.said] == ["One."]
        stream.say("One.\nTwo.")
        while len(stream.said) < 2:
            next(stream.chunks())
        assert [one.text for one in stream.said] == ["One.", "Two."]
        with pytest.raises(studio.FieldError, match="What is said has a line 1"):
            stream.say("1:75 | late")


def test_a_model_without_words_says_so(tmp_path: Path) -> None:
    with studio.Session(create_backend=lambda _: FakeBackend()) as session:
        with pytest.raises(studio.FieldError, match="is for models that speak"):
            session.generate("rain", duration_s=2, sampler=QUICK, speech={"text": "Hi."})
        with session.stream("rain", sampler=QUICK) as stream:
            next(stream.chunks())
            with pytest.raises(studio.InvalidRequestError, match="says nothing"):
                stream.say("Hi.")
