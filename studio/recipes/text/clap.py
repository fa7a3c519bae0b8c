"""Recipe 3: a small CLAP (transformers' `ClapModel`), in three parts.

First the audio tower meets captions as a sentence encoder reads them (contrastive, Radford et al. 2021; Wu
et al. 2023). Then a head is fitted from sentence vectors to the tower's. Last the caption tower learns to
say, from its own tokens, which clips sentence encoder and head mean: of captions, and of tens of thousands of
phrases about words near sound that no caption holds. So people may use words of their own.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn
from transformers import ClapConfig, ClapModel, PreTrainedTokenizerBase

from studio.modules.text import tokenize
from studio.recipes.data.clips import Corpus, mel_crops
from studio.recipes.text.bpe import train_tokenizer
from studio.recipes.text.clap_head import HeadData, clip_targets, concentrate, train_head
from studio.recipes.text.phrases import (
    COMMON_WORDS,
    NEAR_WORDS,
    OTHER_CAPTIONS,
    VOICE_CAPTIONS,
    dictionary,
    distillation_texts,
    duets,
    family_bank,
    known_phrases,
    other_captions,
    voice_captions,
    words_near_sound,
)
from studio.recipes.text.sentence_encoder import SentenceEncoder
from studio.training.loop import LoopOptions, TrainState, run

PROJECTION = 128
CROP_FRAMES = 256  # what the audio tower sees at once: 2.56 s
TEMPERATURE = 0.07
HEAD_STEPS = 1000
BANK_TEXTS = 400  # a family
EMBEDDING_STD = 0.04


def build_clap(vocab_size: int) -> ClapModel:
    """The pocket architecture: a three-layer caption tower and a four-stage Swin over 256 mel frames."""
    return ClapModel(
        ClapConfig(
            projection_dim=PROJECTION,
            text_config={
                "vocab_size": vocab_size,
                "hidden_size": 192,
                "num_hidden_layers": 3,
                "num_attention_heads": 6,
                "intermediate_size": 512,
                "max_position_embeddings": 82,
                "projection_dim": PROJECTION,
                "hidden_dropout_prob": 0.0,
                "attention_probs_dropout_prob": 0.0,
            },
            audio_config={
                "spec_size": 128,
                "num_mel_bins": 64,
                "patch_size": 4,
                "patch_stride": [4, 4],
                "window_size": 4,
                "patch_embeds_hidden_size": 32,
                "hidden_size": 256,
                "depths": [1, 1, 2, 1],
                "num_attention_heads": [2, 4, 8, 16],
                "projection_dim": PROJECTION,
                "mlp_ratio": 2.0,
                "hidden_dropout_prob": 0.0,
            },
        )
    )


def train_audio_tower(
    clap: ClapModel,
    corpus: Corpus,
    mels: NDArray[np.float16],
    caption_vectors: Tensor,
    options: LoopOptions,
    device: str = "cpu",
    batch: int = 48,
) -> nn.ModuleDict:
    """Contrastive training of the audio tower against sentence vectors [clips, captions, 384].

    Returns the averaged `audio` and `projection`, which `clap` holds too.
    """
    torch.manual_seed(options.seed)
    head = nn.Sequential(nn.Linear(SentenceEncoder.width, 256), nn.GELU(), nn.Linear(256, PROJECTION))
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

    run(state, step, options, "clap audio")
    return cast(nn.ModuleDict, state.ema.eval())


def _same(corpus: Corpus, a: int, b: int) -> bool:
    """Whether two clips hold the same families: then they are no opposites."""
    return corpus.labels[a] == corpus.labels[b]


def audio_vectors(pair: nn.ModuleDict, mel: Tensor) -> Tensor:
    """Log-mels [B, 256, 64] → unit vectors [B, 128]."""
    pooled = pair["audio"](input_features=mel[:, None]).pooler_output
    return F.normalize(pair["projection"](pooled), dim=-1)


def train_caption_tower(
    clap: ClapModel,
    tokens: dict[str, Tensor],
    targets: Tensor,
    options: LoopOptions,
    device: str = "cpu",
    batch: int = 96,
) -> nn.ModuleDict:
    """Teach the caption tower to give `targets` [texts, 128] from tokens [texts, L].

    The loss asks for the vector itself (cosine) and for its neighbourhoods (relations within the batch).
    """
    torch.manual_seed(options.seed + 1)
    tower = nn.ModuleDict({"text": clap.text_model, "projection": clap.text_projection}).to(device).train()
    optimizer = torch.optim.AdamW(tower.parameters(), lr=1.5e-3, betas=(0.9, 0.98), weight_decay=0.01)
    state = TrainState(tower, {"text": optimizer}, ema_decay=0.995)
    lessons = Lessons(tokens, targets)

    def step(_: int, generator: torch.Generator) -> dict[str, float]:
        ids, mask, wanted = lessons.draw(batch, generator, device)
        return learn(optimizer, text_vectors(tower, ids, mask), wanted)

    run(state, step, options, "clap text")
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


def text_vectors(tower: nn.ModuleDict, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Tokens [B, L] → unit vectors [B, 128]."""
    pooled = tower["text"](input_ids=input_ids, attention_mask=attention_mask).pooler_output
    return F.normalize(tower["projection"](pooled), dim=-1)


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


def train_clap(
    corpus: Corpus,
    mels: NDArray[np.float16],
    folder: Path,
    run_dir: Path,
    audio_steps: int,
    text_steps: int,
    *,
    init: Path | None = None,
    phrases: int = 50_000,
    device: str = "cpu",
) -> ClapModel:
    """The whole recipe; writes `folder` (ClapModel with tokenizer) and returns the model.

    `init` is a shipped AudioLDM folder with `clap/`: its audio tower is kept as it is, and the caption tower
    is learned anew. It reads `phrases` phrases and as many duets besides the captions.
    """
    encoder = SentenceEncoder()
    captions = list(itertools.chain.from_iterable(corpus.captions))
    texts, bare, near = gather_texts(encoder, captions, phrases, run_dir / "texts.json")
    common = dictionary()[:COMMON_WORDS]
    together, named_pairs = duets(near, common, phrases)
    pairs = [(first.text, second.text) for first, second in named_pairs]
    named = sorted(set(itertools.chain.from_iterable(pairs)))
    texts, bare = [texts[0], *named, *texts[1:]], [bare[0], *named, *bare[1:]]
    tokenizer = train_tokenizer([*texts, *near, *near], folder)
    torch.manual_seed(0)
    clap = build_clap(len(tokenizer))
    seed_embeddings(clap, tokenizer, encoder)
    families = sorted({family for heard in corpus.labels for family in heard})
    bank = family_bank(families, encoder.words()[:COMMON_WORDS], BANK_TEXTS)
    others = list(itertools.chain.from_iterable(other_captions(corpus.labels, common)))
    alone = [text for scene in voice_captions(corpus.labels) for voice in scene for text in voice]
    asked = [*bare, *others], captions, bank, alone
    told, said, banked, heard_alone = _sentence_vectors(encoder, asked, run_dir / "sentences.pt")
    per_clip = said.view(len(corpus), -1, SentenceEncoder.width)
    if init:
        shipped = ClapModel.from_pretrained(init / "clap", dtype=torch.float32)
        pair = nn.ModuleDict({"audio": shipped.audio_model, "projection": shipped.audio_projection}).eval()
    else:
        audio_options = LoopOptions(run_dir / "audio", audio_steps)
        pair = train_audio_tower(clap, corpus, mels, per_clip, audio_options, device)
    clap.audio_model.load_state_dict(pair["audio"].state_dict())
    clap.audio_projection.load_state_dict(pair["projection"].state_dict())
    heard = clip_vectors(pair, mels, device)
    data = HeadData(
        heard, per_clip, banked.view(len(families), -1, SentenceEncoder.width), families, corpus.labels
    )
    head = train_head(data, LoopOptions(run_dir / "head", HEAD_STEPS))
    with torch.no_grad():
        meant, own, voices = (F.normalize(head(x), dim=-1) for x in (told, per_clip, heard_alone))
    scene = torch.tensor([len(families) > 1 for families in corpus.labels])
    clips = clip_targets(own, voices.view(-1, 2, VOICE_CAPTIONS, PROJECTION), scene)
    targets = concentrate(meant, clips, per_clip.shape[1], OTHER_CAPTIONS)
    where = {text: i for i, text in enumerate(bare)}
    both = torch.tensor([[where[text] for text in pair] for pair in pairs])
    targets = torch.cat([targets, F.normalize(targets[both].sum(dim=1), dim=-1)])
    tokens = dict(tokenize(tokenizer, [*texts, *others, *together], limit=40))
    tower = train_caption_tower(clap, tokens, targets, LoopOptions(run_dir / "text", text_steps), device)
    clap.text_model.load_state_dict(tower["text"].state_dict())
    clap.text_projection.load_state_dict(tower["projection"].state_dict())
    clap.eval().save_pretrained(folder)
    return clap


@torch.no_grad()
def clip_vectors(pair: nn.ModuleDict, mels: NDArray[np.float16], device: str, batch: int = 24) -> Tensor:
    """Unit vectors of the first and the last `CROP_FRAMES` of each clip [clips, 2, 128]."""
    rows = []
    for start in track(range(0, len(mels), batch), "Listening to the clips"):
        part = torch.from_numpy(np.asarray(mels[start : start + batch], np.float32)).to(device)
        ends = part[:, :CROP_FRAMES], part[:, -CROP_FRAMES:]
        rows.append(torch.stack([audio_vectors(pair, crop) for crop in ends], dim=1).cpu())
    return torch.cat(rows)


def gather_texts(
    encoder: SentenceEncoder, captions: list[str], phrases: int, cache: Path
) -> tuple[list[str], list[str], list[str]]:
    """What the caption tower reads, what each text means, and the words near sound; kept on disk."""
    if cache.exists():
        texts, meant, near = json.loads(cache.read_text())
        known = known_phrases()
        if (meant[-len(captions) :], meant[1 : 1 + len(known)], len(near)) == (captions, known, NEAR_WORDS):
            return texts, meant, near
    near = words_near_sound(encoder, dictionary())
    texts, meant = distillation_texts(near, encoder.words()[:COMMON_WORDS], captions, phrases)
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text(json.dumps([texts, meant, near]))
    return texts, meant, near


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
