"""DC-LDM (Wang et al. 2024): a TANGO whose U-Net attends to an acoustic draft of the sound as well."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.backends.acoustic.base import AcousticDraft
from studio.backends.base import Conditioning, Tokens
from studio.backends.boundary import opens_checkpoint
from studio.backends.components import Parts
from studio.backends.device import choose_dtype
from studio.backends.registry import DCLDM
from studio.backends.systems.tango import TangoBackend, networks
from studio.core.errors import InvalidRequestError, WeightsError
from studio.modules.acoustic_branch import ACOUSTIC_WIDTH, ENCODINGS, AcousticBranch


class DcLdmBackend(TangoBackend):
    """`Backend` over a DC-LDM checkpoint. Without a draft it is the TANGO inside it."""

    capabilities = DCLDM.capabilities

    def __init__(self, model_id: str, *, branch: Any, unet: Any, **others: Any) -> None:
        """Take loaded networks; `branch` is a `modules.acoustic_branch.AcousticBranch`.

        Raises:
            WeightsError: the networks' sizes do not fit each other.
        """
        super().__init__(model_id, unet=unet, **others)
        self.branch = branch
        self.encoding: str = branch.config.encoding
        if self.encoding not in ENCODINGS:
            raise WeightsError("The acoustic branch hears an unknown encoding; get the checkpoint again.")
        try:
            self._patches.enter_context(branch.attached(unet))
        except InvalidRequestError as error:
            raise WeightsError(f"{error} Get the checkpoint again.") from error

    def encode_draft(self, draft: AcousticDraft) -> Tensor:
        """A draft as the branch hears it [1, L, 128]: EnCodec's latents (AG), or VAE latents (AG_VAE, §2.2).

        The latter are the frames [1, n // hop_samples, 8 · 16] of the sound's.
        """
        if self.encoding == "AG":
            return draft.latents
        return self.encode_audio(draft.samples).transpose(1, 2).flatten(2)

    def _predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        hearing: Any = nullcontext()
        if conditioning.acoustic is not None:
            acoustic = conditioning.acoustic.expand(len(latents))
            mask = None if acoustic.mask is None else acoustic.mask.to(self.device)
            hearing = self.branch.hearing(acoustic.states.to(self.device, self.dtype), mask)
        with hearing:
            return super()._predict(latents, timesteps, conditioning)

    def _tried_conditioning(self) -> Conditioning:
        return super()._tried_conditioning().with_acoustic(Tokens(torch.zeros(1, 2, ACOUSTIC_WIDTH)))

    def _unload_text(self) -> None:
        super()._unload_text()
        del self.branch


@opens_checkpoint
def load(
    folder: Path, device: str = "auto", dtype: str = "auto", *, model_id: str | None = None
) -> DcLdmBackend:
    """Load a folder with TANGO's components and an `acoustic_branch`; raises as `tango.load`."""
    parts = Parts.open(folder, device)
    branch = parts.network(AcousticBranch, "acoustic_branch", choose_dtype(dtype, parts.device))
    return DcLdmBackend(model_id or folder.name, branch=branch, **networks(parts, dtype))
