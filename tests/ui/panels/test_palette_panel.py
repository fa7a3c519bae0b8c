from __future__ import annotations

import json

import gradio as gr
import pytest

from studio.backends.catalog import vocabulary
from studio.core.preset import shipped_presets
from studio.core.settings import Settings
from studio.ui.panels.palette import PalettePanel, build, describe_knowledge, warn_of
from studio.ui.tabs import dual, infinite, sparse
from studio.ui.words import words

KNOWN = vocabulary("pocket/audioldm", Settings())


@pytest.fixture
def panel() -> PalettePanel:
    with gr.Blocks():
        return build("piece", Settings(), "pocket/audioldm", ("slow lo-fi drums",))


def test_it_shows_what_the_model_knows(panel: PalettePanel) -> None:
    value = panel.shown("", "pocket/audioldm")
    names = [group["name"] for group in value["groups"]]
    assert names == ["weather", "animals", "machines", "people", "music"]
    assert all(getattr(words.palette, f"group_{name}") for name in names)
    assert json.dumps(panel.element.value) == json.dumps(value)
    assert panel.element.elem_id == "piece-palette"


@pytest.mark.parametrize("model", ["tone", "", None, "nobody/nothing"])
def test_of_a_model_that_does_not_say_it_shows_examples(panel: PalettePanel, model: str | None) -> None:
    value = panel.shown("a violin", model)
    assert (value["groups"], value["unknown"]) == ([], "")
    assert value["examples"] == ["slow lo-fi drums"]


@pytest.mark.parametrize(
    ("prompt", "missing"),
    [
        ("guitar", "guitar"),
        ("a man singing", "man, singing"),
        ("cat meowing", "cat, meowing"),
        ("car crash", "crash"),
        ("a violin concerto in a cathedral", "violin, concerto, cathedral"),
        ("rain and a violin", "violin"),
    ],
)
def test_what_it_does_not_know_is_named(panel: PalettePanel, prompt: str, missing: str) -> None:
    for model in ("audioldm", "audioldm2", "dcldm", "tango"):
        said = panel.shown(prompt, f"pocket/{model}")["unknown"]
        assert said == f"It does not know: {missing}. You hear what comes nearest."


def test_many_words_are_not_all_named() -> None:
    said = warn_of("violin cello oboe flute tuba kazoo trumpet banjo sitar", KNOWN)
    assert said.startswith(
        "It does not know: violin, cello, oboe, flute, tuba, kazoo, trumpet, banjo and more."
    )


def test_nothing_is_said_of_what_the_project_offers_itself() -> None:
    presets = shipped_presets(Settings().presets).values()
    offered = [*infinite.EXAMPLES, *sparse.EXAMPLES, *dual.EXAMPLES]
    for preset in presets:
        lane = preset.settings.get("lane", ())
        offered += [preset.settings["prompt"], *(point["prompt"] for point in lane)]
    assert len(offered) > 30
    assert [prompt for prompt in offered if warn_of(prompt, KNOWN)] == []


def test_knowledge_is_told_in_a_sentence() -> None:
    assert describe_knowledge(KNOWN).startswith("It knows rain, wind, thunder, ocean waves,")
    assert describe_knowledge(None) == ""
