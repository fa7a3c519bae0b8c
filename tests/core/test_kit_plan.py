"""Light and heavy of a prompt, the bounds of a kit's plan, and the presets that ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.core.errors import InvalidRequestError
from studio.core.kit import KitPlan, kit_preset, kit_presets, parse_kit, states_of
from studio.core.messages import FieldError
from studio.core.settings import Settings

PRESETS = Settings().presets


@pytest.mark.parametrize(
    ("prompt", "light", "heavy"),
    [
        ("rain", "light rain", "heavy rain"),
        ("heavy rain on a tin roof", "light rain on a tin roof", "heavy rain on a tin roof"),
        ("Heavy wind howling", "gentle wind howling", "strong wind howling"),
        (
            "birds singing over a stream",
            "a few birds singing over a stream",
            "many birds singing over a stream",
        ),
        ("a few crickets", "a few crickets", "many crickets"),
        ("an engine at night", "an idling engine at night", "a revving engine at night"),
        ("a stream", "a trickling stream", "a rushing stream"),
        ("footsteps on gravel", "slow footsteps on gravel", "running footsteps on gravel"),
        ("the glass harmonica", "the light glass harmonica", "the heavy glass harmonica"),
        ("a quiet violin", "a light violin", "a heavy violin"),
    ],
)
def test_the_states_of_a_prompt(prompt: str, light: str, heavy: str) -> None:
    assert states_of(prompt) == (light, heavy)
    assert states_of(light)[1] == heavy  # one leads to the other
    assert states_of(heavy)[0] == light


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"variations": 9}, "variations"),
        ({"distance": float("nan")}, "distance"),
        ({"shots": -1}, "shots"),
        ({"lufs": 1}, "lufs"),
        ({"rate": 22050}, "rate"),
    ],
)
def test_a_value_out_of_its_bounds(values: dict[str, float], field: str) -> None:
    with pytest.raises(FieldError) as caught:
        parse_kit(**values)
    assert caught.value.field == field


def test_every_preset_makes_a_plan_and_a_request() -> None:
    presets = kit_presets(PRESETS)
    assert len(presets) >= 3
    for stem, preset in presets.items():
        assert isinstance(parse_kit(**preset.plan), KitPlan)
        request = preset.request.request(prompt=preset.settings["prompt"], sampler={"kind": "clip"})
        assert request.mode == "sparse"
        assert kit_preset(stem, PRESETS) == kit_preset(preset.name, PRESETS) == preset


def test_a_preset_that_is_none(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"name": "x", "plan": {"variations": 100}}')
    other = tmp_path / "other.json"
    other.write_text('{"settings": {}}')
    for name in (str(wrong), str(other), str(tmp_path / "none.json"), "nobody's"):
        with pytest.raises(InvalidRequestError) as caught:
            kit_preset(name, PRESETS)
        assert str(caught.value).endswith(".")
