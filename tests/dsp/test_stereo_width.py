"""What is left of the side of two channels, after they were made."""

from __future__ import annotations

import numpy as np
import pytest

from studio.dsp.stereo_width import narrowed


def test_one_is_the_same_and_nought_is_the_mean_in_both() -> None:
    sound = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    assert narrowed(sound, 1.0) is sound
    folded = narrowed(sound, 0.0)
    np.testing.assert_array_equal(folded[:, 0], folded[:, 1])
    np.testing.assert_allclose(folded[:, 0], sound.mean(axis=1), atol=1e-15)


@pytest.mark.parametrize("width", [0.0, 0.25, 0.9])
def test_the_side_is_scaled_the_middle_stays_and_nothing_grows(width: float) -> None:
    sound = np.random.default_rng(1).uniform(-1, 1, (500, 2))
    made = narrowed(sound, width)
    np.testing.assert_allclose(made.mean(axis=1), sound.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(made[:, 0] - made[:, 1], width * (sound[:, 0] - sound[:, 1]), atol=1e-12)
    assert (np.abs(made).max(axis=1) <= np.abs(sound).max(axis=1) + 1e-12).all()
