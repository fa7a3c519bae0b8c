"""The recipe of `assets/pocket/voiceldm/`: what it shares with the pocket AudioLDM lies there alone.

Speech is read aloud by the synthesisers first, and kept. The vocoder is a stage of its own. Then four
networks are trained, each resumed from its own folder of the runs: `voiceldm/content`, `voiceldm/tower`,
`voiceldm/listener` and `voiceldm/unet`.
"""

from __future__ import annotations

import json
import shutil
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoTokenizer, ClapTextModelWithProjection

from studio.backends.checkpoint import DEFAULTS_FIELD, INDEX_FILE, SHARED_FILE
from studio.backends.registry import VOICELDM
from studio.backends.systems.voiceldm import BAND_FIELD
from studio.core.defaults import ModelDefaults, Scales
from studio.core.vocabulary import VOCABULARY_FILE
from studio.recipes.data.mixing import PatchEncoder
from studio.recipes.networks.content import UNHURRIED, Content, speech_config, stretch, train_content
from studio.recipes.networks.listener import train_listener
from studio.recipes.networks.unet import SCHEDULER_CONFIG, channel_weight
from studio.recipes.networks.vocoder import train_vocoder
from studio.recipes.networks.voiceldm import BAND, Composer, Scenes, Sentences, load_init, train_voiceldm
from studio.recipes.pocket.export import pocket_index, save_part
from studio.recipes.pocket.inputs import common_words, train_corpus
from studio.recipes.pocket.options import PocketOptions
from studio.recipes.speech.dataset import SpeechSet, Spoken, collate, load_speech, retimed
from studio.recipes.speech.grammar import training_sentences
from studio.recipes.speech.reading import read_aloud
from studio.recipes.speech.spoken import spoken_corpus
from studio.recipes.speech.tokenizer import save_tokenizer
from studio.recipes.speech.tower import teach_voices, vectors
from studio.training.loop import is_complete

WEIGHTS_FILE = "voiceldm-pocket.safetensors"
SHARED = {
    "vae": "../audioldm/vae",
    "clap_tokenizer": "../audioldm/tokenizer",
}
# Where, of what was tried, its scenes and voices were told best, and its words as well as anywhere.
DEFAULTS = ModelDefaults(guidance=Scales(text=3.0, speech=3.0), bandwidth="48k")
COMMON_WORDS = 12_000  # that are read in a row, besides sentences
READ_AT_ONCE = 32  # sentences
WEIGHED_CLIPS = 200


def run_voiceldm(options: PocketOptions) -> bool:
    """Content, the tower and the U-Net, one after the other, and the folder around them."""
    corpus, mels = train_corpus(options)
    speech = read_speech(options)
    vae = AutoencoderKL.from_pretrained(options.audioldm / "vae", dtype=torch.float32)
    encoder = PatchEncoder.of(mels, vae.eval())
    loop = options.loop("voice_content", "voiceldm/content")
    content, _ = train_content(speech, encoder, torch.ones(8, 1, 1), loop, options.device)
    if not is_complete(loop):
        return False
    loop = options.loop("voice_tower", "voiceldm/tower")
    tokenizer = AutoTokenizer.from_pretrained(options.audioldm / "tokenizer")
    tower = ClapTextModelWithProjection.from_pretrained(
        options.audioldm / "text_encoder", dtype=torch.float32
    )
    tower = teach_voices(tower, tokenizer, list(chain.from_iterable(corpus.captions)), loop)
    if not is_complete(loop):
        return False
    stretch(content.durator, UNHURRIED)
    scenes = Scenes(mels, corpus.captions, corpus.labels)
    composer = Composer(lay_out(content.cpu(), speech), scenes, encoder)
    loop = options.loop("voice_listener", "voiceldm/listener")
    listener = train_listener(composer.examples, len(scenes.families), loop)
    if not is_complete(loop):
        return False
    loop = options.loop("voiceldm", "voiceldm/unet")
    unet = train_voiceldm(
        composer,
        lambda texts: vectors(tower, tokenizer, texts),
        loop,
        load_init(options.audioldm / "unet"),
        _channel_weight(encoder, mels),
        listener.to(options.device),
        options.device,
    )
    export_voiceldm(content, unet, tower, options.audioldm, options.voiceldm)
    return is_complete(loop)


def run_vocoder(options: PocketOptions) -> bool:
    """A vocoder of its own, begun from the pocket AudioLDM's, which never heard speech."""
    corpus, _ = train_corpus(options)
    amounts, folder = options.amounts, options.voiceldm / "vocoder"
    speech = spoken_corpus(
        options.runs / "spoken",
        options.voices(),
        common_words(options),
        options.clips(amounts.spoken_clips),
        amounts.clip_s,
    )
    loop = options.loop("voice_vocoder", "voiceldm/vocoder")
    begun = options.begin_with("voiceldm/vocoder", folder) or options.audioldm / "vocoder"
    save_part(train_vocoder(corpus, loop, begun, options.device, speech=speech), folder)
    return is_complete(loop)


def read_speech(options: PocketOptions) -> SpeechSet:
    """What each voice reads aloud, in sentences of its own; read once, and kept."""
    folder, count = options.runs / "speech", options.clips(options.amounts.sentences)
    voices = options.voices()
    for number, voice in enumerate(voices):
        sentences = training_sentences(options.dictionary()[:COMMON_WORDS])
        read_aloud(folder, voice, islice(sentences, number, None, len(voices)), count)
    return load_speech(folder, count)


@torch.inference_mode()
def lay_out(content: Content, speech: SpeechSet) -> Sentences:
    """Every sentence with its content, as fast as the durator lets it be read; and the content of silence.

    At the voices' own durations the content would tell who speaks, by rhythm, and the U-Net would read it
    there instead of in the description: words that are only written have no such rhythm.
    """
    spoken: list[Spoken] = []
    frames: list[NDArray[np.float16]] = []
    for start in track(range(0, len(speech.spoken), READ_AT_ONCE), "Laying out what is said"):
        read = speech.spoken[start : start + READ_AT_ONCE]
        batch = collate(read)
        states = content.eval().text_encoder(batch.ids, batch.mask)
        durations = content.durator.durations(states, batch.mask)
        laid, lengths = content.durator(states, batch.mask, durations)
        for one, row, lasting, count in zip(read, laid, durations, lengths.tolist(), strict=True):
            spoken.append(retimed(one, lasting[: len(one.ids)].numpy(), count))
            frames.append(row[:count].numpy().astype(np.float16))
    return Sentences(spoken, frames, content.durator.silence.float().numpy())


def _channel_weight(encoder: PatchEncoder, mels: NDArray[np.float16]) -> Tensor:
    """Of the latents of some clips."""
    some = np.asarray(mels[:: max(1, len(mels) // WEIGHED_CLIPS)], np.float32)
    return channel_weight(encoder.encode(torch.from_numpy(some)).numpy().astype(np.float16))


def export_voiceldm(
    content: Content, unet: UNet2DConditionModel, tower: Any, audioldm: Path, out: Path
) -> None:
    """Write trained parts as a folder that `systems.voiceldm` opens, float16; the parts themselves stay.

    Args:
        content: what reads what is said.
        tower: CLAP's text tower of descriptions, taught who speaks (`ClapTextModelWithProjection`).
        audioldm: the pocket AudioLDM's folder, beside `out` in the end: what it shares is named by that.

    Raises:
        ModelNotFoundError: sentencepiece, which writes the table of letters, is not installed.
    """
    out.mkdir(parents=True, exist_ok=True)
    save_tokenizer(out / "tokenizer")
    own = {
        "unet.": unet,
        "durator.": content.durator,
        "text_encoder.encoder.": content.text_encoder,
    }
    flat = {prefix + name: value for prefix, part in own.items() for name, value in _halved(part).items()}
    save_file(flat, out / WEIGHTS_FILE, metadata={"format": "pt"})
    _write_json(out / "unet" / "config.json", _config(unet.config) | {BAND_FIELD: BAND})
    speech_config().save_pretrained(out / "speecht5")
    _save_tower(tower, out / "clap")
    DDIMScheduler(**SCHEDULER_CONFIG).save_pretrained(out / "scheduler")
    _write_json(out / SHARED_FILE, SHARED)
    own_defaults = {DEFAULTS_FIELD: DEFAULTS.model_dump(exclude_unset=True)}
    _write_json(out / INDEX_FILE, pocket_index(VOICELDM.pipeline) | own_defaults)
    shutil.copy(audioldm / VOCABULARY_FILE, out / VOCABULARY_FILE)


def _halved(part: nn.Module) -> dict[str, Tensor]:
    """A network's state in float16, but for its counters; no tensor shares its memory with another."""
    state = part.state_dict()
    return {
        name: (value.half() if value.is_floating_point() else value).cpu().clone().contiguous()
        for name, value in state.items()
    }


def _config(config: Any) -> dict[str, Any]:
    """What diffusers says of a network, but where it was loaded from and by which version."""
    said = json.loads(json.dumps(dict(config)))
    return {"_class_name": UNet2DConditionModel.__name__} | {
        name: value for name, value in said.items() if not name.startswith("_")
    }


def _save_tower(tower: Any, folder: Path) -> None:
    """The tower itself stays in float32."""
    copied = type(tower)(tower.config)
    copied.load_state_dict(tower.state_dict())
    save_part(copied, folder)


def _write_json(path: Path, said: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(said, indent=2) + "\n")
