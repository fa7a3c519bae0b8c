"""How many clips are made side by side where nobody says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.core.errors import StudioError
from studio.core.request import ModelChoice
from studio.pipeline.batch_size import FILE, USUAL, default_batch, keep_batch

MODEL = ModelChoice(id="tone", device="cpu", dtype="float32")


def test_what_was_measured_here_holds_for_its_model_and_format_alone(tmp_path: Path) -> None:
    assert default_batch(MODEL, tmp_path / "new") == USUAL["cpu"]
    keep_batch(MODEL, 8, tmp_path / "new")
    assert default_batch(MODEL, tmp_path / "new") == 8
    for other in ({"id": "another"}, {"dtype": "bfloat16"}):
        assert default_batch(MODEL.model_copy(update=other), tmp_path / "new") == USUAL["cpu"]
    keep_batch(MODEL.model_copy(update={"id": "another"}), 2, tmp_path / "new")
    keep_batch(MODEL, 1, tmp_path / "new")
    assert default_batch(MODEL, tmp_path / "new") == 1
    assert default_batch(MODEL.model_copy(update={"id": "another"}), tmp_path / "new") == 2


@pytest.mark.parametrize("kept", ["", "[1]", "{", '{"%s": true}', '{"%s": "8"}', '{"%s": 0}', '{"%s": 65}'])
def test_what_is_kept_wrongly_counts_as_nothing(kept: str, tmp_path: Path) -> None:
    keep_batch(MODEL, 8, tmp_path)
    [key] = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(kept.replace("%s", key))
    assert default_batch(MODEL, tmp_path) == USUAL["cpu"]
    keep_batch(MODEL, 8, tmp_path)
    assert default_batch(MODEL, tmp_path) == 8


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudioError, match="file"):
        keep_batch(MODEL, 8, tmp_path / "file")
