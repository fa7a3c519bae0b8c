"""What holds where nobody says anything: the mode's, then the model's, below a preset and what is given."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from studio.core.binding import bind, effort_of, fill, opening, opening_of_model
from studio.core.defaults import EFFORTS, Effort, ModelDefaults, Scales, usual_defaults
from studio.core.draft import AudioGenDraft
from studio.core.modes import MODES
from studio.core.preset import Preset, parse_preset
from studio.core.request import GenerationRequest, parse_request
from studio.core.sampling import ClipSampler, ConcatSampler, EndlessSampler
from studio.core.usual import with_usual

PAPER = ModelDefaults(
    guidance=Scales(text=2.5),
    fast=Effort(steps=100, base_steps=50, group_size=2),
    balanced=Effort(steps=200, base_steps=100, group_size=1),
    careful=Effort(steps=400, base_steps=200, group_size=1),
    warmup_steps=67,
    clip_s=10.24,
)


def own(model_id: str) -> ModelDefaults:
    return PAPER if model_id == "paper" else ModelDefaults()


def bound(mode: str = "infinite", preset: dict[str, Any] | None = None, **values: Any) -> GenerationRequest:
    settings = None if preset is None else Preset(name="p", settings={"mode": mode, **preset})
    return bind(mode, {"prompt": "rain", **values}, own, preset=settings)


@pytest.mark.parametrize("sampler", [EndlessSampler(), ClipSampler(), ConcatSampler()])
def test_the_studios_own_are_what_a_request_has_anyway(sampler: Any) -> None:
    settings = ModelDefaults().settings(sampler.kind)
    assert settings.pop("guidance_scale") == GenerationRequest.model_fields["guidance_scale"].default
    assert type(sampler).model_validate(settings.pop("sampler")) == sampler
    assert settings.pop("bandwidth") == GenerationRequest.model_fields["bandwidth"].default
    assert settings == {}
    assert usual_defaults("anything") == ModelDefaults()


@pytest.mark.parametrize("mode", MODES)
def test_a_request_of_the_studios_own_is_as_ever(mode: str) -> None:
    request = bound(mode, duration_s=10.0, seed=1)
    spec = MODES[mode]
    assert request == parse_request(**{**spec.base, "prompt": "rain", "duration_s": 10.0, "seed": 1})


def test_the_model_that_is_chosen_says_what_holds() -> None:
    request = bound(model="paper")
    assert request.guidance_scale == 2.5
    assert request.endless == EndlessSampler(
        base_steps=100, group_size=1, skip_factor=2, buffer_frames=8, warmup_steps=67
    )
    assert bound("sparse", model="paper").sampler == ClipSampler(steps=200)
    dual = bound("dual", model="paper")
    assert (dual.sampler.steps, dual.guidance_scale, dual.acoustic_scale) == (200, 2.5, 2.5)
    assert isinstance(dual.draft, AudioGenDraft), "the mode's own still holds"
    assert bound().guidance_scale == 4.0, "of another model another"


def test_what_is_given_goes_over_it_and_the_rest_holds() -> None:
    request = bound(model="paper", base_steps=30, guidance_scale=7.0)
    assert request.guidance_scale == 7.0
    assert (request.endless.base_steps, request.endless.group_size, request.endless.warmup_steps) == (
        30,
        1,
        67,
    )


def test_a_preset_goes_over_it_field_by_field() -> None:
    said = {"prompt": "sea", "model": {"id": "paper"}, "sampler": {"kind": "endless", "strategy": "last"}}
    request = bound(preset=said)
    assert request.model.id == "paper"
    assert (request.endless.strategy, request.endless.base_steps, request.guidance_scale) == (
        "last",
        100,
        2.5,
    )
    assert bound(preset=said, model="pocket/audioldm").endless.base_steps == 24, "the option's model holds"
    whole = bound(preset={"sampler": EndlessSampler().model_dump(), "guidance_scale": 4.0}, model="paper")
    assert (whole.endless, whole.guidance_scale) == (EndlessSampler(), 4.0), "a take's sidecar says it all"


def test_what_is_fixed_names_the_model() -> None:
    fixed = {"model": {"id": "paper", "device": "cpu"}}
    request = bind("infinite", {"prompt": "rain"}, own, fixed=fixed)
    assert (request.model.device, request.endless.base_steps) == ("cpu", 100)


def test_another_kind_of_sampler_gets_its_own() -> None:
    joined = with_usual("infinite", {"sampler": {"kind": "concat", "crossfade_s": 0.5}}, PAPER)["sampler"]
    assert ConcatSampler.model_validate(joined) == ConcatSampler(steps=200, clip_s=10.24, crossfade_s=0.5)


def test_a_form_opens_on_them_and_tells_its_quality() -> None:
    form = opening("infinite", PAPER)
    assert (form["guidance_scale"], form["base_steps"], form["group_size"]) == (2.5, 100, 1)
    assert effort_of("infinite", form, PAPER) == "balanced"
    assert effort_of("infinite", form) == "own", "of the studio's own it is none"
    assert effort_of("infinite", {**form, "base_steps": 200}, PAPER) == "careful"
    clip = opening("sparse", PAPER)
    assert (clip["steps"], clip["guidance_scale"], effort_of("sparse", clip, PAPER)) == (200, 2.5, "balanced")
    assert (clip["attention"], clip["ratio"]) == ("lite_focus", "auto")


def test_what_of_a_form_is_the_models() -> None:
    assert opening_of_model("infinite", PAPER) == {
        "guidance_scale": 2.5,
        "base_steps": 100,
        "skip_factor": 2,
        "group_size": 1,
        "buffer_frames": 8,
        "warmup_steps": 67,
        "bandwidth": "16k",
    }
    assert opening_of_model("sparse", PAPER) == {"guidance_scale": 2.5, "steps": 200, "bandwidth": "16k"}
    told = {"text_scale": 2.5, "acoustic_scale": 2.5, "steps": 200, "bandwidth": "16k"}
    assert opening_of_model("dual", PAPER) == told


def test_a_model_may_have_takes_of_48_khz_where_nobody_says_otherwise() -> None:
    wide = ModelDefaults(bandwidth="48k")
    assert opening("infinite", wide)["bandwidth"] == "48k"
    assert bind("infinite", {"prompt": "sea"}, lambda model: wide).bandwidth == "48k"
    assert bind("infinite", {"prompt": "sea", "bandwidth": "16k"}, lambda model: wide).bandwidth == "16k"


def test_a_take_from_before_there_were_bandwidths_opens_as_it_was_made() -> None:
    wide = ModelDefaults(bandwidth="48k")
    take = {
        "file": "a.flac", "created": "2026-01-31", "version": "0.4.0", "duration_s": 1, "sample_rate": 16000,
    }  # fmt: skip
    old = parse_preset(json.dumps({"name": "a", "settings": {"prompt": "sea"}, "take": take}))
    assert fill("infinite", old, wide)["bandwidth"] == "16k"
    assert old.request().bandwidth == "16k"
    shipped = Preset(name="a", settings={"prompt": "sea"})
    assert fill("infinite", shipped, wide)["bandwidth"] == "48k"


def test_a_form_that_opens_a_preset_has_them_of_what_it_leaves_out() -> None:
    said = {"prompt": "sea", "sampler": {"kind": "endless", "base_steps": 200}}
    filled = fill("infinite", Preset(name="p", settings=said), PAPER)
    assert (filled["base_steps"], filled["group_size"], filled["guidance_scale"]) == (200, 1, 2.5)
    assert filled["effort"] == "careful"


def test_words_that_are_said_have_scales_of_their_own() -> None:
    speaking = ModelDefaults(guidance=Scales(text=9, speech=1), spoken=Scales(text=5, speech=7))
    silent, said = speaking.settings("endless"), speaking.settings("endless", spoken=True)
    assert (silent["guidance_scale"], silent["speech"]) == (9, {"scale": 1})
    assert (said["guidance_scale"], said["speech"]) == (5, {"scale": 7})
    assert PAPER.settings("clip", spoken=True) == PAPER.settings("clip")


@pytest.mark.parametrize(
    "said",
    [
        {"guidance": {"text": -1}},
        {"spoken": {"speech": 101}},
        {"balanced": {"steps": 0}},
        {"fast": {"base_steps": 2}},
        {"careful": {"base_steps": 1000, "group_size": 32}},  # a window of minutes
        {"clip_s": 0.1},
        {"steps": 10},
        [],
    ],
)
def test_what_no_take_can_begin_with_is_none(said: Any) -> None:
    with pytest.raises(ValidationError):
        ModelDefaults.model_validate(said)


def test_every_quality_is_within_bounds() -> None:
    for quality in EFFORTS:
        efforts = PAPER.efforts("endless")[quality] | PAPER.efforts("clip")[quality]
        assert {**efforts, "passes": "two"} == getattr(PAPER, quality).model_dump()
