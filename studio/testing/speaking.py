"""The fake that speaks: what it is given to say, and where, is in its sound."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

from studio.backends.base import Conditioning, Geometry, Tokens
from studio.backends.capabilities import Capabilities
from studio.testing.backend import EMBEDDING, SWING, FakeBackend

LETTER_FRAMES = 2  # that each letter of a text takes
NOTHING = "_"  # how VoiceLDM's authors write that nothing is said


class FakeSpeakingBackend(FakeBackend):
    """`FakeBackend` as a `SpeakingBackend`: content moves the mean that its clean latents are around.

    Every letter has a vector of its own, which it has for `LETTER_FRAMES`. With a band, a frame's mean moves
    by its own frame of content; without, by the mean of all of it, wherever the frame is.
    """

    content_band: int | None

    def __init__(self, geometry: Geometry | None = None, content_band: int | None = 8) -> None:
        """Take other sizes than AudioLDM's, or no band, as the published checkpoints have none."""
        super().__init__(geometry)
        self.id = "fake-speaking"
        self.capabilities = Capabilities(text="pooled", speaks=True, extends=True)
        self.content_band = content_band
        self._say = 2 * torch.randn(
            EMBEDDING, self._heed.shape[1], generator=torch.Generator().manual_seed(1)
        )

    @property
    def silence(self) -> Tensor:
        """The content [16] of a frame in which nothing is said."""
        return _vector("")

    def speech_frames(self, text: str) -> Tensor:
        """The content [L, 16] of a text by itself: of none, no frames with a band, and else a letter's."""
        letters = "" if text in ("", NOTHING) else text
        if not letters and self.content_band is None:
            letters = NOTHING
        frames = [_vector(letter) for letter in letters for _ in range(LETTER_FRAMES)]
        return torch.stack(frames) if frames else self.silence.new_zeros(0, EMBEDDING)

    def word_frames(self, text: str) -> list[tuple[float, float]]:
        """Where the letters of each word of a text lie; without a band they lie nowhere."""
        found = re.finditer(r"\S+", text) if self.content_band is not None else ()
        return [(LETTER_FRAMES * word.start(), LETTER_FRAMES * word.end()) for word in found]

    def encode_speech(self, texts: Sequence[str]) -> Tokens:
        """Content [B, L, 16], silent behind the end of each text; at least one frame."""
        said = [self.speech_frames(text) for text in texts]
        longest = max(1, *map(len, said))
        silent = [self.silence.expand(longest - len(frames), -1) for frames in said]
        return Tokens(torch.stack([torch.cat(pair) for pair in zip(said, silent, strict=True)]))

    def encode_text(self, prompts: Sequence[str]) -> Conditioning:
        """A unit vector of each text, pooled [B, 16], and the content of no words."""
        nothing = self.encode_speech([""]).expand(len(prompts))
        return Conditioning(super().encode_text(prompts).pooled, (nothing,))

    def said(self, content: Tensor, frames: int) -> Tensor:
        """How content [B, L, 16] moves the mean of so many latent frames: [B, C, frames, F].

        Raises:
            ValueError: it has a band, and content is neither a frame for each of the latents nor one.
        """
        if self.content_band is None:
            content = content.mean(dim=1, keepdim=True)
        elif content.shape[1] not in (1, frames):
            raise ValueError(f"{content.shape[1]} content frames for {frames} frames; give as many, or one")
        moved: Tensor = SWING * torch.tanh(content.float() @ self._say)
        by_band = moved.view(*moved.shape[:2], self.geometry.channels, self.geometry.bands)
        return by_band.expand(-1, frames, -1, -1).transpose(1, 2)

    def _around(self, conditioning: Conditioning, start_frame: int, frames: int) -> Tensor:
        (content,) = conditioning.text
        mean = super()._around(conditioning, start_frame, frames)
        return mean + self.said(content.states, frames)


def _vector(letter: str) -> Tensor:
    return torch.randn(EMBEDDING, generator=torch.Generator().manual_seed(zlib.crc32(letter.encode())))
