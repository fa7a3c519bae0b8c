"""The training loop resumes to the exact step, and its averages are averages."""

from __future__ import annotations

import itertools
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from torch import nn

from studio.core.interrupts import all_as_interrupt
from studio.training.loop import LoopOptions, TrainState, cosine_factor, run


def fit_line(folder: Path, steps: int) -> TrainState:
    """A tiny regression whose every draw comes from the step's generator."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    state = TrainState(model, {"line": optimizer})

    def step(_: int, generator: torch.Generator) -> dict[str, float]:
        x = torch.randn(8, 3, generator=generator)
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss.item()}

    run(state, step, LoopOptions(folder, steps, log_every=5), "line")
    return state


def test_a_killed_run_goes_on_from_its_last_save(tmp_path: Path) -> None:
    torch.manual_seed(0)
    reference = fit_line(tmp_path / "whole", 30)

    class KilledError(Exception):
        pass

    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    state = TrainState(model, {"line": optimizer})

    def step(number: int, generator: torch.Generator) -> dict[str, float]:
        if number == 17:
            raise KilledError
        x = torch.randn(8, 3, generator=generator)
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss.item()}

    with pytest.raises(KilledError):
        run(state, step, LoopOptions(tmp_path / "killed", 30, save_every_s=0.0), "line")
    resumed = fit_line(tmp_path / "killed", 30)
    for a, b in zip(reference.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(reference.ema.parameters(), resumed.ema.parameters(), strict=True):
        assert torch.equal(a, b)


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


def test_every_recipe_has_its_command() -> None:
    from studio.cli.train import RECIPES as NAMED
    from studio.training.recipes import RECIPES

    assert set(NAMED) == set(RECIPES)


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_saves_the_step_it_is_in(tmp_path: Path, number: signal.Signals) -> None:
    torch.manual_seed(0)
    reference = fit_line(tmp_path / "whole", 30)
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    state = TrainState(model, {"line": optimizer})

    def step(at: int, generator: torch.Generator) -> dict[str, float]:
        x = torch.randn(8, 3, generator=generator)
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        if at == 17:
            os.kill(os.getpid(), number)
        optimizer.step()
        return {"loss": loss.item()}

    with all_as_interrupt(), pytest.raises(KeyboardInterrupt):
        run(state, step, LoopOptions(tmp_path / "asked", 30), "line")
    assert state.step == 18
    resumed = fit_line(tmp_path / "asked", 30)
    for whole, again in zip(reference.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(whole, again)
