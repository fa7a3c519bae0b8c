"""Recipe 12b: a caption tower that hears who speaks.

The pocket AudioLDM's tower was taught the sounds of the corpus, in which nobody speaks: beside a scene it
passes over "a woman says". A copy of it learns where voices are. A scene keeps the vector that it had, and a
voice in it adds a direction that no scene has, and another for whose it is.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from studio.modules.text import tokenize
from studio.recipes.speech.descriptions import Told, describe_speech
from studio.training.loop import LoopOptions, TrainState, run

BATCH = 96
LEARNING_RATE = 4e-4
LENGTH = 24.0  # of a voice's direction; a scene's vector is about 43 long
SCENE_SHARE, QUIET_SHARE = 0.25, 0.15


class Directions(NamedTuple):
    """Where a voice lies [D], and whose [D]: added for a woman's, taken off for a man's."""

    speaks: Tensor
    whose: Tensor

    @classmethod
    def of(cls, scenes: Tensor) -> Directions:
        """The two directions that scenes' vectors [n, D] use least."""
        _, _, axes = torch.linalg.svd(scenes - scenes.mean(dim=0), full_matrices=False)
        return cls(axes[-1], axes[-2])

    def target(self, told: Told, scene: Tensor | None) -> Tensor:
        """The vector of a description, whose scene has this one."""
        base = torch.zeros_like(self.speaks) if scene is None else scene
        if not told.speaks:
            return base
        sign = {0: 1.0, 1: -1.0, None: 0.0}[told.voice]
        return base + LENGTH * (self.speaks + sign * self.whose)


@torch.no_grad()
def vectors(tower: Any, tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """Vectors [n, D] of texts, of the length that the tower gives them."""
    parts = []
    for start in range(0, len(texts), 256):
        tokens = tokenize(tokenizer, list(texts[start : start + 256]))
        parts.append(tower(tokens.input_ids, attention_mask=tokens.attention_mask).text_embeds)
    return torch.cat(parts)


def teach_voices(tower: Any, tokenizer: Any, captions: Sequence[str], options: LoopOptions) -> Any:
    """Train a copy of `tower` on scenes with and without voices; gives it averaged."""
    torch.manual_seed(options.seed)
    kept = vectors(tower.eval(), tokenizer, captions)
    directions = Directions.of(kept)
    state = TrainState(
        tower.requires_grad_(True).train(),
        {"adam": torch.optim.AdamW(tower.parameters(), LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0)},
        ema_decay=0.995,
    )

    def step(number: int, generator: torch.Generator) -> dict[str, float]:
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        told, wanted = [], []
        for _ in range(BATCH):
            which = rng.randrange(len(captions))
            kind = rng.random()
            scene = None if kind < QUIET_SHARE else captions[which]
            if kind > 1 - SCENE_SHARE:
                one = Told(captions[which], None, False)
            else:
                one = describe_speech(rng, rng.randrange(2), scene)
            told.append(one.text)
            wanted.append(directions.target(one, None if scene is None else kept[which]))
        tokens = tokenize(tokenizer, told)
        found = tower(tokens.input_ids, attention_mask=tokens.attention_mask).text_embeds
        loss = F.smooth_l1_loss(found, torch.stack(wanted))
        state.optimizers["adam"].zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        state.optimizers["adam"].step()
        return {"vector": loss.item()}

    run(state, step, options, "voice tower")
    return cast(Any, state.ema.eval())
