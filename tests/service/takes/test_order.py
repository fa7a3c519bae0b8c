"""The orders that the library lists its takes in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from studio.service.takes.library import Library
from studio.service.takes.order import Order, ordered
from tests.service.takes.test_library_folders import put


def put_named(outputs: Path, stem: str, name: str, created: str, seconds: float) -> None:
    sidecar = put(outputs, stem, created=created)
    record = json.loads(sidecar.read_text())
    record["take"]["duration_s"] = seconds
    sidecar.write_text(json.dumps({**record, "name": name}))


@pytest.fixture
def library(tmp_path: Path) -> Library:
    put_named(tmp_path, "a", "Rain 10", "2026-11-20T09:00:00.250", 5.0)
    put_named(tmp_path, "b", "rain 9", "2026-11-20T09:00:00.750", 9.0)
    put_named(tmp_path, "c", "bells", "2026-11-20T08:00:00", 1.5)
    put_named(tmp_path, "d", "zither", "some day", 7.0)
    return Library(tmp_path)


@pytest.mark.parametrize(
    ("order", "stems"),
    [
        ("newest", "bacd"),
        ("oldest", "dcab"),
        ("name", "cbad"),
        ("longest", "bdac"),
        ("shortest", "cadb"),
    ],
)
def test_takes_are_listed_in_the_order_asked_for(library: Library, order: Order, stems: str) -> None:
    takes, _ = library.find(order=order)
    assert "".join(take.sidecar.stem for take in takes) == stems


def test_every_order_lists_all_of_them(library: Library) -> None:
    takes = list(library.takes())
    for order in get_args(Order):
        assert sorted(take.id for take in ordered(takes, order)) == sorted(take.id for take in takes)


def test_a_renamed_take_stays_where_it_was_made(library: Library) -> None:
    """Within one second too: the takes of a comparison are made in less."""
    before = [take.record.settings["seed"] for take in library.takes()]
    oldest = next(take for take in library.takes() if take.sidecar.stem == "a")
    renamed = library.rename(oldest.id, "zzz")
    assert [take.record.settings["seed"] for take in library.takes()] == before
    assert [take.id for take in library.takes()][1] == renamed.id
