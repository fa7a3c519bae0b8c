"""An interrupted take's export says what its sidecar says: its sound says nothing yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.core.preset import parse_preset
from studio.service.takes.export import convert
from studio.service.takes.record import told_of
from studio.service.takes.tags import read_comment
from tests.service.takes.test_files import write_take


@pytest.mark.parametrize("status", ["failed", "finished"])
def test_an_export_holds_the_settings_whatever_became_of_the_take(tmp_path: Path, status: str) -> None:
    take = write_take(tmp_path, status)
    assert bool(read_comment(take)) == (status == "finished")
    made = convert(take, tmp_path / "out.flac")
    record = parse_preset(read_comment(made))
    assert record.request().prompt == "rain on tin"
    assert record.take is not None
    assert record.take.status == status


def test_without_its_sidecar_it_says_nothing(tmp_path: Path) -> None:
    take = write_take(tmp_path, "failed")
    take.with_suffix(".json").unlink()
    assert told_of(take) == ""
    take.with_suffix(".json").write_text("{")
    assert told_of(take) == ""
