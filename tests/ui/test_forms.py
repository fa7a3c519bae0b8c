"""The form's values make a request, and a preset, a lane among its settings, fills the form."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import InvalidRequestError
from studio.core.preset import Preset, shipped_presets
from studio.core.request import PromptPoint
from studio.core.sampling import EndlessSampler
from studio.core.settings import Settings
from studio.core.values import FRAME_S
from studio.recipes.networks.unet import SCHEDULER_CONFIG
from studio.samplers.curve import curved_timesteps
from studio.samplers.schedule import NoiseSchedule
from studio.service.studio import Studio
from studio.ui.forms import FormValues, describe_window, fill_form, open_preset, read_form

SETTINGS = Settings()
STUDIO: Any = SimpleNamespace(settings=SETTINGS)
FORM = FormValues(model="tone")


def test_the_form_opens_on_the_schema_s_own_defaults() -> None:
    request = read_form(FORM, STUDIO)
    assert request.sampler == EndlessSampler(attention_interval=16), (
        "the page shows the map, a file needs none"
    )
    assert request.duration_s is None
    assert request.guidance_scale == 4.0
    assert request.model.id == "tone"


def test_every_field_arrives() -> None:
    form = FormValues(
        "sea", "gulls", 12, False, 7, 3.5, "tone", "0:05 | wind", 1.5, "last", 30, 3, 4, 16, 10, 5
    )
    request = read_form(form, STUDIO)
    assert (request.prompt, request.negative_prompt, request.duration_s) == ("sea", "gulls", 12)
    assert (request.seed, request.guidance_scale, request.lane_blend_s) == (7, 3.5, 1.5)
    assert request.lane == (PromptPoint(at_s=5, prompt="wind"),)
    assert request.sampler == EndlessSampler(
        strategy="last",
        base_steps=30,
        skip_factor=3,
        group_size=4,
        buffer_frames=16,
        warmup_steps=10,
        attention_interval=5,
    )


def test_untouched_texts_are_none_and_mean_nothing() -> None:
    request = read_form(FORM._replace(negative_prompt=None, lane=None), STUDIO)
    assert (request.negative_prompt, request.lane) == ("", ())
    with pytest.raises(InvalidRequestError, match="Prompt is empty"):
        read_form(FORM._replace(prompt=None, lane=None), STUDIO)


def test_a_lane_that_begins_at_zero_needs_no_prompt() -> None:
    assert read_form(FORM._replace(prompt="", lane="0:00 | sea"), STUDIO).prompt == "sea"


PRESETS = {
    stem: preset for stem, preset in shipped_presets(SETTINGS.presets).items() if preset.mode == "infinite"
}


@pytest.mark.parametrize("stem", list(PRESETS))
def test_every_shipped_preset_opens_in_the_form(stem: str) -> None:
    preset = PRESETS[stem]
    filled = open_preset(stem, FORM, SETTINGS)
    made, meant = read_form(filled, STUDIO), preset.request(seed=0)
    assert made.model_copy(update={"seed": 0, "model": meant.model, "sampler": meant.sampler}) == meant
    assert made.sampler == meant.sampler.model_copy(update={"attention_interval": FORM.attention_interval})
    assert filled.model == "tone", "a preset without a model leaves the chosen one"
    assert preset.description


def test_there_are_a_dozen_presets_and_more() -> None:
    assert len(PRESETS) >= 12


def test_a_preset_says_whether_the_map_is_drawn_only_if_it_says_so() -> None:
    silent = Preset(name="x", settings={"sampler": {"kind": "endless", "attention_interval": 0}})
    assert fill_form(silent, FORM).attention_interval == 0
    assert fill_form(Preset(name="x", settings={}), FORM).attention_interval == 16


def test_a_preset_without_a_prompt_keeps_the_one_typed() -> None:
    filled = fill_form(Preset(name="Slow", settings={"guidance_scale": 2.0}), FORM._replace(prompt="my own"))
    assert filled.prompt == "my own"
    assert filled.guidance_scale == 2.0


def test_no_preset_and_an_unknown_one() -> None:
    assert open_preset(None, FORM, SETTINGS) == FORM
    with pytest.raises(InvalidRequestError, match="night-crickets"):
        open_preset("../../etc/passwd", FORM, SETTINGS)


@given(
    base=st.integers(3, 300), skip=st.integers(1, 20), strategy=st.sampled_from(["equal", "initial", "last"])
)
def test_the_steps_told_are_the_steps_taken(base: int, skip: int, strategy: str) -> None:
    schedule = NoiseSchedule.from_config(SCHEDULER_CONFIG)
    taken = curved_timesteps(schedule, strategy, base, skip)
    assert EndlessSampler(base_steps=base, skip_factor=skip).steps == len(torch.unique(taken))


def test_the_window_is_described() -> None:
    said = describe_window(8.0, "auto", 24, 2, 8, 8, 16, 0)
    steps = EndlessSampler().steps
    assert f"{steps} steps" in said
    assert f"{(steps * 8 + 8) * FRAME_S:.1f} s" in said
    assert "asks for a window" in describe_window(8.0, "auto", 1000, 1, 32, 8, 16, 0)
    assert "P must be a whole number" in describe_window(8.0, "auto", 24, 0, 8, 8, 16, 0)


def test_attention_and_draft_compose_with_the_sampler() -> None:
    form = FORM._replace(attention="lite_focus", draft="audiogen")
    request = read_form(form, STUDIO)
    assert (request.sampler.kind, request.attention.kind, request.draft.kind) == (
        "endless", "lite_focus", "audiogen",
    )  # fmt: skip
    record = Preset(name="x", settings=request.model_dump(mode="json"))
    assert read_form(fill_form(record, FORM), STUDIO) == request


def test_own_audio_is_the_draft_of_an_endless_take(studio: Studio, tmp_path: Path) -> None:
    sf.write(tmp_path / "own.wav", np.linspace(-0.4, 0.4, 32000), 16000)
    form = FORM._replace(draft="recorded", recording=str(tmp_path / "own.wav"), acoustic_scale=2.5)
    request = read_form(form, studio)
    assert (request.duration_s, request.guidance_scale, request.acoustic_scale) == (None, 4.0, 2.5)
    assert request.draft.kind == "recorded"
    assert request.draft.file == "own.wav"
    assert (studio.settings.outputs / "drafts" / f"{request.draft.sha256}.flac").is_file()
    opened = fill_form(Preset(name="x", settings=request.model_dump(mode="json")), FORM)
    assert (opened.draft, opened.acoustic_scale, opened.recording) == ("recorded", 2.5, None)
    with pytest.raises(InvalidRequestError, match="own audio"):
        read_form(opened, studio)
    assert read_form(opened._replace(draft="none"), studio).draft.kind == "none"
