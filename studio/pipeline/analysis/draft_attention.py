"""What of its draft a finished take attends to: the take is encoded, noised again, and looked at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from studio.core.errors import InvalidRequestError
from studio.core.request import GenerationRequest
from studio.core.sampling import ClipSampler
from studio.core.views import DraftAttention

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.drafts import Drafts

Borrow = Callable[[], AbstractContextManager["Backend"]]
ENDLESS = "An endless take hears a draft that grows with it: generate a clip to look at what it attends to."
NO_DRAFT = "This clip hears no draft: generate one with a draft to look at what it attends to."


def look(
    request: GenerationRequest,
    path: Path,
    borrow: Borrow,
    drafts: Drafts,
    block: str,
    step: int,
) -> DraftAttention:
    """The attention to the draft of a take's file at a block; the last one where none is named.

    Args:
        borrow: lends the take's model.
        step: of the take's, from 1, the noisiest; past the last is the last.

    Raises:
        InvalidRequestError: the take is endless or hears no draft, there is no such block, or its model can't
            be borrowed.
    """
    import torch

    from studio.backends.base import Tokens, at_bandwidth
    from studio.pipeline.acoustic import clip_acoustics, dual_backend
    from studio.pipeline.analysis.self_attention import beginning
    from studio.pipeline.plan import clip_plan, draft_plan
    from studio.samplers.schedule import add_noise

    if step < 1:
        raise InvalidRequestError("Choose a step from 1 on.")
    if not isinstance(request.sampler, ClipSampler):
        raise InvalidRequestError(ENDLESS)
    clip, wanted = clip_plan(request, request.sampler), draft_plan(request)
    if wanted is None:
        raise InvalidRequestError(NO_DRAFT)
    steps = clip.steps - clip.skipped
    step = min(step, steps)
    with borrow() as backend:
        dual = dual_backend(backend)
        blocks = tuple(dual.branch.blocks)
        if block and block not in blocks:
            raise InvalidRequestError(f"This model hears its draft in {', '.join(blocks)}, not in {block}.")
        sounding = at_bandwidth(backend, request.bandwidth)
        latents = sounding.encode_audio(beginning(path, sounding.geometry))
        acoustics = clip_acoustics(wanted, request.prompt, clip.duration_s, backend, drafts)
        at = backend.schedule.timesteps(clip.steps)[clip.skipped + step - 1, None]
        drawn = torch.randn(latents.shape, generator=torch.Generator().manual_seed(request.seed))
        noisy = add_noise(latents, drawn.to(latents.device), backend.schedule.alpha_bar(at).float())
        text = backend.encode_text([request.prompt])
        heard = Tokens(acoustics.window(0, latents.shape[2])[1:])
        found: dict[str, list[np.ndarray]] = {name: [] for name in blocks}
        with dual.branch.watched(lambda name, weights: found[name].append(weights.cpu().numpy())):
            backend.predict_noise(noisy, at.to(noisy.device), 0, text.with_acoustic(heard))
    codec = drafts.models.opener(wanted.model, str(backend.device))
    draft_s = acoustics.draft.tokens.shape[1] / codec.frame_rate
    chosen = block or blocks[-1]
    weights = np.mean(found[chosen], axis=0)
    rate = backend.geometry.frame_rate
    return DraftAttention(chosen, blocks, step, steps, latents.shape[2] / rate, draft_s, weights)
