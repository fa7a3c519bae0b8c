"""A take as one array, for who wants no events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InvalidRequestError
from studio.core.events import AudioChunk
from studio.core.request import GenerationRequest
from studio.pipeline.cancel import CancelToken
from studio.pipeline.renderer import Renderer

if TYPE_CHECKING:
    from studio.backends.base import Backend


def render_samples(
    renderer: Renderer, request: GenerationRequest, backend: Backend, cancel: CancelToken | None = None
) -> NDArray[np.float32]:
    """All samples [n] or [n, 2] of a take of a set length, n = round(duration_s · sample_rate).

    Raises:
        InvalidRequestError: the take has no end, or the model can't do what is asked.
        CancelledError: `cancel` was set.
        OutOfResourcesError: the clip can't fit the memory that is free.
    """
    if request.duration_s is None:
        raise InvalidRequestError("An endless take is never whole: give seconds.")
    events = renderer(request, backend, cancel or CancelToken())
    return np.concatenate([event.samples for event in events if isinstance(event, AudioChunk)])
