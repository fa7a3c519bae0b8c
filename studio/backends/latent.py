"""What every latent diffusion system here shares: a U-Net over latents, a VAE and a vocoder behind it."""

from __future__ import annotations

import gc
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.backends import checkpoint
from studio.backends.base import Conditioning, Geometry
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
from studio.backends.device import ChannelsLast
from studio.backends.prediction import to_noise
from studio.core.errors import WeightsError
from studio.dsp.mel import log_mel
from studio.models.framewise import framewise
from studio.samplers.schedule import NoiseSchedule

PREVIEW_FRAMES = 256


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


class LatentBackend(ABC):
    """A `Backend` but for the text: a subclass encodes it, and hands it to the U-Net.

    The U-Net runs in the chosen dtype. VAE and vocoder stay in float32: they cost little, and a vocoder in
    half precision can be heard.
    """

    def __init__(
        self,
        model_id: str,
        *,
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
        self.unet = unet
        self._sound = SoundNetworks(vae, vocoder)
        self._plan = plan or (ATTENTIVE if self._sound.has_attention else CONVOLUTIONAL)
        self._context = vocoder_context(vocoder.config)
        self._patches = ExitStack()
        self._patches.enter_context(ChannelsLast(unet))
        self._patches.enter_context(ChannelsLast(vae))
        try:
            self._patches.enter_context(framewise(unet))
        except ValueError as error:
            raise WeightsError("This U-Net's blocks are not AudioLDM's; use another checkpoint.") from error

    @abstractmethod
    def encode_text(self, prompts: Sequence[str]) -> Conditioning:
        """Conditioning whose batch is the prompts in order."""

    def attention_layers(self) -> Sequence[torch.nn.Module]:
        """Self-attentions of the U-Net's decoder, in order: both of a transformer that reads no text."""
        from diffusers.models.attention_processor import Attention

        return [
            module
            for block in self.unet.up_blocks
            for module in block.modules()
            if isinstance(module, Attention) and not module.is_cross_attention
        ]

    @abstractmethod
    def _predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The U-Net's output; all that is given is on its device, and latents in its dtype."""

    def predict_noise(
        self, latents: Tensor, timesteps: Tensor, start_frame: int, conditioning: Conditioning
    ) -> Tensor:
        """ε [B, C, T, F] for latents [B, C, T, F] at timesteps [B] or [B, T], in the latents' dtype.

        `start_frame` is not looked at: these systems have no absolute positions.
        """
        with torch.inference_mode():
            prediction = self._predict(
                latents.to(self.device, self.dtype), timesteps.to(self.device), conditioning
            )
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

    def preview(self, latents: Tensor) -> NDArray[np.float32]:
        """Latents [1, C, T, F] → log-mel [4·T, bands], in blocks whose joins nobody looks at."""
        blocks = latents.split(PREVIEW_FRAMES, dim=2)
        return torch.cat([self._sound.decode_mel(block)[0].float().cpu() for block in blocks]).numpy()

    def stream_decoder(self) -> BlockDecoder:
        """A fresh decoder for one take."""
        return BlockDecoder(self._sound, self._plan, self._context, self.geometry.hop_samples)

    def unload(self) -> None:
        """Take the patches off and let go of the weights; the backend can't be used afterwards."""
        self._patches.close()
        self._unload_text()
        del self.unet, self._sound
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @abstractmethod
    def _unload_text(self) -> None:
        """Let go of what encodes the text."""


def read_schedule(folder: Path) -> NoiseSchedule:
    """The noise schedule that a checkpoint's scheduler_config.json describes.

    Raises:
        WeightsError: there is none, or one that is not known.
    """
    try:
        return NoiseSchedule.from_config(checkpoint.read_json(folder / "scheduler" / "scheduler_config.json"))
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
