"""What is said, by form, handlers and API: who can say it, what is told and kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from studio.backends import catalog
from studio.backends.catalog import MODELS
from studio.core.binding import fill, opening
from studio.core.defaults import usual_defaults
from studio.core.preset import Preset, named_preset, shipped_presets
from studio.core.settings import Settings
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio
from studio.testing import FakeSpeakingBackend
from studio.ui.callers import Callers
from studio.ui.forms import Form, read_form
from studio.ui.panels.library_view import LibraryView
from studio.ui.panels.speech import describe
from studio.ui.panels.take_detail import detail
from studio.ui.server import client_api
from studio.ui.tabs.infinite import Handlers
from studio.ui.tabs.take_tab import Shared
from tests import aio
from tests.waiting import until

VOICE = "pocket/voiceldm"
STUDIO: Any = SimpleNamespace(settings=Settings(), defaults_of=usual_defaults)
QUICK = {"strategy": "equal", "base_steps": 6, "group_size": 4, "buffer_frames": 4, "warmup_steps": 3}


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    settings = Settings(outputs=tmp_path, device="cpu", model_id=VOICE)
    studio = Studio(settings, lambda _: FakeSpeakingBackend(), Renderer())
    yield studio
    studio.close()


@pytest.fixture
def handlers(studio: Studio) -> Handlers:
    return Handlers(Shared.of(studio), "infinite")


def form(**changes: Any) -> dict[str, Any]:
    values = {"prompt": "rain", "model": VOICE, "seed": 3, "duration_s": 4.0, "endless": False}
    return opening("infinite", **{**values, **QUICK, **changes})


def test_who_speaks_is_known_without_its_weights(tmp_path: Path) -> None:
    speaking = {model.id for model in MODELS if catalog.speaks(model.id, Settings())}
    assert speaking == {VOICE, "glory20h/voiceldm-m", "glory20h/voiceldm-s"}
    for unknown in ("", "nonesuch", "someone/something", str(tmp_path)):
        assert not catalog.speaks(unknown, Settings())


@pytest.mark.parametrize("mode", ["infinite", "sparse"])
def test_words_are_sent_where_they_show(mode: str) -> None:
    words = {"say": "Hello.", "speech_scale": 5.0, "pause_s": 2.0}
    told = read_form(mode, opening(mode, model=VOICE, **words), STUDIO).speech
    assert (told.text, told.scale, told.pause_s) == ("Hello.", 5.0, 2.0)
    silent = read_form(mode, opening(mode, model="tone", **words), STUDIO).speech
    assert (silent.text, silent.pause_s) == ("", 0.6)


def test_the_page_knows_what_is_for_words() -> None:
    with gr.Blocks():
        made = Form("infinite", Settings(), [], usual_defaults)
        about = made._about()
    needing = {"say": "speech", "speech_scale": "speech", "pause_s": "speech", "passes": "folding"}
    assert about["needing"] == needing
    with gr.Blocks():
        labels = [
            Form("infinite", Settings(model_id=model), [], usual_defaults).put("guidance_scale").label
            for model in (VOICE, "tone")
        ]
    assert labels == ["Follow the scene", "Guidance (how literal)"]
    assert [made.of_model(model)["able"]["speech"] for model in (VOICE, "tone")] == [True, False]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("", ""),
        (None, ""),
        ("# later", ""),
        ("Hello.", "1 sentence."),
        ("One.\n0:10 | Two.", "2 sentences."),
        (f"Hi.\n\n{'word ' * 100}", "4 sentences. Line 3 is read in 3 breaths."),
        (
            "\n".join(["word " * 50] * 5),
            "10 sentences. Line 1 is read in 2 breaths. Line 2 is read in 2 breaths. "
            "Line 3 is read in 2 breaths. 2 more lines are cut likewise.",
        ),
    ],
)
def test_a_script_is_told_of_as_one_types(script: str | None, told: str) -> None:
    assert describe(script) == told


def test_what_can_t_be_said_is_told_with_its_line() -> None:
    assert describe("Hi.\n1:75 | x").startswith("What is said has a line 2 ('1:75 | x') that has a time")


def test_the_words_change_by_the_main_button(handlers: Handlers, studio: Studio) -> None:
    run = handlers.generate(**form(say="One.", endless=True))
    job = studio.job(next(run)[3])
    assert job.control.asked_script == "One."
    assert "no words" in handlers.steer(job.id, **form(say="...", endless=True))
    assert "Taken up" in handlers.steer(job.id, **form(say="One.\nTwo.", endless=True))
    until(lambda: [one.text for one in job.control.said] == ["One.", "Two."])
    state = next(state for state, *_ in run if isinstance(state, dict) and len(state["said"]) == 2)
    assert state["asked"]["script"] == "One.\nTwo."
    assert [one["text"] for one in state["said"]] == ["One.", "Two."]
    assert "Taken up" in handlers.steer(job.id, **form(model="tone", prompt="wind", say="x", endless=True))
    assert job.control.asked_script == "One.\nTwo.", "of a model without words nothing is sent"
    handlers.stop(job.id)
    list(run)


def test_the_library_tells_what_was_said_and_opens_it_again(handlers: Handlers, studio: Studio) -> None:
    list(handlers.generate(**form(say="One.\n0:02 | Two <b>.\n0:20 | Three.".replace(" <b>", ""))))
    (take,) = studio.library.takes()
    shown = detail(take, usual_defaults(VOICE))
    assert "0:00 One. · 0:02 Two." in shown
    assert "synthetic" in shown
    assert fill("infinite", take.record)["say"] == "One.\n0:02 | Two.\n0:20 | Three."
    opened = LibraryView(studio).extend_take(take.id)
    assert opened.values["say"] == "0:20 | Three.", "what was said is not said again"


def test_the_api_takes_words(studio: Studio) -> None:
    with gr.Blocks() as page:
        client_api.build(studio, Callers())
    told: Any = page.get_api_info()["named_endpoints"]
    for mode in ("infinite", "sparse"):
        names = [one["parameter_name"] for one in told[f"/{mode}"]["parameters"]]
        first = names.index("say")  # what was there before stands where it stood, and what is new behind it
        assert names[first : first + 4] == ["say", "scene_scale", "speech_scale", "pause"]
    assert "say" not in [one["parameter_name"] for one in told["/dual"]["parameters"]]
    call = next(event.fn for event in page.fns.values() if event.api_name == "infinite")
    values = {"prompt": "rain", "seconds": 2, "seed": "1"}
    sent = {**values, "say": "Hi.", "scene_scale": 3, "speech_scale": 4, "pause": 0.5}
    request = client_api.request_of("infinite", client_api.read_call("infinite", sent), studio)
    assert (request.guidance_scale, request.speech.scale, request.speech.pause_s) == (3, 4, 0.5)
    assert request.speech.text == "Hi."
    for word, sentence in (("1:75 | x", "has a line 1"), ("😀", "can't be said")):
        with pytest.raises(gr.Error, match=sentence):
            aio.run(call(gr.Request(), **values, say=word))


SPEAKING = {
    stem: one for stem, one in shipped_presets(Settings().presets).items() if one.settings.get("speech")
}


def test_four_presets_speak() -> None:
    assert len(SPEAKING) >= 4
    for stem in SPEAKING:
        preset: Preset = named_preset(stem, Settings().presets)
        request = preset.request()
        assert (preset.model_id, len(request.speech.sentences) >= 4) == (VOICE, True)
        filled = fill("infinite", preset)
        assert read_form("infinite", opening("infinite") | filled, STUDIO).speech.text == request.speech.text
