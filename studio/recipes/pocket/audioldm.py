"""All recipes in order, and the folder they make: `assets/pocket/`, in the real checkpoints' layout.

Every recipe resumes from its run folder; where that is gone, from the weights already shipped.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AudioLDMPipeline, AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from transformers import AutoTokenizer, ClapModel, ClapTextModelWithProjection, SpeechT5HifiGan

from studio.backends.checkpoint import INDEX_FILE, MEL_PADDING_FIELD
from studio.core.errors import ModelNotFoundError, WeightsError
from studio.core.vocabulary import VOCABULARY_FILE
from studio.dsp.mel import SEAMLESS
from studio.modules.text import tokenize
from studio.recipes.data.clips import Corpus, build_corpus, cache_mels
from studio.recipes.data.mixing import LatentMixer, Mixer, PatchEncoder
from studio.recipes.networks.classifier import train_classifier
from studio.recipes.networks.unet import SCHEDULER_CONFIG, train_unet
from studio.recipes.networks.vae import encode_latents, train_vae
from studio.recipes.networks.vocoder import train_vocoder
from studio.recipes.text.clap import gather_texts, train_clap
from studio.recipes.text.clap_scenes import SceneTexts, said_of_clips, teach_scenes
from studio.recipes.text.phrases import (
    COMMON_WORDS,
    dictionary,
    duets,
    family_phrases,
    lone_phrases,
    other_captions,
    vocabulary,
    voice_captions,
)
from studio.recipes.text.sentence_encoder import SentenceEncoder
from studio.recipes.text.targets import WordTargets
from studio.training.loop import LoopOptions

TRAIN_CLIPS, TRAIN_SCENES = 2800, 2000
PHRASES = 50_000  # what the towers read besides captions
CLASSIFIER_CLIPS, CLASSIFIER_SCENES = 1120, 1680
CLASSIFIER_SEED = 500_000_000
STEPS = {
    "vae": 1800, "vocoder": 8700, "clap_audio": 700, "clap_text": 19000, "clap_scenes": 25500,
    "unet": 49000, "judge": 3000, "t5": 9000, "audioldm2": 12000,
    "encodec": 4000, "audiogen": 2500, "tango": 1700, "dcldm": 2950,
}  # fmt: skip


@dataclass(frozen=True)
class PocketOptions:
    """`runs` holds corpora and resumable states (outside git); `out` is `assets/pocket`.

    `scale` stretches every recipe's steps: more for better weights, less to try the path.
    """

    runs: Path
    out: Path
    device: str = "cpu"
    max_minutes: float | None = None
    scale: float = 1.0

    def loop(self, recipe: str, folder: str = "") -> LoopOptions:
        return LoopOptions(self.runs / (folder or recipe), self.steps(recipe), max_minutes=self.max_minutes)

    def steps(self, recipe: str) -> int:
        return max(1, round(STEPS[recipe] * self.scale))

    def clips(self, count: int) -> int:
        return max(64, round(count * min(1.0, self.scale)))

    @property
    def audioldm(self) -> Path:
        return self.out / "audioldm"

    @property
    def audioldm2(self) -> Path:
        return self.out / "audioldm2"

    @property
    def tango(self) -> Path:
        return self.out / "tango"

    @property
    def dcldm(self) -> Path:
        return self.out / "dcldm"

    @property
    def audiogen(self) -> Path:
        return self.out / "audiogen"

    @property
    def t5(self) -> Path:
        """Encoder and tokenizer, where audiocraft looks for them; AudioLDM2 and TANGO read them there too."""
        return self.audiogen / "t5"

    def shipped(self, part: str) -> Path | None:
        """A part's shipped folder, to go on from where no run is left."""
        folder = self.audioldm / part
        return folder if (folder / "config.json").exists() else None


def train_corpus(options: PocketOptions) -> tuple[Corpus, NDArray[np.float16]]:
    """The training clips and their log-mels, rendered once."""
    corpus = build_corpus(options.runs / "train", options.clips(TRAIN_CLIPS), options.clips(TRAIN_SCENES))
    return corpus, cache_mels(corpus)


def run_vae(options: PocketOptions) -> None:
    _, mels = train_corpus(options)
    vae = train_vae(mels, options.loop("vae"), options.shipped("vae"), options.device)
    save_part(vae, options.audioldm / "vae")


def run_vocoder(options: PocketOptions) -> None:
    corpus, _ = train_corpus(options)
    vocoder = train_vocoder(corpus, options.loop("vocoder"), options.shipped("vocoder"), options.device)
    save_part(vocoder, options.audioldm / "vocoder")


def run_clap(options: PocketOptions) -> None:
    corpus, mels = train_corpus(options)
    folder = options.runs / "clap" / "best"
    clap = train_clap(
        corpus,
        mels,
        folder,
        options.runs / "clap",
        options.steps("clap_audio"),
        options.steps("clap_text"),
        init=options.audioldm if options.shipped("clap") else None,
        device=options.device,
    )
    export_clap(clap, folder, options.audioldm)
    write_vocabulary(options.audioldm)


def run_clap_scenes(options: PocketOptions) -> None:
    """The shipped caption tower learns words better, and what scenes mean; captions keep their vectors.

    A run is of one tower, and ships when it is complete: until then that tower says what is to be learned.
    """
    corpus, _ = train_corpus(options)
    _, near = tower_texts(options, corpus)
    common = dictionary()[:COMMON_WORDS]
    together, pairs = duets(near, common, options.clips(PHRASES))

    def read(told: Sequence[str]) -> Tensor:
        return cache_text_vectors(options, [told])[0][0]

    scene = torch.tensor([len(heard) > 1 for heard in corpus.labels])
    clips = said_of_clips(corpus.captions, voice_captions(corpus.labels), scene, read)
    texts = SceneTexts(
        captions=all_captions(corpus),
        clips=clips,
        scene=scene,
        duets=together,
        pairs=pairs,
        phrases=lone_phrases(near, common, 2 * options.clips(PHRASES)),
    )
    clap = ClapModel.from_pretrained(options.audioldm / "clap", dtype=torch.float32)
    loop = options.loop(
        "clap_scenes", f"clap_scenes-{file_digest(options.audioldm / 'clap' / 'model.safetensors')}"
    )
    targets = WordTargets.of(corpus, clips, read, SentenceEncoder().embed, family_phrases())
    tokenizer = AutoTokenizer.from_pretrained(options.audioldm / "tokenizer")
    taught = teach_scenes(clap, tokenizer, texts.pools(targets), loop, options.device)
    if taught is not None:
        export_clap(taught, options.audioldm / "tokenizer", options.audioldm)


def tower_texts(options: PocketOptions, corpus: Corpus) -> tuple[list[str], list[str]]:
    """What the caption tower reads besides other captions and duets, and the words near sound."""
    captions = list(itertools.chain.from_iterable(corpus.captions))
    cache = options.runs / "clap" / "texts.json"
    texts, _, near = gather_texts(SentenceEncoder(), captions, options.clips(PHRASES), cache)
    return texts, near


def run_unet(options: PocketOptions) -> None:
    corpus, mels = train_corpus(options)
    latents = cache_latents(options, corpus, mels)
    vectors, empty = cache_text_vectors(options, all_captions(corpus))
    vae = AutoencoderKL.from_pretrained(options.audioldm / "vae", torch_dtype=torch.float32)
    encoder = PatchEncoder.of(mels, vae.eval())
    require_same(encoder, mels, latents)
    unet = train_unet(
        latents,
        vectors,
        empty,
        options.loop("unet"),
        options.shipped("unet"),
        options.device,
        LatentMixer(Mixer(mels, corpus.labels), encoder),
    )
    save_part(unet, options.audioldm / "unet")
    DDIMScheduler(**SCHEDULER_CONFIG).save_pretrained(options.audioldm / "scheduler")


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


def all_captions(corpus: Corpus) -> list[list[str]]:
    """Each clip's own captions, and the others that say the same."""
    others = other_captions(corpus.labels, dictionary()[:COMMON_WORDS])
    return [[*own, *other] for own, other in zip(corpus.captions, others, strict=True)]


def run_classifier(options: PocketOptions) -> None:
    clips, scenes = options.clips(CLASSIFIER_CLIPS), options.clips(CLASSIFIER_SCENES)
    corpus = build_corpus(options.runs / "judge_corpus", clips, scenes, CLASSIFIER_SEED)
    classifier = train_classifier(corpus, cache_mels(corpus), options.loop("judge"), options.device)
    classifier.cpu().save(options.out / "judge")


def file_digest(file: Path) -> str:
    """What tells a file's content from another's."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def save_part(module: Any, folder: Path) -> None:
    """Write a part in float16 safetensors, without the path that it was once loaded from."""
    module.cpu().half().save_pretrained(folder, safe_serialization=True)
    config = json.loads((folder / "config.json").read_text())
    config.pop("_name_or_path", None)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def export_clap(clap: ClapModel, tokenizer_folder: Path, audioldm: Path) -> None:
    """The caption tower as the pipeline's text encoder, the whole ClapModel beside it for evaluation."""
    tower = ClapTextModelWithProjection(clap.config.text_config)
    tower.text_model.load_state_dict(clap.text_model.state_dict())
    tower.text_projection.load_state_dict(clap.text_projection.state_dict())
    save_part(tower, audioldm / "text_encoder")
    save_part(clap, audioldm / "clap")
    AutoTokenizer.from_pretrained(tokenizer_folder).save_pretrained(audioldm / "tokenizer")


def write_vocabulary(audioldm: Path) -> None:
    """Write which words the model was trained with: the page names what a prompt asks for besides."""
    known = vocabulary()
    families = {
        name: {part: sorted(words) for part, words in family} for name, family in known.families.items()
    }
    text = json.dumps({"families": families, "shared": sorted(known.shared)}, indent=0)
    (audioldm / VOCABULARY_FILE).write_text(text + "\n")


def pocket_index(pipeline: str) -> dict[str, Any]:
    """What each pocket model's index begins with: its pipeline, and how its VAE's log-mels are padded."""
    return {"_class_name": pipeline, MEL_PADDING_FIELD: SEAMLESS}


def write_index(audioldm: Path) -> None:
    """Write `model_index.json` by assembling the pipeline once, as diffusers does.

    Raises:
        ModelNotFoundError: a part has not been trained yet.
    """
    missing = [
        part
        for part in ("vae", "text_encoder", "tokenizer", "unet", "scheduler", "vocoder")
        if not (audioldm / part).is_dir()
    ]
    if missing:
        raise ModelNotFoundError(f"No {missing[0]} in {audioldm}: train it with `longwave train` first.")
    pipeline = AudioLDMPipeline(
        vae=AutoencoderKL.from_pretrained(audioldm / "vae"),
        text_encoder=ClapTextModelWithProjection.from_pretrained(audioldm / "text_encoder"),
        tokenizer=AutoTokenizer.from_pretrained(audioldm / "tokenizer"),
        unet=UNet2DConditionModel.from_pretrained(audioldm / "unet"),
        scheduler=DDIMScheduler.from_pretrained(audioldm / "scheduler"),
        vocoder=SpeechT5HifiGan.from_pretrained(audioldm / "vocoder"),
    )
    with tempfile.TemporaryDirectory() as scratch:
        pipeline.save_pretrained(scratch)
        index = json.loads((Path(scratch) / INDEX_FILE).read_text())
    index = {**pocket_index(index["_class_name"]), **index}
    (audioldm / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n")


@torch.inference_mode()
def cache_latents(options: PocketOptions, corpus: Corpus, mels: NDArray[np.float16]) -> NDArray[np.float16]:
    """Scaled latents of all clips, float16 [clips, 8, frames, 16], made once per VAE.

    The U-Net trains on what the shipped VAE encodes; retraining the encoder means deleting the cache.
    """
    path = corpus.folder / "latents.npy"
    if path.exists():
        return np.load(path, mmap_mode="r")
    vae = AutoencoderKL.from_pretrained(options.audioldm / "vae", torch_dtype=torch.float32)
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
