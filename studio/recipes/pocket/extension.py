"""The stage of `assets/pocket/extension/`."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import SpeechT5HifiGan

from studio.modules.band_extension import BandExtension
from studio.recipes.data.wide import Through, build_wide, full_band_clip, recorded_clips
from studio.recipes.networks.extension import train_extension
from studio.recipes.pocket.export import save_part
from studio.recipes.pocket.options import PocketOptions
from studio.training.loop import is_complete

FIRST_SEED = 700_000_000  # no other recipe renders from here


def run_extension(options: PocketOptions) -> bool:
    """The extension to 48 kHz, of corpus clips and recordings as VAE and vocoder give them back."""
    through = as_decoded(options.audioldm)
    made = (full_band_clip(seed) for seed in itertools.count(FIRST_SEED))
    recordings = list(recorded_clips(options.recordings()))
    clips = [
        build_wide(options.runs / "wide", made, options.clips(options.amounts.wide_clips), (through,)),
        build_wide(options.runs / "wide_recorded", iter(recordings), len(recordings), (through,)),
    ]
    loop = options.loop("extension")
    begun = options.begin_with("extension", options.extension)
    init = BandExtension.from_pretrained(begun, torch_dtype=torch.float32) if begun else None
    save_part(train_extension(clips, loop, init), options.extension)
    return is_complete(loop)


def as_decoded(audioldm: Path) -> Through:
    """What the VAE and the vocoder in `audioldm` make of a log-mel."""
    vae = AutoencoderKL.from_pretrained(audioldm / "vae", dtype=torch.float32).eval()
    vocoder = SpeechT5HifiGan.from_pretrained(audioldm / "vocoder", dtype=torch.float32).eval()

    @torch.inference_mode()
    def through(mel: Tensor) -> tuple[Tensor, Tensor]:
        blurred = vae.decode(vae.encode(mel[:, None]).latent_dist.mode()).sample[:, 0]
        return blurred, vocoder(blurred)

    return through
