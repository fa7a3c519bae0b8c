"""A scene's file: what it may hold, and one sentence for what it may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.core.errors import InvalidRequestError
from studio.core.scene import load_scene, named_scene, parse_scene, read_scene_text, shipped_scenes
from studio.core.settings import Settings

ONE: dict[str, Any] = {"take": "2026-11-20/rain"}


def test_a_scene_opens_as_it_was_saved() -> None:
    scene = parse_scene({"name": "Night", "layers": [ONE, {**ONE, "gain_db": -3, "loop": True}], "lufs": -16})
    assert read_scene_text("\ufeff" + scene.to_json()) == scene
    assert json.loads(scene.to_json())["kind"] == "scene"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([], "not an object"),
        ({"name": "x", "settings": {}}, "This is no scene: it has no layers."),
        ({"layers": []}, "This scene has no layers: add a take first."),
        ({"layers": [ONE] * 9}, "A scene has up to 8 layers, not 9: take some out."),
        ({"layers": [ONE, {**ONE, "gain_db": float("nan")}]}, "Layer 2: its gain must be a number from"),
        ({"layers": [{**ONE, "pan": 2}]}, "Layer 1: its pan must be a number from -1 to 1 (it is 2)."),
        ({"layers": [{**ONE, "offset_s": -1}]}, "Layer 1: its offset must be a number from 0"),
        ({"layers": [{**ONE, "start_s": 2, "end_s": 1}]}, "Layer 1: ends before it begins"),
        ({"layers": [{"gain_db": 0}]}, "Layer 1: has no take"),
        ({"layers": [{"request": {"prompt": "rain", "duration_s": None}}]}, "give it a duration_s"),
        ({"layers": [{"request": {"promt": "rain"}}]}, "Layer 1: its request can't be made"),
        ({"layers": [7]}, "Layer 1: must be a group of settings"),
        ({"layers": "rain"}, "The layers must be a list"),
        ({"layers": [ONE], "colour": "blue"}, "'colour' is no setting of Longwave"),
        ({"layers": [ONE], "schema_version": 2}, "This scene has a schema newer than 1"),
        ({"layers": [ONE], "rate": 22050}, "Sample rate must be one of"),
        ({"layers": [ONE], "lufs": 3}, "Loudness must be a number"),
    ],
)
def test_what_is_wrong_is_one_sentence(values: Any, sentence: str) -> None:
    with pytest.raises(InvalidRequestError) as error:
        parse_scene(values)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    for path, sentence in ((tmp_path / "a.json", "not JSON"), (tmp_path / "b.json", "Can't read the scene")):
        with pytest.raises(InvalidRequestError, match=sentence):
            load_scene(path)


def test_eight_scenes_ship_each_with_a_small_picture() -> None:
    presets = Settings().presets
    scenes = shipped_scenes(presets)
    assert len(scenes) == 8
    for stem, scene in scenes.items():
        assert scene.description
        assert all(layer.request and "seed" in layer.request for layer in scene.layers)
        assert 0 < (presets / "scenes" / f"{stem}.webp").stat().st_size <= 40_000
    spoken = [
        stem for stem, scene in scenes.items() if any("speech" in (one.request or {}) for one in scene.layers)
    ]
    assert len(spoken) >= 2
    assert named_scene("Loop duo", presets) == scenes["loop-duo"]
    with pytest.raises(InvalidRequestError, match="There is no scene 'x': choose one of"):
        named_scene("x", presets)
