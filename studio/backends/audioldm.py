"""AudioLDM (Liu et al. 2023): a CLAP text vector steers a latent diffusion U-Net by its class embedding.

The components of diffusers' `AudioLDMPipeline` without the pipeline: a sampler of our own drives them.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from studio.backends import checkpoint
from studio.backends.base import Conditioning, Geometry
from studio.backends.components import load_network, load_tokenizer
from studio.backends.decode import (
    ATTENTIVE,
    CONVOLUTIONAL,
    MEL_PER_LATENT,
    OFFLINE,
    WHOLE_FRAMES,
    BlockDecoder,
    BlockPlan,
    decode_whole,
    vocoder_context,
)
from studio.backends.device import choose_device, choose_dtype
from studio.backends.prediction import to_noise
from studio.core.errors import WeightsError
from studio.dsp.mel import log_mel
from studio.models.framewise import framewise
from studio.models.tokens import tokenize
from studio.samplers.schedule import NoiseSchedule


@dataclass
class SoundNetworks:
    """VAE decoder and vocoder; the `SpectrogramDecoder` of a `BlockDecoder`."""

    vae: Any
    vocoder: Any

    @torch.inference_mode()
    def decode_mel(self, latents: Tensor) -> Tensor:
        """Latents [1, C, t, F] → log-mel [1, 4·t, n_mels]."""
        latents = latents.to(self.vae.device, self.vae.dtype)
        return self.vae.decode(latents / self.vae.config.scaling_factor).sample[:, 0]

    @torch.inference_mode()
    def encode_mel(self, mel: Tensor) -> Tensor:
        """Log-mel [1, 4·t, n_mels] → latents [1, C, t, F]: the most likely ones."""
        posterior = self.vae.encode(mel[:, None].to(self.vae.device, self.vae.dtype)).latent_dist
        return posterior.mode() * self.vae.config.scaling_factor

    @torch.inference_mode()
    def vocode(self, mel: Tensor) -> Tensor:
        """Log-mel [1, m, n_mels] → samples [1, ≥ m · 160], on the CPU in float32."""
        return self.vocoder(mel.to(self.vocoder.device, self.vocoder.dtype)).float().cpu()

    @property
    def has_attention(self) -> bool:
        """Whether the VAE's middle sees its whole window."""
        return bool(self.vae.config.get("mid_block_add_attention", True))


class AudioLDMBackend:
    """`Backend` over an AudioLDM checkpoint: the pocket model, or cvssp's.

    The U-Net runs in the chosen dtype. Text tower, VAE and vocoder stay in float32: they cost little, and a
    half-precision vocoder can be heard.
    """

    def __init__(
        self,
        model_id: str,
        *,
        text_encoder: Any,
        tokenizer: Any,
        unet: Any,
        vae: Any,
        vocoder: Any,
        schedule: NoiseSchedule,
        plan: BlockPlan | None = None,
    ) -> None:
        """Take loaded networks, all on the U-Net's device; `plan` overrides how streams are cut.

        Raises:
            WeightsError: the networks' sizes do not fit each other.
        """
        self.id = model_id
        self.schedule = schedule
        self.device: torch.device = unet.device
        self.dtype: torch.dtype = unet.dtype
        self.geometry = _geometry(unet, vae, vocoder)
        _check_conditioning(unet, text_encoder)
        self._tokenizer = tokenizer
        self._text_encoder = text_encoder
        self.unet = unet
        self._sound = SoundNetworks(vae, vocoder)
        self._plan = plan or (ATTENTIVE if self._sound.has_attention else CONVOLUTIONAL)
        self._context = vocoder_context(vocoder.config)
        self._patches = ExitStack()
        try:
            self._patches.enter_context(framewise(unet))
        except ValueError as error:
            raise WeightsError("This U-Net's blocks are not AudioLDM's; use another checkpoint.") from error

    def encode_text(self, prompts: Sequence[str]) -> Conditioning:
        """CLAP's text vectors of unit length, pooled [B, D], in the order of the prompts."""
        # RoBERTa counts positions from its padding index + 1, so two entries of its table are never used.
        limit = self._text_encoder.config.max_position_embeddings - 2
        tokens = tokenize(self._tokenizer, prompts, limit).to(self.device)
        with torch.inference_mode():
            vectors = self._text_encoder(tokens.input_ids, attention_mask=tokens.attention_mask).text_embeds
        # Cloned out of inference mode, so that callers may change it in place.
        return Conditioning(pooled=functional.normalize(vectors.clone(), dim=-1).to(self.dtype))

    def predict_noise(
        self, latents: Tensor, timesteps: Tensor, start_frame: int, conditioning: Conditioning
    ) -> Tensor:
        """ε [B, C, T, F] for latents [B, C, T, F] at timesteps [B] or [B, T], in the latents' dtype.

        `start_frame` is not looked at: AudioLDM has no absolute positions.
        """
        assert conditioning.pooled is not None, "AudioLDM is conditioned on a pooled text vector"
        pooled = conditioning.pooled.to(self.device, self.dtype)
        pooled = pooled.expand(len(latents), *pooled.shape[1:])
        with torch.inference_mode():
            prediction = self.unet(
                latents.to(self.device, self.dtype),
                timesteps.to(self.device),
                encoder_hidden_states=None,
                class_labels=pooled,
                return_dict=False,
            )[0]
        return to_noise(prediction.clone().to(latents), latents, timesteps, self.schedule)

    def encode_audio(self, samples: NDArray[np.float32]) -> Tensor:
        """Samples [n] in [−1, 1] → latents [1, C, n // hop_samples, F], float32 on the U-Net's device."""
        whole = len(samples) // self.geometry.hop_samples * self.geometry.hop_samples
        return self._sound.encode_mel(log_mel(torch.from_numpy(samples[:whole]))[None]).clone()

    def decode(self, latents: Tensor) -> NDArray[np.float32]:
        """Latents [1, C, T, F] → samples [T · hop_samples]: at once up to 20 s, else in long blocks."""
        if latents.shape[2] <= WHOLE_FRAMES:
            return decode_whole(self._sound, latents, self.geometry.hop_samples)
        decoder = BlockDecoder(self._sound, OFFLINE, self._context, self.geometry.hop_samples)
        return np.concatenate([decoder.push(latents), decoder.flush()])

    def stream_decoder(self) -> BlockDecoder:
        """A fresh decoder for one take."""
        return BlockDecoder(self._sound, self._plan, self._context, self.geometry.hop_samples)

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

    def unload(self) -> None:
        """Take the patches off and let go of the weights; the backend can't be used afterwards."""
        self._patches.close()
        del self._text_encoder, self.unet, self._sound
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def load(
    folder: Path, device: str = "auto", dtype: str = "auto", *, model_id: str | None = None
) -> AudioLDMBackend:
    """Load a folder in the layout of `AudioLDMPipeline.save_pretrained`.

    Raises:
        WeightsError: parts are missing, truncated, or of another architecture.
        InvalidRequestError: no such device or dtype.
        OutOfResourcesError: the device's memory is too small.
    """
    checkpoint.require(folder)
    schedule = _schedule(folder / "scheduler" / "scheduler_config.json")
    target = choose_device(device)

    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import ClapTextModelWithProjection, SpeechT5HifiGan

    return AudioLDMBackend(
        model_id or folder.name,
        text_encoder=load_network(
            ClapTextModelWithProjection, folder / "text_encoder", target, torch.float32
        ),
        tokenizer=load_tokenizer(folder / "tokenizer"),
        unet=load_network(UNet2DConditionModel, folder / "unet", target, choose_dtype(dtype, target)),
        vae=load_network(AutoencoderKL, folder / "vae", target, torch.float32),
        vocoder=load_network(SpeechT5HifiGan, folder / "vocoder", target, torch.float32),
        schedule=schedule,
    )


def _schedule(file: Path) -> NoiseSchedule:
    try:
        return NoiseSchedule.from_config(checkpoint.read_json(file))
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            "The checkpoint's scheduler_config.json has no noise schedule; get it again."
        ) from error


def _geometry(unet: Any, vae: Any, vocoder: Any) -> Geometry:
    """Sizes read from the configs, once they are seen to fit each other."""
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    fits = (
        factor == MEL_PER_LATENT
        and unet.config.in_channels == unet.config.out_channels == vae.config.latent_channels
        and vocoder.config.model_in_dim % factor == 0
    )
    if not fits:
        raise WeightsError("U-Net, VAE and vocoder of this checkpoint do not fit together; get it again.")
    return Geometry(
        sample_rate=vocoder.config.sampling_rate,
        channels=unet.config.in_channels,
        bands=vocoder.config.model_in_dim // factor,
        hop_samples=factor * math.prod(vocoder.config.upsample_rates),
        frame_multiple=2 ** (len(unet.config.block_out_channels) - 1),
    )


def _check_conditioning(unet: Any, text_encoder: Any) -> None:
    """The U-Net must take the text tower's vectors as class embeddings."""
    expected = unet.config.projection_class_embeddings_input_dim
    if unet.config.class_embed_type != "simple_projection" or expected != text_encoder.config.projection_dim:
        raise WeightsError("The U-Net does not take the text encoder's vectors; use an AudioLDM checkpoint.")
