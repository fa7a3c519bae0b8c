"""From sentence vectors to what the caption tower shall say (training only)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studio.training.loop import LoopOptions, TrainState, run

WIDTH = 1024
BATCH = 256
TEMPERATURE, CENTROID_TEMPERATURE = 0.07, 0.05
BANK_SHARE = 0.5  # of single clips' texts: words no caption has
SHARPNESS = 40.0  # of recall: an inverse temperature of cosines
SENTENCE_NOISE = 0.6  # of a sentence vector's length: what lies near a known phrase means the same


@dataclass(frozen=True)
class HeadData:
    """Unit vectors of clips: `audio` [clips, crops, D] and `captions` [clips, captions, sentence width].

    `bank` [families, texts, sentence width] holds texts about each of `families`; `labels` are the families
    heard in each clip.
    """

    audio: Tensor
    captions: Tensor
    bank: Tensor
    families: Sequence[str]
    labels: Sequence[Sequence[str]]


def train_head(data: HeadData, options: LoopOptions) -> nn.Module:
    """Texts meet the clips they tell of (contrastive) and the mean direction of their family.

    The audio tower stays as it is, so a head costs seconds. Returns it, averaged, in eval mode.
    """
    torch.manual_seed(options.seed)
    head = nn.Sequential(
        nn.Dropout(0.2),
        nn.Linear(data.captions.shape[-1], WIDTH),
        nn.GELU(),
        nn.Dropout(0.2),
        nn.Linear(WIDTH, data.audio.shape[-1]),
    ).train()
    optimizer = torch.optim.AdamW(head.parameters(), lr=2e-3, weight_decay=0.02)
    state = TrainState(head, {"head": optimizer}, ema_decay=0.99)
    first = torch.tensor([list(data.families).index(heard[0]) for heard in data.labels])
    single = torch.tensor([len(heard) == 1 for heard in data.labels])
    numbers: dict[tuple[str, ...], int] = {}
    kind = torch.tensor([numbers.setdefault(tuple(heard), len(numbers)) for heard in data.labels])
    means = [data.audio[single & (first == f)].mean((0, 1)) for f in range(len(data.families))]
    centroids = F.normalize(torch.stack(means).nan_to_num(), dim=-1)  # nowhere for a family of scenes alone

    def step(_: int, generator: torch.Generator) -> dict[str, float]:
        def draw(high: int) -> Tensor:
            return torch.randint(high, (BATCH,), generator=generator)

        clips = draw(len(data.labels))
        text = data.captions[clips, draw(data.captions.shape[1])]
        audio = data.audio[clips, draw(data.audio.shape[1])]
        swapped = single[clips] & (torch.rand(BATCH, generator=generator) < BANK_SHARE)
        text = torch.where(swapped[:, None], data.bank[first[clips], draw(data.bank.shape[1])], text)
        amount = SENTENCE_NOISE * torch.rand(BATCH, 1, generator=generator)
        noise = F.normalize(torch.randn(text.shape, generator=generator), dim=-1)
        said = F.normalize(head(F.normalize(text + amount * noise, dim=-1)), dim=-1)
        alike = (kind[clips][:, None] == kind[clips]).float()
        wanted = (torch.eye(BATCH) + alike / alike.sum(1, keepdim=True)) / 2
        logits = said @ audio.T / TEMPERATURE
        contrast = (F.cross_entropy(logits, wanted) + F.cross_entropy(logits.T, wanted)) / 2
        alone = single[clips]
        among = F.cross_entropy((said @ centroids.T / CENTROID_TEMPERATURE)[alone], first[clips][alone])
        optimizer.zero_grad(set_to_none=True)
        (contrast + among).backward()
        optimizer.step()
        return {"contrast": contrast.item(), "family": among.item()}

    run(state, step, options, "clap head")
    return state.ema.eval()


def clip_targets(own: Tensor, voices: Tensor, scene: Tensor) -> Tensor:
    """What is said of each clip [clips, D], of the vectors of its `own` captions [clips, captions, D].

    A scene means what its sounds would mean alone, added: `voices` [scenes, 2, captions, D], `scene` [clips]
    tells which clips they are of. A sentence about two sounds would mostly mean one of them, while sums are
    learned from few scenes and hold for those never rendered.
    """
    targets = F.normalize(own.mean(dim=1), dim=-1)
    targets[scene] = scene_targets(voices)
    return targets


def scene_targets(voices: Tensor) -> Tensor:
    """Vectors of the captions of a scene's two sounds [scenes, 2, captions, D] → the scene's [scenes, D]."""
    return F.normalize(F.normalize(voices.mean(dim=2), dim=-1).sum(dim=1), dim=-1)


def concentrate(vectors: Tensor, clip: Tensor, own: int, others: int) -> Tensor:
    """The vector of a text → that of the clips it most resembles [texts, D].

    A phrasing that no clip has lies between the families, and a U-Net, which has only ever seen vectors of
    clips' captions, makes of it whatever lies near. So a caption's target is what is said of its `clip`
    [clips, D], and any other text recalls that of the captions around it.

    `vectors` [texts, D] begin with the empty text, which stays as it is (the unconditional model's), and end
    with the clips' `own` captions, clip by clip, then with `others` more a clip.
    """
    keys = vectors[-len(clip) * (own + others) :]
    values = torch.cat([clip.repeat_interleave(own, dim=0), clip.repeat_interleave(others, dim=0)])
    rest = vectors[1 : len(vectors) - len(values)]
    return torch.cat([vectors[:1], recall(rest, keys, values, SHARPNESS), values])


def recall(asked: Tensor, keys: Tensor, values: Tensor, sharpness: float) -> Tensor:
    """Vectors [texts, W] → what is known around them [texts, D]: the `values` [K, D] of `keys` [K, W] near.

    One step of a modern Hopfield network (Ramsauer et al. 2020, eq. 3); `sharpness` is its inverse
    temperature.
    """
    parts = [torch.softmax(sharpness * part @ keys.T, dim=-1) @ values for part in asked.split(1024)]
    return F.normalize(torch.cat(parts), dim=-1)
