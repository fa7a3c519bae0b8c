"""Takes are looked through for a face: once while their files are as they were."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError, StudioError
from studio.core.events import Finished
from studio.core.settings import Settings
from studio.service.looks import Looks


def write(path: Path, click: bool = False) -> Path:
    sound = 0.05 * np.random.default_rng(0).standard_normal(3 * 16000)
    sound[20_000] += 0.8 * click
    sf.write(path, sound, 16000)
    return path


def looks_over(outcome: Any = None, status: str = "finished", path: Path | None = None) -> Looks:
    take = SimpleNamespace(status=status, path=path)
    studio: Any = SimpleNamespace(
        settings=Settings(),
        library=SimpleNamespace(get=lambda take_id: take),
        job=lambda job_id: SimpleNamespace(outcome=outcome),
    )
    return Looks(studio)


def test_a_take_is_looked_through_once_until_its_file_changes(tmp_path: Path) -> None:
    looks, path = looks_over(), write(tmp_path / "take.wav")
    *steps, first = looks.look(path)
    again = list(looks.look(path))
    write(path, click=True)
    os.utime(path, ns=(1, 1))
    *_, changed = looks.look(path)

    assert steps == sorted(steps)
    assert steps[0] == 0.0
    assert again == [first]
    assert first.clicks_s == []
    assert len(first.frames) == 0, "a picture of 23 MB an hour is not kept"
    assert len(changed.clicks_s) == 1


def test_only_a_finished_file_can_be_looked_at(tmp_path: Path) -> None:
    path = write(tmp_path / "take.wav")
    finished = Finished(path=path, duration_s=3.0, stopped=False)
    assert looks_over(finished).of_job("one") == path
    assert looks_over(path=path).of_library("one") == path
    for looks, job_id in ((looks_over(finished), ""), (looks_over(None), "one")):
        with pytest.raises(InvalidRequestError, match="Generate a take first"):
            looks.of_job(job_id)
    path.unlink()
    with pytest.raises(InvalidRequestError, match="Generate a take first"):
        looks_over(finished).of_job("one")
    with pytest.raises(StudioError, match="being made"):
        looks_over(status="running", path=path).of_library("one")
    with pytest.raises(InvalidRequestError, match="is gone"):
        list(looks_over().look(path))
