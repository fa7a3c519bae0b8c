"""Letters and phones: which letter says which, and for how many latent frames."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from studio.recipes.speech.align import Aligner, character_frames, spaced
from studio.recipes.speech.voices import PAUSE

SOUNDS = {
    "a": "æ",
    "b": "b",
    "e": "",
    "k": "k",
    "s": "s",
    "t": "t",
    "x": "ks",
    "r": "ɹ",
    "i": "ɪ",
    " ": PAUSE,
}
WORDS = ["bake", "tax", "box", "six", "rates", "bite", "skate", "task", "abets", "tier", "sat", "kit", "axis"]


def said(text: str) -> tuple[str, ...]:
    return (PAUSE, *"".join(SOUNDS.get(letter, letter) for letter in text), PAUSE)


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    texts = [" ".join(pair) for pair in itertools.permutations(WORDS, 2)]
    return Aligner.fit([(text, said(text)) for text in texts])


@pytest.mark.parametrize("text", ["tax rates", "six skates", "bake a box"])
def test_letters_say_what_they_said_all_along(aligner: Aligner, text: str) -> None:
    phones = said(text)
    spans = aligner.spans(text, phones)
    assert [start for start, _ in spans[1:]] == [stop for _, stop in spans[:-1]]
    assert (spans[0][0], spans[-1][1]) == (0, len(phones))
    found = ["".join(phones[start:stop]) for start, stop in spans[1:-1]]
    assert found == [SOUNDS.get(letter, letter) for letter in text]


def test_every_letter_lasts_a_frame_or_more_and_all_together_the_sentence(aligner: Aligner) -> None:
    text = "tax rates"
    phones = said(text)
    seconds = [0.06, *(0.1 for _ in phones[1:-1]), 0.14]
    frames = round(sum(seconds) / 0.04)
    lasts = character_frames(aligner, text, phones, seconds, frames)
    assert lasts is not None
    assert len(lasts) == len(text) + 1
    assert lasts.sum() == pytest.approx(frames)
    assert lasts.min() >= 1 - 1e-5
    ends = np.cumsum(lasts)
    assert ends[0] == pytest.approx((0.06 + 0.1) / 0.04), "t, and the pause before it"
    assert ends[2] == pytest.approx((0.06 + 0.4) / 0.04, abs=1.0), "x says two"


def test_a_sentence_too_fast_for_its_letters_is_left_out(aligner: Aligner) -> None:
    phones = said("tax")
    assert character_frames(aligner, "tax", phones, [0.01] * len(phones), 3) is None
    assert character_frames(aligner, "tax", phones, [0.01] * len(phones), 4) is not None


def test_ends_are_moved_as_little_as_they_can_be() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        wanted = np.sort(rng.uniform(0, 12, 5))
        wanted[-1] = 12
        found = spaced(wanted, 12.0)
        assert np.diff(found, prepend=0.0).min() >= 1 - 1e-9
        assert found[-1] == 12
        nearby = found[:-1] + rng.normal(0, 0.2, (4000, 4))
        ends = np.concatenate([np.zeros((4000, 1)), nearby, np.full((4000, 1), 12.0)], axis=1)
        allowed = nearby[(np.diff(ends, axis=1) >= 1).all(axis=1)]
        assert ((allowed - wanted[:-1]) ** 2).sum(1).min(initial=1e9) >= (
            (found - wanted)[:-1] ** 2
        ).sum() - 1e-9
