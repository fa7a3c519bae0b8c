"""Acoustic drafts, and what makes them: AudioGen from text, its codec from a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from studio.backends.reading import is_file
from studio.core.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor  # the page is built before torch loads

# In an AudioGen's folder: the empty text's tokens, which its DC-LDM has heard.
UNCONDITIONAL_FILE = "unconditional.npy"

OnTokens = Callable[[int, int], None]
"""Told (tokens made, tokens in all); may raise to end the run."""


@dataclass(frozen=True)
class AcousticDraft:
    """One rough draft: `tokens` [codebooks, L], EnCodec's `latents` [1, L, 128] (AG), `samples` [n]."""

    tokens: NDArray[np.int16]
    latents: Tensor
    samples: NDArray[np.float32]


class Codec(Protocol):
    """Sound ↔ tokens."""

    id: str
    sample_rate: int
    frame_rate: float  # tokens of a codebook a second
    unconditional: NDArray[np.int16] | None  # the empty text's tokens [codebooks, L], where they ship with it

    def encode(self, samples: NDArray[np.float32]) -> AcousticDraft:
        """A recording [n] at the codec's sample rate as a draft."""
        ...

    def decode(self, tokens: NDArray[np.int16]) -> AcousticDraft:
        """The draft of known tokens [codebooks, L]."""
        ...

    def latents(self, tokens: NDArray[np.int16]) -> Tensor:
        """Tokens [B, codebooks, L] → the latents [B, L, 128] alone: no sound is made, so it is quick."""
        ...


@dataclass(frozen=True)
class Sampling:
    """How a language model of sound draws its tokens; `guidance_scale` is its own."""

    temperature: float = 1.0
    top_k: int = 250
    top_p: float = 0.0
    guidance_scale: float = 3.0


class Drafter(Codec, Protocol):
    """A language model of sound over its codec."""

    segment_s: float  # what it was trained on; longer drafts go on from their own end

    def draft(
        self,
        prompt: str,
        duration_s: float,
        *,
        seed: int,
        sampling: Sampling = Sampling(),
        past: NDArray[np.int16] | None = None,
        on_progress: OnTokens | None = None,
    ) -> AcousticDraft:
        """`duration_s` of sound for a prompt; the empty text is the unconditional one.

        Args:
            past: tokens [codebooks, L] that it goes on from, which the draft begins with: their length
                counts.
        """
        ...

    def draft_many(
        self, prompts: Sequence[str], duration_s: float, *, seed: int, sampling: Sampling = Sampling()
    ) -> NDArray[np.int16]:
        """The tokens [B, codebooks, L] for many prompts at once."""
        ...


def read_unconditional(folder: Path) -> NDArray[np.int16] | None:
    """The empty text's tokens that a checkpoint ships with, if it does.

    Raises:
        WeightsError: the file is damaged.
    """
    path = folder / UNCONDITIONAL_FILE
    if not is_file(path):
        return None
    try:
        # Mapped first: a header may claim any size, and only what is there can be mapped.
        tokens = np.array(np.lib.format.open_memmap(path, mode="r"))
    except Exception as error:  # numpy reads headers by tokenizers, which have errors of their own
        raise WeightsError(f"{path.name} is damaged; get the checkpoint again.") from error
    if tokens.ndim != 2 or not tokens.size or tokens.dtype.kind not in "iu" or tokens.min() < 0:
        raise WeightsError(f"{path.name} holds no tokens; get the checkpoint again.")
    return tokens.astype(np.int16)


def tile_tokens(tokens: NDArray[np.int16], length: int) -> NDArray[np.int16]:
    """Tokens [codebooks, L] begun again at their end, as often as it takes → [codebooks, length]."""
    return tokens[:, np.arange(length) % tokens.shape[1]]


def unconditional_draft(codec: Codec, duration_s: float) -> AcousticDraft | None:
    """The empty text's draft of the tokens that ship with `codec`; None where none do."""
    if codec.unconditional is None:
        return None
    return codec.decode(tile_tokens(codec.unconditional, round(duration_s * codec.frame_rate)))
