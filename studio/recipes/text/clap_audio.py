"""The audio tower, which meets captions as a sentence encoder reads them, and what it hears in the clips."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn
from transformers import ClapModel

from studio.recipes.data.clips import Corpus, mel_crops
from studio.recipes.text.clap_model import CROP_FRAMES, PROJECTION, audio_vectors
from studio.recipes.text.sentence_encoder import SENTENCE_WIDTH
from studio.training.loop import LoopOptions, TrainState, run

TEMPERATURE = 0.07


def train_audio_tower(
    clap: ClapModel,
    corpus: Corpus,
    mels: NDArray[np.float16],
    caption_vectors: Tensor,
    options: LoopOptions,
    device: str = "cpu",
    batch: int = 48,
) -> nn.ModuleDict | None:
    """Contrastive training of the audio tower against sentence vectors [clips, captions, 384].

    Returns the averaged `audio` and `projection`, which `clap` holds too, once it is complete.
    """
    torch.manual_seed(options.seed)
    head = nn.Sequential(nn.Linear(SENTENCE_WIDTH, 256), nn.GELU(), nn.Linear(256, PROJECTION))
    pair = nn.ModuleDict({"audio": clap.audio_model, "projection": clap.audio_projection, "head": head})
    pair.to(device).train()
    optimizer = torch.optim.AdamW(pair.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.02)
    state = TrainState(pair, {"clap": optimizer}, ema_decay=0.99)

    def step(_: int, generator: torch.Generator) -> dict[str, float]:
        mel, clips = mel_crops(mels, generator, batch, CROP_FRAMES)[:2]
        mel = mel + 0.5 * torch.randn(batch, 1, 1, generator=generator)  # loudness tells nothing
        which = torch.randint(caption_vectors.shape[1], (batch,), generator=generator)
        text = F.normalize(head(caption_vectors[clips, which].to(device)), dim=-1)
        audio = audio_vectors(pair, mel.to(device))
        logits = audio @ text.T / TEMPERATURE
        same = torch.tensor([[_same(corpus, a, b) for b in clips] for a in clips], dtype=torch.float32)
        targets = torch.eye(batch) * 0.7 + 0.3 * same / same.sum(1, keepdim=True)
        targets = targets.to(device)
        loss = 0.5 * (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"loss": loss.item()}

    if not run(state, step, options, "clap audio"):
        return None
    return cast(nn.ModuleDict, state.ema.eval())


def _same(corpus: Corpus, a: int, b: int) -> bool:
    """Whether two clips hold the same families: then they are no opposites."""
    return corpus.labels[a] == corpus.labels[b]


@torch.no_grad()
def clip_vectors(pair: nn.ModuleDict, mels: NDArray[np.float16], device: str, batch: int = 24) -> Tensor:
    """Unit vectors of the first and the last `CROP_FRAMES` of each clip [clips, 2, 128]."""
    rows = []
    for start in track(range(0, len(mels), batch), "Listening to the clips"):
        part = torch.from_numpy(np.asarray(mels[start : start + batch], np.float32)).to(device)
        ends = part[:, :CROP_FRAMES], part[:, -CROP_FRAMES:]
        rows.append(torch.stack([audio_vectors(pair, crop) for crop in ends], dim=1).cpu())
    return torch.cat(rows)
