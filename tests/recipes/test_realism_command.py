"""`longwave eval realism`: clips are made once, and no recordings is one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.recipes import realism
from studio.recipes.data.clips import Corpus
from studio.recipes.realism import RealismPlan, evaluate_realism
from studio.testing import FakeBackend
from tests.evaluation.embedders.test_hearing import write
from tests.evaluation.suites.test_realism import Bands
from tests.test_cli import longwave, one_sentence


def corpus(folder: Path) -> Corpus:
    folder.mkdir(parents=True, exist_ok=True)
    labels = [["rain"], ["wind"], ["rain", "wind"], ["rain"], ["wind"]]
    np.save(folder / "audio.npy", np.random.default_rng(0).integers(-999, 999, (5, 96000)).astype(np.int16))
    (folder / "labels.json").write_text(json.dumps(labels))
    (folder / "captions.json").write_text(json.dumps([["a sound"]] * 5))
    return Corpus(folder)


def test_clips_are_made_once_for_each_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realism, "build_corpus", lambda folder, *_, **__: corpus(folder))
    write(tmp_path / "references" / "rain" / "a.wav")
    loaded: list[FakeBackend] = []

    def load() -> FakeBackend:
        loaded.append(FakeBackend())
        return loaded[-1]

    def measure(**changed: int) -> dict[str, Any]:
        plan = RealismPlan(**{"clips": 2, "steps": 2, **changed})
        return evaluate_realism(tmp_path, None, load, Bands, "fake 1", plan)

    found = measure()
    assert found["recordings"] == 1
    assert found["model"]["first_share"]["n"] == 1
    made = sorted((tmp_path / "realism").rglob("*.npy"))
    assert len(made) == 4
    assert np.load(made[0]).dtype == np.int16
    made[0].unlink()
    assert measure() == found
    assert len(loaded) == 2  # for the one that was missing
    measure(clips=1)
    assert len(loaded) == 2
    measure(steps=3)
    assert len(loaded) == 3


def test_without_recordings_it_says_how_to_have_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sentence = one_sentence(longwave("eval", "realism"))
    assert "python -m studio.recipes.references" in sentence
    assert "no family's folder" in one_sentence(_with("dragon", tmp_path))


def _with(family: str, folder: Path) -> Any:
    write(folder / "mine" / family / "a.wav")
    return longwave("eval", "realism", "--references", folder / "mine")
