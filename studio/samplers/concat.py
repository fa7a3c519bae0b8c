"""Independent clips joined end to end: the baseline of InfiniteAudio (§1, Fig. 5)."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.core.errors import InvalidRequestError
from studio.samplers.ddim import DdimStep, counted, ddim_steps, run_steps
from studio.samplers.denoise import Denoise, OnStep
from studio.samplers.schedule import NoiseSchedule
from studio.samplers.twin import SideNoise
from studio.samplers.variation import Noise, gaussian


def clip_steps(
    denoise: Denoise,
    schedule: NoiseSchedule,
    generator: Noise,
    *,
    shape: tuple[int, int, int, int],
    steps: int,
    count: int,
    overlap_frames: int = 0,
    device: torch.device | str = "cpu",
    side: SideNoise | None = None,
) -> Iterator[Generator[DdimStep, None, Tensor]]:
    """Clips one after another, each from noise of its own, a step made each time that one is asked for.

    Args:
        denoise: the model, its conditioning bound.
        schedule: noise levels of the checkpoint.
        generator: CPU generator of all clips' noise.
        shape: [1, C, T, F] of one clip.
        steps: DDIM steps of one clip.
        count: clips in all.
        overlap_frames: frames that two neighbours share in a crossfade; clip i starts at i · (T − overlap).
        device: where the latents live.
        side: of the noise of two channels that are sampled together; None of one.

    Yields:
        The steps of each clip, counted over all clips, which return its clean latents, shaped `shape`, or
        [2, C, T, F] of two channels.
    """
    for clip in range(count):
        common = gaussian(shape, generator)
        noise = (common if side is None else side.both(common)).to(device)
        start_frame = clip * (shape[2] - overlap_frames)
        own = ddim_steps(denoise, schedule, noise, steps, start_frame)
        yield counted(own, clip * steps, count * steps)


def clip_latents(
    denoise: Denoise,
    schedule: NoiseSchedule,
    generator: Noise,
    *,
    shape: tuple[int, int, int, int],
    steps: int,
    count: int,
    overlap_frames: int = 0,
    device: torch.device | str = "cpu",
    on_step: OnStep | None = None,
) -> Iterator[Tensor]:
    """The clean latents of `clip_steps`, each clip made when it is asked for.

    `on_step` is told after each step; what it raises ends the run.
    """
    clips = clip_steps(
        denoise,
        schedule,
        generator,
        shape=shape,
        steps=steps,
        count=count,
        overlap_frames=overlap_frames,
        device=device,
    )
    for clip in clips:
        yield run_steps(clip, on_step)


def equal_power(samples: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Gains [samples] of what comes in and of what goes out, their squares summing to 1."""
    phase = (np.arange(samples, dtype=np.float64) + 0.5) / max(samples, 1) * (np.pi / 2)
    return np.sin(phase).astype(np.float32), np.cos(phase).astype(np.float32)


class Crossfade:
    """Joins waveforms as they come; only the last clip's tail is held back.

    Gains are equal-power (sin² + cos² = 1), since independent clips are uncorrelated: level stays even.
    """

    def __init__(self, samples: int) -> None:
        """`samples` that neighbours share; 0 is a plain cut."""
        self._samples = samples
        self._rise, self._fall = equal_power(samples)
        self._tail: NDArray[np.float32] | None = None

    def push(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next clip, [n] or [n, channels]; give the samples that are settled by now.

        Raises:
            InvalidRequestError: it is shorter than two crossfades.
        """
        shared = self._samples
        if len(clip) < 2 * shared:
            raise InvalidRequestError("The crossfade must be at most half a clip; shorten it.")
        settled = np.array(clip[: len(clip) - shared], dtype=np.float32)
        if self._tail is not None:
            rise, fall = self._rise, self._fall
            if clip.ndim == 2:
                rise, fall = rise[:, None], fall[:, None]
            settled[:shared] = settled[:shared] * rise + self._tail * fall
        self._tail = np.array(clip[len(clip) - shared :], dtype=np.float32)
        return settled

    def flush(self) -> NDArray[np.float32]:
        """Give what is left of the last clip."""
        tail, self._tail = self._tail, None
        return np.zeros(0, np.float32) if tail is None else tail


def crossfade_join(
    clips: Iterable[NDArray[np.float32]], crossfade_samples: int
) -> Iterator[NDArray[np.float32]]:
    """The waveforms of a `Crossfade` of all these clips, each as soon as it is settled.

    Yields:
        Consecutive samples [m], whose total is Σ n − (clips − 1) · crossfade.

    Raises:
        InvalidRequestError: a clip is shorter than two crossfades.
    """
    joined = Crossfade(crossfade_samples)
    for clip in clips:
        yield joined.push(clip)
    if len(tail := joined.flush()):
        yield tail
