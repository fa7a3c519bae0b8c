"""How a caption tower, or another encoder of text, is taught to give the vectors that texts shall have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from torch import Tensor, nn
from transformers import ClapModel, PreTrainedTokenizerBase

from studio.recipes.text.clap_model import text_vectors
from studio.recipes.text.sentence_encoder import SentenceEncoder
from studio.training.loop import LoopOptions, TrainState, run

EMBEDDING_STD = 0.04


def train_caption_tower(
    clap: ClapModel,
    tokens: dict[str, Tensor],
    targets: Tensor,
    options: LoopOptions,
    device: str = "cpu",
    batch: int = 96,
) -> nn.ModuleDict | None:
    """Teach the caption tower to give `targets` [texts, 128] from tokens [texts, L].

    The loss asks for the vector itself (cosine) and for its neighbourhoods (relations within the batch).
    Returns the averaged tower, once it is complete.
    """
    torch.manual_seed(options.seed + 1)
    tower = nn.ModuleDict({"text": clap.text_model, "projection": clap.text_projection}).to(device).train()
    optimizer = torch.optim.AdamW(tower.parameters(), lr=1.5e-3, betas=(0.9, 0.98), weight_decay=0.01)
    state = TrainState(tower, {"text": optimizer}, ema_decay=0.995)
    lessons = Lessons(tokens, targets)

    def step(_: int, generator: torch.Generator) -> dict[str, float]:
        ids, mask, wanted = lessons.draw(batch, generator, device)
        return learn(optimizer, text_vectors(tower, ids, mask), wanted)

    if not run(state, step, options, "clap text"):
        return None
    return cast(nn.ModuleDict, state.ema.eval())


def texts_alike(lengths: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    """Indices [batch] of texts that are neighbours in length among four batches': little is padding."""
    drawn = torch.randint(len(lengths), (4 * batch,), generator=generator)
    start = int(torch.randint(3 * batch + 1, (), generator=generator))
    return drawn[lengths[drawn].argsort()[start : start + batch]]


@dataclass(frozen=True)
class Lessons:
    """Texts as tokens `input_ids` and `attention_mask` [texts, L], and what they shall mean [texts, D]."""

    tokens: Mapping[str, Tensor]
    targets: Tensor

    @cached_property
    def lengths(self) -> Tensor:
        """Of the texts, in tokens [texts]."""
        return self.tokens["attention_mask"].sum(1)

    def draw(self, batch: int, generator: torch.Generator, device: str) -> tuple[Tensor, Tensor, Tensor]:
        """Ids and mask [batch, longest] of texts alike in length, and their targets [batch, D]."""
        part = texts_alike(self.lengths, batch, generator)
        longest = int(self.lengths[part].max())
        ids, mask = (self.tokens[name][part, :longest] for name in ("input_ids", "attention_mask"))
        return ids.to(device), mask.to(device), self.targets[part].to(device)


def learn(optimizer: torch.optim.Optimizer, made: Tensor, wanted: Tensor) -> dict[str, float]:
    """One step of what `optimizer` holds towards the vectors wanted; gives how far off they were."""
    cosine, relations = distance(made, wanted)
    optimizer.zero_grad(set_to_none=True)
    (cosine + 4 * relations).backward()
    held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    nn.utils.clip_grad_norm_(held, 1.0)
    optimizer.step()
    return {"cosine": cosine.item(), "relations": relations.item()}


def distance(made: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """How far unit vectors [B, D] are from those wanted: each (1 − cosine), and their relations."""
    cosine = (1 - (made * wanted).sum(-1)).mean()
    return cosine, (made @ wanted.T - wanted @ wanted.T).square().mean()


def seed_embeddings(clap: ClapModel, tokenizer: PreTrainedTokenizerBase, encoder: SentenceEncoder) -> None:
    """Begin the embedding of each token that is a whole word with the word's sentence vector."""
    whole = [(i, token[1:]) for token, i in tokenizer.get_vocab().items() if token.startswith("Ġ")]
    known = [(i, word) for i, word in whole if len(word) > 2 and word.isalpha()]
    vectors = encoder.embed([word for _, word in known])
    vectors = vectors - vectors.mean(0)
    embedding = clap.text_model.embeddings.word_embeddings.weight
    _, _, components = torch.pca_lowrank(vectors, embedding.shape[1], center=False)
    reduced = vectors @ components
    with torch.no_grad():
        embedding[[i for i, _ in known]] = EMBEDDING_STD * reduced / reduced.std()
