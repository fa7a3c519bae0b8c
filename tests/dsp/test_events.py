"""Events are found where they are, whole, and cut out of silence into silence."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.dsp.events import clipped, cut_event, find_events

RATE = 16000
HITS = (0.8, 2.3, 3.1)


def noise(seconds: float, level: float, seed: int = 0) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (level * drawn).astype(np.float32)


def scene(hits: tuple[float, ...] = HITS, background: float = 0.001) -> NDArray[np.float32]:
    """Hits that die away by 60 dB in 0.3 s, over a background."""
    sound = noise(4.0, background)
    for number, at in enumerate(hits):
        decay = 10 ** (-3 * np.arange(round(0.3 * RATE)) / (0.3 * RATE))
        start = round(at * RATE)
        hit = (noise(0.3, 0.2, number + 1) * decay).astype(np.float32)[: len(sound) - start]
        sound[start : start + len(hit)] += hit
    return sound


def test_each_hit_is_found_to_a_hundredth_of_a_second() -> None:
    found = find_events(scene(), RATE)
    assert [event.onset / RATE for event in found] == pytest.approx(HITS, abs=0.01)
    for event, at in zip(found, HITS, strict=True):
        assert event.start <= at * RATE < event.end
        assert event.end - event.start < 0.35 * RATE
        assert event.over_db > 30


def test_steady_sound_has_no_events() -> None:
    assert find_events(noise(4.0, 0.1), RATE) == []
    assert find_events(np.zeros(RATE, np.float32), RATE) == []
    assert find_events(np.zeros(3, np.float32), RATE) == []


def test_what_swells_a_little_beside_hits_is_no_event() -> None:
    sound = scene((1.0, 3.0))
    swell = slice(round(1.9 * RATE), round(2.1 * RATE))
    for factor, counts in (
        (2.8, 2),
        (7.0, 3),
    ):  # 9 and 17 dB over the background, on either side of the least rise
        risen = sound.copy()
        risen[swell] *= factor
        assert len(find_events(risen, RATE)) == counts


def test_the_loudest_channel_counts() -> None:
    both = np.stack([noise(4.0, 0.001, 9), scene()], axis=1)
    assert len(find_events(both, RATE)) == len(HITS)


def test_one_that_is_cut_off_by_an_end_is_no_event() -> None:
    sound = scene((0.0, 1.5, 3.9))
    assert [event.onset / RATE for event in find_events(sound, RATE)] == pytest.approx([1.5], abs=0.01)


def test_of_a_ring_it_is_found_where_the_end_meets_the_beginning() -> None:
    ring = np.roll(scene((1.0,)), round(2.9 * RATE))  # it begins at 3.9 s of 4
    lap = 2 * RATE
    found = find_events(np.concatenate([ring, ring[:lap]]), RATE, lap)
    assert [event.onset / RATE for event in found] == pytest.approx([3.9], abs=0.01)
    assert found[0].end > len(ring)


def test_what_is_clipped_is_left_out() -> None:
    sound = scene()
    sound[round(2.31 * RATE) : round(2.32 * RATE)] = 1.0
    assert [event.onset / RATE for event in find_events(sound, RATE)] == pytest.approx([0.8, 3.1], abs=0.01)
    assert clipped(sound)
    assert not clipped(scene())


@pytest.mark.parametrize("channels", [1, 2])
def test_a_cut_rises_from_silence_and_ends_in_it(channels: int) -> None:
    sound = scene() if channels == 1 else np.stack([scene(), -scene()], axis=1)
    for event in find_events(sound, RATE):
        cut = cut_event(sound, event, RATE)
        assert len(cut) == event.end - event.start
        assert np.all(cut[0] == 0)
        assert np.all(cut[-1] == 0)
        middle = slice(200, -400)  # between the fades it is the sound itself, to the sample
        assert np.array_equal(cut[middle], sound[event.start : event.end][middle])
