"""A save point's file: what it holds is what goes on, and one that is no save point is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.core.errors import InvalidRequestError
from studio.pipeline.checkpoint import SCHEMA_VERSION, made_of
from studio.service.takes.savepoint import read_savepoint, write_savepoint
from tests.service.service_fakes import checkpoint, endless


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = replace(checkpoint(100), made_of=made_of(endless(), "abc"), strategy="last")
    write_savepoint(tmp_path / "a.state", written)
    read = read_savepoint(tmp_path / "a.state")
    assert (read.samples, read.strategy, read.made_of) == (100, "last", written.made_of)
    assert torch.equal(read.fifo.queue, written.fifo.queue)
    assert torch.equal(read.fifo.generator_state, written.fifo.generator_state)


def test_its_file_keeps_the_words_of_0_1_0(tmp_path: Path) -> None:
    """What that version reads by name; it passes over the rest."""
    whole = replace(checkpoint(100), strategy="last", beside={"tokens": torch.zeros(0, 0)})
    write_savepoint(tmp_path / "a.state", whole)
    values = torch.load(tmp_path / "a.state", weights_only=True)
    assert {"samples", "fifo", "decoder", "strategy", "hearing"} <= values.keys()
    assert set(values["fifo"]) == {"buffer", "queue", "generator_state", "position", "steps_done"}


def test_a_newer_version_s_is_refused(tmp_path: Path) -> None:
    torch.save({**checkpoint(1).to_dict(), "schema": SCHEMA_VERSION + 1}, tmp_path / "a.state")
    with pytest.raises(InvalidRequestError, match="newer Longwave"):
        read_savepoint(tmp_path / "a.state")


@pytest.mark.parametrize("content", [{}, [1, 2], b"", b"PK\x03\x04"])
def test_what_is_no_save_point_is_damaged(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "a.state"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(InvalidRequestError, match="damaged"):
        read_savepoint(path)


def test_where_there_is_none_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="not saved on the way"):
        read_savepoint(tmp_path / "a.state")
