from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from studio.backends.systems.tone import ToneBackend, tone
from studio.core.errors import CancelledError
from studio.core.events import AttentionMap, AudioChunk, StepDone
from studio.core.request import PromptPoint
from studio.core.sampling import EndlessSampler
from studio.pipeline import endless
from studio.pipeline.cancel import CancelToken
from studio.pipeline.control import TakeControl
from studio.pipeline.plan import EndlessPlan, Prompts, resolve_plan
from studio.pipeline.prompts import PromptSchedule, prompt_weights
from studio.pipeline.renderer import Renderer
from studio.samplers.fifo import FifoPlan
from tests.service.service_fakes import request

ENDLESS = {"kind": "endless", "base_steps": 6, "group_size": 2, "buffer_frames": 4, "warmup_steps": 3}
CLIP = {"kind": "clip", "steps": 3}
CONCAT = {"kind": "concat", "steps": 2, "clip_s": 0.8, "crossfade_s": 0.2}


def chunks(events: Any) -> list[AudioChunk]:
    return [event for event in events if isinstance(event, AudioChunk)]


@pytest.mark.parametrize("sampler", [ENDLESS, CLIP, CONCAT], ids=lambda sampler: sampler["kind"])
@pytest.mark.parametrize("duration_s", [0.01, 0.64, 2.34567])
def test_samples_are_exact_and_chunks_follow_each_other(sampler: dict[str, Any], duration_s: float) -> None:
    wanted = request(duration_s=duration_s, sampler=sampler)
    got = chunks(Renderer()(wanted, ToneBackend(), CancelToken()))
    assert got[0].start_sample == 0
    assert all(a.end_sample == b.start_sample for a, b in pairwise(got))
    assert got[-1].end_sample == round(duration_s * 16000)
    if sampler is not CONCAT:
        sound = np.concatenate([chunk.samples for chunk in got])
        np.testing.assert_allclose(sound, tone(0, len(sound), 16000), atol=1e-6)


def test_endless_sounds_right_after_the_warm_start_and_has_no_end() -> None:
    events = Renderer()(request(duration_s=None, sampler=ENDLESS), ToneBackend(), CancelToken())
    steps = 0
    for event in events:
        steps += isinstance(event, StepDone)
        if isinstance(event, AudioChunk):
            break
    assert steps == 3
    more = [next(event for event in events if isinstance(event, AudioChunk)) for _ in range(50)]
    assert more[-1].end_sample == (4 + 50 * 2) * 640


@pytest.mark.parametrize(("duration_s", "end_s"), [(None, 3.64), (60.0, 3.64), (2.0, 2.0)])
def test_a_take_that_is_to_finish_fades_out(duration_s: float | None, end_s: float) -> None:
    """Asked after 0.64 s of sound; it ends 3 s later, or where it would have ended anyway."""
    wanted = request(duration_s=duration_s, sampler=ENDLESS)
    control, got = TakeControl(wanted.prompt), []
    for event in Renderer()(wanted, ToneBackend(), CancelToken(), control):
        got += chunks([event])
        if got and got[-1].end_sample >= round(0.64 * 16000) and not control.ending:
            asked = got[-1].end_sample
            control.request_fade_out()
    assert got[-1].end_sample == min(round(end_s * 16000), asked + 48000)
    sound = np.concatenate([chunk.samples for chunk in got])
    np.testing.assert_allclose(sound[:asked], tone(0, asked, 16000), atol=1e-6)
    loud = np.array([np.abs(part).max() for part in np.array_split(sound[asked:], 12)])
    assert (np.diff(loud) < 0).all(), "ever softer"
    assert np.abs(sound[-160:]).max() < 1e-3


@pytest.mark.parametrize("sampler", [ENDLESS, CLIP, CONCAT], ids=lambda sampler: sampler["kind"])
def test_cancel_is_noticed_at_the_next_step(sampler: dict[str, Any]) -> None:
    cancel, backend = CancelToken(), ToneBackend()
    calls: list[int] = []
    plain = backend.predict_noise

    def counting(*args: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 2:
            cancel.set("Stopped.")
        return plain(*args)

    backend.predict_noise = counting  # type: ignore[method-assign]
    with pytest.raises(CancelledError, match="Stopped"):
        list(Renderer()(request(duration_s=60.0, sampler=sampler), backend, cancel))
    assert len(calls) == 2


def test_prompt_weights_blend_and_never_jump() -> None:
    lane = (PromptPoint(at_s=2.0, prompt="a"), PromptPoint(at_s=3.0, prompt="b"))
    times = torch.arange(0, 8, 0.04, dtype=torch.float64)
    weights = prompt_weights(lane, 2.0, times)
    torch.testing.assert_close(weights.sum(1), torch.ones_like(times))
    assert (weights >= 0).all()
    assert weights[0].tolist() == [1, 0, 0]
    torch.testing.assert_close(weights[75], torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64))
    assert weights[-1].tolist() == [0, 0, 1]
    assert (weights[1:] - weights[:-1]).abs().max() < 0.05
    cut = prompt_weights(lane, 0.0, times)
    assert set(cut.flatten().tolist()) == {0.0, 1.0}


def test_point_at_the_beginning_replaces_the_prompt_without_a_blend() -> None:
    weights = prompt_weights((PromptPoint(at_s=0.0, prompt="a"),), 2.0, torch.tensor([0.0, 1.0]))
    assert weights.tolist() == [[0, 1], [0, 1]]


def test_track_gives_one_vector_or_one_a_frame() -> None:
    backend = ToneBackend()
    lane = (PromptPoint(at_s=4.0, prompt="wind"),)
    track = PromptSchedule(Prompts("rain on tin", lane, 2.0, "noise"), backend)
    expected = backend.encode_text(["noise", "rain on tin", "wind"]).pooled
    assert expected is not None
    before, during, after = (track.window(frame, 8)[0].conditioning.pooled for frame in (0, 120, 400))
    assert before is not None
    assert during is not None
    assert after is not None
    torch.testing.assert_close(before, expected[:2])
    torch.testing.assert_close(after, expected[[0, 2]])
    assert during.shape == (2, 8, 16)
    torch.testing.assert_close(during.norm(dim=-1), torch.ones(2, 8))
    torch.testing.assert_close(during[0], expected[:1].expand(8, -1))
    [alone] = PromptSchedule(Prompts("rain on tin"), backend).window(0, 8)
    assert alone.conditioning.pooled.shape == (1, 16)  # type: ignore[union-attr]
    assert torch.equal(alone.share, torch.ones(8, dtype=torch.float64))


def test_a_steered_track_changes_from_the_middle_of_its_window_on() -> None:
    backend, prompts = ToneBackend(), Prompts("rain on tin")
    control = TakeControl(prompts.opening)
    track = PromptSchedule(prompts, backend, control)
    before = track.window(100, 8)[0].conditioning.pooled
    control.request_change("wind", ())
    after = track.window(100, 8)[0].conditioning.pooled
    expected = backend.encode_text(["rain on tin", "wind"]).pooled
    assert before is not None
    assert after is not None
    assert expected is not None
    assert control.points == (PromptPoint(at_s=104 / backend.geometry.frame_rate, prompt="wind"),)
    torch.testing.assert_close(before, expected[:1])
    torch.testing.assert_close(after[0], expected[[0] * 4 + [1] * 4])


class Attending(ToneBackend):
    """The tone with a self-attention layer that every forward passes."""

    def __init__(self) -> None:
        super().__init__()
        from diffusers.models.attention_processor import Attention

        torch.manual_seed(0)
        self._attention = Attention(query_dim=8, heads=1, dim_head=8)

    def predict_noise(self, latents, timesteps, start_frame, conditioning):  # type: ignore[no-untyped-def]
        with torch.no_grad():
            self._attention(latents.flatten(2).transpose(1, 2))
        return super().predict_noise(latents, timesteps, start_frame, conditioning)

    def attention_layers(self) -> list[torch.nn.Module]:
        return [self._attention]


def test_attention_maps_come_at_the_wanted_interval() -> None:
    wanted = request(duration_s=1.5, sampler={**ENDLESS, "attention_interval": 3})
    events = list(Renderer()(wanted, Attending(), CancelToken()))
    maps = [event for event in events if isinstance(event, AttentionMap)]
    assert [event.step for event in maps] == [1, 4, 7, 10, 13, 16][: len(maps)]
    assert len(maps) >= 3
    window = maps[0].regions["final"][1]
    assert maps[0].weights.shape == (window, window)
    np.testing.assert_allclose(maps[0].weights.sum(1), 1.0, atol=1e-4)
    assert maps[0].regions["buffer"][1] == maps[0].regions["initial"][0]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[FifoPlan]:
    """The windows on which "auto" is measured from now on."""
    windows: list[FifoPlan] = []
    original = endless.measure_strategy

    def measure(backend: Attending, window: FifoPlan, cancel: CancelToken) -> str:
        windows.append(window)
        return original(backend, window, cancel)

    monkeypatch.setattr(endless, "measure_strategy", measure)
    return windows


def test_auto_is_measured_once_a_checkpoint_and_window(measured: list[FifoPlan]) -> None:
    renderer, backend = Renderer(), Attending()
    asked = request(duration_s=0.1, sampler=ENDLESS)
    list(renderer(asked, backend, CancelToken()))
    sampler = asked.sampler
    assert isinstance(sampler, EndlessSampler)
    assert renderer.strategy(backend, sampler, CancelToken()) in {"initial", "middle", "last"}
    taken = resolve_plan(asked, backend, "last").sampler
    assert isinstance(taken, EndlessPlan)
    assert [(one.window_frames, one.buffer_frames, len(one.timesteps)) for one in measured] == [
        (taken.window.window_frames, taken.window.buffer_frames, len(taken.window.timesteps))
    ], "on the request's own window"
    other = sampler.model_copy(update={"buffer_frames": sampler.buffer_frames + 4})
    renderer.strategy(backend, other, CancelToken())
    assert [one.buffer_frames for one in measured[1:]] == [taken.window.buffer_frames + 4]
    renderer.strategy(backend, other, CancelToken())
    assert len({*measured}) == len(measured) == 2


def test_auto_is_measured_anew_of_a_checkpoint_that_is_loaded_anew(measured: list[FifoPlan]) -> None:
    """In another format of number, or with other weights, a model of the same id may look elsewhere."""
    renderer, sampler = Renderer(), request(duration_s=0.1, sampler=ENDLESS).endless
    for backend in (Attending(), Attending()):
        renderer.strategy(backend, sampler, CancelToken())
        renderer.strategy(backend, sampler, CancelToken())
    assert len(measured) == 2
    assert measured[0] == measured[1]
