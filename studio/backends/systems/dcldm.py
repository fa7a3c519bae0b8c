"""DC-LDM (Wang et al. 2024): a TANGO whose U-Net attends to an acoustic draft of the sound as well."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from torch import Tensor

from studio.backends.base import Conditioning
from studio.backends.boundary import opens_checkpoint
from studio.backends.components import Parts
from studio.backends.device import choose_dtype
from studio.backends.draft_reader import DraftReader
from studio.backends.registry import DCLDM
from studio.backends.systems.tango import TangoBackend, networks
from studio.modules.acoustic_branch import AcousticBranch


class DcLdmBackend(DraftReader, TangoBackend):
    """`Backend` over a DC-LDM checkpoint. Without a draft it is the TANGO inside it."""

    capabilities = DCLDM.capabilities
    unknown = "The acoustic branch hears an unknown encoding"

    def _predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        hearing: Any = nullcontext()
        if conditioning.acoustic is not None:
            acoustic = conditioning.acoustic.expand(len(latents))
            mask = None if acoustic.mask is None else acoustic.mask.to(self.device)
            hearing = self.branch.hearing(acoustic.states.to(self.device, self.dtype), mask)
        with hearing:
            return super()._predict(latents, timesteps, conditioning)

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
