"""What is learnt of seams, and from what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.evaluation.metrics.seam_curves import NAMES
from studio.recipes import seam_training
from studio.recipes.seam_training import learn, main, music, places_of

RATE = 16000


def noise(seconds: float, seed: int, width: int = 1) -> np.ndarray:
    drawn = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return np.convolve(drawn, np.ones(width) / width, mode="same").astype(np.float32)


def test_the_weights_are_where_loss_and_ridge_are_in_balance() -> None:
    draw = np.random.default_rng(0)
    places = (draw.standard_normal((400, 2 * len(NAMES))) * 3 + 1).astype(np.float32)
    right = places[:, 0] + draw.standard_normal(400) > 2
    learnt = learn([(places[:100], right[:100]), (places[100:], right[100:])], ridge=20.0, threshold=0.5)

    x = places.astype(np.float64)
    residual = 1 / (1 + np.exp(-(x @ learnt.weights + learnt.bias))) - right
    slope = ((x - x.mean(0)) / x.std(0)).T @ residual + 20 * learnt.weights * x.std(0)
    np.testing.assert_allclose(slope, 0, atol=0.01)
    assert residual.sum() == pytest.approx(0, abs=0.01)
    assert learnt.threshold == 0.5
    assert np.argmax(np.abs(learnt.weights)) == 0


def test_a_planted_seam_is_right_what_is_away_is_wrong_and_what_is_near_is_not_asked() -> None:
    sound = np.concatenate([noise(20, 0), noise(20, 1, width=6)])
    places, right = places_of(sound, 20.0)
    plain, none = places_of(noise(40, 2))

    assert right.sum() >= 3
    assert (~right).sum() > 5
    assert places.shape == (len(right), 2 * len(NAMES))
    assert len(plain) == len(none) > 5
    assert not none.any()


def test_music_is_what_lasts_long_enough(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    sf.write(tmp_path / "in" / "long.flac", np.stack([noise(30, 0)] * 2, axis=1), RATE)
    sf.write(tmp_path / "short.wav", noise(5, 0), RATE)
    (tmp_path / "about.txt").write_text("none")

    ((places, right),) = music(tmp_path)
    assert len(places)
    assert not right.any()


def test_the_command_writes_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pairs(durations_s: list[float]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for duration_s in durations_s:
            yield "noise", noise(duration_s, 0), noise(duration_s, 1, width=6)

    monkeypatch.setattr(seam_training, "corpus_pairs", pairs)
    main([str(tmp_path / "seams.json"), "--durations", "40"])
    held = json.loads((tmp_path / "seams.json").read_text())
    assert set(held["weights"]) == {f"{name} {length}" for name, length in NAMES}
    assert held["threshold"] == seam_training.THRESHOLD
