"""Curves along a take, and which places they send to be judged."""

from __future__ import annotations

import numpy as np

from studio.evaluation.metrics.seam_curves import GUARD, NAMES, OWN, curves
from studio.evaluation.metrics.seam_judge import NEAR, TAIL, candidates, described, highest, shipped

INDEX = {name: row for row, name in enumerate(NAMES)}


def frames(seconds: float, seed: int, tilt: float = 0.0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((round(seconds * 50), 64))
    return (rows - 4 + tilt * np.linspace(-1, 1, 64)).astype(np.float16)


def test_a_curve_is_the_distance_in_units_of_the_takes_own() -> None:
    sound = frames(40, 0)
    curve = curves(sound)[INDEX["level", OWN]]

    rows = sound.astype(np.float64).reshape(-1, 2, 64).mean(axis=1)
    weights = np.exp(rows).sum(axis=1) + 1e-4
    changes = []
    for place in range(OWN + GUARD, len(rows) - OWN - GUARD + 1):
        sides = []
        for first in (place - GUARD - OWN, place + GUARD):
            own = slice(first, first + OWN)
            sides.append((rows[own] * weights[own, None]).sum() / weights[own].sum() / 64)
        changes.append(sides[1] - sides[0])
    distance = np.abs(changes)
    scale = np.median(distance) / 0.6745 + 0.05
    scaled = np.minimum(distance / scale, 5)
    scaled /= np.sqrt((scaled**2).mean())
    middle = np.median(scaled)
    z = (scaled - middle) / (np.percentile(scaled, 75) - middle + 0.05)
    wanted = np.log(np.maximum(z, -0.9) + 1)
    first = OWN + GUARD
    np.testing.assert_allclose(curve[first : first + len(wanted)], wanted, atol=0.02)
    assert np.isnan(curve[:first]).all()
    assert np.isnan(curve[first + len(wanted) :]).all()


def test_falls_are_told_from_rises() -> None:
    sound = frames(40, 1)
    sound[1000:] -= np.float16(3)
    found = curves(sound)

    assert found[INDEX["fall-1", 6], 500] > 2
    assert found[INDEX["rise-1", 6], 500] < 1


def test_windows_that_hardly_fit_have_no_curve() -> None:
    found = curves(frames(20, 2))

    assert np.isnan(found[INDEX["plain", 400]]).all()
    assert np.isfinite(found[INDEX["plain", 100]]).any()


def test_a_take_without_any_change_has_curves_all_the_same() -> None:
    found = curves(np.full((2000, 64), -11.5, np.float16))
    assert np.isfinite(found).any(axis=1).all()


def test_where_the_sound_changes_is_worth_a_look_and_stands_out_of_its_take() -> None:
    found = curves(np.concatenate([frames(60, 3), frames(60, 4, tilt=1.0)]))
    rows, places = candidates(found)
    values, margins = described(found)

    assert np.abs(rows - 1500).min() <= NEAR
    assert places.shape == (len(rows), 2 * len(NAMES))
    assert rows.min() >= 100
    assert rows.max() < found.shape[1] - 100
    row = INDEX["plain", OWN]
    assert margins[row, 1500] > 0.5
    np.testing.assert_allclose(values[row, 1500], np.nanmax(found[row, 1496:1505]))
    blocks = sorted((np.nanmax(found[row, at : at + 50]) for at in range(50, 2950, 50)), reverse=True)
    assert values[row, 1500] - margins[row, 1500] == max(blocks[TAIL], np.float32(0.6))


def test_the_highest_places_keep_apart() -> None:
    curve = np.array([0, 5, 4, 0, 3, -np.inf], np.float32)
    assert highest(np.arange(6), curve, 1, 9) == [1, 4]
    assert highest(np.arange(6), curve, 1, 1) == [1]


def test_the_weights_that_come_along_are_read_as_they_were_written() -> None:
    held = shipped()
    again = held.as_json()

    assert held.weights.shape == (2 * len(NAMES),)
    assert again["weights"]["level 25"] == [
        round(float(held.weights[INDEX["level", 25]]), 5),
        round(float(held.weights[len(NAMES) + INDEX["level", 25]]), 5),
    ]
    assert held.logits(np.zeros((1, 2 * len(NAMES)), np.float32))[0] == np.float32(held.bias)
