"""Places of families among themselves, as real recordings rank them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.evaluation.suites.realism import Directions, direction, measure_realism, read_references

FAMILIES = ("low", "middle", "high")
PITCH_HZ = {"low": 500.0, "middle": 1500.0, "high": 6500.0}


class Bands:
    """Hears which share of the power is in each of eight bands, and next to it."""

    name, sample_rate, width, source, licence, version = "bands", 16000, 8, "", "", "1"

    def embed(self, samples: np.ndarray) -> np.ndarray:
        power = np.abs(np.fft.rfft(samples, 4096)) ** 2
        shares = np.array([band.sum() for band in np.array_split(power, 8)]) / power.sum()
        return np.convolve(shares, [0.2, 0.5, 1.0, 0.5, 0.2], "same")[None].astype(np.float32)


def tone(hz: float, seed: int = 0, level: float = 0.1, seconds: float = 1.0, rate: int = 16000) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.01, len(t))
    return (level * (np.sin(2 * np.pi * hz * t) + noise)).astype(np.float32)


def clips(**pitches: float) -> dict[str, list[np.ndarray]]:
    return {name: [tone(hz, seed) for seed in range(3)] for name, hz in (PITCH_HZ | pitches).items()}


@pytest.fixture
def references(tmp_path: Path) -> Path:
    for family, hz in PITCH_HZ.items():
        (tmp_path / family).mkdir()
        for i, rate in enumerate((16000, 44100)):
            sf.write(tmp_path / family / f"{i}.wav", tone(hz * 1.05, 9 + i, 0.01, 2.0, rate), rate)
    return tmp_path


def test_a_family_that_sounds_like_its_recordings_is_first(references: Path) -> None:
    recordings = read_references(references, FAMILIES)
    swapped = clips(low=PITCH_HZ["high"], high=PITCH_HZ["low"])
    found = measure_realism(Bands(), recordings, {"corpus": clips(), "model": swapped})
    assert found["corpus"]["first_share"]["value"] == 1.0
    assert found["corpus"]["first_share"]["n"] == 6
    assert found["model"]["first_share"]["value"] == pytest.approx(1 / 3)  # only the middle is in its place
    assert found["model"]["top3_share"]["value"] == 1.0
    assert found["model"]["families"]["low"] == {"place": 3.0, "places": [3, 3]}
    assert found["model"]["families"]["middle"]["places"] == [1, 1]


def test_level_and_rate_of_a_recording_change_no_place(references: Path) -> None:
    loud, quiet = tone(700.0, level=0.9), tone(700.0, level=0.001)
    np.testing.assert_allclose(direction(Bands(), loud), direction(Bands(), quiet), atol=1e-4)
    names = [recording.name for recording in read_references(references, FAMILIES)]
    assert names == ["high/0.wav", "high/1.wav", "low/0.wav", "low/1.wav", "middle/0.wav", "middle/1.wav"]
    assert {len(r.samples) for r in read_references(references, FAMILIES)} == {32000}


def test_places_are_counted_from_the_nearest() -> None:
    directions = Directions.of(Bands(), clips())
    for family, hz in PITCH_HZ.items():
        assert directions.place(family, direction(Bands(), tone(hz, 5))) == 1
    assert directions.place("high", direction(Bands(), tone(PITCH_HZ["low"], 5))) == 3


def test_what_cannot_be_ranked_is_one_sentence(references: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"in no family's folder: name folders of low, high"):
        read_references(references, ("low", "high"))
    sf.write(references / "low" / "silent.wav", np.zeros(1000), 16000)
    with pytest.raises(InvalidRequestError, match=r"low/silent\.wav is silent"):
        read_references(references, FAMILIES)
    with pytest.raises(InvalidRequestError, match="There are no recordings"):
        measure_realism(Bands(), [], {"corpus": clips()})
    with pytest.raises(InvalidRequestError, match="There is no folder"):
        read_references(references / "none", FAMILIES)
