"""What a DC-LDM in training sounds like: a few of its own clips, refined from their drafts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import soundfile as sf
import torch
from torch import Tensor

from studio.backends.base import Conditioning, Tokens
from studio.backends.systems.dcldm import DcLdmBackend
from studio.modules.acoustic_branch import AcousticBranch
from studio.samplers.ddim import ddim_sample
from studio.samplers.guidance import guided
from studio.training.encoded import EncodedClips

COUNT, STEPS, SCALE = 2, 20, 4.0


def write_samples(
    folder: Path,
    parts: dict[str, Any],
    unet: Any,
    branch: AcousticBranch,
    clips: EncodedClips,
    unconditional: Tensor,
) -> None:
    """Write the first clips' captions, refined from their drafts, as WAVs into `folder`."""
    device = parts["vae"].device
    backend = DcLdmBackend("samples", **{**parts, "unet": unet.to(device), "branch": branch.to(device)})
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(min(COUNT, len(clips))):
        text = backend.encode_text(["", clips.captions[index][0]])
        heard = torch.stack([unconditional, clips.acoustic(index)])
        conditioning = text.with_acoustic(Tokens(heard))

        def denoise(
            latents: Tensor, timesteps: Tensor, start: int, said: Conditioning = conditioning
        ) -> Tensor:
            return backend.predict_noise(latents, timesteps, start, said)

        shape = clips.latents(index)[None].shape
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(index)).to(device)
        latents = ddim_sample(guided(denoise, SCALE), backend.schedule, noise, STEPS)
        sf.write(folder / f"{index}.wav", backend.decode(latents), backend.geometry.sample_rate)
    backend.unload()
