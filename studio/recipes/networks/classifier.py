"""Recipe 5: the classifier, on clips of its own seeds and scenes mixed of them.

They are roughened, so that decoded sound is judged as fairly.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from studio.dsp.mel import LOG_FLOOR
from studio.evaluation.classifier import Classifier
from studio.recipes.corpus.families import FAMILIES
from studio.recipes.data.clips import Corpus
from studio.recipes.data.mixing import Mixer
from studio.training.loop import LoopOptions, TrainState, run

BATCH = 32
SHORT_SHARE = 0.4  # of the batches: 2.5 s, the others 5 s
MIX_SHARE = 0.6  # of single sounds: another is heard with them


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
    floor = LOG_FLOOR + 4.0 * torch.rand(count, 1, 1, generator=generator) ** 2
    return torch.maximum(mel, floor)


def draw_windows(mixer: Mixer, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Crops of 2.5 or 5 s [BATCH, frames, 64], some of them mixed, and what is heard [BATCH, families]."""
    frames = 256 if torch.rand((), generator=generator) < SHORT_SHARE else 496
    clips = torch.randint(len(mixer.mels), (BATCH,), generator=generator)
    starts = torch.randint(mixer.mels.shape[1] - frames + 1, (BATCH,), generator=generator)
    mel, wanted = mixer.crop(clips, starts, frames), targets[clips]
    mixed = mixer.chosen(clips, MIX_SHARE, generator)
    if len(mixed):
        others, mel[mixed] = mixer.scenes(clips[mixed], starts[mixed], frames, generator)
        wanted[mixed] = (wanted[mixed] + targets[others]) / 2
    return mel, wanted


def train_classifier(
    corpus: Corpus, mels: NDArray[np.float16], options: LoopOptions, device: str = "cpu"
) -> Classifier:
    """Cross-entropy on clips and on scenes mixed of them; returns the averaged classifier."""
    torch.manual_seed(options.seed + 5)
    families = list(FAMILIES)
    classifier = Classifier(families).to(device).train()
    mixer, targets = Mixer(mels, corpus.labels), label_targets(corpus.labels, families)
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=3e-3, weight_decay=0.02)
    state = TrainState(classifier, {"judge": optimizer}, ema_decay=0.995)

    def step(_: int, generator: torch.Generator) -> dict[str, float]:
        mel, wanted = draw_windows(mixer, targets, generator)
        wanted = wanted.to(device)
        logits = classifier(roughen(mel, generator).to(device))
        loss = F.cross_entropy(logits, wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        hit = wanted.gather(1, logits.argmax(-1, keepdim=True)) > 0
        return {"loss": loss.item(), "hit": hit.float().mean().item()}

    run(state, step, options, "judge")
    return cast(Classifier, state.ema.eval())
