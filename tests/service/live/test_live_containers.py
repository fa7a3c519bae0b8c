"""Live sound as one file: whole when it is cut anywhere, by libsndfile's own reading."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.service.live.containers import CONTAINERS, container_of, endless_file

RATE = 16000


def sound(seconds: float, channels: int) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE)) / RATE
    tones = [np.sin(2 * np.pi * hertz * time_s) for hertz in (440, 660)[:channels]]
    return np.round(np.stack(tones, 1).squeeze() * 8000).astype("<i2")


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", CONTAINERS)
def test_what_is_sent_plays(name: str, channels: int) -> None:
    made = sound(3.0, channels)
    file = endless_file(container_of(name), RATE, channels)
    sent = [file.push(block) for block in np.array_split(made, 12)]
    assert sum(map(len, sent)) > 1000, "it comes as it is made"
    whole = b"".join(sent) + file.flush()
    if name == "wav":
        assert whole[40:44] == b"\xff" * 4, "its length is open"
        np.testing.assert_array_equal(np.frombuffer(whole[44:], "<i2"), made.ravel())
        return
    read, rate = sf.read(io.BytesIO(whole), always_2d=True)
    assert (rate, read.shape[1]) == (RATE, channels)
    assert len(read) >= len(made)
    spectrum = np.abs(np.fft.rfft(read[RATE : 2 * RATE, 0]))
    assert np.argmax(spectrum) == 440


def test_another_name_is_told_which_there_are() -> None:
    with pytest.raises(InvalidRequestError, match="mp3, opus, ogg, wav"):
        container_of("aac")
