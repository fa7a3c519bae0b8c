"""Endless takes: warm start, first frames at once, then FIFO steps for as long as somebody wants."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from studio.backends.textures import is_steady
from studio.core.attention import DenseAttention
from studio.core.audio import NO_SOUND
from studio.core.errors import NoSoundError
from studio.core.events import AttentionMap, StepDone
from studio.modules.patches.probe import AttentionProbe, attention_probe, region_averages
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import (
    EndlessCheckpoint,
    KeptLatents,
    RenderEvent,
    SavePoint,
    damaged,
    refusal,
)
from studio.pipeline.chunks import ChunkCutter
from studio.pipeline.continuation import Join, join, lead_latents
from studio.pipeline.control import FADE_OUT_S, TakeControl
from studio.pipeline.denoiser import build_denoiser
from studio.pipeline.plan import EndlessPlan, Guidance, Prompts, RenderPlan
from studio.pipeline.progress import step_events
from studio.pipeline.recording import Recording
from studio.pipeline.start import AsRing, Fresh, FromCheckpoint, FromEdit, FromRecording, Start
from studio.pipeline.stereo import Channels, side_of
from studio.samplers.curve import choose_strategy, key_regions
from studio.samplers.ddim import DdimStep, run_steps
from studio.samplers.fifo import FifoPlan, FifoState, continuation_steps, fifo_step, warm_start_steps
from studio.samplers.twin import SideNoise, side_power
from studio.samplers.variation import Noise

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.pipeline.acoustic import StreamingAcoustics
    from studio.pipeline.speech import SpokenTrack
    from studio.samplers.denoise import Denoise

MEASURE_PROMPT = "sound"
MEASURE_SEED = 0
MEASURE_WARMUP_STEPS = 10
SHORTEST_QUEUE = 3  # frames, to have a beginning, a middle and an end


def render_endless(
    plan: RenderPlan,
    endless: EndlessPlan,
    backend: Backend,
    cancel: CancelToken,
    control: TakeControl,
    start: Start,
    acoustics: StreamingAcoustics | None = None,
    speech: SpokenTrack | None = None,
) -> Iterator[RenderEvent]:
    """A take by FIFO sampling with curved denoising, to its length, until `control` ends it, or `cancel`.

    It goes on where a checkpoint of the same plan was made, or from a recording that is its beginning.
    """
    geometry, window = backend.geometry, endless.window
    beside = acoustics or speech  # what grows with the take, and goes on with it
    denoise = build_denoiser(plan, backend, cancel, control, acoustics, speech)
    total = plan.total_samples
    last_frame = None if total is None else -(-total // geometry.hop_samples)
    cutter = ChunkCutter(geometry.sample_rate, total, start.first_sample)
    decoder, state = yield from _begun(plan, endless, backend, denoise, start, beside, cutter)
    while last_frame is None or state.position < last_frame:
        cancel.check()
        if control.ending and not cutter.fading:
            last_frame = -(-cutter.fade_out(round(FADE_OUT_S * geometry.sample_rate)) // geometry.hop_samples)
            continue
        began = time.perf_counter()
        due = endless.attention_interval > 0 and state.steps_done % endless.attention_interval == 0
        with ExitStack() as stack:
            layers = backend.attention_layers() if due else ()
            probe = stack.enter_context(_watch(backend, window)) if layers else None
            apart = side_power(plan.stereo.width, plan.stereo.steady and _steady(control))
            state, frames = fifo_step(denoise, state, window, backend.schedule, apart)
        yield StepDone(state.steps_done, None, time.perf_counter() - began)
        if not torch.isfinite(frames).all():  # before a save point holds them, and all that follows is lost
            yield from cutter.cut(decoder.flush())
            raise NoSoundError(NO_SOUND)
        yield from cutter.cut(decoder.push(frames))
        yield KeptLatents(frames, state.position - window.group_size)
        if decoder.joined and not cutter.fading:
            grown = None if beside is None else beside.state_dict()
            yield SavePoint(
                EndlessCheckpoint(cutter.position, state, decoder.state_dict(), grown, endless.strategy)
            )
        if probe is not None:
            yield _attention_map(state.steps_done, probe, window)
    yield from cutter.cut(decoder.flush())


def _steady(control: TakeControl) -> bool:
    """Whether what a take was steered to is steady, too."""
    return not control.said and all(is_steady(point.prompt) for point in control.points)


def _begun(
    plan: RenderPlan,
    endless: EndlessPlan,
    backend: Backend,
    denoise: Denoise,
    start: Start,
    beside: StreamingAcoustics | SpokenTrack | None,
    cutter: ChunkCutter,
) -> Generator[RenderEvent, None, tuple[Channels, FifoState]]:
    """The first window and the decoder of what leaves it; the sound that there is by then goes first."""
    match start:
        case FromCheckpoint(checkpoint):
            decoder = _channels(plan, backend)
            return decoder, _taken_up(checkpoint, plan, endless.window, backend, decoder, beside)
        case FromRecording(recording):
            lead = lead_latents(recording, endless.window, backend).expand(plan.stereo.sampled, -1, -1, -1)
            decoder = _channels(plan, backend, recording, lead.shape[2])
            state = yield from step_events(
                continuation_steps(
                    denoise,
                    backend.schedule,
                    endless.window,
                    plan.noise(),
                    lead,
                    warmup_steps=endless.warmup_steps,
                    position=len(recording.samples) // backend.geometry.hop_samples,
                    side=side_of(plan),
                )
            )
            samples = recording.samples[: len(recording.samples) - decoder.fade_samples]
            yield from cutter.cut(decoder.recorded(samples, cutter.position))
            yield from cutter.cut(decoder.push(lead))
            return decoder, state
        case Fresh() | FromEdit() | AsRing():
            decoder = _channels(plan, backend)
            state, frames = yield from step_events(
                _warm_start(plan.noise(), endless, denoise, backend, side_of(plan))
            )
            yield from cutter.cut(decoder.push(frames))
            yield KeptLatents(frames, 0)
            return decoder, state


def _taken_up(
    checkpoint: EndlessCheckpoint,
    plan: RenderPlan,
    window: FifoPlan,
    backend: Backend,
    decoder: Channels,
    beside: StreamingAcoustics | SpokenTrack | None,
) -> FifoState:
    """The state that a checkpoint holds; the decoder and the draft or script go on from where they were."""
    geometry, fifo = backend.geometry, checkpoint.fifo
    lengths = (window.buffer_frames, window.queue_frames)
    sampled = plan.stereo.sampled
    wanted = [(sampled, geometry.channels, frames, geometry.bands) for frames in lengths]
    both = fifo.side_state is not None
    if [tuple(fifo.buffer.shape), tuple(fifo.queue.shape)] != wanted or both != (sampled == 2):
        why = "it was saved with another window, or by another model"
        raise refusal(checkpoint.samples, why, geometry.sample_rate)
    try:
        decoder.load_state_dict(checkpoint.decoder)
        if beside is not None:
            if checkpoint.beside is None:
                raise ValueError("no draft, no script")
            beside.load_state_dict(checkpoint.beside)
    except (LookupError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise damaged(checkpoint.samples, geometry.sample_rate) from error
    return fifo.to(backend.device)


def _channels(
    plan: RenderPlan, backend: Backend, recording: Recording | None = None, lead_frames: int = 0
) -> Channels:
    """A decoder for each channel that is sampled, the first frames those of the recording's end."""
    joins = [
        Join(backend.stream_decoder()) if recording is None else join(recording, lead_frames, backend)
        for _ in range(plan.stereo.sampled)
    ]
    return Channels(joins, plan.stereo, backend.geometry.sample_rate)


def _warm_start(
    noise: Noise, endless: EndlessPlan, denoise: Denoise, backend: Backend, side: SideNoise | None = None
) -> Generator[DdimStep, None, tuple[FifoState, Tensor]]:
    return warm_start_steps(
        denoise,
        backend.schedule,
        endless.window,
        noise,
        channels=backend.geometry.channels,
        bands=backend.geometry.bands,
        warmup_steps=endless.warmup_steps,
        device=backend.device,
        side=side,
    )


def measure_strategy(backend: Backend, window: FifoPlan, cancel: CancelToken) -> str:
    """The strategy for a checkpoint and window, by where its self-attention looks on an equal ramp (§2.2.2):
    `window` is laid out by "equal", with the lengths and the number of steps of the take's own.

    A function of the two alone (its own prompt, seed and ramp), so that a request renders the same whatever
    was rendered before it. A backend without attention layers gets "equal", and so does a window too short
    to have thirds.
    """
    if not backend.attention_layers() or window.queue_frames < SHORTEST_QUEUE:
        return "equal"
    endless = EndlessPlan(window, "equal", MEASURE_WARMUP_STEPS)
    plan = RenderPlan(Prompts(MEASURE_PROMPT), MEASURE_SEED, Guidance(1.0), DenseAttention(), endless)
    denoise = build_denoiser(plan, backend, cancel)
    state, _ = run_steps(_warm_start(plan.noise(), endless, denoise, backend))
    with _watch(backend, window) as probe:
        fifo_step(denoise, state, window, backend.schedule)
    regions = key_regions(window.buffer_frames, window.window_frames)
    return choose_strategy(region_averages(probe.map, regions))


def _watch(backend: Backend, window: FifoPlan) -> AbstractContextManager[AttentionProbe]:
    return attention_probe(backend.attention_layers(), window.window_frames, backend.geometry.bands)


def _attention_map(step: int, probe: AttentionProbe, window: FifoPlan) -> AttentionMap:
    regions = {"buffer": (0, window.buffer_frames)} if window.buffer_frames else {}
    if window.queue_frames >= SHORTEST_QUEUE:
        regions |= key_regions(window.buffer_frames, window.window_frames)
    return AttentionMap(step, probe.map.numpy(), regions)
