"""Stereo on the command line: a file of two channels, exports of it, and what is told of bad values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.preset import load_preset
from tests.test_cli import QUICK, TONE, longwave, one_sentence


def test_a_wide_take_is_written_and_exported_with_both_channels(tmp_path: Path) -> None:
    made = tmp_path / "take.flac"
    words = ("render", "infinite", *TONE, *QUICK, "--seconds", 2, "--seed", 1)
    assert longwave(*words, "--stereo", "wide", "--width", 0.5, "--out", made).exit_code == 0
    assert longwave(*words, "--out", tmp_path / "mono.flac").exit_code == 0
    both, mono = (
        sf.read(tmp_path / name, dtype="int16")[0].astype(int) for name in ("take.flac", "mono.flac")
    )
    assert both.shape == (len(mono), 2)
    assert np.abs(both.sum(axis=1) - 2 * mono).max() <= 2
    assert np.abs(both[:, 0] - both[:, 1]).max() > 100
    assert load_preset(made.with_suffix(".json")).settings["stereo"] == "wide"
    out = tmp_path / "loud.ogg"
    assert longwave("library", "export", made, "--out", out, "--lufs", -20).exit_code == 0
    assert sf.info(out).channels == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--stereo", "surround"), "--stereo: must be one of mono, wide or twin (it is surround)."),
        (("--stereo", "wide", "--width", 2), "--width: must be a number from 0 to 1 (it is 2)."),
        (
            ("--stereo", "twin", "--width", "nan"),
            "--width: must be a number from 0 to 1 (it is not a number).",
        ),
    ],
)
def test_a_bad_value_ends_in_one_sentence(words: tuple[object, ...], said: str, tmp_path: Path) -> None:
    refused = longwave("render", "infinite", *TONE, "--seconds", 1, "--out", tmp_path / "a.flac", *words)
    assert one_sentence(refused).endswith(said)
