"""The recipes of `assets/pocket/audioldm2/`; what it shares with the pocket AudioLDM lies there alone."""

from __future__ import annotations

import itertools
import json
import shutil

import diffusers
import torch
from diffusers import AudioLDM2Pipeline, DDIMScheduler
from transformers import GPT2LMHeadModel, GPT2Model, T5EncoderModel, T5Tokenizer

from studio.backends.checkpoint import INDEX_FILE, SHARED_FILE, read_json
from studio.core.vocabulary import VOCABULARY_FILE
from studio.modules.text import tokenize
from studio.recipes.networks.audioldm2 import train_audioldm2
from studio.recipes.networks.denoiser import Reading
from studio.recipes.networks.unet import SCHEDULER_CONFIG
from studio.recipes.pocket.export import pocket_index, save_part
from studio.recipes.pocket.inputs import (
    all_captions,
    cache_latents,
    cache_text_vectors,
    common_words,
    tower_texts,
    train_corpus,
)
from studio.recipes.pocket.options import PocketOptions
from studio.recipes.text.duets import duets
from studio.recipes.text.phrases import distillation_texts, other_captions
from studio.recipes.text.t5 import begin_with_words, build_t5, piece_texts, train_t5, train_t5_tokenizer
from studio.training.loop import is_complete

SHARED = {
    "vae": "../audioldm/vae",
    "vocoder": "../audioldm/vocoder",
    "text_encoder": "../audioldm/text_encoder",
    "tokenizer": "../audioldm/tokenizer",
    "text_encoder_2": "../audiogen/t5",
    "tokenizer_2": "../audiogen/t5",
}
LIMIT = 40  # tokens of a caption in training


def run_t5(options: PocketOptions) -> bool:
    """The T5 encoder and its tokenizer, from the caption tower and all that it read."""
    corpus, _ = train_corpus(options)
    captions = list(itertools.chain.from_iterable(corpus.captions))
    common, phrases = common_words(options), options.clips(options.amounts.phrases)
    texts, near = tower_texts(options, corpus)
    others = itertools.chain.from_iterable(other_captions(corpus.labels, common))
    together, _ = duets(near, common, phrases)
    again, _ = distillation_texts(near, common, captions, phrases, seed=3)
    texts = [*texts, *others, *together, *again]
    tokenizer = train_t5_tokenizer(texts, options.t5, near)
    pieces = piece_texts(tokenizer)
    vectors, _ = cache_text_vectors(options, [[*pieces, *texts]])
    tokens = dict(tokenize(tokenizer, texts, limit=LIMIT))
    loop = options.loop("t5")
    torch.manual_seed(0)
    t5 = build_t5(len(tokenizer))
    begin_with_words(t5, vectors[0, : len(pieces)])
    t5 = train_t5(t5, tokens, vectors[0, len(pieces) :], loop, options.device)
    save_part(t5, options.t5)
    return is_complete(loop)


def run_audioldm2(options: PocketOptions) -> bool:
    """The U-Net with its GPT-2, and the folder around them."""
    folder, loop = options.audioldm2, options.loop("audioldm2")
    corpus, mels = train_corpus(options)
    latents = cache_latents(options, corpus, mels)
    trained = train_audioldm2(
        latents,
        read_captions(options, all_captions(options, corpus)),
        loop,
        init=folder if options.begin_with("audioldm2", folder / "unet") else None,
        audioldm=options.audioldm / "unet",
        device=options.device,
    )
    save_part(trained["unet"], folder / "unet")
    save_part(with_head(trained["gpt2"]), folder / "language_model")
    save_part(trained["projection"], folder / "projection_model")
    write_folder(options)
    return is_complete(loop)


def with_head(gpt2: GPT2Model) -> GPT2LMHeadModel:
    """GPT-2 behind a head that nobody asks: diffusers' pipeline opens no other kind."""
    model = GPT2LMHeadModel(gpt2.config)
    model.transformer.load_state_dict(gpt2.state_dict())
    return model


def read_captions(options: PocketOptions, captions: list[list[str]]) -> Reading:
    """The captions as the frozen towers know them, behind the empty text."""
    texts = ["", *itertools.chain.from_iterable(captions)]
    vectors, empty = cache_text_vectors(options, captions)
    tokenizer = T5Tokenizer.from_pretrained(options.t5)
    t5 = T5EncoderModel.from_pretrained(options.t5, dtype=torch.float32)
    tokens = tokenize(tokenizer, texts, limit=LIMIT)
    of_clip = torch.arange(1, len(texts)).view(len(captions), -1)
    return Reading(
        t5, tokens.input_ids, tokens.attention_mask, torch.cat([empty[None], vectors.flatten(0, 1)]), of_clip
    )


def write_folder(options: PocketOptions) -> None:
    """Scheduler, index and what else makes a folder of the trained parts."""
    folder = options.audioldm2
    DDIMScheduler(**SCHEDULER_CONFIG).save_pretrained(folder / "scheduler")
    (folder / SHARED_FILE).write_text(json.dumps(SHARED, indent=2) + "\n")
    shutil.copy(options.audioldm / VOCABULARY_FILE, folder / VOCABULARY_FILE)
    theirs = read_json(options.audioldm / INDEX_FILE)
    index = {
        **pocket_index(AudioLDM2Pipeline.__name__),
        "_diffusers_version": diffusers.__version__,
        **{name: theirs[name] for name in ("vae", "vocoder", "tokenizer", "scheduler")},
        "text_encoder": ["transformers", "ClapModel"],
        "text_encoder_2": ["transformers", "T5EncoderModel"],
        "tokenizer_2": ["transformers", "T5Tokenizer"],
        "projection_model": ["audioldm2", "AudioLDM2ProjectionModel"],
        "language_model": ["transformers", "GPT2LMHeadModel"],
        "unet": ["audioldm2", "AudioLDM2UNet2DConditionModel"],
        "feature_extractor": [None, None],
    }
    (folder / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n")
