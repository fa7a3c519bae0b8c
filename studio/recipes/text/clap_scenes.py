"""Recipe 3b: a caption tower that is there already learns words better, and a scene as the sum of its sounds.

A sentence about two sounds mostly meant the louder word of the two, and a rare word was lost among
attributes. Captions of one sound stay where they are, by distillation from the tower itself (Li and Hoiem
2016, "Learning without Forgetting"); what words mean otherwise, `WordTargets` says. `train_clap` teaches
scenes to a new tower.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import ClapModel, PreTrainedTokenizerBase

from studio.modules.text import tokenize
from studio.recipes.text.clap_head import clip_targets
from studio.recipes.text.clap_model import text_vectors
from studio.recipes.text.clap_text import Lessons, learn
from studio.recipes.text.duets import Named
from studio.recipes.text.phrases import VOICE_CAPTIONS
from studio.recipes.text.targets import Embed, WordTargets
from studio.training.loop import LoopOptions, TrainState, run

LEARNING_RATE = 7e-4
BATCH = 96
DUET_SHARE, SCENE_SHARE = 0.45, 0.15  # of a batch; the rest is single sounds
EMPTY_ROWS = 3  # of each batch: guidance leans on the empty text, and a U-Net knows it where it is
LIMIT = 40  # tokens of a text

Pool = tuple[list[str], Tensor]
"""Texts, and what they shall mean [texts, D]."""


def said_of_clips(
    captions: Sequence[Sequence[str]], voices: Sequence[Sequence[Sequence[str]]], scene: Tensor, read: Embed
) -> Tensor:
    """What the tower says of each clip [clips, D], by its own `captions`, equally many a clip.

    Of a `scene` (booleans [clips]) it is what it says of its sounds: `voices` are `VOICE_CAPTIONS` of either.
    """
    own = read([text for told in captions for text in told])
    alone = read([text for of_scene in voices for voice in of_scene for text in voice])
    width = own.shape[-1]
    return clip_targets(
        own.view(len(captions), -1, width), alone.view(len(voices), 2, VOICE_CAPTIONS, width), scene
    )


@dataclass(frozen=True)
class SceneTexts:
    """What the tower reads: single sounds, and texts of two.

    `captions` are each clip's, equally many a clip, `clips` what is said of it [clips, D], `scene` whether
    it is of two sounds [clips]; `pairs` are the two sounds that each of `duets` names; `phrases` name one.
    """

    captions: Sequence[Sequence[str]]
    clips: Tensor
    scene: Tensor
    duets: Sequence[str]
    pairs: Sequence[tuple[Named, Named]]
    phrases: Sequence[Named]

    def pools(self, targets: WordTargets) -> list[Pool]:
        """Single sounds, scenes, duets. The sounds that a duet names are single ones too, as is nothing."""
        single, scenes = (self._told(kind) for kind in (~self.scene, self.scene))
        named = sorted({*self.phrases, *itertools.chain.from_iterable(self.pairs)})
        vectors, where = targets.named(named), {phrase: i for i, phrase in enumerate(named)}
        both = torch.tensor([[where[phrase] for phrase in pair] for pair in self.pairs])
        return [
            (
                ["", *single[0], *(phrase.text for phrase in named)],
                torch.cat([targets.read([""]), single[1], vectors]),
            ),
            scenes,
            (list(self.duets), F.normalize(vectors[both].sum(dim=1), dim=-1)),
        ]

    def _told(self, kind: Tensor) -> Pool:
        """The captions of the clips of a kind [clips], and what is said of those."""
        rows = kind.nonzero()[:, 0].tolist()
        texts = [text for row in rows for text in self.captions[row]]
        return texts, self.clips[rows].repeat_interleave(len(self.captions[0]), dim=0)


def teach_scenes(
    clap: ClapModel,
    tokenizer: PreTrainedTokenizerBase,
    pools: Sequence[Pool],
    options: LoopOptions,
    device: str = "cpu",
) -> ClapModel | None:
    """Train `clap`'s caption tower on `SceneTexts.pools`; gives it back, averaged, once it is complete."""
    torch.manual_seed(options.seed)
    lessons = [Lessons(dict(tokenize(tokenizer, told, limit=LIMIT)), wanted) for told, wanted in pools]
    empty = tokenize(tokenizer, [""]).input_ids
    tower = nn.ModuleDict({"text": clap.text_model, "projection": clap.text_projection}).to(device).train()
    optimizer = torch.optim.AdamW(tower.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    state = TrainState(tower, {"text": optimizer}, ema_decay=0.995)

    def step(number: int, generator: torch.Generator) -> dict[str, float]:
        drawn = float(torch.rand((), generator=generator))
        pool = 2 if drawn < DUET_SHARE else 1 if drawn < DUET_SHARE + SCENE_SHARE else 0
        ids, mask, wanted = lessons[pool].draw(BATCH, generator, device)
        ids[:EMPTY_ROWS], mask[:EMPTY_ROWS] = tokenizer.pad_token_id, 0
        ids[:EMPTY_ROWS, : empty.shape[1]], mask[:EMPTY_ROWS, : empty.shape[1]] = empty, 1
        wanted[:EMPTY_ROWS] = lessons[0].targets[0]  # single sounds begin with it
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - number / options.steps)
        off = learn(optimizer, text_vectors(tower, ids, mask), wanted)
        return {("single", "scene", "duet")[pool]: off["cosine"]}

    if not run(state, step, options, "clap scenes"):
        return None
    averaged = cast(nn.ModuleDict, state.ema)
    clap.text_model.load_state_dict(averaged["text"].state_dict())
    clap.text_projection.load_state_dict(averaged["projection"].state_dict())
    return clap.cpu().eval()
