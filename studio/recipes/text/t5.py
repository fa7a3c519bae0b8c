"""Recipe 6: a small T5 encoder that says what the caption tower says, but token by token.

The mean of its states is the tower's vector; so a U-Net that attends to the states has of each word what it
adds to the whole. AudioLDM2 and TANGO read it. Its tokenizer is a unigram model in `T5Tokenizer`'s format.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn import functional as F
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from studio.recipes.text.clap_model import PROJECTION
from studio.recipes.text.clap_text import Lessons, learn
from studio.training.loop import LoopOptions, TrainState, run

MAX_TOKENS = 77
VOCAB = 12000
WORD_COUNT = 20  # how often the tokenizer sees each word that shall be whole
SPECIAL = ["<pad>", "</s>", "<unk>"]


def train_t5_tokenizer(texts: Iterable[str], folder: Path, words: Sequence[str] = ()) -> T5Tokenizer:
    """Learn the pieces from `texts`, in lower case, cut at spaces as T5's are; `words` mostly stay whole."""
    learner = Tokenizer(models.Unigram())
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True),
        ]
    )
    trainer = trainers.UnigramTrainer(vocab_size=VOCAB, special_tokens=SPECIAL, unk_token="<unk>")
    lines = itertools.chain(texts, itertools.chain.from_iterable([words] * WORD_COUNT))
    learner.train_from_iterator((line.lower() for line in lines), trainer)
    pieces = [(piece, score) for piece, score in json.loads(learner.to_str())["model"]["vocab"]]
    tokenizer = T5Tokenizer(
        vocab=pieces,
        extra_ids=0,
        model_max_length=MAX_TOKENS,
        do_lower_case=True,  # read by `modules.text.tokenize`
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    return tokenizer


def build_t5(vocab_size: int) -> T5EncoderModel:
    """The pocket architecture: three layers as FLAN-T5's, as wide as the caption tower's vectors."""
    return T5EncoderModel(
        T5Config(
            vocab_size=vocab_size,
            d_model=PROJECTION,
            d_kv=32,
            d_ff=320,
            num_layers=3,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
        )
    )


def piece_texts(tokenizer: T5Tokenizer) -> list[str]:
    """Each piece as it is read: a word, or a part of one."""
    return [piece.replace("▁", "") for piece in tokenizer.convert_ids_to_tokens(range(len(tokenizer)))]


@torch.no_grad()
def begin_with_words(t5: T5EncoderModel, vectors: Tensor) -> None:
    """Begin each piece's embedding at the caption tower's unit vector of it [pieces, 128], rms 1.

    The states live in the tower's space, so a word of few texts already means what the tower hears in it.
    """
    t5.get_input_embeddings().weight.copy_(vectors * math.sqrt(PROJECTION))


def mean_state(t5: T5EncoderModel, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Tokens [B, L] → unit vectors [B, 128]."""
    states = t5(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    return F.normalize((states * attention_mask[..., None]).sum(dim=1), dim=-1)


def train_t5(
    t5: T5EncoderModel,
    tokens: dict[str, Tensor],
    targets: Tensor,
    options: LoopOptions,
    device: str = "cpu",
    batch: int = 96,
) -> T5EncoderModel:
    """Distil the caption tower's vectors `targets` [texts, 128] into a T5 that reads tokens [texts, L].

    Returns the averaged model.
    """
    torch.manual_seed(options.seed)
    t5.to(device).train()
    optimizer = torch.optim.AdamW(t5.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=0.01)
    state = TrainState(t5, {"t5": optimizer}, ema_decay=0.995)
    lessons = Lessons(tokens, targets)

    def step(_: int, generator: torch.Generator) -> dict[str, float]:
        ids, mask, wanted = lessons.draw(batch, generator, device)
        return learn(optimizer, mean_state(t5, ids, mask), wanted)

    run(state, step, options, "t5")
    return cast(T5EncoderModel, state.ema.eval())
