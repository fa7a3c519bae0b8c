"""The stages of `assets/pocket/audioldm/` and of the classifier.

Every stage resumes from its run folder; where that is gone, from the weights already shipped. It tells
whether it is complete.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import AutoTokenizer

from studio.backends.clap import load_clap
from studio.backends.registry import FOLDED_UNET
from studio.recipes.data.clips import Corpus, build_corpus, cache_mels
from studio.recipes.data.mixing import LatentMixer, Mixer, PatchEncoder
from studio.recipes.networks.classifier import train_classifier
from studio.recipes.networks.guidance import HELD_OUT, Examples, fold_guidance
from studio.recipes.networks.unet import SCHEDULER_CONFIG, train_unet
from studio.recipes.networks.vae import train_vae
from studio.recipes.networks.vocoder import train_vocoder
from studio.recipes.pocket.export import export_clap, file_digest, save_part, write_index, write_vocabulary
from studio.recipes.pocket.inputs import (
    all_captions,
    cache_latents,
    cache_text_vectors,
    common_words,
    require_same,
    tower_texts,
    train_corpus,
)
from studio.recipes.pocket.options import PocketOptions
from studio.recipes.text.clap import ClapRun, train_clap
from studio.recipes.text.clap_scenes import SceneTexts, said_of_clips, teach_scenes
from studio.recipes.text.duets import duets, lone_phrases
from studio.recipes.text.phrases import family_phrases, voice_captions
from studio.recipes.text.targets import Embed, WordTargets
from studio.training.loop import is_complete

CLASSIFIER_SEED = 500_000_000


def run_corpus(options: PocketOptions) -> bool:
    """The training clips, their captions and log-mels."""
    train_corpus(options)
    return True


def run_classifier(options: PocketOptions) -> bool:
    """The classifier, on a corpus of its own."""
    amounts = options.amounts
    corpus = build_corpus(
        options.runs / "judge_corpus",
        options.clips(amounts.classifier_clips),
        options.clips(amounts.classifier_scenes),
        CLASSIFIER_SEED,
        amounts.clip_s,
    )
    loop = options.loop("judge")
    classifier = train_classifier(corpus, cache_mels(corpus), loop, options.device)
    classifier.cpu().save(options.out / "judge")
    return is_complete(loop)


def run_vae(options: PocketOptions) -> bool:
    """The autoencoder of log-mels."""
    _, mels = train_corpus(options)
    folder, loop = options.audioldm / "vae", options.loop("vae")
    vae = train_vae(mels, loop, options.begin_with("vae", folder), options.device)
    save_part(vae, folder)
    return is_complete(loop)


def run_vocoder(options: PocketOptions) -> bool:
    """The vocoder, on the clips' own log-mels."""
    corpus, _ = train_corpus(options)
    folder, loop = options.audioldm / "vocoder", options.loop("vocoder")
    begun = options.begin_with("vocoder", folder)
    save_part(train_vocoder(corpus, loop, begun, options.device), folder)
    return is_complete(loop)


def run_clap(options: PocketOptions) -> bool:
    """The caption and audio towers, their tokenizer, and the words that the models are trained with.

    They ship when they are complete: what the caption tower learns follows from the audio tower.
    """
    corpus, mels = train_corpus(options)
    folder = options.runs / "clap" / "best"
    run = ClapRun(
        options.runs / "clap",
        *(options.loop(f"clap_{part}", f"clap/{part}") for part in ("audio", "head", "text")),
    )
    clap = train_clap(
        corpus,
        mels,
        options.sentence_encoder(),
        options.dictionary(),
        folder,
        run,
        init=options.audioldm if options.begin_with("clap", options.audioldm / "clap") else None,
        phrases=options.clips(options.amounts.phrases),
        device=options.device,
    )
    if clap is None:
        return False
    export_clap(clap, folder, options.audioldm)
    write_vocabulary(options.audioldm)
    return True


def run_clap_scenes(options: PocketOptions) -> bool:
    """The shipped caption tower learns words better, and what scenes mean; captions keep their vectors.

    A run is of one tower, and ships when it is complete: until then that tower says what is to be learned.
    """
    corpus, _ = train_corpus(options)

    def read(told: Sequence[str]) -> Tensor:
        return cache_text_vectors(options, [told])[0][0]

    texts = scene_texts(options, corpus, read)
    clap = load_clap(options.audioldm).requires_grad_(True)
    loop = options.loop(
        "clap_scenes", f"clap_scenes-{file_digest(options.audioldm / 'text_encoder' / 'model.safetensors')}"
    )
    targets = WordTargets.of(corpus, texts.clips, read, options.sentence_encoder().embed, family_phrases())
    tokenizer = AutoTokenizer.from_pretrained(options.audioldm / "tokenizer")
    taught = teach_scenes(clap, tokenizer, texts.pools(targets), loop, options.device)
    if taught is None:
        return False
    export_clap(taught, options.audioldm / "tokenizer", options.audioldm)
    return True


def scene_texts(options: PocketOptions, corpus: Corpus, read: Embed) -> SceneTexts:
    """What the tower, which `read`s as it was, is to learn of single sounds and of two."""
    _, near = tower_texts(options, corpus)
    common, phrases = common_words(options), options.clips(options.amounts.phrases)
    together, pairs = duets(near, common, phrases)
    scene = torch.tensor([len(heard) > 1 for heard in corpus.labels])
    return SceneTexts(
        captions=all_captions(options, corpus),
        clips=said_of_clips(corpus.captions, voice_captions(corpus.labels), scene, read),
        scene=scene,
        duets=together,
        pairs=pairs,
        phrases=lone_phrases(near, common, 2 * phrases),
    )


def run_unet(options: PocketOptions) -> bool:
    """The diffusion network, on the VAE's latents and the caption tower's vectors."""
    examples = unet_examples(options)
    loop = options.loop("unet")
    unet = train_unet(
        examples.latents,
        examples.text_vectors,
        examples.empty_vector,
        loop,
        options.begin_with("unet", options.audioldm / "unet"),
        options.device,
        examples.mixer,
    )
    save_part(unet, options.audioldm / "unet")
    DDIMScheduler(**SCHEDULER_CONFIG).save_pretrained(options.audioldm / "scheduler")
    return is_complete(loop)


def run_guidance(options: PocketOptions) -> bool:
    """The diffusion network with guidance folded in; a run is of one network, which tells what is learned."""
    folder = options.audioldm / "unet"
    weights = file_digest(folder / "diffusion_pytorch_model.safetensors")
    loop = options.loop("guidance", f"guidance-{weights}")
    teacher = UNet2DConditionModel.from_pretrained(folder, dtype=torch.float32)
    student = fold_guidance(teacher, *unet_examples(options).parted(HELD_OUT), loop, options.device)
    save_part(student, options.audioldm / FOLDED_UNET)
    return is_complete(loop)


def unet_examples(options: PocketOptions) -> Examples:
    """What the diffusion network is trained on."""
    corpus, mels = train_corpus(options)
    latents = cache_latents(options, corpus, mels)
    vectors, empty = cache_text_vectors(options, all_captions(options, corpus))
    vae = AutoencoderKL.from_pretrained(options.audioldm / "vae", dtype=torch.float32)
    encoder = PatchEncoder.of(mels, vae.eval())
    require_same(encoder, mels, latents)
    return Examples(latents, vectors, empty, LatentMixer(Mixer(mels, corpus.labels), encoder))


def run_index(options: PocketOptions) -> bool:
    """The index that makes a folder of the parts."""
    write_index(options.audioldm)
    return True
