"""Units become the sound of their rows, whatever memory, faults and wishes there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.backends.base import Backend, Conditioning
from studio.backends.systems import dcldm
from studio.core.errors import CancelledError, InvalidRequestError, NoSoundError, OutOfResourcesError
from studio.core.events import Event, StepDone
from studio.core.preset import load_preset
from studio.core.request import ModelChoice
from studio.pipeline import estimate
from studio.pipeline.cancel import CancelToken
from studio.pipeline.collect import render_samples
from studio.pipeline.drafts import AcousticModelPool, Drafts
from studio.pipeline.renderer import Renderer
from studio.service.batch.folder import Made, SetFolder
from studio.service.batch.maker import UnitMaker
from studio.service.batch.rows import Row
from studio.service.batch.units import Unit, units_of
from studio.service.batch.work import Fault, work
from studio.testing import FakeBackend, FakeSpeakingBackend
from tests.backends.conftest import make_dcldm, make_tango, wake
from tests.pipeline.drafting_fakes import FakeDrafter
from tests.service.batch.set_fakes import rows

CLIP = {"kind": "clip", "steps": 3}
ROUNDING = 2e-4


class Counting(FakeBackend):
    """Counts the items of each forward; has memory for `most` of them."""

    def __init__(self, most: int = 99) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.most = most

    def predict_noise(
        self, latents: torch.Tensor, timesteps: torch.Tensor, start_frame: int, conditioning: Conditioning
    ) -> torch.Tensor:
        if len(latents) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.batches.append(len(latents))
        return super().predict_noise(latents, timesteps, start_frame, conditioning)


def clips(count: int, **settings: Any) -> list[Row]:
    return rows(count, **{"seconds": 0.64, "sampler": CLIP, "guidance_scale": 1.0, **settings})


def maker(backend: Any, **options: Any) -> UnitMaker:
    @contextmanager
    def lease(choice: ModelChoice) -> Iterator[Backend]:
        yield backend

    return UnitMaker(lease, Renderer(options.get("drafts")), **options)


def sound(made: Made | Fault) -> np.ndarray:
    assert isinstance(made, Made), made
    return np.concatenate(list(made.chunks))


def all_of(
    make: UnitMaker, unit: Unit, wanted: set[str] | None = None, tell: Callable[[Event], None] = print
) -> dict[str, Made | Fault]:
    ids = {row.id for row in unit.rows} if wanted is None else wanted
    return {each.row.id: each for each in make(unit, ids, CancelToken(), tell)}


def one_unit(several: list[Row]) -> Unit:
    [unit] = units_of(several, len(several))
    return unit


def test_one_row_is_the_take_that_render_makes_and_comes_as_it_is_made() -> None:
    [row] = rows(1, 3.0, mode="infinite", sampler={"kind": "endless", "warmup_steps": 5, "base_steps": 8})
    backend, told = FakeBackend(), list[Event]()
    [made] = all_of(maker(backend), one_unit([row]), tell=told.append).values()
    assert isinstance(made, Made)
    assert made.sample_rate == 16000
    assert not told, "nothing is made before it is asked for"
    chunks = iter(made.chunks)
    first = next(chunks)
    assert len(first) < 48000, "in pieces"
    whole = np.concatenate([first, *chunks])
    np.testing.assert_array_equal(whole, render_samples(Renderer(), row.request, backend))
    assert any(isinstance(event, StepDone) for event in told)
    assert made.figures["audio_s"] == 3.0
    assert made.figures["batch"] == 1


def test_an_endless_row_is_refused() -> None:
    [row] = rows(1, mode="infinite", sampler={"kind": "endless"}, duration_s=None)
    with pytest.raises(InvalidRequestError, match="give seconds"):
        all_of(maker(FakeBackend()), one_unit([row]))


def test_the_rows_of_a_unit_are_denoised_in_one_batch() -> None:
    unit, backend, told = one_unit(clips(3)), Counting(), list[Event]()
    made = all_of(maker(backend), unit, tell=told.append)
    assert backend.batches == [3] * 3, "one forward a step"
    assert [event.step for event in told if isinstance(event, StepDone)] == [1, 2, 3]
    for row in unit.rows:
        alone = render_samples(Renderer(), row.request, backend)
        np.testing.assert_allclose(sound(made[row.id]), alone, atol=ROUNDING)
        figures = made[row.id].figures  # type: ignore[union-attr]
        assert figures["audio_s"] == 0.64
        assert figures["batch"] == 3
        assert figures["steps"] == 3


def test_a_row_that_is_made_again_is_made_beside_the_same_others() -> None:
    unit, backend = one_unit(clips(3)), Counting()
    whole = all_of(maker(backend), unit)
    missing = unit.rows[1].id
    again = all_of(maker(backend), unit, {missing})
    assert backend.batches == [3] * 6
    assert list(again) == [missing]
    np.testing.assert_array_equal(sound(again[missing]), sound(whole[missing]))


@pytest.mark.parametrize(("most", "batches"), [(2, [2, 1, 2]), (1, [1] * 5), (4, [3, 2])])
def test_what_memory_runs_out_over_is_made_in_halves(most: int, batches: list[int]) -> None:
    unit, backend = one_unit(clips(5)), Counting(most)
    made = all_of(maker(backend), unit)
    assert backend.batches == [size for size in batches for _ in range(3)]
    for row in unit.rows:
        alone = render_samples(Renderer(), row.request, backend)
        np.testing.assert_allclose(sound(made[row.id]), alone, atol=ROUNDING)
    assert made[unit.rows[-1].id].figures["batch"] == batches[-1]  # type: ignore[union-attr]


def test_of_halves_only_those_are_made_in_which_a_row_is_wanted() -> None:
    unit, backend = one_unit(clips(4)), Counting(2)
    assert list(all_of(maker(backend), unit, {unit.rows[3].id})) == [unit.rows[3].id]
    assert backend.batches == [2] * 3


def test_a_row_that_memory_cannot_hold_alone_is_at_fault_by_itself() -> None:
    unit = one_unit(clips(2))
    for made in all_of(maker(Counting(0)), unit).values():
        assert isinstance(made, Fault)
        assert isinstance(made.error, OutOfResourcesError)


@pytest.mark.parametrize(("workers", "batch"), [(1, 4), (2, 2), (4, 1)])
def test_no_more_are_made_at_once_than_a_workers_share_of_memory_holds(
    workers: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clip of 10 s is told to take 100 MB: four of them 400, of 420 that are free."""
    monkeypatch.setattr(estimate, "free_mb", lambda device: 420.0 + estimate.RESERVE_MB)
    known = estimate.Calibration((0.1, 0.1), (25.0, 100.0), 0.1, 0.0)
    unit, backend = one_unit(clips(4, duration_s=10.0)), Counting()
    made = all_of(maker(backend, look=lambda *_: known, workers=workers), unit)
    assert backend.batches == [batch] * (3 * 4 // batch)
    assert all(isinstance(each, Made) for each in made.values())


def test_a_row_too_long_for_memory_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "free_mb", lambda device: 50.0 + estimate.RESERVE_MB)
    known = estimate.Calibration((0.1, 0.1), (25.0, 100.0), 0.1, 0.0)
    unit, backend = one_unit(clips(2, duration_s=10.0)), Counting()
    for fault in all_of(maker(backend, look=lambda *_: known), unit).values():
        assert isinstance(fault, Fault)
        assert "are free" in str(fault.error)
    assert not backend.batches


def test_a_row_that_cannot_be_made_stops_no_other() -> None:
    long = "one two three four five six seven eight nine ten " * 9
    several = [
        clips(1, speech={"text": text}, seed=number)[0] for number, text in enumerate(("hello", long, "good"))
    ]
    unit = one_unit(several)
    made = all_of(maker(FakeSpeakingBackend(content_band=None)), unit)
    assert [type(made[row.id]) for row in several] == [Made, Fault, Made]
    fault = made[several[1].id]
    assert isinstance(fault, Fault)
    assert "longer" in str(fault.error)
    assert [said.text for said in made[several[2].id].said] == ["good"]  # type: ignore[union-attr]


def test_a_fault_of_all_is_raised() -> None:
    unit, backend = one_unit(clips(2)), Counting()
    backend.predict_noise = lambda *_: (_ for _ in ()).throw(InvalidRequestError("nothing"))  # type: ignore[method-assign]
    with pytest.raises(InvalidRequestError, match="nothing"):
        all_of(maker(backend), unit)


def test_numbers_that_are_no_sound_are_their_own_rows_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    unit, backend, count = one_unit(clips(2)), Counting(), [0]
    decode = backend.decode

    def broken(latents: torch.Tensor) -> np.ndarray:
        count[0] += 1
        return decode(latents) / (0.0 if count[0] == 1 else 1.0)

    monkeypatch.setattr(backend, "decode", broken)
    with np.errstate(all="ignore"):
        first, second = all_of(maker(backend), unit).values()
    assert isinstance(first, Fault)
    assert isinstance(first.error, NoSoundError)
    assert isinstance(second, Made)


def test_a_stop_is_noticed_within_the_batch() -> None:
    unit, backend, cancel = one_unit(clips(2)), Counting(), CancelToken()
    with pytest.raises(CancelledError):
        list(maker(backend)(unit, {row.id for row in unit.rows}, cancel, lambda event: cancel.set()))
    assert len(backend.batches) == 1


def test_sidecars_name_the_unit_and_open_as_the_rows_requests(tmp_path: Path) -> None:
    several = clips(3)
    folder, units = SetFolder(tmp_path), units_of(several, 2)
    tally = work(folder, units, maker(Counting()), cancel=CancelToken(), start=0.0)
    assert tally.made == 3
    for row in several:
        path = folder.found(row.id)
        assert path is not None
        record = load_preset(path.with_suffix(".json"))
        assert record.request() == row.request
        assert record.take is not None
        assert record.take.batch is not None
        unit = next(unit for unit in units if row in unit.rows)
        assert record.take.batch.unit == tuple(each.id for each in unit.rows)
        assert record.take.figures["batch"] == len(unit.rows)


@pytest.mark.slow
def test_rows_hear_drafts_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = wake(make_dcldm(make_tango(tmp_path / "tango"), tmp_path / "dual"), "AG")
    backend, drafter = dcldm.load(folder, "cpu", "float32"), FakeDrafter()
    monkeypatch.setattr(backend, "decode", lambda latents: latents.flatten().numpy())  # its vocoder is new
    drafts = Drafts(AcousticModelPool(lambda *_: drafter, lambda *_: drafter), tmp_path)
    unit = one_unit(clips(2, mode="dual", guidance_scale=3.0, draft={"kind": "audiogen"}))
    made = all_of(maker(backend, drafts=drafts), unit)
    deaf = all_of(maker(backend), one_unit(clips(2, mode="dual", guidance_scale=3.0)))
    for row, unheard in zip(unit.rows, deaf.values(), strict=True):
        alone = render_samples(Renderer(drafts), row.request, backend)
        np.testing.assert_allclose(sound(made[row.id]), alone, atol=ROUNDING)
        assert (sound(unheard) != alone).any()
    backend.unload()
