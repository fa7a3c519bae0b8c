"""What a take costs on this machine: speed, time to the first sound, memory, and where the time goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.backends.base import at_bandwidth
from studio.core.audio import Bandwidth
from studio.core.events import AudioChunk, Event, Progress
from studio.core.memory import process_memory_mb
from studio.core.request import GenerationRequest, Stereo
from studio.core.sampling import ClipSampler
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import for_readers
from studio.pipeline.peak_memory import PeakMemory
from studio.pipeline.plan import guidance_plan, plan_window
from studio.pipeline.renderer import Renderer

if TYPE_CHECKING:
    from studio.backends.base import Backend, StreamDecoder

COMPARED_S = (10.0, 20.0, 40.0, 80.0)
BEFORE_S = 2.0  # of sound that no figure is of
SETTLING_S = 60.0  # sound after which memory should have found its level


def bench_endless(
    request: GenerationRequest, backend: Backend, show: Callable[[Event], None]
) -> dict[str, Any]:
    """One endless take of the request's length, its sound thrown away.

    The first sound's time begins with the model loaded and includes all that a first take does, measuring
    the strategy "auto" among it. `rss_slope_mb_per_min` is per minute of sound, `decode_ms` and `passes` are
    per step.

    Args:
        request: an endless sampler and a length.
        backend: loaded.
        show: told every event.
    """
    sampler = request.endless
    timed, renderer, cancel = TimedBackend(backend), Renderer(), CancelToken()
    memory: list[tuple[float, float]] = []
    first_audio_s, audio_s = 0.0, 0.0
    rss_start_mb = process_memory_mb()
    with PeakMemory(str(backend.device)) as peak:
        began = time.perf_counter()
        for event in for_readers(renderer(request, timed, cancel)):
            show(event)
            if isinstance(event, AudioChunk):
                first_audio_s = first_audio_s or time.perf_counter() - began
                audio_s = event.end_sample / event.sample_rate
                memory.append((audio_s, process_memory_mb()))
        took_s = time.perf_counter() - began
    strategy = renderer.strategy(timed, sampler, cancel) if sampler.strategy == "auto" else sampler.strategy
    plan = plan_window(sampler, strategy, backend)
    return {
        "model": backend.id,
        "device": str(backend.device),
        "dtype": str(backend.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "seconds_of_audio": round(audio_s, 3),
        "rtf": round(took_s / audio_s, 4),
        "first_audio_s": round(first_audio_s, 3),
        "unet_ms": round(timed.network_watch.mean_ms, 3),
        "decode_ms": round(timed.decoder_watch.mean_ms, 3),
        "rss_start_mb": round(rss_start_mb, 1),
        "rss_end_mb": round(process_memory_mb(), 1),
        "rss_slope_mb_per_min": round(slope_per_minute(memory), 3),
        **peak.figures(),
        "window_s": round(plan.window_frames / backend.geometry.frame_rate, 3),
        "steps": len(plan.timesteps),
        "group_size": plan.group_size,
        "buffer": plan.buffer_frames,
        "strategy": strategy,
        "skip_factor": sampler.skip_factor,
        "guidance": request.guidance_scale,
        "passes": guidance_plan(request, backend).passes,
        "stereo": request.stereo,
        "bandwidth": request.bandwidth,
    }


def bench_kinds(
    request: GenerationRequest, backend: Backend, show: Callable[[Event], None]
) -> list[dict[str, Any]]:
    """The same take in each stereo, at each bandwidth that the model has: what `bench_endless` says of them.

    A short one goes first, or the first of them would pay for what a process does once.
    """
    widths: list[Bandwidth] = ["16k", "48k"] if backend.capabilities.extends else ["16k"]
    kinds = [
        request.model_copy(update={"stereo": stereo, "bandwidth": width})
        for width in widths
        for stereo in get_args(Stereo)
    ]
    bench_endless(request.model_copy(update={"duration_s": BEFORE_S}), backend, lambda _: None)
    told = ("stereo", "bandwidth", "rtf", "first_audio_s", "unet_ms", "decode_ms", "rss_end_mb")
    rows = []
    for kind in kinds:
        show(Progress(f"{kind.stereo.title()} at {kind.sample_rate // 1000} kHz"))
        figures = bench_endless(kind, backend, show)
        rows.append({name: figures[name] for name in told})
    return rows


def bench_clips(
    request: GenerationRequest,
    backend: Backend,
    durations_s: Sequence[float] = COMPARED_S,
    *,
    steps: int = 50,
) -> list[dict[str, Any]]:
    """One conventional run of `steps` at each length: time and peak memory, for the paper's comparison.

    Goes from short to long, because a process seldom gives memory back: the peak of a short run after a long
    one would be the long one's.
    """
    rows = []
    for duration_s in sorted(durations_s):
        sampler = ClipSampler(steps=steps)
        clip = request.model_copy(update={"sampler": sampler, "duration_s": duration_s})
        with PeakMemory(str(backend.device)) as peak:
            began = time.perf_counter()
            for _ in Renderer()(clip, backend, CancelToken()):
                pass
            took_s = time.perf_counter() - began
        rows.append(
            {
                "seconds_of_audio": duration_s,
                "time_s": round(took_s, 3),
                "rtf": round(took_s / duration_s, 4),
                **peak.figures(),
                "steps": sampler.steps,
            }
        )
    return rows


def slope_per_minute(samples: Sequence[tuple[float, float]]) -> float:
    """Least-squares slope of MiB over seconds of sound, a minute.

    Leaves out the first minute where at least another one follows it; less would be noise.
    """
    times, sizes = np.array(samples, dtype=np.float64).reshape(-1, 2).T
    if len(times) and times[-1] >= 2 * SETTLING_S:
        sizes, times = sizes[times >= SETTLING_S], times[times >= SETTLING_S]
    spread = times - times.mean() if len(times) else times
    squares = float(spread @ spread)
    return 60.0 * float(spread @ sizes) / squares if squares > 0 else 0.0


class Stopwatch:
    """Sums the time of calls, waiting for an accelerator that works on after they return."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._total_s = 0.0
        self._count = 0

    @property
    def mean_ms(self) -> float:
        return 1000.0 * self._total_s / self._count if self._count else 0.0

    def __enter__(self) -> None:
        self._settle()
        self._began = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self._settle()
        self._total_s += time.perf_counter() - self._began
        self._count += 1

    def _settle(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()


class TimedBackend:
    """A backend whose U-Net and streaming decoder run against a stopwatch; all else is the backend's own."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.network_watch = Stopwatch(backend.device)
        self.decoder_watch = Stopwatch(backend.device)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def at(self, bandwidth: Bandwidth) -> TimedBackend:
        """The backend at a bandwidth, against the same stopwatches."""
        backend = at_bandwidth(self._backend, bandwidth)
        if backend is self._backend:
            return self
        timed = TimedBackend(backend)
        timed.network_watch, timed.decoder_watch = self.network_watch, self.decoder_watch
        return timed

    def predict_noise(self, *args: Any, **options: Any) -> Tensor:
        """As the backend's."""
        with self.network_watch:
            return self._backend.predict_noise(*args, **options)

    def stream_decoder(self) -> TimedDecoder:
        """The backend's decoder, timed."""
        return TimedDecoder(self._backend.stream_decoder(), self.decoder_watch)


class TimedDecoder:
    """A `StreamDecoder` against a stopwatch."""

    def __init__(self, decoder: StreamDecoder, stopwatch: Stopwatch) -> None:
        self._decoder = decoder
        self._stopwatch = stopwatch

    def push(self, latents: Tensor) -> NDArray[np.float32]:
        """As the decoder's."""
        with self._stopwatch:
            return self._decoder.push(latents)

    def flush(self) -> NDArray[np.float32]:
        """As the decoder's."""
        with self._stopwatch:
            return self._decoder.flush()

    def state_dict(self) -> dict[str, Any]:
        """As the decoder's."""
        return self._decoder.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As the decoder's."""
        self._decoder.load_state_dict(state)
