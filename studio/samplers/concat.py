"""Independent clips joined end to end: the baseline of InfiniteAudio (§1, Fig. 5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.core.errors import InvalidRequestError
from studio.samplers.ddim import ddim_sample
from studio.samplers.denoise import Denoise, OnStep
from studio.samplers.schedule import NoiseSchedule


def clip_latents(
    denoise: Denoise,
    schedule: NoiseSchedule,
    generator: torch.Generator,
    *,
    shape: tuple[int, int, int, int],
    steps: int,
    count: int,
    overlap_frames: int = 0,
    device: torch.device | str = "cpu",
    on_step: OnStep | None = None,
) -> Iterator[Tensor]:
    """Make clips one after another, each from noise of its own, each when it is asked for.

    Args:
        denoise: the model, its conditioning bound.
        schedule: noise levels of the checkpoint.
        generator: CPU generator of all clips' noise.
        shape: [1, C, T, F] of one clip.
        steps: DDIM steps of one clip.
        count: clips in all.
        overlap_frames: frames that two neighbours share in a crossfade; clip i starts at i · (T − overlap).
        device: where the latents live.
        on_step: told after each step, counted over all clips; what it raises ends the run.

    Yields:
        Clean latents, shaped `shape`.
    """

    def report(clip: int) -> OnStep | None:
        if on_step is None:
            return None
        return lambda step, _, latents: on_step(clip * steps + step, count * steps, latents)

    for clip in range(count):
        noise = torch.randn(shape, generator=generator).to(device)
        start_frame = clip * (shape[2] - overlap_frames)
        yield ddim_sample(denoise, schedule, noise, steps, report(clip), start_frame)


def equal_power(samples: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Gains [samples] of what comes in and of what goes out, their squares summing to 1."""
    phase = (np.arange(samples, dtype=np.float64) + 0.5) / max(samples, 1) * (np.pi / 2)
    return np.sin(phase).astype(np.float32), np.cos(phase).astype(np.float32)


def crossfade_join(
    clips: Iterable[NDArray[np.float32]], crossfade_samples: int
) -> Iterator[NDArray[np.float32]]:
    """Join waveforms as they come; only the last clip's tail is held back.

    Gains are equal-power (sin² + cos² = 1), since independent clips are uncorrelated: level stays even.

    Args:
        clips: mono waveforms [n].
        crossfade_samples: samples that neighbours share; 0 is a plain cut.

    Yields:
        Consecutive samples [m], whose total is Σ n − (clips − 1) · crossfade.

    Raises:
        InvalidRequestError: a clip is shorter than two crossfades.
    """
    rise, fall = equal_power(crossfade_samples)
    tail: NDArray[np.float32] | None = None
    for clip in clips:
        if len(clip) < 2 * crossfade_samples:
            raise InvalidRequestError("The crossfade must be at most half a clip; shorten it.")
        settled = np.array(clip[: len(clip) - crossfade_samples], dtype=np.float32)
        if tail is not None:
            settled[:crossfade_samples] = settled[:crossfade_samples] * rise + tail * fall
        tail = np.array(clip[len(clip) - crossfade_samples :], dtype=np.float32)
        yield settled
    if tail is not None and len(tail):
        yield tail
