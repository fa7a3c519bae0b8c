"""The form's values make a request, and a preset, a lane among its settings, fills the form."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
import soundfile as sf
import torch
from hypothesis import given
from hypothesis import strategies as st

from studio.backends import catalog
from studio.core.binding import fill, opening
from studio.core.defaults import usual_defaults
from studio.core.errors import InvalidRequestError
from studio.core.preset import Preset, named_preset, shipped_presets
from studio.core.request import PromptPoint
from studio.core.sampling import EndlessSampler
from studio.core.settings import Settings
from studio.core.values import FRAME_S
from studio.recipes.networks.unet import SCHEDULER_CONFIG
from studio.samplers.curve import curved_timesteps
from studio.samplers.schedule import NoiseSchedule
from studio.service.studio import Studio
from studio.ui.forms import Form, read_form
from studio.ui.tabs.infinite import SAMPLER, describe_window

SETTINGS = Settings()
STUDIO: Any = SimpleNamespace(settings=SETTINGS, defaults_of=usual_defaults)
FORM = opening("infinite", model="tone")


def test_the_form_opens_on_the_schema_s_own_defaults() -> None:
    request = read_form("infinite", FORM, STUDIO)
    assert request.sampler == EndlessSampler(attention_interval=16), (
        "the page shows the map, a file needs none"
    )
    assert request.duration_s is None
    assert request.guidance_scale == 4.0
    assert request.model.id == "tone"


def test_every_field_arrives() -> None:
    sampler = {"strategy": "last", "base_steps": 30, "skip_factor": 3, "group_size": 4, "buffer_frames": 16}
    form = opening(
        "infinite", prompt="sea", negative_prompt="gulls", duration_s=12, endless=False, seed=7,
        guidance_scale=3.5, model="tone", lane="0:05 | wind", lane_blend_s=1.5, warmup_steps=10,
        attention_interval=5, **sampler,
    )  # fmt: skip
    request = read_form("infinite", form, STUDIO)
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
    request = read_form("infinite", FORM | {"negative_prompt": None, "lane": None}, STUDIO)
    assert (request.negative_prompt, request.lane) == ("", ())
    with pytest.raises(InvalidRequestError, match="Prompt is empty"):
        read_form("infinite", FORM | {"prompt": None, "lane": None}, STUDIO)


def test_a_lane_that_begins_at_zero_needs_no_prompt() -> None:
    assert read_form("infinite", FORM | {"prompt": "", "lane": "0:00 | sea"}, STUDIO).prompt == "sea"


PRESETS = {
    stem: preset for stem, preset in shipped_presets(SETTINGS.presets).items() if preset.mode == "infinite"
}


@pytest.mark.parametrize("stem", list(PRESETS))
def test_every_shipped_preset_opens_in_the_form(stem: str) -> None:
    preset = PRESETS[stem]
    filled = FORM | fill("infinite", named_preset(stem, SETTINGS.presets))
    made, meant = read_form("infinite", filled, STUDIO), preset.request(seed=0)
    assert made.model_copy(update={"seed": 0, "model": meant.model, "sampler": meant.sampler}) == meant
    assert made.sampler == meant.sampler.model_copy(update={"attention_interval": FORM["attention_interval"]})
    assert filled["model"] == (preset.model_id or "tone"), "a preset without a model leaves the chosen one"
    assert preset.description


def test_there_are_a_dozen_presets_and_more() -> None:
    assert len(PRESETS) >= 12


def test_a_preset_says_whether_the_map_is_drawn_only_if_it_says_so() -> None:
    silent = Preset(name="x", settings={"sampler": {"kind": "endless", "attention_interval": 0}})
    assert fill("infinite", silent)["attention_interval"] == 0
    assert "attention_interval" not in fill("infinite", Preset(name="x", settings={})), "it stays"


def test_a_preset_without_a_prompt_keeps_the_one_typed() -> None:
    filled = fill("infinite", Preset(name="Slow", settings={"guidance_scale": 2.0}))
    assert not {"prompt", "model", "keep_running", "continue_from", "recording"} & filled.keys()
    assert filled["guidance_scale"] == 2.0


@given(
    base=st.integers(3, 300), skip=st.integers(1, 20), strategy=st.sampled_from(["equal", "initial", "last"])
)
def test_the_steps_told_are_the_steps_taken(base: int, skip: int, strategy: str) -> None:
    schedule = NoiseSchedule.from_config(SCHEDULER_CONFIG)
    taken = curved_timesteps(schedule, strategy, base, skip)
    assert EndlessSampler(base_steps=base, skip_factor=skip).steps == len(torch.unique(taken))


def test_the_window_is_described() -> None:
    values = {name: FORM[name] for name in SAMPLER}
    said = describe_window(8.0, values)
    steps = EndlessSampler().steps
    assert f"{steps} steps" in said
    assert f"{(steps * 8 + 8) * FRAME_S:.1f} s" in said
    long = {"base_steps": 1000, "skip_factor": 1, "group_size": 32}
    assert "asks for a window" in describe_window(8.0, values | long)
    assert "P must be a whole number" in describe_window(8.0, values | {"skip_factor": 0})


def test_attention_and_draft_compose_with_the_sampler() -> None:
    form = FORM | {"attention": "lite_focus", "draft": "audiogen"}
    request = read_form("infinite", form, STUDIO)
    assert (request.sampler.kind, request.attention.kind, request.draft.kind) == (
        "endless", "lite_focus", "audiogen",
    )  # fmt: skip
    record = Preset(name="x", settings=request.model_dump(mode="json"))
    assert read_form("infinite", FORM | fill("infinite", record), STUDIO) == request


def test_own_audio_is_the_draft_of_an_endless_take(studio: Studio, tmp_path: Path) -> None:
    sf.write(tmp_path / "own.wav", np.linspace(-0.4, 0.4, 32000), 16000)
    form = FORM | {"draft": "recorded", "recording": str(tmp_path / "own.wav"), "acoustic_scale": 2.5}
    request = read_form("infinite", form, studio)
    assert (request.duration_s, request.guidance_scale, request.acoustic_scale) == (None, 4.0, 2.5)
    assert request.draft.kind == "recorded"
    assert request.draft.file == "own.wav"
    assert (studio.settings.outputs / "drafts" / f"{request.draft.sha256}.flac").is_file()
    filled = fill("infinite", Preset(name="x", settings=request.model_dump(mode="json")))
    assert (filled["draft"], filled["acoustic_scale"], "recording" in filled) == ("recorded", 2.5, False)
    opened = FORM | filled
    with pytest.raises(InvalidRequestError, match="own audio"):
        read_form("infinite", opened, studio)
    assert read_form("infinite", opened | {"draft": "none"}, studio).draft.kind == "none"


def test_the_form_opens_on_the_defaults_of_the_studios_model() -> None:
    settings = Settings(model_id="cvssp/audioldm2")
    with gr.Blocks():
        form = Form("sparse", settings, [], partial(catalog.defaults_of, settings=settings))
        form.rest("engine")
        form.join()
    assert (form.fields["steps"].value, form.opening["guidance_scale"]) == (200, 3.5)
    told = form.of_model("pocket/audioldm2")
    assert (told["model"], told["values"]) == (
        "pocket/audioldm2",
        {"guidance_scale": 4.0, "steps": 50, "bandwidth": "48k"},
    )
    assert told["efforts"]["careful"] == {"steps": 100}
    assert form.shows[-1] in form.shown({"model": "tone"}), "what belongs to a model comes with it"
    assert list(form.shown({"steps": 7}).values()) == [7]


def test_a_preset_leaves_to_the_form_what_its_model_says() -> None:
    said = {"mode": "dual", "sampler": {"kind": "clip", "steps": 9}, "guidance_scale": 3.0}
    left = fill("dual", Preset(name="p", settings=said), None)
    assert (left["steps"], left["text_scale"], left["acoustic_scale"]) == (9, 3.0, 3.0)
    bare = fill("dual", Preset(name="p", settings={"mode": "dual", "sampler": {"kind": "clip"}}), None)
    assert not {"steps", "text_scale", "acoustic_scale", "effort"} & bare.keys()
