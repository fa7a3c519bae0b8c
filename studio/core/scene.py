"""Takes laid over each other: a scene, its layers, and how each of them lies in the mix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from studio.core.errors import InvalidRequestError
from studio.core.messages import first_error, wrong
from studio.core.text import Line, one_line, read_text
from studio.core.values import Frozen

SCENES = "scenes"  # their folder among the presets
SCENE_VERSION = 1
MAX_LAYERS = 8
MAX_SCENE_S = 4 * 3600.0
MAX_FADE_S = 60.0
MAX_SCENE_BYTES = 1_000_000
CEILING_DBTP = -1.0
NO_OBJECT = "This is no scene: its JSON is not an object. Choose another file."

_Seconds = Annotated[float, Field(ge=0, le=MAX_SCENE_S)]
_Fade = Annotated[float, Field(ge=0, le=MAX_FADE_S)]


class Layer(Frozen):
    """One take, and how it lies in the mix.

    `take` is its id in the Library, or the path of a sound where one's own disk is meant; `request` holds the
    settings that it is made of where it is not there (those of a `GenerationRequest`). One of both there is.

    What is heard of it is its span from `start_s` to `end_s` (None: its end), `offset_s` after the scene's
    beginning; with `loop` over and over until the scene's end: by the take's own loop where it has one and
    the span is all of it, else with `crossfade_s` of its end laid over its beginning. The fades are of equal
    power. `pan` goes from −1, left, to 1, right. Where one layer is `solo`, those that are not are silent.
    """

    name: Annotated[Line, Field(max_length=200)] = ""
    take: Annotated[Line, Field(max_length=1000)] = ""
    request: dict[str, Any] | None = None
    gain_db: float = Field(0.0, ge=-60, le=24)
    pan: float = Field(0.0, ge=-1, le=1)
    mute: bool = False
    solo: bool = False
    offset_s: _Seconds = 0.0
    start_s: _Seconds = 0.0
    end_s: _Seconds | None = None
    loop: bool = False
    crossfade_s: _Fade = 0.5
    fade_in_s: _Fade = 0.0
    fade_out_s: _Fade = 0.0

    @field_validator("request")
    @classmethod
    def _makes_a_take(cls, settings: dict[str, Any] | None) -> dict[str, Any] | None:
        if settings is not None:
            _require_take(settings)
        return settings

    @model_validator(mode="after")
    def _coherent(self) -> Layer:
        if not self.take and self.request is None:
            raise wrong("take", "has no take: name one, or say by a request what is to be made")
        if self.end_s is not None and self.end_s <= self.start_s:
            raise wrong("end_s", "ends before it begins: choose a later end")
        return self


def _require_take(settings: dict[str, Any]) -> None:
    """Raise `ValueError` with what is wrong where the settings make no take with an end."""
    from studio.core.request import parse_request

    try:
        request = parse_request(**settings)
    except InvalidRequestError as error:
        raise ValueError(f"can't be made: {str(error)[:1].lower()}{str(error)[1:]}") from error
    except TypeError as error:
        raise ValueError("can't be made: its settings have no such names") from error
    if request.duration_s is None:
        raise ValueError("can't be made: give it a duration_s, or it has no end")


class Scene(Frozen):
    """Up to eight layers, heard together.

    It ends `length_s` after its beginning; None is where the last layer ends that does not loop, and where
    all do, where the longest has gone round once. The mix is brought to `lufs` (None: as it is), and its true
    peaks below `ceiling_dbtp` (None: wherever they are). `rate` is in Hz; None is the highest of its takes.
    """

    schema_version: Literal[1] = 1
    kind: Literal["scene"] = "scene"
    name: Annotated[Line, Field(min_length=1, max_length=200)] = "Scene"
    description: Annotated[Line, Field(max_length=1000)] = ""
    layers: tuple[Layer, ...] = Field(min_length=1, max_length=MAX_LAYERS)
    length_s: float | None = Field(None, gt=0, le=MAX_SCENE_S)
    rate: Literal[16000, 44100, 48000] | None = None
    lufs: float | None = Field(None, ge=-60, le=0)
    ceiling_dbtp: float | None = Field(CEILING_DBTP, ge=-20, le=0)

    @property
    def audible(self) -> tuple[bool, ...]:
        """Which of its layers are heard: none that is mute, and where one is solo no others."""
        solo = any(layer.solo for layer in self.layers)
        return tuple(not layer.mute and (layer.solo or not solo) for layer in self.layers)

    def to_json(self) -> str:
        """As text for a file."""
        told = _HEAD | self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


_HEAD = {"schema_version": SCENE_VERSION, "kind": "scene"}


def parse_scene(values: object) -> Scene:
    """A scene of JSON's values.

    Raises:
        InvalidRequestError: one sentence on the first thing that is wrong, with the layer it is wrong of.
    """
    if not isinstance(values, dict):
        raise InvalidRequestError(NO_OBJECT)
    if values.get("kind") != "scene" and "layers" not in values:
        raise InvalidRequestError("This is no scene: it has no layers. Choose another file.")
    version = values.get("schema_version", SCENE_VERSION)
    if isinstance(version, int) and version > SCENE_VERSION:
        raise InvalidRequestError(
            f"This scene has a schema newer than {SCENE_VERSION}: update Longwave to open it."
        )
    layers = values.get("layers")
    if isinstance(layers, list | tuple) and len(layers) > MAX_LAYERS:
        raise InvalidRequestError(f"A scene has up to {MAX_LAYERS} layers, not {len(layers)}: take some out.")
    if isinstance(layers, list | tuple) and not layers:
        raise InvalidRequestError("This scene has no layers: add a take first.")
    try:
        return Scene(**values)
    except ValidationError as error:
        raise first_error(error, Scene) from error
    except TypeError as error:
        raise InvalidRequestError(NO_OBJECT) from error


def read_scene_text(text: str) -> Scene:
    """A scene of JSON text. Raises as `parse_scene`."""
    try:
        values = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError("This is no scene: its text is not JSON. Choose another file.") from error
    return parse_scene(values)


def load_scene(path: Path) -> Scene:
    """A scene of a file. Raises `InvalidRequestError`."""
    try:
        return read_scene_text(read_text(path, MAX_SCENE_BYTES))
    except (OSError, ValueError) as error:
        what = (error.strerror if isinstance(error, OSError) else "") or "no file has such a name"
        raise InvalidRequestError(f"Can't read the scene {one_line(path.name)}: {what.lower()}.") from error


def shipped_scenes(presets: Path) -> dict[str, Scene]:
    """Those that ship, by their files' stems; `presets` is the folder of all. Raises as `load_scene`."""
    return {path.stem: load_scene(path) for path in sorted((presets / SCENES).glob("*.json"))}


def named_scene(name: str, presets: Path) -> Scene:
    """One that ships, by its file's stem or its name. Raises `InvalidRequestError` where there is none."""
    scenes = shipped_scenes(presets)
    found = [scene for stem, scene in scenes.items() if name in (stem, scene.name)]
    if not found:
        raise InvalidRequestError(
            f"There is no scene '{one_line(name)[:60]}': choose one of {', '.join(scenes)}."
        )
    return found[0]
