"""`longwave batch work` and `longwave serve --queue`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from studio.cli import Factories, build_cli
from studio.core.errors import InvalidRequestError
from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.pipeline.cancel import CancelToken
from studio.service.batch.folder import Made
from studio.service.batch.listing import write_rows
from studio.service.batch.queue import ask
from studio.service.batch.rows import row_of
from studio.service.batch.units import Unit
from studio.service.batch.work import Fault

SAID: list[Settings] = []


def maker(settings: Settings, workers: int = 1) -> Any:
    """One that makes half a second of silence, and nothing of seed 13."""
    SAID.append(settings)

    def make(unit: Unit, wanted: Collection[str], cancel: CancelToken) -> Iterator[Made | Fault]:
        if unit.rows[0].request.seed == 13:
            raise InvalidRequestError("Not on a Friday: take another seed.")
        yield Made(unit.rows[0], 16000, [np.zeros(8000, np.float32)])

    return make


def run(*words: str) -> Any:
    cli = build_cli(Factories(serve=SAID.append, studio=lambda _: pytest.fail("built"), maker=maker))
    return CliRunner().invoke(cli, list(words))


def put(folder: Path, *seeds: int) -> None:
    given = {"mode": "sparse", "sampler": {"kind": "clip"}, "model": {"id": "tone"}, "duration_s": 0.5}
    requests = [parse_request(**given, prompt="rain", seed=seed) for seed in seeds]
    write_rows(folder, folder.name, [row_of(request, lambda _: "") for request in requests], 1)
    ask(folder)


def test_once_makes_what_is_there_and_says_what_came_of_it(tmp_path: Path) -> None:
    put(tmp_path / "sets" / "one", 1, 2, 13)
    done = run("batch", "work", str(tmp_path / "sets"), "--once", "--json")
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    assert (figures["made"], figures["failed"], figures["seconds_of_sound"]) == (2, 1, 1.0)
    assert "Not on a Friday: take another seed." in done.stderr
    assert SAID[-1].outputs == tmp_path  # where the page keeps recordings


def test_a_worker_wants_a_folder(tmp_path: Path) -> None:
    done = run("batch", "work", str(tmp_path / "none"))
    assert done.exit_code == 2
    assert "There is no folder" in done.stderr


def test_the_page_is_served_with_its_queue(tmp_path: Path) -> None:
    done = run("serve", "--queue", str(tmp_path / "sets"), "--no-browser")
    assert done.exit_code == 0, done.output
    assert SAID[-1].queue == tmp_path / "sets"
    (tmp_path / "file").write_text("")
    refused = run("serve", "--queue", str(tmp_path / "file"))
    assert refused.exit_code == 2
    assert "give a folder as --queue" in refused.stderr
