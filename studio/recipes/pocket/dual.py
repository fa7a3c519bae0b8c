"""The recipes of the embedded Dual family: `assets/pocket/audiogen/`, `tango/` and `dcldm/`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor
from transformers import T5EncoderModel, T5Tokenizer

from studio.backends.acoustic.audiogen import load as load_audiogen
from studio.backends.acoustic.base import UNCONDITIONAL_FILE, Drafter, unconditional_draft
from studio.backends.acoustic.codec import FOLDER
from studio.backends.checkpoint import AUDIOGEN_FILES, INDEX_FILE, SHARED_FILE
from studio.backends.device import cpu_has_bfloat16
from studio.core.errors import ModelNotFoundError
from studio.core.vocabulary import VOCABULARY_FILE
from studio.modules.acoustic_branch import AcousticBranch
from studio.recipes.data.clips import Corpus
from studio.recipes.networks import audiogen, encodec
from studio.recipes.networks.tango import train_tango
from studio.recipes.networks.unet import SCHEDULER_CONFIG
from studio.recipes.pocket.audioldm2 import read_captions
from studio.recipes.pocket.export import file_digest, pocket_index, save_part
from studio.recipes.pocket.inputs import all_captions, cache_latents, train_corpus
from studio.recipes.pocket.options import PocketOptions
from studio.samplers.schedule import NoiseSchedule
from studio.training.dcldm import text_reader, train_dcldm
from studio.training.encoded import EncodedClips, encode_clips
from studio.training.loop import is_complete, step_generator
from studio.training.options import DcLdmOptions

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
    DDIMScheduler(**SCHEDULER_CONFIG).save_pretrained(folder / "scheduler")
    (folder / SHARED_FILE).write_text(json.dumps(SHARED, indent=2) + "\n")
    (folder / INDEX_FILE).write_text(json.dumps(pocket_index("TangoPipeline"), indent=2) + "\n")
    shutil.copy(options.audioldm / VOCABULARY_FILE, folder / VOCABULARY_FILE)
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
    unconditional = unconditional_draft(drafter, options.amounts.clip_s)
    if unconditional is None:
        raise ModelNotFoundError(
            "There is no unconditional draft: train it with `longwave train audiogen` first."
        )
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
    DDIMScheduler(**SCHEDULER_CONFIG).save_pretrained(folder / "scheduler")
    (folder / SHARED_FILE).write_text(json.dumps(SHARED, indent=2) + "\n")
    (folder / INDEX_FILE).write_text(json.dumps(pocket_index("DcLdmPipeline"), indent=2) + "\n")
    shutil.copy(options.audioldm / VOCABULARY_FILE, folder / VOCABULARY_FILE)
    return is_complete(loop)


def drafted_clips(
    options: PocketOptions, corpus: Corpus, latents: NDArray[np.float16], drafter: Drafter
) -> EncodedClips:
    """Part of the corpus, each clip's latents beside its first caption's draft."""
    every, wanted = all_captions(options, corpus), options.clips(options.amounts.drafted_clips)
    rows = torch.randperm(len(corpus), generator=step_generator(0, 0))[:wanted].tolist()

    def encode(which: Sequence[int]) -> tuple[Tensor, Tensor]:
        chosen = [rows[i] for i in which]
        prompts = [every[row][0] for row in chosen]
        tokens = drafter.draft_many(prompts, options.amounts.clip_s, seed=chosen[0])
        return torch.from_numpy(np.asarray(latents[chosen])), drafter.latents(tokens)

    weights = [file_digest(options.audiogen / name) for name in AUDIOGEN_FILES]
    made_of = {"audiogen": weights, "rows": rows}
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
