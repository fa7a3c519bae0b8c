"""TANGO (Ghosal et al. 2023): a latent diffusion U-Net that attends to FLAN-T5's states of the text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from studio.backends.base import Conditioning, Tokens
from studio.backends.boundary import opens_checkpoint
from studio.backends.checkpoint import is_published_tango
from studio.backends.components import Parts
from studio.backends.device import choose_dtype
from studio.backends.latent import LatentBackend, read_mel_padding, read_schedule
from studio.backends.registry import TANGO
from studio.core.errors import WeightsError
from studio.modules.text import alone, t5_states


class TangoBackend(LatentBackend):
    """`Backend` over a TANGO-type checkpoint. T5 is in float32."""

    capabilities = TANGO.capabilities

    def __init__(self, model_id: str, *, text_encoder: Any, tokenizer: Any, unet: Any, **others: Any) -> None:
        """Take loaded networks, all on the U-Net's device; the `others` are `LatentBackend`'s.

        Raises:
            WeightsError: the networks' sizes do not fit each other.
        """
        if unet.config.cross_attention_dim != text_encoder.config.d_model:
            raise WeightsError("The U-Net does not read this text encoder; use a TANGO checkpoint.")
        super().__init__(model_id, unet=unet, **others)
        self._tokenizer = tokenizer
        self._text_encoder = text_encoder

    def encode_text(self, prompts: Sequence[str]) -> Conditioning:
        """T5's states [B, L, D] with their mask, in the order of the prompts."""
        # Cloned out of inference mode, so that callers may change them in place.
        read = partial(t5_states, self._text_encoder, self._tokenizer)
        return Conditioning(text=(Tokens(*alone(read, prompts)).clone(),))

    def _predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        text = conditioning.text[0].expand(len(latents))
        return self.unet(
            latents,
            timesteps,
            encoder_hidden_states=text.states.to(self.device, self.dtype),
            encoder_attention_mask=text.counted.to(self.device),
            return_dict=False,
        )[0]

    def _unload_text(self) -> None:
        del self._text_encoder


@opens_checkpoint
def load(
    folder: Path, device: str = "auto", dtype: str = "auto", *, model_id: str | None = None
) -> TangoBackend:
    """Load a folder in diffusers' layout, a component each, or in that of TANGO's authors.

    Raises:
        WeightsError: parts are missing, truncated, or of another architecture.
        InvalidRequestError: no such device or dtype.
        OutOfResourcesError: the device's memory is too small.
    """
    parts = Parts.open(folder, device)
    if is_published_tango(folder):
        from studio.backends.systems import tango_published

        return TangoBackend(model_id or folder.name, **tango_published.networks(folder, device, dtype))
    return TangoBackend(model_id or folder.name, **networks(parts, dtype))


def networks(parts: Parts, dtype: str) -> dict[str, Any]:
    """What every TANGO-type system consists of, as `TangoBackend` takes it; raises as `load`."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import SpeechT5HifiGan, T5EncoderModel, T5Tokenizer

    return {
        "text_encoder": parts.network(T5EncoderModel, "text_encoder"),
        "tokenizer": parts.tokenizer(T5Tokenizer, "tokenizer"),
        "unet": parts.network(UNet2DConditionModel, "unet", choose_dtype(dtype, parts.device)),
        "vae": parts.network(AutoencoderKL, "vae"),
        "vocoder": parts.network(SpeechT5HifiGan, "vocoder"),
        "schedule": read_schedule(parts.folder),
        "mel_padding": read_mel_padding(parts.folder, TANGO),
    }
