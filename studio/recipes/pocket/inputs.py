"""What the stages read: the training corpus, and what earlier networks make of it, kept on disk."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from transformers import AutoTokenizer, ClapTextModelWithProjection

from studio.core.errors import WeightsError
from studio.modules.text import tokenize
from studio.recipes.data.clips import Corpus, build_corpus, cache_mels
from studio.recipes.data.mixing import PatchEncoder
from studio.recipes.networks.vae import encode_latents
from studio.recipes.pocket.options import PocketOptions
from studio.recipes.text.clap import gather_texts
from studio.recipes.text.phrases import COMMON_WORDS, other_captions


def train_corpus(options: PocketOptions) -> tuple[Corpus, NDArray[np.float16]]:
    """The training clips and their log-mels, rendered once."""
    amounts = options.amounts
    corpus = build_corpus(
        options.runs / "train",
        options.clips(amounts.clips),
        options.clips(amounts.scenes),
        duration_s=amounts.clip_s,
    )
    return corpus, cache_mels(corpus)


def common_words(options: PocketOptions) -> list[str]:
    """The commonest English words."""
    return options.dictionary()[:COMMON_WORDS]


def all_captions(options: PocketOptions, corpus: Corpus) -> list[list[str]]:
    """Each clip's own captions, and the others that say the same."""
    others = other_captions(corpus.labels, common_words(options))
    return [[*own, *other] for own, other in zip(corpus.captions, others, strict=True)]


def tower_texts(options: PocketOptions, corpus: Corpus) -> tuple[list[str], list[str]]:
    """What the caption tower reads besides other captions and duets, and the words near sound."""
    captions = list(itertools.chain.from_iterable(corpus.captions))
    cache = options.runs / "clap" / "texts.json"
    phrases = options.clips(options.amounts.phrases)
    texts, _, near = gather_texts(options.sentence_encoder(), options.dictionary(), captions, phrases, cache)
    return texts, near


def require_same(encoder: PatchEncoder, mels: NDArray[np.float16], latents: NDArray[np.float16]) -> None:
    """Whether kept latents are of the encoder that mixed scenes will be of.

    Raises:
        WeightsError: they are of another, trained before.
    """
    kept = torch.from_numpy(latents[:1].astype(np.float32))
    now = encoder.encode(torch.from_numpy(mels[:1].astype(np.float32)))
    if (now[:, :, : kept.shape[2]] - kept).std() > 0.1 * kept.std():
        raise WeightsError(
            "The kept latents are another VAE's: delete train/latents.npy in the runs' folder."
        )


@torch.inference_mode()
def cache_latents(options: PocketOptions, corpus: Corpus, mels: NDArray[np.float16]) -> NDArray[np.float16]:
    """Scaled latents of all clips, float16 [clips, 8, frames, 16], made once per VAE.

    The U-Net trains on what the shipped VAE encodes; retraining the encoder means deleting the cache.
    """
    path = corpus.folder / "latents.npy"
    if path.exists():
        return np.load(path, mmap_mode="r")
    vae = AutoencoderKL.from_pretrained(options.audioldm / "vae", dtype=torch.float32)
    vae.to(options.device).eval()
    parts = []
    for start in track(range(0, len(mels), 8), "Encoding latents"):
        mel = torch.from_numpy(np.asarray(mels[start : start + 8], np.float32)).to(options.device)
        parts.append(encode_latents(vae, mel).cpu().numpy().astype(np.float16))
    np.save(path, np.concatenate(parts))
    return np.load(path, mmap_mode="r")


@torch.inference_mode()
def cache_text_vectors(options: PocketOptions, captions: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
    """The caption tower's vectors [clips, captions, 128] and that of the empty text [128].

    Every clip has equally many captions.
    """
    tower = ClapTextModelWithProjection.from_pretrained(
        options.audioldm / "text_encoder", dtype=torch.float32
    )
    tokenizer = AutoTokenizer.from_pretrained(options.audioldm / "tokenizer")
    texts = ["", *(text for of_clip in captions for text in of_clip)]
    parts = []
    for start in track(range(0, len(texts), 256), "Reading captions"):
        tokens = tokenize(tokenizer, texts[start : start + 256])
        vectors = tower.eval()(tokens.input_ids, attention_mask=tokens.attention_mask).text_embeds
        parts.append(torch.nn.functional.normalize(vectors, dim=-1))
    vectors = torch.cat(parts).clone()
    return vectors[1:].view(len(captions), -1, vectors.shape[-1]), vectors[0]
