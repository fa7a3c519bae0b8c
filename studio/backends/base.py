"""What the service may ask of a model: text → conditioning, noisy latents → noise, latents → sound.

A backend knows no sampler, and a sampler no backend; `pipeline` puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from studio.backends.capabilities import Capabilities
from studio.core.audio import RATES_HZ, Bandwidth
from studio.core.errors import InvalidRequestError
from studio.samplers.schedule import NoiseSchedule

if TYPE_CHECKING:
    from studio.backends.acoustic.base import AcousticDraft
    from studio.modules.acoustic_branch import AcousticBranch
    from studio.modules.acoustic_context import AcousticContext


ONE_BAND = "This model sounds at 16 kHz alone: choose that bandwidth, or another model."


@dataclass(frozen=True)
class Geometry:
    """Sizes that all latent models of the studio share (AudioLDM's): latents are [B, channels, T, bands]."""

    sample_rate: int = 16000
    channels: int = 8
    bands: int = 16
    hop_samples: int = 640  # sound of one latent frame: VAE factor 4 × mel hop 160 = 40 ms
    frame_multiple: int = 4  # the U-Net's total downsampling: a window's length divides by it

    @property
    def frame_rate(self) -> float:
        """Latent frames a second."""
        return self.sample_rate / self.hop_samples

    def frames(self, duration_s: float) -> int:
        """Latent frames that hold `duration_s`, rounded up to what the U-Net takes."""
        exact = int(np.ceil(duration_s * self.frame_rate - 1e-9))
        return max(self.frame_multiple, -(-exact // self.frame_multiple) * self.frame_multiple)

    def at(self, bandwidth: Bandwidth) -> Geometry:
        """The same frames, with the samples that they have at a bandwidth."""
        rate = RATES_HZ[bandwidth]
        return replace(self, sample_rate=rate, hop_samples=self.hop_samples * rate // self.sample_rate)


@dataclass(frozen=True)
class Tokens:
    """A sequence that the U-Net attends to: states [B, L, D], of which those count where mask [B, L] is 1."""

    states: Tensor
    mask: Tensor | None = None

    def clone(self) -> Tokens:
        """A copy that shares no memory."""
        return Tokens(self.states.clone(), None if self.mask is None else self.mask.clone())

    def take(self, rows: Tensor) -> Tokens:
        """The items of these indices [n]."""
        rows = rows.to(self.states.device)
        return Tokens(self.states[rows], None if self.mask is None else self.mask[rows])

    def expand(self, batch: int) -> Tokens:
        """One item's tokens for each item of a batch; as they are where there are as many."""
        mask = None if self.mask is None else self.mask.expand(batch, -1)
        return Tokens(self.states.expand(batch, -1, -1), mask)

    @classmethod
    def join(cls, parts: Sequence[Tokens]) -> Tokens:
        """The items of all parts, one after another; shorter sequences are padded and masked."""
        longest = max(part.states.shape[1] for part in parts)
        states = torch.cat([_padded(part.states, longest) for part in parts])
        if all(part.mask is None and part.states.shape[1] == longest for part in parts):
            return cls(states)
        return cls(states, torch.cat([_padded(part.counted, longest) for part in parts]))

    @property
    def counted(self) -> Tensor:
        """The mask [B, L], of ones where there is none."""
        if self.mask is not None:
            return self.mask
        return torch.ones(self.states.shape[:2], dtype=torch.long, device=self.states.device)


@dataclass(frozen=True)
class Conditioning:
    """What is said to the U-Net.

    Attributes:
        pooled: the text as one vector an item [B, D], or one a latent frame [B, T, D] where prompts change
            along the sound.
        text: the text as cross-attention reads it, a sequence for each text tower: none where there is no
            cross-attention, two in AudioLDM 2.
        acoustic: the draft as a dual model hears it beside the text; None where nothing is heard.
        scale: how far the text is to be followed, told to a model into which guidance is folded
            (`Capabilities.folded`); at 1, which every other takes, as it follows it by itself.
    """

    pooled: Tensor | None = None
    text: tuple[Tokens, ...] = ()
    acoustic: Tokens | None = None
    scale: float = 1.0

    @property
    def vector(self) -> Tensor:
        """`pooled`. Raises `ValueError` where there is none: it was said to a model of another kind."""
        if self.pooled is None:
            raise ValueError("this conditioning has no pooled vector: it is another system's")
        return self.pooled

    def take(self, rows: Tensor) -> Conditioning:
        """The items of these indices [n]."""
        pooled = None if self.pooled is None else self.pooled[rows.to(self.pooled.device)]
        acoustic = None if self.acoustic is None else self.acoustic.take(rows)
        return replace(
            self, pooled=pooled, text=tuple(tokens.take(rows) for tokens in self.text), acoustic=acoustic
        )

    def with_acoustic(self, heard: Tokens) -> Conditioning:
        """The same text beside a draft, whose batch is the text's, or one for all of it."""
        return replace(self, acoustic=heard)

    @classmethod
    def join(cls, parts: Sequence[Conditioning]) -> Conditioning:
        """The items of all parts, one after another; the parts are of one model, and of one scale."""
        pooled = [part.pooled for part in parts if part.pooled is not None]
        towers = zip(*(part.text for part in parts), strict=True)
        heard = [part.acoustic for part in parts if part.acoustic is not None]
        return cls(
            torch.cat(pooled) if pooled else None,
            tuple(map(Tokens.join, towers)),
            Tokens.join(heard) if heard else None,
            parts[0].scale,
        )


def _padded(rows: Tensor, length: int) -> Tensor:
    """[B, L] or [B, L, D] with zeros behind it, up to `length`."""
    return functional.pad(rows, (0, 0) * (rows.dim() - 2) + (0, length - rows.shape[1]))


class StreamDecoder(Protocol):
    """Latents in, samples out, a few frames late: state between calls is bounded."""

    def push(self, latents: Tensor) -> NDArray[np.float32]:
        """Take the next latent frames [1, C, t, F]; give the samples [n] that are settled by now."""
        ...

    def flush(self) -> NDArray[np.float32]:
        """Give what is left; afterwards every pushed frame has given `hop_samples` samples."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything a later decoder needs to go on with this take: plain tensors and integers."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`'s value; an empty mapping begins anew."""
        ...


@runtime_checkable
class Backend(Protocol):
    """One loaded checkpoint."""

    id: str
    capabilities: Capabilities
    geometry: Geometry
    schedule: NoiseSchedule
    device: torch.device
    dtype: torch.dtype
    unet: torch.nn.Module | None  # predicts the noise, for `modules.patches`; None has nothing to patch

    def encode_text(self, prompts: Sequence[str]) -> Conditioning:
        """Conditioning whose batch is the prompts in order. The empty text is the unconditional one."""
        ...

    def predict_noise(
        self, latents: Tensor, timesteps: Tensor, start_frame: int, conditioning: Conditioning
    ) -> Tensor:
        """ε for latents [B, C, T, F] at timesteps [B] or [B, T]. v-prediction models convert here."""
        ...

    def encode_audio(self, samples: NDArray[np.float32]) -> Tensor:
        """Samples [n] in [−1, 1] → latents [1, C, n // hop_samples, F], scaled as the U-Net knows them."""
        ...

    def decode(self, latents: Tensor) -> NDArray[np.float32]:
        """Latents [1, C, T, F] → samples [T · hop_samples], the clip as a whole."""
        ...

    def preview(self, latents: Tensor) -> NDArray[np.float32]:
        """Latents [1, C, T, F], noisy or not → their log-mel [frames, bands], quickly."""
        ...

    def stream_decoder(self) -> StreamDecoder:
        """A fresh decoder for one take."""
        ...

    def attention_layers(self) -> Sequence[torch.nn.Module]:
        """Self-attention modules of the U-Net's decoder, which the attention probe may watch."""
        ...

    def unload(self) -> None:
        """Let go of the weights."""
        ...


class ExtendableBackend(Backend, Protocol):
    """A `Backend` whose sound can be had at 48 kHz, extended above what the model says."""

    def at(self, bandwidth: Bandwidth) -> Backend:
        """This model as it sounds at a bandwidth, "16k" being its own: the same networks, and the geometry
        of that sound. Its decoders give samples at that rate, and its `encode_audio` takes such.

        Raises:
            InvalidRequestError: this checkpoint's sound can't be extended.
            ModelNotFoundError: what extends it is not here.
            WeightsError: what extends it is damaged.
        """
        ...


def can_extend(backend: Backend) -> TypeGuard[ExtendableBackend]:
    """Whether a backend's sound can be had at 48 kHz."""
    return backend.capabilities.extends


def at_bandwidth(backend: Backend, bandwidth: Bandwidth) -> Backend:
    """A model as it sounds at a bandwidth. Raises as `ExtendableBackend.at`."""
    if can_extend(backend):
        return backend.at(bandwidth)
    if bandwidth != "16k":
        raise InvalidRequestError(ONE_BAND)
    return backend


class DualBackend(Backend, Protocol):
    """A `Backend` that hears an acoustic draft beside the text (DC-LDM, Wang et al. 2024)."""

    branch: AcousticBranch | AcousticContext  # what attends to the draft, to be watched
    encoding: str  # how it hears drafts, of `modules.acoustic_branch.ENCODINGS`

    def encode_draft(self, draft: AcousticDraft) -> Tensor:
        """A draft as the branch hears it [1, L, 128]."""
        ...


def hears_drafts(backend: Backend) -> TypeGuard[DualBackend]:
    """Whether a backend is one that hears drafts."""
    return backend.capabilities.drafts


class SpeakingBackend(Backend, Protocol):
    """A `Backend` that says words beside the text (VoiceLDM, Lee et al. 2024).

    What it is given to say is content: `Conditioning.text[0]`, a frame of it for each latent frame that the
    words take. Its `encode_text` gives the content of no words.
    """

    content_band: int | None  # latent frames each side that a frame attends to; None: all of the content

    @property
    def silence(self) -> Tensor:
        """Content [D] of a frame in which nothing is said."""
        ...

    def encode_speech(self, texts: Sequence[str]) -> Tokens:
        """Content [B, L, D] of each text, as long as the longest; of an empty text, of no words."""
        ...

    def word_frames(self, text: str) -> Sequence[tuple[float, float]]:
        """For each word (`text.split()`) the frames of `speech_frames(text)` that it begins and ends at, by
        the letters' durations; none where the model can't tell.
        """
        ...

    def speech_frames(self, text: str) -> Tensor:
        """Content [L, D] of a sentence by itself, as long as it takes to say, float32 on the CPU.

        Raises:
            ValueError: it is more than the model reads in one piece, which the message says in the form of
                what follows a field's name.
        """
        ...


def speaks(backend: Backend) -> TypeGuard[SpeakingBackend]:
    """Whether a backend is one that says words."""
    return backend.capabilities.speaks
