"""Whether sparse attention is safe for a take: where its tokens attend, and how much of that is kept.

The finished take is encoded, noised again to a step of its schedule, and looked at by the model, its
attention dense. So any clip can be asked, and nothing need be kept while it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile as sf
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from studio.core.attention import LiteFocusAttention
from studio.core.audio import middle
from studio.core.errors import InvalidRequestError
from studio.core.request import GenerationRequest
from studio.core.values import FRAME_S
from studio.core.views import AttentionView, FocusShares
from studio.dsp.mel import band_edges_hz
from studio.samplers.schedule import add_noise

if TYPE_CHECKING:
    from studio.backends.base import Backend, Geometry
    from studio.modules.patches.watch import See, Watched

Borrow = Callable[[], AbstractContextManager["Backend"]]

MAX_S = 80.0  # looked at, from the take's beginning
LEVELS = 6  # noise levels at which the shares are measured
QUERIES = 96  # tokens that a share is the mean of
PATTERN_TOKENS = 192


@dataclass
class AttentionStudy:
    """One take under one model, which is borrowed for one forward at a time: it is patched meanwhile."""

    prompt: str
    seed: int
    wanted: LiteFocusAttention  # whose draws are looked at
    borrow: Borrow
    latents: Tensor
    blocks: tuple[str, ...]  # that have self-attention, from the U-Net's input to its output
    last_timestep: int
    watched: dict[str, list[Watched]] = field(default_factory=dict)  # at `seen_at`
    seen_at: int = -1
    shares: FocusShares | None = None

    @classmethod
    def of_take(cls, request: GenerationRequest, path: Path, borrow: Borrow) -> AttentionStudy:
        """Read the beginning of a take's file; its own LiteFocus is looked at, or else the default one.

        Raises:
            InvalidRequestError: the file is gone or too short, or the model has no attention to look at, or
                can't be borrowed.
        """
        from studio.backends.base import at_bandwidth
        from studio.modules.blocks import transformers

        with borrow() as backend:
            blocks = tuple(transformers(_unet(backend)))
            heard = at_bandwidth(backend, request.bandwidth)
            latents = heard.encode_audio(beginning(path, heard.geometry))
            last = backend.schedule.train_steps - 1
            own = request.attention
            wanted = own if isinstance(own, LiteFocusAttention) else LiteFocusAttention()
            return cls(request.prompt, request.seed, wanted, borrow, latents, blocks, last)

    def look(self, block: str, noise: float, at_s: float, height: float) -> AttentionView:
        """Where the token at `at_s` seconds and `height` (0 lowest, 1 highest mel band) attends.

        Args:
            noise: how noisy the take is then, from 0 for clean to 1: a share of the schedule's timesteps.

        Raises:
            InvalidRequestError: no such block or place.
        """
        if block not in self.blocks:
            raise InvalidRequestError(f"This model has no attention in {block}: {', '.join(self.blocks)}.")
        if not (0 <= noise <= 1 and 0 <= height <= 1 and at_s >= 0):
            raise InvalidRequestError("Choose a place in the spectrogram and a noise level from 0 to 1.")
        timestep = round(noise * self.last_timestep)
        if self.seen_at != timestep or block not in self.watched:
            self.watched = {block: []}
            self._run(timestep, (block,), lambda name, seen: self.watched[name].append(seen))
            self.seen_at = timestep
        return self._look(block, self.watched[block], at_s, height)

    def measure(self) -> Generator[str, None, FocusShares]:
        """The shares of all blocks at several noise levels, measured once; says how far it is."""
        from studio.modules.patches.watch import focus_share

        if self.shares is not None:
            return self.shares
        blocks = self.blocks
        timesteps = tuple(round(self.last_timestep * (i + 0.5) / LEVELS) for i in range(LEVELS))
        kept = np.zeros((len(blocks), LEVELS), np.float32)
        size = np.zeros(len(blocks), np.float32)
        for column, timestep in enumerate(timesteps):
            yield f"Looking at noise level {column + 1} of {LEVELS}"
            found: dict[str, list[float]] = {name: [] for name in blocks}

            def see(name: str, seen: Watched, found: dict[str, list[float]] = found) -> None:
                generator = torch.Generator().manual_seed(self.seed + len(found[name]))
                tokens = torch.randint(seen.frames * seen.bands, (QUERIES,), generator=generator)
                chosen = self._draw(seen, generator)
                found[name].append(focus_share(seen, tokens, chosen, self.wanted.focus))
                share, own = len(chosen) / (seen.frames * seen.bands), self.wanted.focus / seen.bands
                size[blocks.index(name)] = own + share * (1 - own)

            self._run(timestep, blocks, see)
            kept[:, column] = [np.mean(found[name]) for name in blocks]
        self.shares = FocusShares(blocks, timesteps, kept, size)
        return self.shares

    def _run(self, timestep: int, blocks: tuple[str, ...], see: See) -> None:
        """One forward over the take, noised to that timestep."""
        from studio.modules.patches.watch import watched_attention

        at = torch.tensor([timestep])
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(self.latents.shape, generator=generator).to(self.latents.device)
        with self.borrow() as backend:
            noisy = add_noise(self.latents, noise, backend.schedule.alpha_bar(at).float())
            conditioning = backend.encode_text([self.prompt])
            with watched_attention(_unet(backend), blocks, see):
                backend.predict_noise(noisy, at.to(noisy.device), 0, conditioning)

    def _look(self, block: str, watched: list[Watched], at_s: float, height: float) -> AttentionView:
        from studio.modules.patches.watch import same_band

        frames, bands = watched[0].frames, watched[0].bands
        frame_s = self.latents.shape[2] * FRAME_S / frames
        frame = min(frames - 1, int(at_s / frame_s))
        band = min(bands - 1, int(height * bands))
        token = frame * bands + band
        asked = torch.tensor([token])
        weights = torch.stack([seen.weights(asked)[0] for seen in watched]).mean(dim=0)
        chosen = self._draw(watched[0], torch.Generator().manual_seed(self.seed))
        focus = same_band(asked, frames * bands, bands)[0] & self.wanted.focus
        focus[chosen] = True
        first = min(max(0, token - PATTERN_TOKENS // 2), max(0, frames * bands - PATTERN_TOKENS))
        around = torch.arange(first, min(first + PATTERN_TOKENS, frames * bands))
        pattern = torch.stack([seen.weights(around)[:, around] for seen in watched]).mean(dim=0)
        return AttentionView(
            block, frame_s, tuple(band_edges_hz(bands).tolist()), frame, band,
            weights.view(frames, bands).cpu().numpy(), focus.view(frames, bands).numpy(),
            pattern.cpu().numpy(), first,
        )  # fmt: skip

    def _draw(self, seen: Watched, generator: torch.Generator) -> Tensor:
        """A C as the wanted LiteFocus draws it."""
        from studio.modules.patches.lite_focus import draw_tokens, ratio_for

        wanted, duration_s = self.wanted, self.latents.shape[2] * FRAME_S
        ratio = ratio_for(duration_s) if wanted.ratio == "auto" else wanted.ratio
        share = ratio if wanted.compensation else 0.0
        return draw_tokens(seen.frames, seen.bands, share, wanted.sampling, generator)


def _unet(backend: Backend) -> nn.Module:
    """What of a model attends. Raises `InvalidRequestError` where nothing does."""
    if backend.unet is None:
        raise InvalidRequestError("This model has no attention to look at: choose another.")
    return backend.unet


def beginning(path: Path, geometry: Geometry) -> NDArray[np.float32]:
    """The samples [n] of a take that are looked at, the mean of its channels, as many as the model takes."""
    try:
        with sf.SoundFile(path) as sound:
            if sound.samplerate != geometry.sample_rate:
                raise InvalidRequestError(f"{path.name} is not at the model's sample rate.")
            samples = sound.read(round(MAX_S * sound.samplerate), dtype="float32", always_2d=True)
    except (OSError, sf.LibsndfileError) as error:
        raise InvalidRequestError(f"Can't read {path.name}: generate the take anew.") from error
    unit = geometry.hop_samples * geometry.frame_multiple
    whole = len(samples) // unit * unit
    if not whole:
        raise InvalidRequestError(f"{path.name} is too short to look at.")
    return middle(samples[:whole])
