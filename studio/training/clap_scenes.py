"""Recipe 3b: a caption tower that is there already learns to say a scene as the sum of its sounds.

A sentence about two sounds mostly meant the louder word of the two. The vectors of all that is one sound stay
where they are, by distillation from the tower itself (Li and Hoiem 2016, "Learning without Forgetting"): what
was trained on them goes on to understand them. `train_clap` teaches the same to a new tower.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import ClapModel, PreTrainedTokenizerBase

from studio.models.tokens import tokenize
from studio.training.clap import Lessons, learn, text_vectors
from studio.training.clap_head import scene_meanings
from studio.training.loop import LoopOptions, TrainState, run
from studio.training.phrases import VOICE_CAPTIONS

LEARNING_RATE = 7e-4
BATCH = 96
DUET_SHARE, SCENE_SHARE = 0.45, 0.25  # of a batch; the rest is single sounds
LIMIT = 40  # tokens of a text

Embed = Callable[[Sequence[str]], Tensor]
"""Texts → the tower's unit vectors [texts, D] as it was."""


@dataclass(frozen=True)
class SceneTexts:
    """What the tower reads: single sounds, and texts of two.

    `captions` are those of each clip, equally many, and `labels` the families heard in it; `voices` are
    `VOICE_CAPTIONS` of either sound of each scene, in order; `pairs` are the two phrases that each of `duets`
    names; `phrases` tell of one sound, or of none.
    """

    captions: Sequence[Sequence[str]]
    labels: Sequence[Sequence[str]]
    voices: Sequence[Sequence[Sequence[str]]]
    duets: Sequence[str]
    pairs: Sequence[tuple[str, str]]
    phrases: Sequence[str]

    def pools(self, embed: Embed) -> list[tuple[list[str], Tensor]]:
        """Single sounds, scenes, duets: the texts of each and what they shall mean [texts, D].

        The sounds that a duet names are single ones too.
        """
        scene = [len(heard) > 1 for heard in self.labels]
        single = [text for told, two in zip(self.captions, scene, strict=True) if not two for text in told]
        single += self.phrases
        told = [text for told, two in zip(self.captions, scene, strict=True) if two for text in told]
        alone = embed([text for of_scene in self.voices for voice in of_scene for text in voice])
        alone = alone.view(len(self.voices), 2, VOICE_CAPTIONS, -1)
        meant = scene_meanings(alone).repeat_interleave(len(told) // len(self.voices), dim=0)
        names = sorted(set(itertools.chain.from_iterable(self.pairs)))
        vectors, where = embed(names), {name: i for i, name in enumerate(names)}
        both = torch.tensor([[where[name] for name in pair] for pair in self.pairs])
        return [
            (single + names, torch.cat([embed(single), vectors])),
            (told, meant),
            (list(self.duets), F.normalize(vectors[both].sum(dim=1), dim=-1)),
        ]


def teach_scenes(
    clap: ClapModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: SceneTexts,
    embed: Embed,
    options: LoopOptions,
    device: str = "cpu",
) -> ClapModel | None:
    """Train `clap`'s caption tower on `texts`; gives it back, averaged, in eval mode, once it is complete."""
    torch.manual_seed(options.seed)
    lessons = [
        Lessons(dict(tokenize(tokenizer, told, limit=LIMIT)), wanted) for told, wanted in texts.pools(embed)
    ]
    tower = nn.ModuleDict({"text": clap.text_model, "projection": clap.text_projection}).to(device).train()
    optimizer = torch.optim.AdamW(tower.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    state = TrainState(tower, {"text": optimizer}, ema_decay=0.995)

    def step(_: int, generator: torch.Generator) -> dict[str, float]:
        drawn = float(torch.rand((), generator=generator))
        pool = 2 if drawn < DUET_SHARE else 1 if drawn < DUET_SHARE + SCENE_SHARE else 0
        ids, mask, wanted = lessons[pool].draw(BATCH, generator, device)
        off = learn(optimizer, text_vectors(tower, ids, mask), wanted)
        return {("single", "scene", "duet")[pool]: off["cosine"]}

    if not run(state, step, options, "clap scenes"):
        return None
    averaged = cast(nn.ModuleDict, state.ema)
    clap.text_model.load_state_dict(averaged["text"].state_dict())
    clap.text_projection.load_state_dict(averaged["projection"].state_dict())
    return clap.cpu().eval()
