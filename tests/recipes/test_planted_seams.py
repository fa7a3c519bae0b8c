"""Planted seams: joined as it is said, and counted where they are found."""

from __future__ import annotations

import numpy as np
import pytest

from studio.recipes.seams import Tally, corpus_takes, false_alarms, joined, measure_seams, total

RATE = 16000


def test_a_join_is_equally_loud_and_crosses_in_fifty_milliseconds() -> None:
    rng = np.random.default_rng(0)
    first, second = (level * rng.standard_normal(8 * RATE).astype(np.float32) for level in (0.1, 0.02))
    sound = joined(first, second, 4.0)

    assert len(sound) == len(first)
    half = round(0.025 * RATE)
    np.testing.assert_array_equal(sound[: 4 * RATE - half], first[: 4 * RATE - half])
    gain = sound[4 * RATE + half :] / second[4 * RATE + half :]
    np.testing.assert_allclose(gain, gain[0], rtol=1e-4)
    assert gain[0] == pytest.approx(5, rel=0.03)
    across = sound[4 * RATE - half : 4 * RATE + half]
    assert np.std(across) == pytest.approx(0.1, rel=0.1)


def test_two_takes_of_a_description_are_two_takes() -> None:
    ((name, first, second),) = corpus_takes([0], 2.0, families=("alarm",))

    assert name == "alarm"
    assert len(first) == len(second) == 2 * RATE
    assert not np.allclose(first, second)


def test_what_is_found_and_what_is_false_is_counted() -> None:
    rng = np.random.default_rng(0)
    white = 0.05 * rng.standard_normal(40 * RATE).astype(np.float32)
    dull = np.convolve(0.2 * rng.standard_normal(40 * RATE), np.ones(8) / 8, mode="same").astype(np.float32)
    said: list[str] = []
    tallies = measure_seams([("noise", white, dull), ("noise", white, white[::-1])], report=said.append)

    assert list(tallies) == ["noise"]
    assert (tallies["noise"].planted, tallies["noise"].found, tallies["noise"].false) == (2, 1, 0)
    assert tallies["noise"].share == 0.5
    assert tallies["noise"].hours == pytest.approx(160 / 3600)
    assert len(said) == 2
    whole = np.concatenate([white, dull])
    found = false_alarms([("both", whole), ("one", white)])
    assert (found["both"].false, found["one"].false) == (1, 0)
    assert total(found) == Tally(0, 0, 1, found["both"].hours + found["one"].hours)
    assert found["both"].false_an_hour == pytest.approx(3600 / 80)
