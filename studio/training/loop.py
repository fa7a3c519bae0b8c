"""One training loop for every recipe: resumable to the exact step, logged, with averaged weights.

Randomness is a function of (seed, step), never of the process: a run that was killed draws, after it is
resumed, exactly what it would have drawn.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from studio.core.files import replacing, sweep_parts
from studio.core.interrupts import deferred

STATE_FILE = "last.pt"
StepFunction = Callable[[int, torch.Generator], Mapping[str, float]]


@dataclass(frozen=True)
class LoopOptions:
    """How long, where, and how often to save. `max_minutes` ends a run early, to be resumed later."""

    run_dir: Path
    steps: int
    seed: int = 0
    save_every_s: float = 60.0
    log_every: int = 20
    max_minutes: float | None = None


@dataclass
class TrainState:
    """All that a resumed run needs. `ema` follows `model`, which ships; `extra` are other modules."""

    model: nn.Module
    optimizers: Mapping[str, torch.optim.Optimizer]
    extra: Mapping[str, nn.Module] = field(default_factory=dict)
    ema_decay: float = 0.999
    step: int = 0

    def __post_init__(self) -> None:
        self.ema = copy.deepcopy(self.model).requires_grad_(False)
        self.base_lrs = {name: [g["lr"] for g in opt.param_groups] for name, opt in self.optimizers.items()}

    def update_ema(self) -> None:
        """ema ← d·ema + (1−d)·model, with a shorter memory in the first steps."""
        decay = min(self.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for averaged, current in zip(self.ema.parameters(), self.model.parameters(), strict=True):
                averaged.lerp_(current, 1 - decay)
            for kept, now in zip(self.ema.buffers(), self.model.buffers(), strict=True):
                kept.copy_(now)

    def save(self, path: Path) -> None:
        """Write the state so that a kill at any moment leaves the old file or the new one, whole."""
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizers": {name: opt.state_dict() for name, opt in self.optimizers.items()},
            "extra": {name: module.state_dict() for name, module in self.extra.items()},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_parts(path.parent, f"{path.stem}.partial")
        with replacing(path) as file:
            torch.save(state, file)

    def load(self, path: Path) -> None:
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        for name, module in self.extra.items():
            module.load_state_dict(state["extra"][name])


def step_generator(seed: int, step: int) -> torch.Generator:
    """The generator of one step."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) & 0x7FFF_FFFF_FFFF_FFFF)


def cosine_factor(step: int, steps: int, warmup: int = 100, floor: float = 0.02) -> float:
    """Learning-rate factor: linear warm-up, then half a cosine down to `floor`."""
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


def is_complete(options: LoopOptions) -> bool:
    """Whether the last step of a run was made, and saved."""
    checkpoint = options.run_dir / STATE_FILE
    if not checkpoint.exists():
        return False
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    return saved["step"] >= options.steps


def run(state: TrainState, step_function: StepFunction, options: LoopOptions, label: str) -> bool:
    """Train until `options.steps`, resuming from the run folder's last save. True when complete.

    `step_function(step, generator)` runs forward, backward and the optimizers for one step and gives figures
    to log; they are appended to `log.jsonl` as running means.

    Raises:
        KeyboardInterrupt: it was asked to end, which it does after a step, saved.
    """
    checkpoint = options.run_dir / STATE_FILE
    if checkpoint.exists():
        state.load(checkpoint)
    options.run_dir.mkdir(parents=True, exist_ok=True)
    started = saved = time.monotonic()
    figures: dict[str, list[float]] = {}
    columns = (
        TextColumn(label),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with (
        Progress(*columns) as bar,
        open(options.run_dir / "log.jsonl", "a", encoding="utf-8") as log,
        deferred() as asked,
    ):
        task = bar.add_task(label, total=options.steps, completed=state.step, figures="")
        while state.step < options.steps:
            factor = cosine_factor(state.step, options.steps)
            for name, optimizer in state.optimizers.items():
                for group, base in zip(optimizer.param_groups, state.base_lrs[name], strict=True):
                    group["lr"] = base * factor
            for key, value in step_function(state.step, step_generator(options.seed, state.step)).items():
                figures.setdefault(key, []).append(value)
            state.step += 1
            state.update_ema()
            now = time.monotonic()
            if state.step % options.log_every == 0:
                means = {key: round(fmean(values), 5) for key, values in figures.items()}
                figures.clear()
                log.write(
                    json.dumps({"step": state.step, "seconds": round(now - started, 1), **means}) + "\n"
                )
                log.flush()
                bar.update(task, figures=" ".join(f"{k} {v:.3f}" for k, v in means.items()))
            bar.update(task, completed=state.step)
            out_of_time = options.max_minutes is not None and now - started > options.max_minutes * 60
            if asked or now - saved > options.save_every_s or out_of_time or state.step == options.steps:
                state.save(checkpoint)
                saved = now
            if asked:
                raise KeyboardInterrupt
            if out_of_time:
                break
    return state.step >= options.steps
