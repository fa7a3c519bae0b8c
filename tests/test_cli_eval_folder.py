"""`longwave eval folder`: figures alone on stdout, and one sentence where there are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.evaluation.embedders.test_hearing import write
from tests.test_cli import longwave, one_sentence


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)  # no weights of somebody's
    for i in range(5):
        write(Path("made") / f"{i}.wav", 1.0, 0.1, i)
        write(Path("real") / f"{i}.wav", 1.5, 0.2, 50 + i, rate=44100)
    return tmp_path


def test_figures_by_what_is_here(folders: Path) -> None:
    words = ("eval", "folder", "made", "--reference", "real", "--embedder", "judge", "--json")
    result = longwave(*words)
    said = json.loads(result.stdout)
    assert said["frechet"]["embedder"] == "judge"
    assert said["kl"]["n"] == said["pairs"] == 5
    assert said["clap"] is None
    assert "--captions" in said["left_out"]["clap"]
    assert len(list((folders / "runs" / "heard").rglob("*.safetensors"))) == 10
    plain = longwave(*words[:-1]).stdout.splitlines()
    assert plain[0].startswith("frechet     ")
    assert plain[-1].startswith("clap        left out.")


def test_mistakes_are_one_sentence(folders: Path) -> None:
    words = ("eval", "folder", "made", "--reference", "real")
    assert "There is no folder" in one_sentence(longwave("eval", "folder", "none", "--reference", "real"))
    assert "no embedder 'ears'" in one_sentence(longwave(*words, "--embedder", "ears"))
    assert "say NAME=FILE" in one_sentence(longwave(*words, "--weights", "panns"))
    Path("c.csv").write_text("file,caption\n0,rain\n")
    assert "4 of 5 generated files have no caption" in one_sentence(longwave(*words, "--captions", "c.csv"))
