"""Seams: a change that stays is found where it is, what comes and goes is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from studio.evaluation.metrics.seams import find_seams

PER_SECOND = 50


def texture(seconds: float, seed: int, tilt: float = 0.0) -> np.ndarray:
    """Frames [n, 64] of a noise whose bands wander by themselves, each within a second or so."""
    rng = np.random.default_rng(seed)
    drive = rng.standard_normal((round(seconds * PER_SECOND), 64))
    rows = np.zeros_like(drive)
    for at in range(1, len(rows)):
        rows[at] = 0.9 * rows[at - 1] + 0.3 * drive[at]
    return (rows - 4 + tilt * np.linspace(-1, 1, 64)).astype(np.float16)


def test_a_change_of_spectrum_that_stays_is_a_seam() -> None:
    frames = np.concatenate([texture(70, 0), texture(50, 1, tilt=3.0)])
    (seam,) = find_seams(frames)

    assert seam.at_s == pytest.approx(70, abs=0.3)
    assert seam.strength > 1


def test_several_are_found_in_order() -> None:
    frames = np.concatenate([texture(60, 0), texture(60, 1, tilt=3.0), texture(60, 2, tilt=-0.5)])

    np.testing.assert_allclose([seam.at_s for seam in find_seams(frames)], [60, 120], atol=0.3)


@pytest.mark.parametrize("seed", range(2))
def test_a_texture_in_one_piece_has_none(seed: int) -> None:
    assert find_seams(texture(180, seed)) == []


def test_a_slow_change_and_a_change_of_level_have_none() -> None:
    slope = np.linspace(0, 2, 180 * PER_SECOND)[:, None]
    slow = texture(180, 0) + (slope * np.linspace(-1, 1, 64)).astype(np.float16)

    assert find_seams(slow) == []
    assert find_seams(texture(120, 1) - np.float16(2.0)) == find_seams(texture(120, 1))


def test_what_happens_again_and_again_belongs_to_the_take() -> None:
    frames = texture(180, 5)
    for at in range(5, 175, 9):
        frames[at * PER_SECOND : (at + 3) * PER_SECOND, 20:] += np.float16(1.0)

    assert find_seams(frames) == []


def test_it_does_not_matter_where_a_long_take_is_cut_for_its_distribution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = np.concatenate([texture(100, 0), texture(100, 1, tilt=3.0)])
    whole = [seam.at_s for seam in find_seams(frames)]
    monkeypatch.setattr("studio.evaluation.metrics.seams.WHOLE_S", 70.0)

    np.testing.assert_allclose([seam.at_s for seam in find_seams(frames)], whole, atol=0.1)


def test_a_fourth_one_in_five_minutes_makes_them_the_takes_nature() -> None:
    tilts = (0.0, 3.0, 0.0, 3.0, 0.0)
    parts = [texture(50, number, tilt) for number, tilt in enumerate(tilts)]

    assert len(find_seams(np.concatenate(parts[:2]))) == 1
    assert find_seams(np.concatenate(parts)) == []


@pytest.mark.parametrize("seconds", [0, 1, 19])
def test_a_short_take_has_no_distribution_of_its_own(seconds: float) -> None:
    assert find_seams(texture(seconds, 0)) == []
