"""Endless takes: warm start, first frames at once, then FIFO steps for as long as somebody wants."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from studio.core.audio import NO_SOUND
from studio.core.errors import NoSoundError
from studio.core.events import AttentionMap, Event, SavePoint, StepDone
from studio.core.request import GenerationRequest, parse_request
from studio.core.sampling import EndlessSampler
from studio.modules.patches.probe import AttentionProbe, attention_probe, region_averages
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import refusal
from studio.pipeline.chunks import ChunkCutter, total_samples
from studio.pipeline.continuation import Join, join, lead_latents
from studio.pipeline.control import FADE_OUT_S, TakeControl
from studio.pipeline.denoiser import build_denoiser
from studio.pipeline.progress import StepProgress
from studio.pipeline.recording import Origin, Recording
from studio.samplers.curve import choose_strategy, curved_timesteps, key_regions
from studio.samplers.fifo import FifoPlan, FifoState, fifo_step, state_from_latents, warm_start

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.acoustic import StreamingAcoustics
    from studio.samplers.denoise import Denoise, OnStep

Result = TypeVar("Result")
MEASURE_PROMPT = "sound"
MEASURE_WARMUP_STEPS = 10
SHORTEST_QUEUE = 3  # frames, to have a beginning, a middle and an end


def plan_window(sampler: EndlessSampler, strategy: str, backend: Backend) -> FifoPlan:
    """The window that these settings make on this checkpoint; `strategy` is not "auto" any more."""
    timesteps = curved_timesteps(backend.schedule, strategy, sampler.base_steps, sampler.skip_factor)
    multiple = backend.geometry.frame_multiple
    return FifoPlan.build(timesteps, sampler.group_size, sampler.buffer_frames, multiple)


def render_endless(
    request: GenerationRequest,
    sampler: EndlessSampler,
    strategy: str,
    backend: Backend,
    cancel: CancelToken,
    control: TakeControl | None = None,
    origin: Origin = None,
    acoustics: StreamingAcoustics | None = None,
) -> Iterator[Event]:
    """A take by FIFO sampling with curved denoising, for `duration_s`, until `control` ends it, or `cancel`.

    `origin` is the state of a `SavePoint` of the same request, and the take goes on from there; or a
    recording that is its beginning.
    """
    geometry = backend.geometry
    plan = plan_window(sampler, strategy, backend)
    denoise = build_denoiser(request, backend, cancel, control, acoustics)
    total = total_samples(request.duration_s, geometry.sample_rate)
    last_frame = None if total is None else -(-total // geometry.hop_samples)
    decoder = Join(backend.stream_decoder())
    if isinstance(origin, Mapping):
        cutter = ChunkCutter(geometry.sample_rate, total, origin["samples"])
        state = _taken_up(origin, plan, backend, decoder, acoustics)
    elif origin is not None:
        cutter = ChunkCutter(geometry.sample_rate, total, origin.silent_samples)
        lead = lead_latents(origin, plan, backend)
        decoder = join(origin, lead.shape[2], backend)
        grow = partial(_go_on, request, sampler.warmup_steps, plan, denoise, backend, origin, lead)
        state = yield from _stepwise(grow)
        yield from cutter.cut(origin.samples[cutter.position : len(origin.samples) - decoder.fade_samples])
        yield from cutter.cut(decoder.push(lead))
    else:
        cutter = ChunkCutter(geometry.sample_rate, total)
        start = partial(_warm_start, request, sampler.warmup_steps, plan, denoise, backend)
        state, frames = yield from _stepwise(start)
        yield from cutter.cut(decoder.push(frames))
    while last_frame is None or state.position < last_frame:
        cancel.check()
        if control is not None and control.ending and not cutter.fading:
            last_frame = -(-cutter.fade_out(round(FADE_OUT_S * geometry.sample_rate)) // geometry.hop_samples)
            continue
        began = time.perf_counter()
        # The probe sees what dense attention would look at: of a sparse model that is not where it looks.
        watched = request.attention.kind == "dense" and sampler.attention_interval > 0
        due = watched and state.steps_done % sampler.attention_interval == 0
        with ExitStack() as stack:
            layers = backend.attention_layers() if due else ()
            probe = stack.enter_context(_watch(backend, plan)) if layers else None
            state, frames = fifo_step(denoise, state, plan, backend.schedule)
        yield StepDone(state.steps_done, None, time.perf_counter() - began)
        if not torch.isfinite(frames).all():  # before a save point holds them, and all that follows is lost
            yield from cutter.cut(decoder.flush())
            raise NoSoundError(NO_SOUND)
        yield from cutter.cut(decoder.push(frames))
        if decoder.joined and not cutter.fading:
            reached = {
                "samples": cutter.position,
                "fifo": state.to_dict(),
                "decoder": decoder.state_dict(),
            }
            if acoustics is not None:
                reached["acoustics"] = acoustics.state_dict()
            yield SavePoint(cutter.position, {**reached, "strategy": strategy})
        if probe is not None:
            yield _attention_map(state.steps_done, probe, plan)
    yield from cutter.cut(decoder.flush())


def _taken_up(
    origin: Mapping[str, Any],
    plan: FifoPlan,
    backend: Backend,
    decoder: Join,
    acoustics: StreamingAcoustics | None,
) -> FifoState:
    """The state that a save point holds, its decoder and its draft where they were."""
    geometry = backend.geometry
    try:
        state = FifoState.from_dict(origin["fifo"]).to(backend.device)
        decoder.load_state_dict(origin["decoder"])
        if acoustics is not None:
            acoustics.load_state_dict(origin["acoustics"])
        held = (state.buffer.shape, state.queue.shape)
    except (LookupError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise refusal(origin, "what was saved of it is damaged") from error
    lengths = (plan.buffer_frames, plan.queue_frames)
    wanted = [(1, geometry.channels, frames, geometry.bands) for frames in lengths]
    if list(map(tuple, held)) != wanted:
        raise refusal(origin, "it was saved with another window, or by another model")
    return state


def _stepwise(call: Callable[[OnStep], Result]) -> Generator[Event, None, Result]:
    """As `yield from`: the steps that `call` reports to the callback it is given, then its result."""
    stepping = StepProgress()
    return (yield from stepping.run(lambda: call(stepping.on_step)))


def _warm_start(
    request: GenerationRequest,
    warmup_steps: int,
    plan: FifoPlan,
    denoise: Denoise,
    backend: Backend,
    on_step: OnStep | None = None,
) -> tuple[FifoState, Tensor]:
    return warm_start(
        denoise,
        backend.schedule,
        plan,
        torch.Generator().manual_seed(request.seed),
        channels=backend.geometry.channels,
        bands=backend.geometry.bands,
        warmup_steps=warmup_steps,
        device=backend.device,
        on_step=on_step,
    )


def _go_on(
    request: GenerationRequest,
    warmup_steps: int,
    plan: FifoPlan,
    denoise: Denoise,
    backend: Backend,
    recording: Recording,
    lead: Tensor,
    on_step: OnStep,
) -> FifoState:
    """The first window, grown from the recording's `lead`."""
    return state_from_latents(
        denoise,
        backend.schedule,
        plan,
        torch.Generator().manual_seed(request.seed),
        lead,
        warmup_steps=warmup_steps,
        position=len(recording.samples) // backend.geometry.hop_samples,
        on_step=on_step,
    )


def measure_strategy(backend: Backend, sampler: EndlessSampler, cancel: CancelToken) -> str:
    """The strategy for a checkpoint and window, by where its self-attention looks on an equal ramp (§2.2.2).

    A function of the two alone (its own prompt, seed and ramp), so that a request renders the same whatever
    was rendered before it. A backend without attention layers gets "equal", and so does a window too short
    to have thirds.
    """
    plan = plan_window(sampler, "equal", backend)
    if not backend.attention_layers() or plan.queue_frames < SHORTEST_QUEUE:
        return "equal"
    request = parse_request(prompt=MEASURE_PROMPT, seed=0, guidance_scale=1.0, sampler=sampler)
    denoise = build_denoiser(request, backend, cancel)
    state, _ = _warm_start(request, MEASURE_WARMUP_STEPS, plan, denoise, backend)
    with _watch(backend, plan) as probe:
        fifo_step(denoise, state, plan, backend.schedule)
    return choose_strategy(region_averages(probe.map, key_regions(plan.buffer_frames, plan.window_frames)))


def _watch(backend: Backend, plan: FifoPlan) -> AbstractContextManager[AttentionProbe]:
    return attention_probe(backend.attention_layers(), plan.window_frames, backend.geometry.bands)


def _attention_map(step: int, probe: AttentionProbe, plan: FifoPlan) -> AttentionMap:
    regions = {"buffer": (0, plan.buffer_frames)} if plan.buffer_frames else {}
    if plan.queue_frames >= SHORTEST_QUEUE:
        regions |= key_regions(plan.buffer_frames, plan.window_frames)
    return AttentionMap(step, probe.map.numpy(), regions)
