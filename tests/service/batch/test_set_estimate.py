"""What a set will take: rows and sound counted, time and disk from what is there."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.backends.systems.tone import ToneBackend
from studio.core.errors import ModelNotFoundError
from studio.core.request import ModelChoice, parse_request
from studio.service.batch import estimate as measured
from studio.service.batch.estimate import MAX_KINDS, estimate
from studio.service.batch.folder import SetFolder
from studio.service.batch.rows import Row, row_of
from tests.service.batch.set_fakes import made

CLIP: dict[str, Any] = {"mode": "sparse", "sampler": {"kind": "clip"}, "prompt": "rain", "duration_s": 2.0}


def row(**changes: Any) -> Row:
    request = parse_request(**{**CLIP, "model": {"id": "tone"}, **changes})
    return row_of(request, lambda choice: "")


def tone(choice: ModelChoice) -> ToneBackend:
    return ToneBackend()


def test_rows_are_counted_once_and_by_what_is_in_the_folder(tmp_path: Path) -> None:
    folder = SetFolder(tmp_path / "set")
    rows = [row(seed=seed) for seed in (1, 2, 3, 4, 4)]
    before = estimate(rows, folder, tone)
    assert not folder.path.exists()
    assert (before.rows, before.done, before.failed, before.left) == (4, 0, 0, 4)
    assert (before.seconds, before.left_s) == (8, 8)
    assert (before.weighed, before.disk_bytes) == (0, 8 * 16000 * 2)
    folder.prepare()
    folder.write(made(rows[0]), [rows[0].id])
    folder.write_error(rows[1], "Kind", "It can't be: change it.")
    after = estimate(rows, folder, tone)
    assert (after.done, after.failed, after.left, after.left_s) == (1, 1, 2, 4)
    size = sum(path.stat().st_size for path in folder.path.glob("??/*") if rows[0].id in path.name)
    assert after.weighed == 1
    assert after.disk_bytes == pytest.approx(size / 2 * 4)
    assert after.free_bytes > 0


def test_the_time_of_clips_is_that_of_the_steps_and_grows_with_their_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.pipeline import estimate as calibrating

    known = calibrating.Calibration((0.1, 0.4), (1.0, 4.0), 0.5, 1.0)  # 0.04 s a second, and a decode of 0.2
    monkeypatch.setattr(calibrating, "calibrate", lambda denoise, backend, channels, clip: known)
    few, many = (row(sampler={"kind": "clip", "steps": steps}, seed=steps) for steps in (10, 20))
    long = row(duration_s=10.0, seed=3)
    found = estimate([few, many, long], SetFolder(tmp_path), tone)
    (kind,) = found.kinds
    assert kind.rows == 3
    assert kind.time_s == pytest.approx(10 * 0.08 + 0.4 + 20 * 0.08 + 0.4 + 50 * 0.4 + 2.0)
    assert found.time_s == kind.time_s
    assert found.device == "cpu"


def test_the_time_of_endless_takes_is_by_their_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    monkeypatch.setattr(measured, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    sampler = {"kind": "endless", "strategy": "equal", "group_size": 10, "buffer_frames": 0, "base_steps": 4}
    rows = [row(mode="infinite", sampler=sampler, duration_s=seconds, seed=seconds) for seconds in (30, 3000)]
    found = estimate(rows, SetFolder(tmp_path), tone)
    (kind,) = found.kinds  # a piece of ten frames comes with every tick of the clock
    assert kind.time_s == pytest.approx(3030 / 0.4, rel=0.01)


def test_what_can_not_be_tried_is_told_and_not_guessed(tmp_path: Path) -> None:
    def missing(choice: ModelChoice) -> ToneBackend:
        if choice.id == "not/here":
            raise ModelNotFoundError("The model 'not/here' is not downloaded yet.")
        return ToneBackend()

    rows = [row(), row(model={"id": "not/here"}), row(attention={"kind": "lite_focus"})]
    found = estimate(rows, SetFolder(tmp_path), missing)
    assert (found.untimed, found.left) == (2, 3)
    assert found.time_s is not None
    unknown = {kind.unknown for kind in found.kinds if kind.time_s is None}
    assert unknown == {
        "The model 'not/here' is not downloaded yet.",
        "This model has no attention to make sparse: choose dense.",
    }
    alone = estimate(rows[1:2], SetFolder(tmp_path), missing)
    assert alone.time_s is None


def test_no_more_kinds_are_tried_than_is_a_short_look(tmp_path: Path) -> None:
    asked: list[str] = []

    def missing(choice: ModelChoice) -> ToneBackend:
        asked.append(choice.id)
        raise ModelNotFoundError("It is not here.")

    often = [row(model={"id": "m9"}, seed=seed) for seed in (1, 2)]
    rows = [*(row(model={"id": f"m{number}"}) for number in range(MAX_KINDS)), *often]
    found = estimate(rows, SetFolder(tmp_path), missing)
    assert asked == ["m9", *(f"m{number}" for number in range(MAX_KINDS - 1))]
    assert len(found.kinds) == MAX_KINDS + 1
