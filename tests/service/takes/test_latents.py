"""Latents beside a take: what was kept is what is read, by others too, and no fault of the file is a harm."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from studio.core.edit import EditRecord, parse_edit
from studio.core.errors import InvalidRequestError
from studio.core.preset import load_preset
from studio.service.takes.latents import GrowingLatents, StoredLatents
from studio.service.takes.library import Library
from studio.service.takes.naming import LATENTS
from studio.service.takes.record import EditNotes
from studio.service.takes.writer import TakeWriter
from tests.service.service_fakes import RATE, ramp, request

FRAMES = torch.randn(1, 8, 30, 16, generator=torch.Generator().manual_seed(0)).half().float()


def _kept(path: Path, *cuts: int) -> GrowingLatents:
    kept = GrowingLatents(path)
    for start, stop in itertools.pairwise(cuts):
        kept.append(FRAMES[:, :, start:stop], start)
    return kept


def test_it_is_a_safetensors_file_after_each_growth(tmp_path: Path) -> None:
    path = tmp_path / f"a{LATENTS}"
    kept = GrowingLatents(path)
    for start in range(0, 30, 10):
        kept.append(FRAMES[:, :, start : start + 10], start)
        (whole,) = load_file(path).values()
        assert torch.equal(whole.float().movedim(0, 2), FRAMES[:, :, : start + 10])
    kept.close()
    assert path.stat().st_size == 256 + 30 * 256
    stored = StoredLatents(path)
    assert (stored.frames, stored.sizes) == (30, (1, 8, 16))
    assert torch.equal(stored.read(7, 12), FRAMES[:, :, 7:19])
    with pytest.raises(ValueError, match="frames 25 to 31"):
        stored.read(25, 6)


def test_a_take_that_goes_on_cuts_off_what_was_not_saved(tmp_path: Path) -> None:
    path = tmp_path / f"a{LATENTS}"
    _kept(path, 0, 10, 20).close()
    again = GrowingLatents.reopen(path, 12)
    again.append(FRAMES[:, :, 12:30], 12)
    again.close()
    assert torch.equal(StoredLatents(path).read(0, 30), FRAMES)


def test_what_leaves_a_gap_is_kept_no_more(tmp_path: Path) -> None:
    path = tmp_path / f"a{LATENTS}"
    kept = _kept(path, 0, 10)
    kept.append(FRAMES[:, :, 12:20], 12)
    kept.append(FRAMES[:, :, 10:12], 10)
    kept.close()
    assert not path.exists()
    GrowingLatents.reopen(path, 5).append(FRAMES[:, :, 5:9], 5)  # of which there is none
    assert not path.exists()


def test_what_is_no_number_is_not_kept(tmp_path: Path) -> None:
    for fault in (float("nan"), float("inf"), 1e6):
        kept = _kept(tmp_path / f"a{LATENTS}", 0, 10)
        kept.append(FRAMES[:, :, 10:12] + fault, 10)
        assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses_is_no_harm(tmp_path: Path) -> None:
    kept = GrowingLatents(tmp_path / "nowhere" / f"a{LATENTS}")
    kept.append(FRAMES, 0)
    kept.close()


@pytest.mark.parametrize(
    "header",
    [
        b"", b"no json", b"[]", b'{"latents": 3}',
        json.dumps({"latents": {"dtype": "F32", "shape": [1, 1, 8, 16]}}).encode(),
        json.dumps({"latents": {"dtype": "F16", "shape": [1, 1, 8]}}).encode(),
        json.dumps({"latents": {"dtype": "F16", "shape": [1, 1, 8, -16]}}).encode(),
        json.dumps({"latents": {"dtype": "F16", "shape": [10**6, 1, 8, 16]}}).encode(),
        json.dumps({"latents": {"dtype": "F16", "shape": [1, 1, 10**6, 10**6]}}).encode(),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_told(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / f"a{LATENTS}"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(100))
    with pytest.raises(ValueError, match=r"latents|safetensors"):
        StoredLatents(path)


def _take(outputs: Path, *, latents: bool = True) -> Path:
    take = TakeWriter.begin(request(), RATE, outputs, latents=latents)
    take.write(ramp(0, RATE))
    take.keep_latents(FRAMES, 0)
    path = take.finish("finished", {})
    assert path is not None
    return path


def test_a_variation_that_goes_on_keeps_what_it_was_made_of(tmp_path: Path) -> None:
    begun = TakeWriter.begin(request(), RATE, tmp_path, latents=True)
    begun.tell_edit(EditNotes("mine", EditRecord(of=("a.flac",), settings=parse_edit("vary", seed=3))))
    begun.write(ramp(0, RATE))
    begun.keep_latents(FRAMES, 0)
    begun._wav.close()  # as a kill does
    assert begun._latents is not None
    begun._latents.close()
    again = TakeWriter.reopen(request(), begun.path, RATE // 2, 12)
    again.keep_latents(FRAMES[:, :, 12:], 12)
    path = again.finish("finished", {})
    assert path is not None
    record = load_preset(path.with_suffix(".json"))
    assert record.name == "mine"
    assert record.take is not None
    assert record.take.edit is not None
    assert record.take.edit.of == ("a.flac",)
    assert torch.equal(StoredLatents(path.with_suffix(LATENTS)).read(0, 30), FRAMES)


def test_they_lie_beside_the_take_and_go_where_it_goes(tmp_path: Path) -> None:
    path = _take(tmp_path)
    library = Library(tmp_path)
    (take,) = library.takes()
    assert StoredLatents(path.with_suffix(LATENTS)).frames == 30
    renamed = library.rename(take.id, "other")
    assert StoredLatents(renamed.path.with_suffix(LATENTS)).frames == 30
    assert not path.with_suffix(LATENTS).exists()
    before = library.holds()[1]
    assert before > 30 * 256
    gone = library.delete(renamed.id)
    assert not list(renamed.folder.glob("*.*"))
    assert len(list((renamed.folder / "trash").glob("*"))) == 3
    library.trash.restore(gone)
    assert StoredLatents(renamed.path.with_suffix(LATENTS)).frames == 30
    assert library.erase(renamed.id) == before
    assert not list(renamed.folder.glob("other*"))


def test_the_trash_is_emptied_of_them(tmp_path: Path) -> None:
    _take(tmp_path)
    library = Library(tmp_path)
    library.delete(next(library.takes()).id)
    library.trash.empty()
    assert not list(tmp_path.glob(f"**/*{LATENTS}"))


def test_none_are_kept_where_they_are_switched_off_or_there_is_no_sound(tmp_path: Path) -> None:
    _take(tmp_path / "off", latents=False)
    take = TakeWriter.begin(request(), RATE, tmp_path / "silent", latents=True)
    take.keep_latents(FRAMES, 0)
    assert take.finish("stopped", {}) is None
    assert not list(tmp_path.glob(f"**/*{LATENTS}"))


def test_a_name_of_a_take_is_free_where_no_latents_bear_it(tmp_path: Path) -> None:
    path = _take(tmp_path)
    left = path.with_name(f"other{LATENTS}")
    path.with_suffix(LATENTS).rename(left)
    renamed = Library(tmp_path).rename(next(Library(tmp_path).takes()).id, "other")
    assert renamed.path.stem == "other_2"
    with pytest.raises(InvalidRequestError):
        Library(tmp_path).get("2026-01-31/other")
