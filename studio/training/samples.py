"""What a DC-LDM in training sounds like: a few of its own clips, refined from their drafts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import soundfile as sf
import torch
from torch import Tensor

from studio.backends.systems.dcldm import DcLdmBackend
from studio.backends.systems.ldm_ag import LdmAgBackend
from studio.core.draft import AudioGenDraft
from studio.core.request import parse_request
from studio.core.sampling import ClipSampler
from studio.modules.acoustic_branch import AcousticBranch
from studio.modules.acoustic_context import AcousticContext
from studio.pipeline.acoustic import EncodedAcoustics
from studio.pipeline.batch import render_clips
from studio.training.encoded import EncodedClips

COUNT, STEPS, SCALE = 2, 20, 4.0


def write_samples(
    folder: Path,
    parts: dict[str, Any],
    unet: Any,
    branch: AcousticBranch | AcousticContext,
    clips: EncodedClips,
    unconditional: Tensor,
) -> None:
    """Write the first clips' captions, refined from their drafts, as WAVs into `folder`."""
    device = parts["vae"].device
    networks = {**parts, "unet": unet.to(device), "branch": branch.to(device)}
    if isinstance(branch, AcousticContext):
        unread = ("text_encoder", "tokenizer")
        backend: DcLdmBackend | LdmAgBackend = LdmAgBackend(
            "samples", **{name: part for name, part in networks.items() if name not in unread}
        )
    else:
        backend = DcLdmBackend("samples", **networks)
    folder.mkdir(parents=True, exist_ok=True)
    rate = backend.geometry.sample_rate
    for index in range(min(COUNT, len(clips))):
        request = parse_request(
            mode="dual",
            prompt="-",  # the caption is read as it was trained on, which may be longer than a request's
            seed=index,
            duration_s=clips.latents(index).shape[1] / backend.geometry.frame_rate,
            guidance_scale=SCALE,
            sampler=ClipSampler(steps=STEPS),
            draft=AudioGenDraft(),
        )
        heard = EncodedAcoustics(torch.stack([unconditional, clips.acoustic(index)]))
        caption = clips.captions[index][0]
        [samples] = render_clips([request], backend, acoustics=[heard], texts=[caption])
        sf.write(folder / f"{index}.wav", samples, rate)
    backend.unload()
