"""Files at names of the user's choice: whole, recorded, and nobody else's touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.audio import to_int16
from studio.core.errors import InvalidRequestError, OutOfResourcesError
from studio.core.events import Finished
from studio.core.locks import Claim
from studio.core.preset import load_preset
from studio.core.settings import Settings
from studio.service.studio import Studio
from studio.service.takes.writer import TakeWriter
from tests.service.service_fakes import RATE, GatedRender, create_backend, ramp, request


def write(out: Path, seed: int = 1, seconds: float = 1.0, status: str = "finished") -> Path:
    take = TakeWriter.begin(request(seed=seed), RATE, out.parent, out=out)
    take.write(ramp(0, round(seconds * RATE)))
    path = take.finish(status, {})
    assert path is not None
    return path


def about(sidecar: Path) -> tuple[str, int]:
    record = load_preset(sidecar)
    assert record.take is not None
    return record.take.file, record.settings["seed"]


def test_a_file_of_the_user_s_is_never_taken_for_ours(tmp_path: Path) -> None:
    """Whatever it is called: what grows, what replaces, what is beside."""
    mine = ["q.growing.wav", "q.growing.json", "q.flac.part", "q.json.part", "q.json", "q.flac.json"]
    for name in mine:
        (tmp_path / name).write_text("my own notes")
    write(tmp_path / "q.flac")
    assert {(tmp_path / name).read_text() for name in mine} == {"my own notes"}
    (record,) = (path for path in tmp_path.glob("*.json") if path.name not in mine)
    assert about(record) == ("q.flac", 1)


def test_takes_of_one_stem_keep_a_record_each(tmp_path: Path) -> None:
    takes = {
        suffix: TakeWriter.begin(request(seed=seed), RATE, tmp_path, out=tmp_path / f"r{suffix}")
        for seed, suffix in enumerate([".wav", ".flac", ".ogg"])
    }
    for take in takes.values():
        take.write(ramp(0, RATE))
    for take in takes.values():
        take.finish("finished", {})
    assert sorted(about(path) for path in tmp_path.glob("*.json")) == [
        ("r.flac", 1), ("r.ogg", 2), ("r.wav", 0),
    ]  # fmt: skip
    assert len(list(tmp_path.iterdir())) == 6
    for suffix in takes:
        assert sf.info(tmp_path / f"r{suffix}").duration == 1.0


def test_the_same_name_again_replaces_the_take_and_its_record(tmp_path: Path) -> None:
    write(tmp_path / "a.flac", seed=1)
    write(tmp_path / "a.flac", seed=2, seconds=2.0)
    assert about(tmp_path / "a.json") == ("a.flac", 2)
    assert {path.name for path in tmp_path.iterdir()} == {"a.flac", "a.json"}


def test_a_failed_take_leaves_the_one_before_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "a.flac", seed=1)
    kept = write(tmp_path / "a.flac", seed=2, status="failed")
    assert kept.name == "a.growing.wav"
    assert about(tmp_path / "a.json") == ("a.flac", 1)
    assert about(kept.with_suffix(".json")) == (kept.name, 2)
    assert write(tmp_path / "a.flac", seed=3) == tmp_path / "a.flac"
    assert kept.exists(), "what a take left is not the next one's to remove"


@pytest.mark.parametrize("name", ["x" * 250 + ".flac", "雨" * 82 + ".wav", "a.b.c.ogg", "-.mp3"])
def test_long_and_odd_names_are_written(tmp_path: Path, name: str) -> None:
    assert write(tmp_path / name) == tmp_path / name
    assert sf.info(tmp_path / name).duration == pytest.approx(1.0, abs=0.1)


def test_two_takes_to_one_file_are_not_made_at_once(tmp_path: Path) -> None:
    gated = GatedRender()
    studio = Studio(Settings(outputs=tmp_path / "o"), create_backend, gated)
    first = studio.submit(request(), out=tmp_path / "a.flac")
    with pytest.raises(InvalidRequestError, match="Another take"):
        studio.submit(request(), out=tmp_path / "a.flac")
    gated.gate.set()
    *_, end = studio.events(first.id)
    assert isinstance(end, Finished)
    again = studio.submit(request(duration_s=0.5), out=tmp_path / "a.flac")
    list(studio.events(again.id))
    studio.close()
    samples, _ = sf.read(tmp_path / "a.flac", dtype="int16")
    np.testing.assert_array_equal(samples, to_int16(ramp(0, RATE // 2)))


def test_a_queue_that_is_full_keeps_no_claim(tmp_path: Path) -> None:
    gated = GatedRender()
    studio = Studio(Settings(outputs=tmp_path / "o"), create_backend, gated, max_waiting=0)
    with pytest.raises(OutOfResourcesError, match="waiting") as refused:
        studio.submit(request(), out=tmp_path / "a.flac")
    Claim(tmp_path / "a.flac").release()
    assert refused.traceback, "whose frames hold all that was made until then"
    studio.close()


def test_processes_that_ask_for_one_stem_at_once_get_two(tmp_path: Path) -> None:
    takes = [TakeWriter.begin(request(), RATE, tmp_path) for _ in range(3)]
    for index, take in enumerate(takes, start=1):
        take.write(ramp(0, index * RATE))
    paths = [take.finish("finished", {}) for take in takes]
    assert [sf.info(path).duration for path in paths] == [1.0, 2.0, 3.0]
