"""Recipe 3: a small CLAP (transformers' `ClapModel`), in two parts.

First the audio tower meets captions as the teacher reads them, through a small head (contrastive, Radford et
al. 2021; Wu et al. 2023). Then the caption tower learns to say, from its own tokens, what teacher and head
say: of captions, and of tens of thousands of phrases about words near sound that no caption holds. So people
may use words of their own.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoTokenizer, ClapConfig, ClapModel

from studio.models.tokens import tokenize
from studio.training.corpus.captions import augment_caption
from studio.training.corpus.lexicon import load_lexicon
from studio.training.data import Corpus, mel_crops
from studio.training.loop import LoopOptions, TrainState, run
from studio.training.teacher import Teacher
from studio.training.tokens import train_tokenizer

PROJECTION = 128
CROP_FRAMES = 256  # what the audio tower sees at once: 2.56 s
TEMPERATURE = 0.07
TEMPLATES = (
    "{0}",
    "{0}",
    "the sound of {0}",
    "{0} in the background",
    "{0} and {1}",
    "{0} {1}",
    "distant {0}",
    "a {0} with {1}",
    "loud {0}",
    "{1} {0} outside",
    "soft {0} at night",
    "{0} on a {1}",
)


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


def distillation_texts(teacher: Teacher, captions: Sequence[str], count: int, seed: int = 0) -> list[str]:
    """Captions roughened as people type, and phrases of sound words set among any words at all.

    The second teach the tower to find the sound in a sentence it has never seen ("close your eyes and …"):
    what surrounds it is drawn from the teacher's whole vocabulary.
    """
    rng = np.random.default_rng(seed)
    words = teacher.words()
    lexicon = load_lexicon()
    nouns = sorted({noun for family in lexicon.families.values() for noun in family.nouns.train})
    near = (teacher.embed(words) @ teacher.embed(nouns).T).amax(dim=1)
    chosen = [words[i] for i in near.argsort(descending=True)[:5000].tolist()]
    common = words[:8000]
    rough = [augment_caption(rng, text) if rng.random() < 0.5 else text for text in captions]
    phrases = list(chosen)
    while len(phrases) < count:
        draw = rng.random()
        if draw < 0.4:
            pick = [chosen[int(rng.integers(len(chosen)) * rng.random())] for _ in range(2)]
            if rng.random() < 0.3:
                pick[rng.integers(2)] = nouns[rng.integers(len(nouns))]
            phrases.append(TEMPLATES[rng.integers(len(TEMPLATES))].format(*pick))
        else:
            among = nouns if draw < 0.7 else captions
            sound = among[int(rng.integers(len(among)))]
            phrases.append(_among_words(rng, sound, common))
    return ["", *nouns, *phrases, *rough]


def _among_words(rng: np.random.Generator, sound: str, common: Sequence[str]) -> str:
    """A sound with up to four words before it and up to two after."""
    before = [common[i] for i in rng.integers(len(common), size=rng.integers(0, 5))]
    after = [common[i] for i in rng.integers(len(common), size=rng.integers(0, 3))]
    return " ".join([*before, sound, *after])


def train_audio_tower(
    clap: ClapModel,
    corpus: Corpus,
    mels: NDArray[np.float16],
    caption_vectors: Tensor,
    options: LoopOptions,
    device: str = "cpu",
    batch: int = 48,
    frozen: bool = False,
) -> nn.ModuleDict:
    """Contrastive training of the audio tower against teacher vectors [clips, captions, 384].

    `frozen` leaves the tower as it is and trains the head alone: a U-Net already knows its space.
    Returns the averaged pair: `audio` (tower with projection, inside `clap`) and `head`.
    """
    torch.manual_seed(options.seed)
    head = nn.Sequential(nn.Linear(Teacher.width, 256), nn.GELU(), nn.Linear(256, PROJECTION))
    pair = nn.ModuleDict({"audio": clap.audio_model, "projection": clap.audio_projection, "head": head})
    pair.to(device).train()
    if frozen:
        pair["audio"].eval().requires_grad_(False)
        pair["projection"].requires_grad_(False)
    trained = head.parameters() if frozen else pair.parameters()
    optimizer = torch.optim.AdamW(trained, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.02)
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
    lengths = tokens["attention_mask"].sum(1)

    def step(_: int, generator: torch.Generator) -> dict[str, float]:
        part = torch.randint(len(targets), (batch,), generator=generator)
        longest = int(lengths[part].max())
        ids, mask = tokens["input_ids"][part, :longest], tokens["attention_mask"][part, :longest]
        made = text_vectors(tower, ids.to(device), mask.to(device))
        wanted = targets[part].to(device)
        cosine = (1 - (made * wanted).sum(-1)).mean()
        relations = (made @ wanted.T - wanted @ wanted.T).square().mean()
        loss = cosine + 4 * relations
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimizer.step()
        return {"cosine": cosine.item(), "relations": relations.item()}

    run(state, step, options, "clap text")
    return cast(nn.ModuleDict, state.ema.eval())


def text_vectors(tower: nn.ModuleDict, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Tokens [B, L] → unit vectors [B, 128]."""
    pooled = tower["text"](input_ids=input_ids, attention_mask=attention_mask).pooler_output
    return F.normalize(tower["projection"](pooled), dim=-1)


def train_clap(
    corpus: Corpus,
    mels: NDArray[np.float16],
    folder: Path,
    run_dir: Path,
    audio_steps: int,
    text_steps: int,
    *,
    init: Path | None = None,
    phrases: int = 24000,
    device: str = "cpu",
) -> ClapModel:
    """The whole recipe; writes `folder` (ClapModel with tokenizer) and returns the model.

    `init` is a shipped AudioLDM folder with `clap/` and `tokenizer/`: its audio tower is kept as it is, its
    caption tower goes on learning.
    """
    teacher = Teacher()
    captions = list(itertools.chain.from_iterable(corpus.captions))
    texts = distillation_texts(teacher, captions, phrases)
    if init:
        tokenizer = AutoTokenizer.from_pretrained(init / "tokenizer")
        tokenizer.save_pretrained(folder)
        clap = ClapModel.from_pretrained(init / "clap", dtype=torch.float32)
    else:
        tokenizer = train_tokenizer(texts, folder)
        torch.manual_seed(0)
        clap = build_clap(len(tokenizer))
    text_teacher, caption_teacher = _teacher_vectors(teacher, texts, captions, run_dir / "teacher.pt")
    per_clip = caption_teacher.view(len(corpus), -1, Teacher.width)
    audio_options = LoopOptions(run_dir / "audio", audio_steps)
    pair = train_audio_tower(clap, corpus, mels, per_clip, audio_options, device, frozen=init is not None)
    clap.audio_model.load_state_dict(pair["audio"].state_dict())
    clap.audio_projection.load_state_dict(pair["projection"].state_dict())
    with torch.no_grad():
        targets = F.normalize(pair["head"].cpu()(text_teacher), dim=-1)
    tokens = dict(tokenize(tokenizer, texts, limit=40))
    tower = train_caption_tower(clap, tokens, targets, LoopOptions(run_dir / "text", text_steps), device)
    clap.text_model.load_state_dict(tower["text"].state_dict())
    clap.text_projection.load_state_dict(tower["projection"].state_dict())
    clap.eval().save_pretrained(folder)
    return clap


def _teacher_vectors(
    teacher: Teacher, texts: list[str], captions: list[str], cache: Path
) -> tuple[Tensor, Tensor]:
    """The teacher's vectors of both lists, kept on disk for as long as the lists stay the same."""
    if cache.exists():
        saved = torch.load(cache, weights_only=True)
        if saved["texts"] == texts and saved["captions"] == captions:
            return saved["text_vectors"], saved["caption_vectors"]
    vectors = {"text_vectors": teacher.embed(texts), "caption_vectors": teacher.embed(captions)}
    cache.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"texts": texts, "captions": captions, **vectors}, cache)
    return vectors["text_vectors"], vectors["caption_vectors"]
