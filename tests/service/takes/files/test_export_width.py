"""A stereo take exported narrower than it was made: at 1 to the bit, at 0 alike in both channels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.service.takes.export import export
from studio.service.takes.export_cache import export_name
from studio.service.takes.export_range import ExportRange, ExportRangeError, read_export_range
from studio.service.takes.files.coding import Coding
from studio.service.takes.tags import read_comment
from tests.service.takes.files.file_fakes import write_source


def read(path: Path) -> np.ndarray:
    return sf.read(path, dtype="float64", always_2d=True)[0]


@pytest.mark.parametrize(("coding", "lufs"), [(Coding(), None), (Coding(24, 48000), None), (Coding(), -20.0)])
def test_at_one_it_is_the_export_without_and_at_nought_both_are_one(
    tmp_path: Path, coding: Coding, lufs: float | None
) -> None:
    source = write_source(tmp_path, channels=2)

    def made(name: str, width: float) -> np.ndarray:
        cut = ExportRange(0.5, 3.5, lufs, width=width)
        return read(export(source, tmp_path / name, cut=cut, coding=coding).path)

    plain = export(source, tmp_path / "p.wav", cut=ExportRange(0.5, 3.5, lufs), coding=coding).path
    np.testing.assert_array_equal(made("one.wav", 1.0), read(plain))
    folded = made("nought.wav", 0.0)
    assert folded.shape[1] == 2
    np.testing.assert_array_equal(folded[:, 0], folded[:, 1])


def test_half_of_it_is_half_of_the_side_and_is_told(tmp_path: Path) -> None:
    source = write_source(tmp_path, channels=2)
    before = read(source)
    path = export(source, tmp_path / "half.flac", cut=ExportRange(width=0.5)).path
    half, step = read(path), 2**-15
    np.testing.assert_allclose(half.mean(axis=1), before.mean(axis=1), atol=1.5 * step)
    side = (before[:, 0] - before[:, 1]) / 2
    np.testing.assert_allclose(half[:, 0] - half[:, 1], side, atol=3 * step)
    assert json.loads(read_comment(path))["take"]["figures"]["kept_width"] == 0.5


def test_one_channel_has_no_width_to_lose(tmp_path: Path) -> None:
    source = write_source(tmp_path)
    path = export(source, tmp_path / "same.flac", cut=ExportRange(width=0.0)).path
    np.testing.assert_array_equal(read(path), read(source))
    assert "kept_width" not in json.loads(read_comment(path))["take"]["figures"]


def test_it_is_read_named_and_refused_in_a_sentence() -> None:
    assert read_export_range({"width": "0.5"}).width == 0.5
    assert read_export_range({"width": ""}) == ExportRange()
    assert not ExportRange(width=0.5).untouched
    assert export_name(Path("rain.flac"), ExportRange(1, 2, width=0.5), ".wav") == "rain__1-2s__width0.5.wav"
    for text in ("1.1", "-0.1", "wide"):
        with pytest.raises(ExportRangeError, match="from 0 to 1: 0 is mono, 1 as it was made") as refused:
            read_export_range({"width": text})
        assert refused.value.field == "width"
