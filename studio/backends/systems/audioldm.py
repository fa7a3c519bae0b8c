"""AudioLDM (Liu et al. 2023): a CLAP text vector steers a latent diffusion U-Net by its class embedding.

The components of diffusers' `AudioLDMPipeline` without the pipeline: a sampler of our own drives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.backends.base import Conditioning
from studio.backends.boundary import opens_checkpoint
from studio.backends.checkpoint import unet_in
from studio.backends.components import Parts
from studio.backends.device import choose_dtype
from studio.backends.latent import LatentBackend, folded_scales, read_mel_padding, read_schedule
from studio.backends.registry import AUDIOLDM
from studio.core.errors import WeightsError
from studio.core.values import Passes
from studio.modules.text import clap_vectors


class AudioLDMBackend(LatentBackend):
    """`Backend` over an AudioLDM checkpoint: the pocket model, or cvssp's. The text tower is in float32."""

    def __init__(self, model_id: str, *, text_encoder: Any, tokenizer: Any, unet: Any, **others: Any) -> None:
        """Take loaded networks, all on the U-Net's device; the `others` are `LatentBackend`'s.

        Raises:
            WeightsError: the networks' sizes do not fit each other.
        """
        _check_conditioning(unet, text_encoder)
        self.capabilities = replace(AUDIOLDM.capabilities, folded=folded_scales(unet))
        super().__init__(model_id, unet=unet, **others)
        self._tokenizer = tokenizer
        self._text_encoder = text_encoder

    def encode_text(self, prompts: Sequence[str]) -> Conditioning:
        """CLAP's text vectors of unit length, pooled [B, D], in the order of the prompts."""
        # One by one: what is padded beside a longer text comes out a little otherwise.
        vectors = [clap_vectors(self._text_encoder, self._tokenizer, [prompt]) for prompt in prompts]
        return Conditioning(pooled=torch.cat(vectors).to(self.dtype))

    def _predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        pooled = conditioning.vector.to(self.device, self.dtype)
        pooled = pooled.expand(len(latents), *pooled.shape[1:])
        told = self._told(conditioning.scale, len(latents))
        return self.unet(
            latents, timesteps, encoder_hidden_states=None, class_labels=pooled, return_dict=False, **told
        )[0]

    def attention_layers(self) -> Sequence[torch.nn.Module]:
        """Self-attentions of the U-Net's decoder, in order.

        Without text tokens, the second attention of a transformer block attends to the latents as well.
        """
        from diffusers.models.attention_processor import Attention

        return [
            module
            for block in self.unet.up_blocks
            for name, module in block.named_modules()
            if isinstance(module, Attention) and name.rsplit(".", 1)[-1] in {"attn1", "attn2"}
        ]

    def _unload_text(self) -> None:
        del self._text_encoder


@opens_checkpoint
def load(
    folder: Path,
    device: str = "auto",
    dtype: str = "auto",
    *,
    model_id: str | None = None,
    passes: Passes = "two",
) -> AudioLDMBackend:
    """Load a folder in the layout of `AudioLDMPipeline.save_pretrained`; for one pass with the U-Net into
    which guidance is folded, where it has one.

    Raises:
        WeightsError: parts are missing, truncated, or of another architecture.
        InvalidRequestError: no such device or dtype.
        OutOfResourcesError: the device's memory is too small.
    """
    parts = Parts.open(folder, device)

    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import ClapTextModelWithProjection, RobertaTokenizer, SpeechT5HifiGan

    return AudioLDMBackend(
        model_id or folder.name,
        text_encoder=parts.network(ClapTextModelWithProjection, "text_encoder"),
        tokenizer=parts.tokenizer(RobertaTokenizer, "tokenizer"),
        unet=parts.network(UNet2DConditionModel, unet_in(folder, passes), choose_dtype(dtype, parts.device)),
        vae=parts.network(AutoencoderKL, "vae"),
        vocoder=parts.network(SpeechT5HifiGan, "vocoder"),
        schedule=read_schedule(folder),
        mel_padding=read_mel_padding(folder, AUDIOLDM),
    )


def _check_conditioning(unet: Any, text_encoder: Any) -> None:
    """The U-Net must take the text tower's vectors as class embeddings."""
    expected = unet.config.projection_class_embeddings_input_dim
    if unet.config.class_embed_type != "simple_projection" or expected != text_encoder.config.projection_dim:
        raise WeightsError("The U-Net does not take the text encoder's vectors; use an AudioLDM checkpoint.")
