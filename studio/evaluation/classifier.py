"""The judge: which families of sound does a clip hold? A small convolutional classifier over log-mels.

It was trained on corpus audio apart from CLAP and apart from everything it judges. Its 64-wide embedding is
the space of the project's Fréchet distances.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from studio.backends.boundary import no_larger_than, weights_errors
from studio.backends.configs import check_config
from studio.backends.reading import held_by, read_json
from studio.dsp.mel import log_mel

EMBEDDING = 64


class Classifier(nn.Module):
    """Log-mels [B, frames, 64] (2 s or more) → logits [B, families], embedding [B, 64]."""

    def __init__(self, families: list[str], widths: tuple[int, ...] = (24, 48, 80, 96)) -> None:
        super().__init__()
        self.families = families
        self.widths = widths
        channels = (1, *widths)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(a, b, 3, stride=(2, 2), padding=1, bias=False),
                nn.BatchNorm2d(b),
                nn.ReLU(),
                nn.Conv2d(b, b, 3, padding=1, groups=b, bias=False),
                nn.Conv2d(b, b, 1, bias=False),
                nn.BatchNorm2d(b),
                nn.ReLU(),
            )
            for a, b in zip(channels, widths, strict=False)
        )
        self.embed = nn.Linear(2 * widths[-1] * (64 // 2 ** len(widths)), EMBEDDING)
        self.head = nn.Linear(EMBEDDING, len(families))

    def embedding(self, mel: Tensor) -> Tensor:
        """[B, 64]: mean and maximum over time, so that both textures and single events count."""
        x = (mel[:, None] + 4.5) / 2.5
        for block in self.blocks:
            x = block(x)
        x = x.transpose(2, 3).flatten(1, 2)
        return F.gelu(self.embed(torch.cat([x.mean(-1), x.amax(-1)], dim=1)))

    def forward(self, mel: Tensor) -> Tensor:
        return self.head(self.embedding(mel))

    def save(self, folder: Path) -> None:
        """Write `judge.safetensors` (float16) and `judge.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        half = {
            key: value.half() if value.is_floating_point() else value
            for key, value in self.state_dict().items()
        }
        save_file(half, folder / "judge.safetensors")
        (folder / "judge.json").write_text(json.dumps({"families": self.families, "widths": self.widths}))

    @classmethod
    def load(cls, folder: Path) -> Classifier:
        """Read a judge, in float32 and evaluation mode.

        Raises:
            WeightsError: the files are missing or damaged.
        """
        with weights_errors("The judge"):
            config = read_json(folder / "judge.json")
            check_config(config, "the judge")
            with no_larger_than(held_by(folder / "judge.safetensors"), "The judge"):
                classifier = cls(list(config["families"]), tuple(config["widths"]))
            weights = load_file(folder / "judge.safetensors")
            classifier.load_state_dict(
                {k: v.float() if v.is_floating_point() else v for k, v in weights.items()}
            )
        return classifier.eval()

    @torch.inference_mode()
    def predict(self, samples: NDArray[np.float32] | Tensor) -> tuple[Tensor, Tensor]:
        """Samples [B, n] at 16 kHz → logits [B, families] and embeddings [B, 64]."""
        embeddings = self.embedding(log_mel(torch.as_tensor(samples)))
        return self.head(embeddings), embeddings

    def top(self, logits: Tensor, count: int = 1) -> list[list[str]]:
        """The `count` likeliest families of each row, best first."""
        return [[self.families[i] for i in row] for row in logits.topk(count, dim=-1).indices.tolist()]
