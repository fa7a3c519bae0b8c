"""Recipe 5: the judge, on clips of its own seeds, roughened so that decoded sound is judged as fairly."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from studio.evaluation.judge import Judge
from studio.training.corpus.families import FAMILIES
from studio.training.data import Corpus, mel_crops
from studio.training.loop import LoopOptions, TrainState, run

BATCH = 32


def label_targets(labels: list[list[str]], families: list[str]) -> Tensor:
    """[clips, families], rows summing to 1: a scene's weight is shared by its two families."""
    targets = torch.zeros(len(labels), len(families))
    for row, names in enumerate(labels):
        for name in names:
            targets[row, families.index(name)] = 1.0 / len(names)
    return targets


def roughen(mel: Tensor, generator: torch.Generator) -> Tensor:
    """What a VAE, a vocoder and a diffusion do to a log-mel: level, blur, noise, a raised floor."""
    count = len(mel)
    mel = mel + 0.7 * torch.randn(count, 1, 1, generator=generator)
    blurred = F.avg_pool2d(mel[:, None], 3, stride=1, padding=1, count_include_pad=False)[:, 0]
    amount = torch.rand(count, 1, 1, generator=generator) * 0.8
    mel = mel + amount * (blurred - mel)
    noise = 0.35 * torch.rand(count, 1, 1, generator=generator)
    mel = mel + noise * torch.randn(mel.shape, generator=generator)
    floor = -11.5 + 4.0 * torch.rand(count, 1, 1, generator=generator) ** 2
    return torch.maximum(mel, floor)


def train_judge(
    corpus: Corpus, mels: NDArray[np.float16], options: LoopOptions, device: str = "cpu"
) -> Judge:
    """Cross-entropy on crops of 2.5 or 5 s; returns the averaged classifier."""
    torch.manual_seed(options.seed + 5)
    families = list(FAMILIES)
    judge = Judge(families).to(device).train()
    targets = label_targets(corpus.labels, families)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=3e-3, weight_decay=0.02)
    state = TrainState(judge, {"judge": optimizer}, ema_decay=0.99)

    def step(_: int, generator: torch.Generator) -> dict[str, float]:
        frames = 256 if torch.rand((), generator=generator) < 0.6 else 496
        mel, clips = mel_crops(mels, generator, BATCH, frames)[:2]
        wanted = targets[clips].to(device)
        logits = judge(roughen(mel, generator).to(device))
        loss = F.cross_entropy(logits, wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        hit = wanted.gather(1, logits.argmax(-1, keepdim=True)) > 0
        return {"loss": loss.item(), "hit": hit.float().mean().item()}

    run(state, step, options, "judge")
    return cast(Judge, state.ema.eval())
