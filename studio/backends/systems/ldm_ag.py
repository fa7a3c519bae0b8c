"""The paper's LDM w/ AG and w/ AG+VAE (DC-LDM, Table 1): a U-Net that reads a draft, and no text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.backends.base import Conditioning
from studio.backends.boundary import opens_checkpoint
from studio.backends.components import Parts
from studio.backends.device import choose_dtype
from studio.backends.draft_reader import DraftReader
from studio.backends.latent import read_mel_padding, read_schedule
from studio.backends.registry import LDM_AG
from studio.core.errors import InvalidRequestError
from studio.modules.acoustic_context import DRAFT_ALONE, AcousticContext


class LdmAgBackend(DraftReader):
    """`DualBackend` over a U-Net and the projection of the draft that it reads; prompts are the draft's."""

    capabilities = LDM_AG.capabilities
    unknown = "The acoustic context is of an unknown encoding"

    def encode_text(self, prompts: Sequence[str]) -> Conditioning:
        """Nothing of the prompts, an item each: the draft tells of them."""
        return Conditioning(pooled=torch.zeros(len(prompts), 1))

    def _predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        if conditioning.acoustic is None:
            raise InvalidRequestError(DRAFT_ALONE)
        heard = conditioning.acoustic.expand(len(latents))
        mask = None if heard.mask is None else heard.mask.to(self.device)
        with self.branch.hearing(heard.states.to(self.device, self.dtype), mask):
            return self.unet(latents, timesteps, encoder_hidden_states=None, return_dict=False)[0]

    def _unload_text(self) -> None:
        del self.branch


@opens_checkpoint
def load(
    folder: Path, device: str = "auto", dtype: str = "auto", *, model_id: str | None = None
) -> LdmAgBackend:
    """Load a folder in diffusers' layout, a component each; raises as `tango.load`."""
    parts = Parts.open(folder, device)
    return LdmAgBackend(model_id or folder.name, **networks(parts, dtype))


def networks(parts: Parts, dtype: str) -> dict[str, Any]:
    """What such a checkpoint consists of, as `LdmAgBackend` takes it; raises as `load`."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import SpeechT5HifiGan

    chosen = choose_dtype(dtype, parts.device)
    return {
        "branch": parts.network(AcousticContext, "acoustic_context", chosen),
        "unet": parts.network(UNet2DConditionModel, "unet", chosen),
        "vae": parts.network(AutoencoderKL, "vae"),
        "vocoder": parts.network(SpeechT5HifiGan, "vocoder"),
        "schedule": read_schedule(parts.folder),
        "mel_padding": read_mel_padding(parts.folder, LDM_AG),
    }
