"""What every latent diffusion system here shares: a U-Net over latents, a VAE and a vocoder behind it."""

from __future__ import annotations

import gc
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.backends import checkpoint
from studio.backends.base import Conditioning, Geometry
from studio.backends.capabilities import Capabilities
from studio.backends.configs import real, whole
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
from studio.backends.extension import OTHER_MEL, Extension, LoadExtension, no_extension
from studio.backends.prediction import to_noise
from studio.backends.reading import is_file, read_json
from studio.backends.registry import SystemSpec
from studio.core.audio import Bandwidth
from studio.core.errors import InvalidRequestError, WeightsError
from studio.dsp.mel import CENTRED, HOP_SAMPLES, N_MELS, SAMPLE_RATE, SEAMLESS, log_mel
from studio.dsp.resample import decimate
from studio.modules.guidance_scale import scale_embedding
from studio.modules.patches.framewise import framewise
from studio.samplers.schedule import NoiseSchedule

PREVIEW_FRAMES = 256
FOLDED_SCALES = "guidance_scales"  # ours, in a U-Net's config: those at which guidance was folded in
MOST_SCALE = 100.0  # that anybody asks for
# Of vocoder and U-Net, well beyond what any of these systems has: mel bands, samples a mel frame, mel frames.
_MAX_BANDS, _MAX_HOP, _MAX_CONTEXT, _MAX_LEVELS = 1024, 4096, 2000, 8
_SAMPLE_RATES = (4000, 192_000)


@dataclass
class SoundNetworks:
    """VAE and vocoder, and what extends their sound; the `SpectrogramDecoder` of a `BlockDecoder`."""

    vae: Any
    vocoder: Any
    extension: Extension | None = None

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
        """Log-mel [1, m, n_mels] → samples [1, ≥ m · 160], [1, m · 480] where they are extended, on the CPU
        in float32.
        """
        mel = mel.to(self.vocoder.device, self.vocoder.dtype)
        samples = self.vocoder(mel)
        if self.extension is not None:
            samples = self.extension(mel.float(), samples.float())
        return samples.float().cpu()

    @property
    def has_attention(self) -> bool:
        """Whether the VAE's middle sees its whole window."""
        return bool(self.vae.config.get("mid_block_add_attention", True))


class LatentBackend(ABC):
    """A `Backend` but for the text: a subclass encodes it, and hands it to the U-Net.

    The U-Net runs in the chosen dtype. VAE and vocoder stay in float32: they cost little, and a vocoder in
    half precision can be heard.
    """

    capabilities: Capabilities  # a subclass says

    def __init__(
        self,
        model_id: str,
        *,
        unet: Any,
        vae: Any,
        vocoder: Any,
        schedule: NoiseSchedule,
        plan: BlockPlan | None = None,
        mel_padding: int = CENTRED,
    ) -> None:
        """Take loaded networks, all on the U-Net's device.

        `plan` overrides how streams are cut; `mel_padding` is `dsp.mel.log_mel`'s, as the VAE was trained.

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
        self._mel_padding = mel_padding
        self._load_extension: LoadExtension = no_extension
        self._own: LatentBackend | None = None  # of one that is extended
        self._extended: LatentBackend | None = None
        self._extending = threading.Lock()
        self._patches = ExitStack()
        self._patches.enter_context(ChannelsLast(unet))
        self._patches.enter_context(ChannelsLast(vae))
        try:
            self._patches.enter_context(framewise(unet))
        except ValueError as error:
            raise WeightsError("This U-Net's blocks are not AudioLDM's; use another checkpoint.") from error

    def extend_by(self, load: LoadExtension) -> None:
        """Say what loads the network that extends its sound, once that is asked for."""
        self._load_extension = load

    def at(self, bandwidth: Bandwidth) -> LatentBackend:
        """This model at a bandwidth (`base.ExtendableBackend`). The two share all but what decodes."""
        own = self._own or self
        if bandwidth == "16k":
            return own
        with own._extending:
            if own._extended is None:
                own._extended = own._extend(bandwidth)
            return own._extended

    def _extend(self, bandwidth: Bandwidth) -> LatentBackend:
        hop = self.geometry.hop_samples // MEL_PER_LATENT
        mel = (self.geometry.sample_rate, hop, self.geometry.bands * MEL_PER_LATENT)
        if mel != (SAMPLE_RATE, HOP_SAMPLES, N_MELS):
            raise InvalidRequestError(OTHER_MEL)
        extension = self._load_extension(self.device)
        extended = copy(self)
        extended._own = self
        extended.geometry = self.geometry.at(bandwidth)
        extended._sound = replace(self._sound, extension=extension)
        extended._context = extension.context(self._context)
        return extended

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

    def _told(self, scale: float, count: int) -> dict[str, Tensor]:
        """What a U-Net into which guidance is folded is told of the scale, for so many items."""
        if self.capabilities.folded is None:
            return {}
        scales = torch.full((count,), scale, device=self.device)
        told = scale_embedding(scales, self.unet.config.time_cond_proj_dim)
        return {"timestep_cond": told.to(self.dtype)}

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
        factor = self.geometry.sample_rate // self.at("16k").geometry.sample_rate
        heard = decimate(samples[:whole], factor)
        mel = log_mel(torch.from_numpy(heard), self._mel_padding)
        return self._sound.encode_mel(mel[None]).clone()

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

    def try_out(self) -> None:
        """Go once through every network, with a text and a few frames: what fits shows there alone.

        Raises:
            WeightsError: other sizes come out than the configs say. Libraries raise what they like.
        """
        latents = torch.zeros(2, self.geometry.channels, self.geometry.frame_multiple, self.geometry.bands)
        noise = self.predict_noise(latents, torch.tensor([1, 1]), 0, self._tried_conditioning())
        samples = self.decode(latents[:1])
        fits = noise.shape == latents.shape and len(samples) == latents.shape[2] * self.geometry.hop_samples
        if not fits:
            raise WeightsError("This checkpoint's networks give other sizes than they take; get it again.")

    def _tried_conditioning(self) -> Conditioning:
        """What `try_out` says to the U-Net, two items of it."""
        return self.encode_text(["", "a dog barks in the rain"])

    def unload(self) -> None:
        """Take the patches off and let go of the weights; the backend can't be used afterwards."""
        self._patches.close()
        self._extended = None
        self._unload_text()
        del self.unet, self._sound
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @abstractmethod
    def _unload_text(self) -> None:
        """Let go of what encodes the text."""


def folded_scales(unet: Any) -> tuple[float, float] | None:
    """Between which scales a U-Net says at once what guidance makes of two predictions, as its config tells;
    any from 1 on where it doesn't. None of one that takes no scale.

    Raises:
        WeightsError: what its config tells can't be.
    """
    if unet.config.get("time_cond_proj_dim") is None:
        return None
    match unet.config.get(FOLDED_SCALES, (1.0, MOST_SCALE)):
        case [first, last] if real(first, 0, MOST_SCALE) and real(last, first, MOST_SCALE):
            return float(first), float(last)
    raise WeightsError("The scales of this U-Net's guidance can't be; get the checkpoint again.")


def read_schedule(folder: Path) -> NoiseSchedule:
    """The noise schedule that a checkpoint's scheduler_config.json describes.

    Raises:
        WeightsError: there is none, or one that can't be followed.
    """
    return NoiseSchedule.from_config(checkpoint.read_json(folder / "scheduler" / "scheduler_config.json"))


def read_mel_padding(folder: Path, system: SystemSpec) -> int:
    """How the log-mels that a checkpoint's VAE was trained on are padded.

    As its model_index.json says, which our own do; else as its system's authors do it.

    Raises:
        WeightsError: the index is damaged or says something else.
    """
    index = folder / checkpoint.INDEX_FILE
    said = read_json(index).get(checkpoint.MEL_PADDING_FIELD) if is_file(index) else None
    if said is None:
        return SEAMLESS if system.seamless_mels else CENTRED
    if said not in (SEAMLESS, CENTRED):
        raise WeightsError(f"{folder.name} has log-mels of an unknown padding; use another checkpoint.")
    return int(said)


def _geometry(unet: Any, vae: Any, vocoder: Any) -> Geometry:
    """Sizes read from the configs, once they are seen to fit each other."""
    widths, factor = unet.config.block_out_channels, 2 ** (len(vae.config.block_out_channels) - 1)
    bands, hop = vocoder.config.model_in_dim, math.prod(vocoder.config.upsample_rates)
    fits = (
        factor == MEL_PER_LATENT
        and unet.config.in_channels == unet.config.out_channels == vae.config.latent_channels
        and 0 < len(widths) <= _MAX_LEVELS
        and bands % factor == 0
        and whole(bands, 1, _MAX_BANDS)
        and whole(hop, 1, _MAX_HOP)
        and whole(vocoder.config.sampling_rate, *_SAMPLE_RATES)
        and real(vae.config.scaling_factor, 1e-6, 1e6)
        and vocoder_context(vocoder.config) <= _MAX_CONTEXT
    )
    if not fits:
        raise WeightsError("U-Net, VAE and vocoder of this checkpoint do not fit together; get it again.")
    return Geometry(
        sample_rate=vocoder.config.sampling_rate,
        channels=unet.config.in_channels,
        bands=bands // factor,
        hop_samples=factor * hop,
        frame_multiple=2 ** (len(widths) - 1),
    )
