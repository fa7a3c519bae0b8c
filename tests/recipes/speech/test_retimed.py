"""Sentences whose letters last otherwise than they were said."""

from __future__ import annotations

import numpy as np

from studio.recipes.speech.dataset import Spoken, retimed

DURATIONS = np.array([2.0, 1.0, 3.0], np.float32)


def spoken() -> Spoken:
    """Three letters, each of its own level and phone."""
    letters = np.repeat(np.arange(3), DURATIONS.astype(int))
    mel = np.broadcast_to(np.repeat(letters, 4)[:, None], (24, 64)).astype(np.float16)
    return Spoken(0, "abc", np.arange(3), DURATIONS, mel, letters)


def test_a_sentence_of_the_same_lengths_stays_what_it_is() -> None:
    same = retimed(spoken(), DURATIONS, 6)
    np.testing.assert_array_equal(same.mel, spoken().mel)
    np.testing.assert_array_equal(same.phones, spoken().phones)


def test_each_letter_is_heard_where_it_is_told_to_be() -> None:
    longer = np.array([1.0, 4.0, 2.5], np.float32)
    made = retimed(spoken(), longer, 8)  # half a frame behind the end
    assert made.mel.shape == (32, 64)
    assert made.frames == 8
    assert made.durations is longer
    assert made.phones.tolist() == [0, 1, 1, 1, 1, 2, 2, 2]
    inside = {0: slice(0, 3), 1: slice(7, 17), 2: slice(22, 32)}  # the blend between letters apart
    for letter, frames in inside.items():
        np.testing.assert_array_equal(made.mel[frames], letter)
