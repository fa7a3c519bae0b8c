"""Sounds in the well-known service's formats: the rate, the codec and the kbit/s that a name says."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.service.takes.wire import WIRE_NAMES, on_the_wire, wire_of

RATE, SECONDS = 16000, 4


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sounds") / "noise.wav"
    draws = np.random.default_rng(0).standard_normal(SECONDS * RATE)
    sf.write(path, np.round(draws * 3000).astype(np.int16), RATE)
    return path


@pytest.mark.parametrize("name", WIRE_NAMES)
def test_a_name_means_what_it_says(noise: Path, name: str) -> None:
    codec, rate, *kbps = name.split("_")
    sent = on_the_wire(noise, wire_of(name))
    if codec in ("pcm", "ulaw", "alaw"):
        assert len(sent) == SECONDS * int(rate) * (2 if codec == "pcm" else 1)
        return
    told = sf.info(io.BytesIO(sent))
    assert told.samplerate == int(rate)
    assert told.duration == pytest.approx(SECONDS, abs=0.15)
    if kbps:
        assert len(sent) * 8 / SECONDS / 1000 == pytest.approx(float(kbps[0]), rel=0.15)


def test_samples_of_the_same_rate_are_the_takes_own(noise: Path) -> None:
    own, _ = sf.read(noise, dtype="int16")
    np.testing.assert_array_equal(np.frombuffer(on_the_wire(noise, wire_of("pcm_16000")), "<i2"), own)


@pytest.mark.parametrize("name", ["flac_44100", "mp3", "", "pcm_16000_1", "mp3_44100_128\n", "../x"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="no output format"):
        wire_of(name)


def test_a_file_that_is_gone_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="can't be read"):
        on_the_wire(tmp_path / "none.wav", wire_of("mp3_44100_128"))
