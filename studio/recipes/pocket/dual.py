"""The recipes of the embedded Dual family: `assets/pocket/audiogen/`, `tango/` and `dcldm/`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor
from transformers import SpeechT5HifiGan, T5EncoderModel, T5Tokenizer

from studio.backends.acoustic.audiogen import load as load_audiogen
from studio.backends.acoustic.base import UNCONDITIONAL_FILE, AcousticDraft, Drafter, unconditional_draft
from studio.backends.acoustic.codec import FOLDER
from studio.backends.checkpoint import AUDIOGEN_FILES, INDEX_FILE, SHARED_FILE
from studio.backends.device import cpu_has_bfloat16
from studio.backends.latent import SoundNetworks
from studio.backends.registry import DCLDM, LDM_AG, TANGO
from studio.core.errors import ModelNotFoundError
from studio.core.vocabulary import VOCABULARY_FILE
from studio.dsp.mel import SEAMLESS
from studio.modules.acoustic_branch import AcousticBranch
from studio.modules.acoustic_context import AcousticContext
from studio.recipes.data.clips import Corpus
from studio.recipes.networks import audiogen, encodec
from studio.recipes.networks.tango import train_tango
from studio.recipes.networks.unet import SCHEDULER_CONFIG
from studio.recipes.pocket.audioldm2 import read_captions
from studio.recipes.pocket.export import file_digest, pocket_index, save_part
from studio.recipes.pocket.inputs import all_captions, cache_latents, train_corpus
from studio.recipes.pocket.options import PocketOptions
from studio.samplers.schedule import NoiseSchedule
from studio.training.dcldm import no_text, text_reader, train_dcldm
from studio.training.encoded import EncodedClips, encode_clips
from studio.training.loop import is_complete, step_generator
from studio.training.options import DcLdmOptions
from studio.training.run import acoustic_of

LANGUAGE_MODEL, CODEC = AUDIOGEN_FILES

UNCONDITIONAL_SEED = 0
# So small a model learns in an evening what 3e-5 would take weeks for; the paper's rate is `DcLdmOptions`'s.
POCKET_DCLDM: dict[str, Any] = {
    "batch": 8, "frames": 112, "ramp_every": 4, "learning_rate": 2e-4, "warmup": 50,
    "ema_decay": 0.99, "mixed_precision": "bf16" if cpu_has_bfloat16() else "no",
}  # fmt: skip
SHARED = {
    "vae": "../audioldm/vae",
    "vocoder": "../audioldm/vocoder",
    "text_encoder": "../audiogen/t5",
    "tokenizer": "../audiogen/t5",
}


def run_tango(options: PocketOptions) -> bool:
    """The TANGO-type U-Net, and the folder around it."""
    corpus, mels = train_corpus(options)
    folder, loop = options.tango, options.loop("tango")
    unet = train_tango(
        cache_latents(options, corpus, mels),
        read_captions(options, all_captions(options, corpus)),
        loop,
        init=options.begin_with("tango", folder / "unet"),
        audioldm=options.audioldm / "unet",
        device=options.device,
    )
    save_part(unet, folder / "unet")
    _write_around(options, folder, TANGO.pipeline, SHARED)
    return is_complete(loop)


def run_encodec(options: PocketOptions) -> bool:
    """The EnCodec, as audiocraft's checkpoint, and the config by which transformers reads that."""
    corpus, _ = train_corpus(options)
    loop = options.loop("encodec")
    codec = encodec.train_encodec(corpus, loop, options.device).cpu()
    encodec.save_audiocraft(codec, encodec.CONFIG, options.audiogen / CODEC)
    encodec.transformers_config().save_pretrained(options.audiogen / FOLDER)
    return is_complete(loop)


def run_audiogen(options: PocketOptions) -> bool:
    """The language model over the shipped EnCodec's tokens, reading the shipped T5; its draft of no text."""
    model = audiogen.build_language_model(options.audiogen)
    from audiocraft.models.loaders import load_compression_model

    corpus, _ = train_corpus(options)
    codec = load_compression_model(options.audiogen, device="cpu")
    tokens = audiogen.encode_corpus(
        codec, corpus, corpus.folder / f"tokens-{file_digest(options.audiogen / CODEC)}.npy"
    )
    loop = options.loop("audiogen")
    trained = audiogen.train_audiogen(model, tokens, all_captions(options, corpus), loop, options.device)
    encodec.save_audiocraft(trained.cpu(), audiogen.CONFIG, options.audiogen / LANGUAGE_MODEL)
    drafter = load_audiogen(options.audiogen, options.device)
    unconditional = drafter.draft("", options.amounts.clip_s, seed=UNCONDITIONAL_SEED)
    np.save(options.audiogen / UNCONDITIONAL_FILE, unconditional.tokens)
    return is_complete(loop)


def run_dcldm(options: PocketOptions) -> bool:
    """DC-LDM, begun from TANGO, of AudioGen's drafts for part of the corpus; U-Net and branch both learn."""
    corpus, mels = train_corpus(options)
    drafter = load_audiogen(options.audiogen, options.device)
    unconditional = _unconditional(options, drafter)
    clips = drafted_clips(options, corpus, cache_latents(options, corpus, mels), drafter)
    t5 = T5EncoderModel.from_pretrained(options.t5, dtype=torch.float32).to(options.device).eval()
    tokenizer = T5Tokenizer.from_pretrained(options.t5)
    unet, branch = _begin_dcldm(options)
    loop = options.loop("dcldm", "pocket-dcldm")
    unet, branch = train_dcldm(
        unet.to(options.device),
        branch.to(options.device),
        clips,
        unconditional.latents[0],
        text_reader(t5, tokenizer),
        NoiseSchedule.from_config(SCHEDULER_CONFIG),
        DcLdmOptions(loop.run_dir, loop.steps, max_minutes=loop.max_minutes, **POCKET_DCLDM),
        cpu=options.device == "cpu",
    )
    folder = options.dcldm
    save_part(unet, folder / "unet")
    save_part(branch, folder / "acoustic_branch")
    _write_around(options, folder, DCLDM.pipeline, SHARED)
    return is_complete(loop)


def run_ldm_ag(options: PocketOptions) -> bool:
    """DC-LDM's row LDM w/ AG: the U-Net reads AudioGen's draft, and no text."""
    return _run_context(options, "ldm_ag", "AG")


def run_ldm_ag_vae(options: PocketOptions) -> bool:
    """DC-LDM's row LDM w/ AG+VAE: it reads the VAE's latents of the draft's sound."""
    return _run_context(options, "ldm_ag_vae", "AG_VAE")


def _run_context(options: PocketOptions, name: str, encoding: str) -> bool:
    """A U-Net whose context is the draft's projected encoding, begun from TANGO's; the projection is new."""
    corpus, mels = train_corpus(options)
    drafter = load_audiogen(options.audiogen, options.device)
    unconditional, sound = _unconditional(options, drafter), _sound(options)
    latents = cache_latents(options, corpus, mels)
    clips = drafted_clips(options, corpus, latents, drafter, sound if encoding == "AG_VAE" else None)
    folder, loop = options.out / name, options.loop(name)
    begun = options.begin_with(name, folder / "unet")
    unet = UNet2DConditionModel.from_pretrained(begun or options.tango / "unet", dtype=torch.float32)
    torch.manual_seed(0)
    context = AcousticContext.for_unet(unet, encoding)
    if begun:
        context = AcousticContext.from_pretrained(folder / "acoustic_context", dtype=torch.float32)
    unet, context = train_dcldm(
        unet.to(options.device),
        context.to(options.device),
        clips,
        acoustic_of(sound, unconditional, encoding, SEAMLESS)[0],
        no_text,
        NoiseSchedule.from_config(SCHEDULER_CONFIG),
        DcLdmOptions(loop.run_dir, loop.steps, max_minutes=loop.max_minutes, with_text=False, **POCKET_DCLDM),
        cpu=options.device == "cpu",
    )
    save_part(unet, folder / "unet")
    save_part(context, folder / "acoustic_context")
    shared = {part: SHARED[part] for part in ("vae", "vocoder")}
    _write_around(options, folder, LDM_AG.pipeline, shared)
    return is_complete(loop)


def _sound(options: PocketOptions) -> SoundNetworks:
    vae = AutoencoderKL.from_pretrained(options.audioldm / "vae", dtype=torch.float32)
    vocoder = SpeechT5HifiGan.from_pretrained(options.audioldm / "vocoder", dtype=torch.float32)
    return SoundNetworks(vae.eval().to(options.device), vocoder.eval().to(options.device))


def _unconditional(options: PocketOptions, drafter: Drafter) -> AcousticDraft:
    draft = unconditional_draft(drafter, options.amounts.clip_s)
    if draft is None:
        raise ModelNotFoundError(
            "There is no unconditional draft: train it with `longwave train audiogen` first."
        )
    return draft


def _write_around(options: PocketOptions, folder: Path, pipeline: str, shared: Mapping[str, str]) -> None:
    """What makes a model of a U-Net's folder."""
    DDIMScheduler(**SCHEDULER_CONFIG).save_pretrained(folder / "scheduler")
    (folder / SHARED_FILE).write_text(json.dumps(dict(shared), indent=2) + "\n")
    (folder / INDEX_FILE).write_text(json.dumps(pocket_index(pipeline), indent=2) + "\n")
    shutil.copy(options.audioldm / VOCABULARY_FILE, folder / VOCABULARY_FILE)


def drafted_clips(
    options: PocketOptions,
    corpus: Corpus,
    latents: NDArray[np.float16],
    drafter: Drafter,
    sound: SoundNetworks | None = None,
) -> EncodedClips:
    """Part of the corpus, each clip's latents beside its first caption's draft: as AG, or through the VAE
    and so as AG_VAE where the networks of `sound` are given.
    """
    every, wanted = all_captions(options, corpus), options.clips(options.amounts.drafted_clips)
    rows = torch.randperm(len(corpus), generator=step_generator(0, 0))[:wanted].tolist()

    def encode(which: Sequence[int]) -> tuple[Tensor, Tensor]:
        chosen = [rows[i] for i in which]
        prompts = [every[row][0] for row in chosen]
        tokens = drafter.draft_many(prompts, options.amounts.clip_s, seed=chosen[0])
        clean = torch.from_numpy(np.asarray(latents[chosen]))
        if sound is None:
            return clean, drafter.latents(tokens)
        heard = [acoustic_of(sound, drafter.decode(each), "AG_VAE", SEAMLESS) for each in tokens]
        return clean, torch.cat(heard)

    weights = [file_digest(options.audiogen / name) for name in AUDIOGEN_FILES]
    made_of: dict[str, Any] = {"audiogen": weights, "rows": rows}
    if sound is not None:
        vae = file_digest(options.audioldm / "vae" / "diffusion_pytorch_model.safetensors")
        made_of |= {"encoding": "AG_VAE", "vae": vae}
    return encode_clips(corpus.folder / "dual", [every[row] for row in rows], made_of, encode)


def _begin_dcldm(options: PocketOptions) -> tuple[UNet2DConditionModel, AcousticBranch]:
    """What is shipped, to go on from; else TANGO's U-Net and a branch that adds nothing yet."""
    begun = options.begin_with("pocket-dcldm", options.dcldm / "unet")
    unet = UNet2DConditionModel.from_pretrained(begun or options.tango / "unet", dtype=torch.float32)
    if begun:
        branch = AcousticBranch.from_pretrained(options.dcldm / "acoustic_branch", dtype=torch.float32)
        return unet, branch
    torch.manual_seed(0)
    return unet, AcousticBranch.for_unet(unet, encoding="AG")
