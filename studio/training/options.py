"""How a DC-LDM's training goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DcLdmOptions:
    """How a run goes. The paper's: AdamW 3e-5, a linear schedule, min-SNR weights (γ = 5).

    `batch` clips a process and micro-step, `accumulate` micro-steps a step; `frames` is the length of a
    random crop of the latents, 0 for whole clips. Of the pocket models' steps every `ramp_every`-th sees FIFO
    ramps; `train_unet` false trains the branch alone, `with_text` false never shows the text.
    """

    run_dir: Path
    steps: int
    batch: int = 4
    accumulate: int = 1
    learning_rate: float = 3e-5
    warmup: int = 0
    frames: int = 0
    ramp_every: int = 0
    train_unet: bool = True
    with_text: bool = True
    checkpointing: bool = False
    mixed_precision: str = "no"
    ema_decay: float = 0.999
    seed: int = 0
    save_every: int = 200
    log_every: int = 10
    sample_every: int = 0
    max_minutes: float | None = None
