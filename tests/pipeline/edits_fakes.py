"""Takes in memory that edits are tried on, with and without the latents that they were decoded from."""

from __future__ import annotations

import numpy as np
import torch

from studio.core.events import AudioChunk
from studio.core.request import GenerationRequest, parse_request
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import Edited, KeptLatents
from studio.pipeline.plan import MONO, stereo_plan
from studio.pipeline.renderer import Renderer
from studio.pipeline.start import FromEdit
from studio.pipeline.stereo import decode_channels
from studio.service.takes.record import cues_of

RATE, HOP = 16000, 640


class TakeInMemory:
    """A `KnownTake` of an array; `largest` is the most samples that were read at once."""

    def __init__(self, samples, request: GenerationRequest | None = None, latents=None, loop=None, said=()):
        self.name, self.loop, self.said = "take.flac", loop, said
        self.request = request or parse_request(prompt="rain", seed=1)
        self.cues = cues_of(self.request, len(samples) / RATE)
        self.samples, self.sample_rate = len(samples), RATE
        self.channels = 1 if samples.ndim == 1 else samples.shape[1]
        self.sound, self._latents = samples, latents
        self.largest = 0

    def read(self, start: int, count: int):
        assert start >= 0
        assert start + count <= self.samples
        self.largest = max(self.largest, count)
        return self.sound[start : start + count].astype(np.float32)

    def latents(self, start_frame: int, frames: int):
        if self._latents is None or start_frame + frames > self._latents.shape[2]:
            return None
        return self._latents[:, :, start_frame : start_frame + frames]


def take_of(
    backend, frames: int = 300, seed: int = 0, *, kept: bool = True, extra: int = 0, **about
) -> TakeInMemory:
    """A take that a model decoded of latents, `extra` samples short of whole frames, in its own channels."""
    request = about.get("request")
    stereo = MONO if request is None else stereo_plan(request)
    shape = (1, backend.geometry.channels, frames, backend.geometry.bands)
    latents = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.5
    if stereo.sampled == 2:
        side = torch.randn(shape, generator=torch.Generator().manual_seed(seed + 100)) * 0.1
        latents = torch.cat([latents + side, latents - side])
    samples = np.clip(decode_channels(latents, stereo, backend), -1, 1)
    samples = samples[: len(samples) - extra]
    return TakeInMemory(samples, latents=latents if kept else None, **about)


def edited(edit, takes, backend, cancel=None):
    """(samples, what was told of the edit, latents that were kept by their first frame)."""
    request = takes[0].request
    events = list(Renderer()(request, backend, cancel or CancelToken(), None, FromEdit(edit, tuple(takes))))
    chunks = [one for one in events if isinstance(one, AudioChunk)]
    position = 0
    for chunk in chunks:
        assert chunk.start_sample == position
        position = chunk.end_sample
    told = next((one for one in events if isinstance(one, Edited)), None)
    kept = {one.start_frame: one.latents for one in events if isinstance(one, KeptLatents)}
    return np.concatenate([one.samples for one in chunks]), told, kept
