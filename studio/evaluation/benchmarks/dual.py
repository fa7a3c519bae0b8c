"""What a dual clip costs: the draft, the refinement, and the acoustic branch's share of a step."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from studio.backends.base import Tokens
from studio.core.attention import DenseAttention, LiteFocusAttention
from studio.core.draft import NoDraft
from studio.core.events import AudioChunk, Drafted, Event, StepDone
from studio.core.request import GenerationRequest
from studio.core.sampling import EndlessSampler
from studio.evaluation.benchmarks.endless import Stopwatch
from studio.pipeline.acoustic import dual_backend
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import for_readers
from studio.pipeline.drafts import Drafts
from studio.pipeline.peak_memory import PeakMemory, rise_mb
from studio.pipeline.renderer import Renderer

if TYPE_CHECKING:
    from studio.backends.base import Backend

REPEATS = 7
EXTENDED_S = 16.0  # a take that is longer has had its draft extended
WAVER_MB = 32.0  # by which a process's memory wavers of itself


def bench_dual(
    request: GenerationRequest, backend: Backend, drafts: Drafts, show: Callable[[Event], None]
) -> dict[str, Any]:
    """One clip of the request, its sound thrown away; `drafts` should keep none, or the draft costs nothing.

    `draft_s` includes loading what makes it; `refine_s` is from the draft to the sound; `branch_share` is
    how much of a step's time the acoustic branch takes, `step_ms` the step with it.
    """
    encoding = dual_backend(backend).encoding
    drafted_s = made_s = 0.0
    steps, tokens = [], 0
    with PeakMemory(str(backend.device)) as peak:
        began = time.perf_counter()
        for event in for_readers(Renderer(drafts)(request, backend, CancelToken())):
            show(event)
            if isinstance(event, Drafted):
                drafted_s, tokens = time.perf_counter() - began, event.tokens.shape[1]
            elif isinstance(event, StepDone):
                steps.append(event.step_s)
            elif isinstance(event, AudioChunk):
                made_s = event.end_sample / event.sample_rate
        took_s = time.perf_counter() - began
    frames = backend.geometry.frames(request.duration_s or 10.0)
    with_it, without = branch_ms(backend, frames, tokens if encoding == "AG" else frames)
    return {
        "model": backend.id,
        "device": str(backend.device),
        "seconds": round(made_s, 2),
        "steps": len(steps),
        "draft_s": round(drafted_s, 3),
        "refine_s": round(took_s - drafted_s, 3),
        "rtf": round(took_s / max(made_s, 1e-9), 4),
        **peak.figures(),
        "step_ms": round(with_it, 1),
        "branch_share": round(max(0.0, 1 - without / with_it), 3),
    }


def branch_ms(backend: Backend, frames: int, heard: int, repeats: int = REPEATS) -> tuple[float, float]:
    """Milliseconds of a forward of two items that hear a draft of `heard` frames, and of two that don't.

    Medians, of latents of so many frames.
    """
    geometry = backend.geometry
    generator = torch.Generator().manual_seed(0)
    shape = (2, geometry.channels, frames, geometry.bands)
    latents, at = torch.randn(shape, generator=generator).to(backend.device), torch.full((2,), 500)
    text = backend.encode_text(["", "rain"])
    acoustic = torch.randn(2, heard, 128, generator=generator)
    kinds = text.with_acoustic(Tokens(acoustic)), text
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(repeats + 1):
        for kind, times in zip(kinds, taken, strict=True):
            watch = Stopwatch(backend.device)
            with watch:
                backend.predict_noise(latents, at, 0, kind)
            if turn:
                times.append(watch.mean_ms)
    return median(taken[0]), median(taken[1])


def bench_combinations(
    request: GenerationRequest, backend: Backend, drafts: Drafts, show: Callable[[Event], None]
) -> list[dict[str, Any]]:
    """Endless × LiteFocus × draft: each of the eight for the request's length, its time and its memory.

    `work_mb` is the most that a take held beyond what was held before it, `doubled_mb` the same of one twice
    as long. Whether that is `within` its memory: an endless take needs no more, a clip no more than twice;
    None of an endless take with a draft that is too short to have had its draft extended.
    """
    rows = []
    for sampler in (request.sampler, EndlessSampler(strategy="equal")):
        for attention in (DenseAttention(), LiteFocusAttention()):
            for draft in (NoDraft(), request.draft):
                mode = "infinite" if sampler.kind == "endless" else "dual"
                parts = {"mode": mode, "sampler": sampler, "attention": attention, "draft": draft}
                wanted = request.model_copy(update=parts)
                rows.append({**_names(wanted), **_cost(wanted, backend, drafts, show)})
    return rows


def _names(wanted: GenerationRequest) -> dict[str, str]:
    parts = {"sampler": wanted.sampler, "attention": wanted.attention, "draft": wanted.draft}
    return {name: part.kind for name, part in parts.items()}


def _cost(
    wanted: GenerationRequest, backend: Backend, drafts: Drafts, show: Callable[[Event], None]
) -> dict[str, float | bool | None]:
    duration_s = wanted.duration_s or 10.0

    def render(seconds: float) -> float:
        """Seconds of sound made."""
        made_s = 0.0
        request = wanted.model_copy(update={"duration_s": seconds})
        for event in for_readers(Renderer(drafts)(request, backend, CancelToken())):
            show(event)
            if isinstance(event, AudioChunk):
                made_s = event.end_sample / event.sample_rate
        return made_s

    device = str(backend.device)
    # What is loaded and drafted once is no part of what is measured: so both are made once before.
    made_s, _ = (render(seconds) for seconds in (duration_s, 2 * duration_s))
    began = time.perf_counter()
    work_mb = rise_mb(device, lambda: render(duration_s))
    took_s = time.perf_counter() - began
    doubled_mb = rise_mb(device, lambda: render(2 * duration_s))
    endless = wanted.sampler.kind == "endless"
    allowed_mb = work_mb * (1 if endless else 2) + WAVER_MB
    too_short = endless and wanted.draft.kind != "none" and duration_s < EXTENDED_S
    return {
        "seconds": round(made_s, 2),
        "rtf": round(took_s / max(made_s, 1e-9), 4),
        "work_mb": round(work_mb, 1),
        "doubled_mb": round(doubled_mb, 1),
        "within": None if too_short else doubled_mb <= allowed_mb,
    }
