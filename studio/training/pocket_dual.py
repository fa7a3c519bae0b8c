"""The recipes of the embedded Dual family: so far AudioGen's folder `assets/pocket/audiogen/`."""

from __future__ import annotations

import shutil

from studio.backends.audiogen import FILES
from studio.core.errors import ModelNotFoundError
from studio.training import audiogen, encodec
from studio.training.pocket import PocketOptions, train_corpus

LANGUAGE_MODEL, CODEC = FILES
TRANSFORMERS_CODEC = "encodec"  # the same codec for where there is no audiocraft
T5 = audiogen.CONFIG["conditioners"]["description"]["t5"]["name"]


def run_encodec(options: PocketOptions) -> None:
    """The EnCodec, as audiocraft's checkpoint and as transformers' folder."""
    corpus, _ = train_corpus(options)
    codec = encodec.train_encodec(corpus, options.loop("encodec"), options.device).cpu()
    encodec.save_audiocraft(codec, encodec.CONFIG, options.audiogen / CODEC)
    encodec.to_transformers(codec).save_pretrained(options.audiogen / TRANSFORMERS_CODEC)


def run_audiogen(options: PocketOptions) -> None:
    """The language model over the shipped EnCodec's tokens, reading the shipped T5."""
    texts, codes = options.audioldm2, options.audiogen / CODEC
    for needed, recipe in ((texts / "text_encoder_2" / "config.json", "t5"), (codes, "encodec")):
        if not needed.exists():
            raise ModelNotFoundError(
                f"No {needed.name} in {needed.parent.name}: train it with `longwave train {recipe}` first."
            )
    for part in ("text_encoder_2", "tokenizer_2"):
        shutil.copytree(texts / part, options.audiogen / T5, dirs_exist_ok=True)
    model = audiogen.build_language_model(options.audiogen)
    from audiocraft.models.loaders import load_compression_model

    corpus, _ = train_corpus(options)
    codec = load_compression_model(options.audiogen, device="cpu")
    tokens = audiogen.encode_corpus(codec, corpus, corpus.folder / "tokens.npy")
    trained = audiogen.train_audiogen(
        model, tokens, corpus.captions, options.loop("audiogen"), options.device
    )
    encodec.save_audiocraft(trained.cpu(), audiogen.CONFIG, options.audiogen / LANGUAGE_MODEL)
