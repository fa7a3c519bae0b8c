from __future__ import annotations

import numpy as np
import pytest

from studio.core.audio import sound_before_fault, to_int16
from studio.core.errors import NoSoundError


def test_full_scale_and_beyond() -> None:
    samples = np.array([-2.0, -1.0, 0.0, 0.5, 1.0, 7.0], np.float32)
    np.testing.assert_array_equal(to_int16(samples), [-32767, -32767, 0, 16384, 32767, 32767])


@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_never_clipped_to_sound(fault: float) -> None:
    samples = np.array([0.1, 0.2, fault, 0.3], np.float32)
    with pytest.raises(NoSoundError, match="float32"):
        to_int16(samples)
    np.testing.assert_array_equal(sound_before_fault(samples), samples[:2])
    assert sound_before_fault(samples[:2]) is not None
    assert len(sound_before_fault(samples[2:])) == 0
    assert len(to_int16(np.zeros(0, np.float32))) == 0
