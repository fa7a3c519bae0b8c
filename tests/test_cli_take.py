"""`longwave eval take`: figures on stdout, a picture where it is asked for, one sentence for a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tests.test_cli import longwave, one_sentence


@pytest.fixture
def take(tmp_path: Path) -> Path:
    path = tmp_path / "take.wav"
    sound = 0.05 * np.random.default_rng(0).standard_normal(4 * 16000)
    sound[32_000] += 0.8
    sf.write(path, sound, 16000)
    return path


@pytest.mark.slow
def test_figures_and_a_picture(take: Path) -> None:
    plot = take.with_name("plot.png")
    said = json.loads(longwave("eval", "take", take, "--json", "--plot", plot).stdout)

    assert said["clicks_s"] == [pytest.approx(2.0, abs=1e-3)]
    assert said["duration_s"] == 4
    assert said["embedder"] == "judge"
    assert said["level"]["integrated_lufs"] == pytest.approx(-23.5, abs=2)
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in take.parent.iterdir()) == ["plot.png", "take.wav"]
    lines = longwave("eval", "take", take).stdout
    assert "clicks        1: 0:02" in lines
    assert "too short to tell" in lines


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("none.wav",), "Can't read none.wav"),
        (("take.wav", "--embedder", "ears"), "There is no embedder 'ears'"),
        (("take.wav", "--plot", "plot.jpg"), "--plot: plot.jpg should be a .png"),
        (("take.wav", "--prompt", "rain"), "judge reads no text"),
    ],
)
def test_a_mistake_ends_in_one_sentence(
    take: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(take.parent)
    assert says in one_sentence(longwave("eval", "take", *words))
