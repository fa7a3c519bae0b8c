"""What a clip will cost in time and memory, from one look at short clips of the same settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import psutil
import torch
from torch import Tensor

from studio.core.audio import format_time
from studio.core.errors import OutOfResourcesError
from studio.pipeline.peak_memory import rise_mb

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.plan import ClipPlan
    from studio.samplers.denoise import Denoise

SHORT_S, LONG_S = 2.5, 10.0
DECODED_AT_ONCE_S = 20.0  # longer clips are decoded in blocks
RESERVE_MB = 300.0  # left to everything else
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Estimate:
    """A clip's cost. `fits_s` is about the longest that the free memory holds."""

    time_s: float
    memory_mb: float
    free_mb: float
    fits_s: float

    def __str__(self) -> str:
        return f"About {format_time(self.time_s + 0.5)} and {max(1.0, self.memory_mb):.0f} MB"


@dataclass(frozen=True)
class Calibration:
    """Two short clips' costs: seconds and MiB of a step, and of decoding the shorter one."""

    step_s: tuple[float, float]
    step_mb: tuple[float, float]
    decode_s: float
    decode_mb: float

    def estimate(self, duration_s: float, steps: int, free_mb: float) -> Estimate:
        """The cost of a clip, steps growing with the length and its square, all else with the length."""
        time_s = steps * self.step_s_at(duration_s) + self.decode_s_at(duration_s)
        return Estimate(time_s, self.memory_mb(duration_s), free_mb, self._longest_s(free_mb))

    def step_s_at(self, duration_s: float) -> float:
        """Seconds of a step of so many seconds of sound."""
        slope, curve = _line_and_square(self.step_s)
        return slope * duration_s + curve * duration_s**2

    def decode_s_at(self, duration_s: float) -> float:
        """Seconds of decoding so many seconds of sound."""
        return self.decode_s / SHORT_S * duration_s

    def memory_mb(self, duration_s: float, clips: int = 1) -> float:
        """MiB beyond the model of clips of this length that are denoised side by side and decoded in turn."""
        step = max(0.0, self.step_mb[1]) / LONG_S * duration_s * clips
        decode = max(0.0, self.decode_mb) / SHORT_S * min(duration_s, DECODED_AT_ONCE_S)
        return max(step, decode)

    def _longest_s(self, free_mb: float) -> float:
        per_second = max(1e-3, max(0.0, self.step_mb[1]) / LONG_S)
        return max(0.0, free_mb - RESERVE_MB) / per_second


def calibrate(
    denoise: Denoise, backend: Backend, channels: int = 1, clip: ClipPlan | None = None
) -> Calibration:
    """Run a step and a decode of short clips; takes about as long as three steps of 10 s.

    `channels` are those that the denoiser is of; a clip is one of all of them. Where the `clip`'s steps are
    of unlike cost, a step is the mean over a period of them, each of them guided: more than it is where they
    aren't.
    """
    period, level = (1, 1.0) if clip is None else (clip.period, clip.guided[1])
    top = round(level * (backend.schedule.train_steps - 1))
    timesteps = [max(0, top - index) for index in range(period)]
    short, long = (_steps(denoise, backend, length, channels, timesteps) for length in (SHORT_S, LONG_S))
    _timed(short)  # the first call of a model pays for more than itself
    steps = [(_timed(step) / period, rise_mb(str(backend.device), step)) for step in (short, long)]
    latents = _noise(backend, SHORT_S)

    decode = partial(backend.decode, latents)
    decode_mb = rise_mb(str(backend.device), decode)
    return Calibration(
        (steps[0][0], steps[1][0]), (steps[0][1], steps[1][1]), channels * _timed(decode), decode_mb
    )


def require_fit(calibration: Calibration, clip: ClipPlan, backend: Backend) -> Estimate:
    """The clip's estimate.

    Raises:
        OutOfResourcesError: it can't fit the free memory; says what would.
    """
    estimate = calibration.estimate(clip.duration_s, clip.steps, free_mb(backend.device))
    if estimate.memory_mb > estimate.free_mb - RESERVE_MB:
        raise OutOfResourcesError(
            f"{clip.duration_s:g} s would take some {estimate.memory_mb:.0f} MB of the "
            f"{estimate.free_mb:.0f} that are free: up to about {estimate.fits_s:.0f} s fit."
        )
    return estimate


def _line_and_square(step_s: tuple[float, float]) -> tuple[float, float]:
    """a, b ≥ 0 of a·t + b·t² through both points, or near them where noise leaves no such curve."""
    short, long = step_s[0] / SHORT_S, step_s[1] / LONG_S
    curve = max(0.0, (long - short) / (LONG_S - SHORT_S))
    return max(0.0, long - curve * LONG_S), curve


def _steps(
    denoise: Denoise, backend: Backend, duration_s: float, channels: int, timesteps: Sequence[int]
) -> Callable[[], None]:
    latents = _noise(backend, duration_s).expand(channels, -1, -1, -1)

    def run() -> None:
        for timestep in timesteps:
            denoise(latents, torch.full((channels,), timestep, device=backend.device), 0)

    return run


def _noise(backend: Backend, duration_s: float) -> Tensor:
    geometry = backend.geometry
    shape = (1, geometry.channels, geometry.frames(duration_s), geometry.bands)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(backend.device)


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def free_mb(device: torch.device) -> float:
    """MiB of a device's memory that nobody holds."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # for what comes next
        return float((torch.cuda.mem_get_info(device)[0] + kept) / _MIB)
    return float(psutil.virtual_memory().available / _MIB)
