"""`longwave eval seams`: figures as JSON or a table, one sentence for a mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.cli.evaluate.seams import _print_table
from tests.test_cli import longwave, one_sentence

FIGURE = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 10}


def test_a_table_says_where_the_detector_does_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"windows": 20, "auc": FIGURE, "auc_own": None, "step": FIGURE}
    found: dict[str, Any] = {
        "prompts": 10,
        "whole_windows": 40,
        "counts": False,
        "joins": {"hard": row, "loop": {**row, "auc_own": FIGURE}},
        "family": {"inside": FIGURE, "share": None},
    }
    _print_table(found)
    said = capsys.readouterr().out
    assert "0.500 (0.250 to 0.750)" in said
    assert "nothing it says counts" in said
    assert "family right, share    -" in said
    _print_table({**found, "counts": True})
    assert "counts" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--prompts", "9"), "greater than or equal to 10"),
        (("--weights", "ears=a"), "say NAME=FILE, with a name of aisfx"),
        (("--model", "nothing/here"), "nothing/here"),
    ],
)
def test_a_mistake_ends_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in one_sentence(longwave("eval", "seams", *words))


@pytest.mark.slow
def test_figures_of_a_model(tmp_path: Path) -> None:
    pytest.importorskip("aisfx")
    asked = ("eval", "seams", "--model", "tone", "--prompts", "10", "--steps", "1", "--edit-steps", "1")
    result = longwave(*asked, "--runs", tmp_path, "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["model_id"] == "tone"
    assert said["prompts"] == 10
    assert said["joins"]["loop"]["windows"] == 20
    assert len(list(tmp_path.glob("seams/tone-*/*.npz"))) == 10
