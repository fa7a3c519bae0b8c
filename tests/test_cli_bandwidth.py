"""48 kHz on the command line: a file of that rate, what its record says of it, and bad values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.preset import load_preset
from tests.test_cli import QUICK, TONE, longwave, one_sentence


def test_a_take_of_48_khz_is_written_and_says_what_was_extended(tmp_path: Path) -> None:
    made = tmp_path / "take.wav"
    words = ("render", "infinite", *TONE, *QUICK, "--seconds", 2, "--seed", 1, "--bandwidth", "48k")
    assert longwave(*words, "--out", made).exit_code == 0
    samples, rate = sf.read(made)
    assert (rate, samples.shape) == (48000, (96000,))
    assert np.abs(np.fft.rfft(samples)).argmax() == 880  # the tone of 440 Hz, of two seconds
    record = load_preset(made.with_suffix(".json"))
    assert record.settings["bandwidth"] == "48k"
    assert record.take is not None
    assert record.take.bands is not None
    assert record.take.bands.generated_hz == (0, 8000)
    assert record.take.bands.extended_hz == (8000, 24000)
    out = tmp_path / "less.flac"
    assert longwave("library", "export", made, "--out", out, "--rate", 16).exit_code == 0
    assert (sf.info(out).samplerate, sf.info(out).frames) == (16000, 32000)


@pytest.mark.parametrize("mode", ["infinite", "sparse"])
def test_a_loop_of_bars_is_exact_at_48_khz(mode: str, tmp_path: Path) -> None:
    made = tmp_path / "loop.wav"
    quick = QUICK if mode == "infinite" else ("--attention", "dense", "--steps", 2)
    words = ("render", mode, *TONE, *quick, "--loop", "--bpm", 93, "--bars", 2, "--out", made)
    assert longwave(*words, "--bandwidth", "48k").exit_code == 0
    assert sf.info(made).frames == round(2 * 4 * 60 / 93 * 48000)


@pytest.mark.parametrize("value", ["44.1k", "96k"])
def test_another_bandwidth_ends_in_one_sentence(value: str, tmp_path: Path) -> None:
    words = ("render", "infinite", *TONE, "--seconds", 1, "--out", tmp_path / "a.flac", "--bandwidth", value)
    said = one_sentence(longwave(*words))
    assert said.endswith(f"--bandwidth: must be one of 16k or 48k (it is {value}).")
