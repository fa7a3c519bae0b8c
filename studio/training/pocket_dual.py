"""The recipes of the embedded Dual family: `assets/pocket/audiogen/` and `assets/pocket/tango/`."""

from __future__ import annotations

import json
import shutil

from diffusers import DDIMScheduler

from studio.backends.checkpoint import AUDIOGEN_FILES, INDEX_FILE, SHARED_FILE
from studio.backends.codec import FOLDER
from studio.core.errors import ModelNotFoundError
from studio.core.vocabulary import VOCABULARY_FILE
from studio.training import audiogen, encodec
from studio.training.pocket import PocketOptions, all_captions, cache_latents, save_part, train_corpus
from studio.training.pocket_audioldm2 import read_captions
from studio.training.tango import train_tango
from studio.training.unet import SCHEDULER_CONFIG

LANGUAGE_MODEL, CODEC = AUDIOGEN_FILES
T5 = audiogen.CONFIG["conditioners"]["description"]["t5"]["name"]

SHARED = {
    "vae": "../audioldm/vae",
    "vocoder": "../audioldm/vocoder",
    "text_encoder": f"../audiogen/{T5}",
    "tokenizer": f"../audiogen/{T5}",
}


def run_tango(options: PocketOptions) -> None:
    """The TANGO-type U-Net, and the folder around it."""
    _share_texts(options)
    corpus, mels = train_corpus(options)
    folder = options.tango
    unet = train_tango(
        cache_latents(options, corpus, mels),
        read_captions(options, all_captions(corpus)),
        options.loop("tango"),
        init=folder / "unet" if (folder / "unet" / "config.json").exists() else None,
        audioldm=options.shipped("unet"),
        device=options.device,
    )
    save_part(unet, folder / "unet")
    DDIMScheduler(**SCHEDULER_CONFIG).save_pretrained(folder / "scheduler")
    (folder / SHARED_FILE).write_text(json.dumps(SHARED, indent=2) + "\n")
    (folder / INDEX_FILE).write_text(json.dumps({"_class_name": "TangoPipeline"}, indent=2) + "\n")
    shutil.copy(options.audioldm / VOCABULARY_FILE, folder / VOCABULARY_FILE)


def run_encodec(options: PocketOptions) -> None:
    """The EnCodec, as audiocraft's checkpoint and as transformers' folder."""
    corpus, _ = train_corpus(options)
    codec = encodec.train_encodec(corpus, options.loop("encodec"), options.device).cpu()
    encodec.save_audiocraft(codec, encodec.CONFIG, options.audiogen / CODEC)
    save_part(encodec.to_transformers(codec), options.audiogen / FOLDER)


def run_audiogen(options: PocketOptions) -> None:
    """The language model over the shipped EnCodec's tokens, reading the shipped T5."""
    _share_texts(options)
    if not (options.audiogen / CODEC).exists():
        raise ModelNotFoundError("There is no EnCodec yet: train it with `longwave train encodec` first.")
    model = audiogen.build_language_model(options.audiogen)
    from audiocraft.models.loaders import load_compression_model

    corpus, _ = train_corpus(options)
    codec = load_compression_model(options.audiogen, device="cpu")
    tokens = audiogen.encode_corpus(codec, corpus, corpus.folder / "tokens.npy")
    trained = audiogen.train_audiogen(
        model, tokens, all_captions(corpus), options.loop("audiogen"), options.device
    )
    encodec.save_audiocraft(trained.cpu(), audiogen.CONFIG, options.audiogen / LANGUAGE_MODEL)


def _share_texts(options: PocketOptions) -> None:
    """Lay the T5 into AudioGen's folder, where audiocraft looks for it; TANGO reads it there too."""
    texts = options.audioldm2
    if not (texts / "text_encoder_2" / "config.json").exists():
        raise ModelNotFoundError("There is no T5 yet: train it with `longwave train t5` first.")
    for part in ("text_encoder_2", "tokenizer_2"):
        shutil.copytree(texts / part, options.audiogen / T5, dirs_exist_ok=True)
