"""A request resolved: what each kind of sampler, draft and guidance comes to on a model."""

from __future__ import annotations

from typing import Any

import pytest

from studio.backends.acoustic.base import Sampling
from studio.backends.base import Geometry
from studio.backends.systems.tone import ToneBackend
from studio.core.attention import DenseAttention, LiteFocusAttention
from studio.core.errors import InvalidRequestError
from studio.core.request import PromptPoint, parse_request
from studio.pipeline.drafts import GeneratedDraft
from studio.pipeline.plan import (
    ClipPlan,
    ConcatPlan,
    EndlessPlan,
    Guidance,
    Prompts,
    RenderPlan,
    resolve_plan,
)
from studio.samplers.guidance import dual_weights, voice_weights
from tests.pipeline.speaking_fakes import FakeSpeaker
from tests.service.service_fakes import request

ENDLESS = {"kind": "endless", "base_steps": 6, "group_size": 2, "buffer_frames": 3, "warmup_steps": 5}
CLIP = {"kind": "clip", "steps": 10}


def resolved(strategy: str | None = None, **values: Any) -> RenderPlan:
    return resolve_plan(request(**values), ToneBackend(), strategy)


def test_an_endless_take() -> None:
    plan = resolved("last", sampler={**ENDLESS, "attention_interval": 7}, duration_s=None)
    assert isinstance(plan.sampler, EndlessPlan)
    assert (plan.total_samples, plan.draft, plan.seed) == (None, None, 42)
    endless = plan.sampler
    assert (endless.strategy, endless.warmup_steps, endless.attention_interval) == ("last", 5, 7)
    assert (endless.window.group_size, len(endless.window.timesteps)) == (2, 4)
    assert endless.window.buffer_frames == 4, "so that the window divides as the U-Net wants it"


def test_the_strategy_is_the_request_s_own_unless_it_was_measured() -> None:
    own = {**ENDLESS, "strategy": "middle"}
    for strategy, expected in ((None, "middle"), ("initial", "initial")):
        plan = resolved(strategy, sampler=own).sampler
        other = resolved(None, sampler={**ENDLESS, "strategy": expected}).sampler
        assert isinstance(plan, EndlessPlan)
        assert plan == other
        assert plan.strategy == expected
    with pytest.raises(ValueError, match="auto"):
        resolved(None, sampler=ENDLESS)


def test_sparse_attention_is_not_watched() -> None:
    watched = {**ENDLESS, "attention_interval": 7}
    plan = resolved("last", sampler=watched, attention={"kind": "lite_focus", "ratio": 0.2})
    assert isinstance(plan.sampler, EndlessPlan)
    assert plan.sampler.attention_interval == 0
    assert plan.attention == LiteFocusAttention(ratio=0.2)


def test_a_clip() -> None:
    plan = resolved(sampler=CLIP, duration_s=2.34567)
    assert plan.sampler == ClipPlan(10, 2.34567, 0)
    assert (plan.total_samples, plan.attention) == (37531, DenseAttention())


@pytest.mark.parametrize(("strength", "skipped"), [(1.0, 0), (0.7, 3), (0.01, 9)])
def test_a_draft_s_strength_is_steps_left_out(strength: float, skipped: int) -> None:
    plan = resolved(mode="dual", sampler=CLIP, draft={"kind": "audiogen", "strength": strength})
    assert plan.sampler == ClipPlan(10, 1.0, skipped)


def test_joined_clips_are_as_many_as_the_length_takes() -> None:
    joined = {"kind": "concat", "steps": 2, "clip_s": 0.8, "crossfade_s": 0.2}
    for duration_s, count in ((0.1, 1), (0.8, 1), (0.81, 2), (1.4, 2), (1.41, 3)):
        plan = resolved(sampler=joined, duration_s=duration_s)
        assert plan.sampler == ConcatPlan(2, clip_frames=20, overlap_frames=5, count=count)
    short = resolved(sampler={**joined, "crossfade_s": 5.0}, duration_s=1.0).sampler
    assert isinstance(short, ConcatPlan)
    assert short.overlap_frames == 10, "no crossfade is longer than half a clip"


def test_lengths_are_of_the_model_s_own_rate() -> None:
    plan = resolve_plan(request(sampler=CLIP), ToneBackend(Geometry(sample_rate=8000, hop_samples=320)))
    assert plan.total_samples == 8000
    assert resolved(sampler=CLIP, duration_s=1e-6).total_samples == 1, "a take is never nothing"


def test_a_clip_without_a_length_is_refused() -> None:
    endless_clip = request(sampler=CLIP).model_copy(update={"duration_s": None})
    with pytest.raises(InvalidRequestError, match="give seconds"):
        resolve_plan(endless_clip, ToneBackend())


def test_what_is_said() -> None:
    lane = [{"at_s": 4.0, "prompt": "wind"}]
    said = resolved("last", sampler=ENDLESS, lane=lane, lane_blend_s=1.5, negative_prompt="hiss").prompts
    assert said == Prompts("rain on tin", (PromptPoint(at_s=4.0, prompt="wind"),), 1.5, "hiss")
    assert resolved(sampler=CLIP, guidance_scale=1.0, negative_prompt="hiss").prompts.negative is None
    assert resolved(sampler=CLIP).prompts.negative == "", "the empty text is one to be led away from"


@pytest.mark.parametrize(
    ("scales", "text", "dual"),
    [((4.0, None), 2, 2), ((4.0, 4.0), 2, 2), ((4.0, 2.0), 2, 3), ((1.0, None), 1, 1), ((1.0, 2.0), 1, 2)],
)
def test_how_far_and_how_often_it_is_guided(scales: tuple[float, float | None], text: int, dual: int) -> None:
    own = {"kind": "audiogen", "acoustic_scale": scales[1]}
    guidance = resolved(mode="dual", sampler=CLIP, guidance_scale=scales[0], draft=own).guidance
    both = scales[0] if scales[1] is None else scales[1]
    assert guidance == Guidance(scales[0], dual_weights(scales[0], both))
    assert guidance.passes == dual
    alone = resolved(sampler=CLIP, guidance_scale=scales[0]).guidance
    assert (alone, alone.passes) == (Guidance(scales[0]), text)


@pytest.mark.parametrize(
    ("words", "scale", "passes"), [(7.0, 6.0, 4), (0.0, 6.0, 3), (None, 5.0, 2)], ids=["two", "none", "one"]
)
def test_a_model_that_speaks_is_guided_by_scene_and_words(
    words: float | None, scale: float, passes: int
) -> None:
    asked = parse_request(
        prompt="rain", sampler=CLIP, guidance_scale=5, speech={"text": "Hi", "scale": words}
    )
    guidance = resolve_plan(asked, FakeSpeaker()).guidance
    assert guidance == Guidance(scale, voice_weights(5.0, words))
    assert guidance.passes == passes


def test_a_draft_s_seed_is_the_take_s_unless_it_has_its_own() -> None:
    for own, seed in (({}, 42), ({"seed": 0}, 0), ({"acoustic_scale": 2.0, "strength": 0.5}, 42)):
        plan = resolved(mode="dual", sampler=CLIP, draft={"kind": "audiogen", "model": "mine", **own})
        assert plan.draft == GeneratedDraft("mine", seed, Sampling()), "what steers the take is no part of it"
    drawn = {"temperature": 0.5, "top_k": 3, "top_p": 0.9, "guidance_scale": 1.0}
    plan = resolved(mode="dual", sampler=CLIP, draft={"kind": "audiogen", **drawn})
    assert plan.draft == GeneratedDraft("pocket/audiogen", 42, Sampling(0.5, 3, 0.9, 1.0))


def test_a_recorded_draft_is_named() -> None:
    wanted = request(mode="dual", sampler=CLIP, draft={"kind": "recorded", "sha256": "a" * 64})
    assert resolve_plan(wanted, ToneBackend()).draft == wanted.draft
