"""A backend without weights: a pure tone, whatever one asks for. Tests and demos of the service run on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.backends.base import Conditioning, Geometry
from studio.backends.registry import TONE
from studio.core.audio import Bandwidth
from studio.samplers.schedule import NoiseSchedule

TONE_HZ = 440.0
TONE_AMPLITUDE = 0.5
_EMBEDDING = 16
_AUDIOLDM_SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0015,
    "beta_end": 0.0195,
    "beta_schedule": "scaled_linear",
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def tone(start_sample: int, count: int, sample_rate: int) -> NDArray[np.float32]:
    """`count` samples of the tone [count] from `start_sample` on: pieces join without a seam."""
    # Modulo one second, which the tone's whole number of cycles fills: exact however long the take is.
    position = (start_sample + np.arange(count)) % sample_rate / sample_rate
    return (TONE_AMPLITUDE * np.sin(2 * np.pi * TONE_HZ * position)).astype(np.float32)


def clean_latents(geometry: Geometry, start_frame: int, frames: int) -> Tensor:
    """The latents [1, C, frames, F] that every sampler must find: a function of the absolute frame alone."""
    channel = torch.arange(geometry.channels, dtype=torch.float64)[:, None, None]
    frame = torch.arange(start_frame, start_frame + frames, dtype=torch.float64)[None, :, None]
    band = torch.arange(geometry.bands, dtype=torch.float64)[None, None, :]
    return torch.sin(0.37 * frame + 0.7 * channel + 0.23 * band)[None]


class ToneStream:
    """`StreamDecoder` that counts frames and plays the tone for each."""

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        self._sample = 0

    def push(self, latents: Tensor) -> NDArray[np.float32]:
        """The tone for the next latent frames [1, C, t, F]."""
        count = latents.shape[2] * self._geometry.hop_samples
        samples = tone(self._sample, count, self._geometry.sample_rate)
        self._sample += count
        return samples

    def flush(self) -> NDArray[np.float32]:
        """Nothing is ever held back."""
        self._sample = 0
        return np.zeros(0, np.float32)

    def state_dict(self) -> dict[str, Any]:
        """The position in the take."""
        return {"sample": self._sample}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`'s value; an empty mapping begins anew."""
        self._sample = state.get("sample", 0)


class ToneBackend:
    """`Backend` whose noise prediction is the exact one for `clean_latents`, and whose sound is a sine."""

    capabilities = TONE.capabilities

    def __init__(self, geometry: Geometry | None = None) -> None:
        self.id = "tone"
        self.geometry = geometry or Geometry()
        self.schedule = NoiseSchedule.from_config(_AUDIOLDM_SCHEDULER)
        self.device = torch.device("cpu")
        self.dtype = torch.float32
        self.unet: torch.nn.Module | None = None
        self._own: ToneBackend | None = None

    def at(self, bandwidth: Bandwidth) -> ToneBackend:
        """The tone at another rate; "16k" is its own."""
        own = self._own or self
        if bandwidth == "16k":
            return own
        other = ToneBackend(own.geometry.at(bandwidth))
        other._own = own
        return other

    def encode_text(self, prompts: Sequence[str]) -> Conditioning:
        """A unit vector of each text's characters, pooled [B, 16]."""
        pooled = torch.ones(len(prompts), _EMBEDDING)
        for row, prompt in zip(pooled, prompts, strict=True):
            for position, character in enumerate(prompt):
                row[position % _EMBEDDING] += ord(character) % 97
        return Conditioning(pooled=torch.nn.functional.normalize(pooled, dim=-1))

    def predict_noise(
        self, latents: Tensor, timesteps: Tensor, start_frame: int, conditioning: Conditioning
    ) -> Tensor:
        """ε that leads latents [B, C, T, F] at timesteps [B] or [B, T] to `clean_latents`."""
        alpha_bar = self.schedule.alpha_bar(timesteps)
        alpha_bar = alpha_bar[:, None, None, None] if alpha_bar.dim() == 1 else alpha_bar[:, None, :, None]
        clean = clean_latents(self.geometry, start_frame, latents.shape[2])
        noise = (latents.double() - alpha_bar.sqrt() * clean) / (1 - alpha_bar).sqrt()
        return noise.to(latents.dtype)

    def encode_audio(self, samples: NDArray[np.float32]) -> Tensor:
        """Whatever samples [n] say: the latents [1, C, n // hop, F] of a take's beginning."""
        return clean_latents(self.geometry, 0, len(samples) // self.geometry.hop_samples).float()

    def decode(self, latents: Tensor) -> NDArray[np.float32]:
        """The tone for latents [1, C, T, F], from the take's beginning."""
        return tone(0, latents.shape[2] * self.geometry.hop_samples, self.geometry.sample_rate)

    def preview(self, latents: Tensor) -> NDArray[np.float32]:
        """A line for latents [1, C, T, F], out of as much noise as there is in them: log-mel [4·T, 64]."""
        frames = 4 * latents.shape[2]
        mel = np.full((frames, 64), -8.0, np.float32) + latents[0, 0].std().item()
        mel[:, 20] = 1.0
        return mel

    def stream_decoder(self) -> ToneStream:
        """A decoder at the take's beginning."""
        return ToneStream(self.geometry)

    def attention_layers(self) -> Sequence[torch.nn.Module]:
        """None: there is no U-Net."""
        return ()

    def unload(self) -> None:
        """Nothing to let go of."""


def load(
    folder: Path, device: str = "auto", dtype: str = "auto", *, model_id: str | None = None
) -> ToneBackend:
    """The backend: there is nothing to open, and it computes on the CPU, in float32."""
    return ToneBackend()
