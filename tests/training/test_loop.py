"""The training loop resumes to the exact step, and its averages are averages."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from studio.core.interrupts import all_as_interrupt
from studio.training.loop import LoopOptions, TrainState, cosine_factor, is_complete, run


def fit_line(
    folder: Path, steps: int, before: Callable[[int], object] = lambda _: None, **options: float
) -> TrainState:
    """A tiny regression, every draw from the step's generator; `before` is called in every step."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    state = TrainState(model, {"line": optimizer})

    def step(number: int, generator: torch.Generator) -> dict[str, float]:
        x = torch.randn(8, 3, generator=generator)
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        before(number)
        optimizer.step()
        return {"loss": loss.item()}

    run(state, step, LoopOptions(folder, steps, log_every=5, **options), "line")
    return state


def same(one: TrainState, other: TrainState) -> bool:
    pairs = zip(
        [*one.model.parameters(), *one.ema.parameters()],
        [*other.model.parameters(), *other.ema.parameters()],
        strict=True,
    )
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_killed_run_goes_on_from_its_last_save(tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def kill(number: int) -> None:
        if number == 17:
            raise KilledError

    reference = fit_line(tmp_path / "whole", 30)
    with pytest.raises(KilledError):
        fit_line(tmp_path / "killed", 30, kill, save_every_s=0.0)
    assert same(reference, fit_line(tmp_path / "killed", 30))


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_saves_the_step_it_is_in(tmp_path: Path, number: signal.Signals) -> None:
    def ask(step: int) -> None:
        if step == 17:
            os.kill(os.getpid(), number)

    reference = fit_line(tmp_path / "whole", 30)
    with all_as_interrupt(), pytest.raises(KeyboardInterrupt):
        fit_line(tmp_path / "asked", 30, ask)
    assert torch.load(tmp_path / "asked" / "last.pt", weights_only=True)["step"] == 18
    assert same(reference, fit_line(tmp_path / "asked", 30))


def test_the_average_follows_and_the_log_is_kept(tmp_path: Path) -> None:
    state = fit_line(tmp_path, 60)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(5, 61, 5))
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert not torch.equal(state.ema.weight, state.model.weight)


def test_the_learning_rate_rises_then_falls() -> None:
    factors = [cosine_factor(step, 1000) for step in range(1000)]
    assert factors[0] < factors[50] < factors[99] == pytest.approx(1.0)
    assert all(a >= b for a, b in itertools.pairwise(factors[100:]))
    assert factors[-1] == pytest.approx(0.02, abs=1e-3)


def test_a_run_is_complete_when_its_last_step_was_saved(tmp_path: Path) -> None:
    options = LoopOptions(tmp_path, 3)
    assert not is_complete(options)
    fit_line(tmp_path, 3, max_minutes=0)
    assert not is_complete(options)
    fit_line(tmp_path, 3)
    assert is_complete(options)
    assert not is_complete(LoopOptions(tmp_path, 4))
