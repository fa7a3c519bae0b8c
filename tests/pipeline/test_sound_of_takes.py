"""Takes on a model whose sound depends on its latents: what a sine of any latents could not tell.

What is expected is made anew here from the samplers and the model alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.backends.base import Conditioning
from studio.core.events import AudioChunk, StepDone
from studio.core.preset import Source
from studio.core.request import GenerationRequest
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import SavePoint
from studio.pipeline.control import TakeControl
from studio.pipeline.recording import Recording
from studio.pipeline.renderer import Renderer
from studio.pipeline.start import FRESH, FromCheckpoint, FromRecording, Start
from studio.samplers.concat import clip_latents, crossfade_join
from studio.samplers.curve import curved_timesteps
from studio.samplers.ddim import ddim_sample
from studio.samplers.denoise import Denoise
from studio.samplers.fifo import FifoPlan, fifo_step, state_from_latents, warm_start
from studio.samplers.guidance import guided
from studio.service.takes.savepoint import read_savepoint, write_savepoint
from studio.testing import FakeBackend
from tests.service.service_fakes import RATE, request

HOP = 640
ENDLESS = {
    "kind": "endless", "base_steps": 6, "group_size": 2, "buffer_frames": 4, "warmup_steps": 3,
    "strategy": "last",
}  # fmt: skip
LANE = [{"at_s": 1.2, "prompt": "wind"}, {"at_s": 2.0, "prompt": "sea"}]


def endless(**values: Any) -> GenerationRequest:
    return request(**{"duration_s": 3.0, "sampler": ENDLESS, **values})


def rendered(wanted: GenerationRequest, start: Start = FRESH) -> list[Any]:
    return list(Renderer()(wanted, FakeBackend(), CancelToken(), None, start))


def sound(events: Any) -> np.ndarray:
    return np.concatenate([event.samples for event in events if isinstance(event, AudioChunk)])


def model(wanted: GenerationRequest, backend: FakeBackend, prompt_at: Callable[[int], str]) -> Denoise:
    """The model under guidance, told the prompt of every frame by itself."""

    def denoise(latents: torch.Tensor, timesteps: torch.Tensor, start_frame: int) -> torch.Tensor:
        places = range(start_frame, start_frame + latents.shape[2])
        texts = backend.encode_text([wanted.negative_prompt, *map(prompt_at, places)]).pooled
        assert texts is not None
        pooled = torch.stack([texts[:1].expand(len(places), -1), texts[1:]])
        return backend.predict_noise(latents, timesteps, start_frame, Conditioning(pooled=pooled))

    return guided(denoise, wanted.guidance_scale)


def window(wanted: GenerationRequest, backend: FakeBackend) -> FifoPlan:
    sampler = wanted.sampler
    assert sampler.kind == "endless"
    timesteps = curved_timesteps(backend.schedule, sampler.strategy, sampler.base_steps, sampler.skip_factor)
    return FifoPlan.build(timesteps, sampler.group_size, sampler.buffer_frames, 4)


def takes_latents(wanted: GenerationRequest, frames: int, prompt_at: Callable[[int], str]) -> torch.Tensor:
    """The first `frames` clean frames of an endless take."""
    backend = FakeBackend()
    denoise, plan = model(wanted, backend, prompt_at), window(wanted, backend)
    generator = torch.Generator().manual_seed(wanted.seed)
    state, first = warm_start(
        denoise, backend.schedule, plan, generator, channels=8, bands=16, warmup_steps=3
    )
    parts = [first]
    while state.position < frames:
        state, part = fifo_step(denoise, state, plan, backend.schedule)
        parts.append(part)
    return torch.cat(parts, dim=2)


def test_an_endless_take_is_the_samplers_frames_decoded_as_a_whole() -> None:
    """No chunk's boundary is heard, no frame is lost, doubled or out of place."""
    wanted = endless()
    latents = takes_latents(wanted, 75, lambda _: wanted.prompt)
    np.testing.assert_allclose(sound(rendered(wanted)), FakeBackend().decode(latents)[: 3 * RATE], atol=1e-5)


@pytest.mark.parametrize("at_frame", [30, 31])
def test_a_lane_is_read_at_the_frames_own_time(at_frame: int) -> None:
    """A change without a blend is at its very frame: not one before, and not one after."""
    lane = [{"at_s": at_frame / 25, "prompt": "wind"}]
    wanted = endless(lane=lane, lane_blend_s=0.0)
    latents = takes_latents(wanted, 75, lambda frame: wanted.prompt if frame < at_frame else "wind")
    np.testing.assert_allclose(sound(rendered(wanted)), FakeBackend().decode(latents)[: 3 * RATE], atol=1e-4)


def test_prompts_and_seeds_are_heard_all_along() -> None:
    takes = [sound(rendered(endless(**other))) for other in ({}, {"seed": 43}, {"prompt": "wind"})]
    np.testing.assert_array_equal(takes[0], sound(rendered(endless())))
    for other in takes[1:]:
        apart = (takes[0] - other).reshape(-1, RATE // 4).std(axis=1)
        assert (apart > 0.2 * takes[0].std()).all(), "in every quarter of a second"


@pytest.mark.parametrize("lane", [[], LANE], ids=["one prompt", "lane"])
def test_from_any_save_point_the_take_is_the_one_that_was(tmp_path: Path, lane: list[dict[str, Any]]) -> None:
    wanted = endless(lane=lane)
    events = rendered(wanted)
    whole = sound(events)
    points = [event for event in events if isinstance(event, SavePoint)]
    assert len(points) > 30
    for point in points[::6]:
        write_savepoint(tmp_path / "a.state", point.checkpoint)
        rest = rendered(wanted, FromCheckpoint(read_savepoint(tmp_path / "a.state")))
        assert next(event for event in rest if isinstance(event, AudioChunk)).start_sample == point.samples
        np.testing.assert_array_equal(sound(rest), whole[point.samples :])


def test_a_save_point_holds_what_was_given_of_the_sound() -> None:
    """Every sample before it was given before it, so that a writer of either in turn can go on."""
    given = 0
    for event in rendered(endless()):
        if isinstance(event, AudioChunk):
            given = event.end_sample
        elif isinstance(event, SavePoint):
            assert event.samples == event.checkpoint.samples == given


def test_a_change_while_it_plays_is_the_rest_of_the_take_alone() -> None:
    wanted = endless()
    plain, control, parts = sound(rendered(wanted)), TakeControl(wanted.prompt), []
    asked = 0
    for event in Renderer()(wanted, FakeBackend(), CancelToken(), control):
        if isinstance(event, AudioChunk):
            parts.append(event.samples)
            if not asked and event.end_sample >= RATE:
                control.request_change("wind", ())
                asked = event.end_sample
    changed = np.concatenate(parts)
    np.testing.assert_array_equal(changed[:asked], plain[:asked])
    late = (changed - plain)[-RATE // 2 :].std()
    assert late > 0.2 * plain.std()


def recorded(backend: FakeBackend, frames: int, more: int) -> tuple[Recording, torch.Tensor]:
    """A recording of so many frames and samples, and the latents of its frames."""
    latents = torch.randn(1, 8, frames, 16, generator=torch.Generator().manual_seed(5))
    samples = np.concatenate([np.zeros(more, np.float32), backend.decode(latents)])
    source = Source(file="field.wav", sha256="0" * 64, duration_s=len(samples) / RATE)
    return Recording(samples, source), latents


@pytest.mark.parametrize("more", [0, 333])
def test_a_take_goes_on_from_a_recordings_very_latents(more: int) -> None:
    backend, wanted = FakeBackend(), endless(duration_s=6.0)
    recording, latents = recorded(backend, 80, more)
    plan, lead = window(wanted, backend), latents[:, :, -32:]
    denoise = model(wanted, backend, lambda _: wanted.prompt)
    state = state_from_latents(
        denoise,
        backend.schedule,
        plan,
        torch.Generator().manual_seed(wanted.seed),
        lead,
        warmup_steps=3,
        position=80,
    )
    parts = [lead]
    while state.position < 150:
        state, part = fifo_step(denoise, state, plan, backend.schedule)
        parts.append(part)
    expected = backend.decode(torch.cat(parts, dim=2))[32 * HOP :]
    chunks = [event for event in rendered(wanted, FromRecording(recording)) if isinstance(event, AudioChunk)]
    made = sound(chunks)[len(recording.samples) - chunks[0].start_sample :]
    assert chunks[-1].end_sample == 6 * RATE
    np.testing.assert_allclose(made, expected[: len(made)], atol=1e-4)


def test_a_take_that_began_with_a_recording_goes_on_as_it_was(tmp_path: Path) -> None:
    wanted = endless(duration_s=5.0)
    recording, _ = recorded(FakeBackend(), 50, 333)
    events = rendered(wanted, FromRecording(recording))
    whole = sound(events)
    points = [event for event in events if isinstance(event, SavePoint)]
    for point in points[::9]:
        write_savepoint(tmp_path / "a.state", point.checkpoint)
        rest = sound(rendered(wanted, FromCheckpoint(read_savepoint(tmp_path / "a.state"))))
        np.testing.assert_array_equal(rest, whole[point.samples :])


def test_a_clip_is_its_seeds_noise_denoised_and_decoded() -> None:
    backend, wanted = FakeBackend(), request(duration_s=2.0, sampler={"kind": "clip", "steps": 3})
    noise = torch.randn(1, 8, 52, 16, generator=torch.Generator().manual_seed(wanted.seed))
    latents = ddim_sample(model(wanted, backend, lambda _: wanted.prompt), backend.schedule, noise, 3)
    np.testing.assert_allclose(sound(rendered(wanted)), backend.decode(latents)[: 2 * RATE], atol=1e-5)


def test_joined_clips_are_each_where_they_are() -> None:
    sampler = {"kind": "concat", "steps": 2, "clip_s": 0.8, "crossfade_s": 0.2}
    backend, wanted = FakeBackend(), request(duration_s=2.0, sampler=sampler)
    clips = clip_latents(
        model(wanted, backend, lambda _: wanted.prompt),
        backend.schedule,
        torch.Generator().manual_seed(wanted.seed),
        shape=(1, 8, 20, 16),
        steps=2,
        count=3,
        overlap_frames=5,
    )
    joined = np.concatenate(list(crossfade_join(map(backend.decode, clips), 5 * HOP)))
    events = rendered(wanted)
    assert len([event for event in events if isinstance(event, StepDone)]) == 6
    np.testing.assert_allclose(sound(events), joined[: 2 * RATE], atol=1e-5)
