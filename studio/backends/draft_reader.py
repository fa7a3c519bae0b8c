"""What backends share whose U-Net hears a draft."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from studio.backends.acoustic.base import AcousticDraft
from studio.backends.base import Conditioning, Tokens
from studio.backends.latent import LatentBackend
from studio.core.errors import InvalidRequestError, WeightsError
from studio.modules.acoustic_branch import ACOUSTIC_WIDTH, ENCODINGS


class DraftReader(LatentBackend):
    """A backend with a network that lets its U-Net hear drafts; `unknown` tells of no such encoding."""

    unknown: ClassVar[str]

    def __init__(self, model_id: str, *, branch: Any, unet: Any, **others: Any) -> None:
        """Take loaded networks; `branch` is attached to the U-Net.

        Raises:
            WeightsError: the networks' sizes do not fit each other.
        """
        super().__init__(model_id, unet=unet, **others)
        self.branch = branch
        self.encoding: str = branch.config.encoding
        if self.encoding not in ENCODINGS:
            raise WeightsError(f"{self.unknown}; get the checkpoint again.")
        try:
            self._patches.enter_context(branch.attached(unet))
        except InvalidRequestError as error:
            raise WeightsError(f"{error} Get the checkpoint again.") from error

    def encode_draft(self, draft: AcousticDraft) -> Tensor:
        """A draft as it is heard [1, L, 128]: EnCodec's latents (AG), or VAE latents (AG_VAE, DC-LDM §2.2).

        The latter are the frames [1, n // hop_samples, 8 · 16] of the sound's.
        """
        if self.encoding == "AG":
            return draft.latents
        return self.at("16k").encode_audio(draft.samples).transpose(1, 2).flatten(2)

    def _tried_conditioning(self) -> Conditioning:
        return super()._tried_conditioning().with_acoustic(Tokens(torch.zeros(1, 2, ACOUSTIC_WIDTH)))
