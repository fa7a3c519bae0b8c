"""Recipe 3: a small CLAP (transformers' `ClapModel`), in three parts.

First the audio tower meets captions as a sentence encoder reads them (contrastive, Radford et al. 2021; Wu
et al. 2023). Then a head is fitted from sentence vectors to the tower's. Last the caption tower learns to
say, from its own tokens, which clips sentence encoder and head mean: of captions, and of tens of thousands of
phrases about words near sound that no caption holds. So people may use words of their own.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import ClapModel

from studio.backends.clap import load_clap
from studio.modules.text import tokenize
from studio.recipes.data.clips import Corpus
from studio.recipes.text.bpe import train_tokenizer
from studio.recipes.text.clap_audio import clip_vectors, train_audio_tower
from studio.recipes.text.clap_head import HeadData, clip_targets, concentrate, train_head
from studio.recipes.text.clap_model import PROJECTION, build_clap
from studio.recipes.text.clap_text import seed_embeddings, train_caption_tower
from studio.recipes.text.duets import duets
from studio.recipes.text.phrases import (
    COMMON_WORDS,
    NEAR_WORDS,
    OTHER_CAPTIONS,
    VOICE_CAPTIONS,
    distillation_texts,
    family_bank,
    known_phrases,
    other_captions,
    voice_captions,
    words_near_sound,
)
from studio.recipes.text.sentence_encoder import SENTENCE_WIDTH, SentenceEncoder
from studio.training.loop import LoopOptions

BANK_TEXTS = 400  # a family


@dataclass(frozen=True)
class ClapRun:
    """The loops of the recipe's three parts, and the folder where it keeps what it asked."""

    folder: Path
    audio: LoopOptions
    head: LoopOptions
    text: LoopOptions


@dataclass(frozen=True)
class TowerTexts:
    """What the caption tower reads: `texts`, `others` of each clip, `duets`.

    `bare` is what each of `texts` means, in plain words; `pairs` are the two of those that each duet names;
    `near` are the words near sound.
    """

    texts: list[str]
    bare: list[str]
    near: list[str]
    others: list[str]
    duets: list[str]
    pairs: list[tuple[str, str]]

    @classmethod
    def gather(
        cls, corpus: Corpus, encoder: SentenceEncoder, words: Sequence[str], phrases: int, cache: Path
    ) -> TowerTexts:
        """`phrases` phrases and as many duets besides the captions; `words` are English, commonest first."""
        captions = list(itertools.chain.from_iterable(corpus.captions))
        texts, bare, near = gather_texts(encoder, words, captions, phrases, cache)
        common = words[:COMMON_WORDS]
        together, named_pairs = duets(near, common, phrases)
        pairs = [(first.text, second.text) for first, second in named_pairs]
        named = sorted(set(itertools.chain.from_iterable(pairs)))
        return cls(
            texts=[texts[0], *named, *texts[1:]],
            bare=[bare[0], *named, *bare[1:]],
            near=near,
            others=list(itertools.chain.from_iterable(other_captions(corpus.labels, common))),
            duets=together,
            pairs=pairs,
        )

    def with_duets(self, targets: Tensor) -> Tensor:
        """What `texts` and `others` shall mean, and after them what the duets shall: both sounds, added."""
        where = {text: i for i, text in enumerate(self.bare)}
        both = torch.tensor([[where[text] for text in pair] for pair in self.pairs])
        return torch.cat([targets, F.normalize(targets[both].sum(dim=1), dim=-1)])


def train_clap(
    corpus: Corpus,
    mels: NDArray[np.float16],
    encoder: SentenceEncoder,
    words: Sequence[str],
    folder: Path,
    run: ClapRun,
    *,
    init: Path | None = None,
    phrases: int = 50_000,
    device: str = "cpu",
) -> ClapModel | None:
    """The whole recipe; writes `folder` (ClapModel with tokenizer), returns the model once it is complete.

    Args:
        words: English words, the commonest first.
        init: a shipped AudioLDM folder with `clap/`: its audio tower is kept as it is, and the caption tower
            is learned anew.
        phrases: how many it reads besides the captions, and as many duets.
    """
    read = TowerTexts.gather(corpus, encoder, words, phrases, run.folder / "texts.json")
    tokenizer = train_tokenizer([*read.texts, *read.near, *read.near], folder)
    torch.manual_seed(0)
    clap = build_clap(len(tokenizer))
    seed_embeddings(clap, tokenizer, encoder)
    families = sorted({family for heard in corpus.labels for family in heard})
    told, said, banked, alone = _ask(encoder, corpus, read, families, run.folder / "sentences.pt")
    pair: nn.ModuleDict | None
    if init:
        shipped = load_clap(init)
        pair = nn.ModuleDict({"audio": shipped.audio_model, "projection": shipped.audio_projection}).eval()
    else:
        pair = train_audio_tower(clap, corpus, mels, said, run.audio, device)
    if pair is None:
        return None
    clap.audio_model.load_state_dict(pair["audio"].state_dict())
    clap.audio_projection.load_state_dict(pair["projection"].state_dict())
    heard = clip_vectors(pair, mels, device)
    head = train_head(HeadData(heard, said, banked, families, corpus.labels), run.head)
    with torch.no_grad():
        meant, own, voices = (F.normalize(head(x), dim=-1) for x in (told, said, alone))
    scene = torch.tensor([len(families) > 1 for families in corpus.labels])
    clips = clip_targets(own, voices.view(-1, 2, VOICE_CAPTIONS, PROJECTION), scene)
    targets = read.with_duets(concentrate(meant, clips, said.shape[1], OTHER_CAPTIONS))
    tokens = dict(tokenize(tokenizer, [*read.texts, *read.others, *read.duets], limit=40))
    tower = train_caption_tower(clap, tokens, targets, run.text, device)
    if tower is None:
        return None
    clap.text_model.load_state_dict(tower["text"].state_dict())
    clap.text_projection.load_state_dict(tower["projection"].state_dict())
    clap.eval().save_pretrained(folder)
    return clap


def gather_texts(
    encoder: SentenceEncoder, words: Sequence[str], captions: list[str], phrases: int, cache: Path
) -> tuple[list[str], list[str], list[str]]:
    """What the caption tower reads, what each text means, and the words near sound; kept on disk."""
    if cache.exists():
        texts, meant, near = json.loads(cache.read_text())
        known, nearest = known_phrases(), min(NEAR_WORDS, len(words))
        if (meant[-len(captions) :], meant[1 : 1 + len(known)], len(near)) == (captions, known, nearest):
            return texts, meant, near
    near = words_near_sound(encoder, words)
    texts, meant = distillation_texts(near, encoder.words()[:COMMON_WORDS], captions, phrases)
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text(json.dumps([texts, meant, near]))
    return texts, meant, near


def _ask(
    encoder: SentenceEncoder, corpus: Corpus, read: TowerTexts, families: Sequence[str], cache: Path
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sentence vectors of what the tower reads [texts, W], of captions [clips, captions, W], of texts about
    each family [families, texts, W], and of the captions of scenes' sounds, each as if alone [texts, W]."""
    captions = list(itertools.chain.from_iterable(corpus.captions))
    bank = family_bank(families, encoder.words()[:COMMON_WORDS], BANK_TEXTS)
    alone = [text for scene in voice_captions(corpus.labels) for voice in scene for text in voice]
    lists = [*read.bare, *read.others], captions, bank, alone
    told, said, banked, heard_alone = _sentence_vectors(encoder, lists, cache)
    per_clip = said.view(len(corpus), -1, SENTENCE_WIDTH)
    return told, per_clip, banked.view(len(families), -1, SENTENCE_WIDTH), heard_alone


def _sentence_vectors(encoder: SentenceEncoder, lists: Sequence[list[str]], cache: Path) -> list[Tensor]:
    """The sentence vectors of each list, kept on disk for as long as the lists stay the same."""
    if cache.exists():
        saved = torch.load(cache, weights_only=True)
        if saved["lists"] == list(lists):
            return saved["vectors"]
    vectors = [encoder.embed(texts) for texts in lists]
    cache.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"lists": list(lists), "vectors": vectors}, cache)
    return vectors
