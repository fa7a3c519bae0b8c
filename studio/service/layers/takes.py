"""The takes of a scene: found in the Library or on the disk, and made where they are not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from studio.core.defaults import DefaultsOf
from studio.core.errors import InvalidRequestError
from studio.core.preset import Preset
from studio.core.request import GenerationRequest, parse_request
from studio.core.scene import Layer, Scene
from studio.core.text import one_line
from studio.core.usual import with_usual
from studio.pipeline.cancel import CancelToken
from studio.service.jobs.errands import Stage, Tell
from studio.service.layers.sounds import Found
from studio.service.takes.library import Library, settings_of

if TYPE_CHECKING:
    from studio.core.modes import ModeSpec

STILL_MADE = (
    "Layer {number}: its take is still being made: stop it first, or keep what was heard and lay that in."
)
GONE = (
    "Layer {number}: its take '{take}' is not in the Library any more: choose another, or take the layer out."
)
NOT_MADE = "Layer {number}: its take is not made yet: make what is missing first."

MakeTake = Callable[[GenerationRequest, CancelToken, Callable[[float], None]], str]
Find = Callable[[Layer, int], Found | None]


class Takes:
    """Finds what layers name in a library and, for who owns the disk, by the paths of sounds."""

    def __init__(self, library: Library, *, paths: bool = False) -> None:
        self._library, self._paths = library, paths

    def find(self, layer: Layer, number: int) -> Found | None:
        """The take of a layer, the scene's `number`th; None where it is to be made first.

        Raises:
            InvalidRequestError: it is gone and nothing says how to make it, or it is still being made.
        """
        if not layer.take:
            return None
        if self._paths and Path(layer.take).is_file():
            return found_at(Path(layer.take))
        try:
            take = self._library.get(layer.take)
        except InvalidRequestError as error:
            if layer.request is not None:
                return None
            raise InvalidRequestError(GONE.format(number=number, take=one_line(layer.take)[:80])) from error
        if take.status == "running":
            raise InvalidRequestError(STILL_MADE.format(number=number))
        if not take.path.is_file():
            raise InvalidRequestError(GONE.format(number=number, take=one_line(take.name)[:80]))
        return Found(take.path, take.name, take.about.loop)


def found_at(path: Path) -> Found:
    """A sound by its path; one of the studio's has a name and perhaps a loop."""
    record = record_at(path)
    if record is None or record.take is None:
        return Found(path, path.stem)
    return Found(path, record.name, record.take.loop)


def record_at(path: Path) -> Preset | None:
    """What is recorded of a sound, beside it or in it; None where nothing is."""
    sidecar = path.with_suffix(".json")
    try:
        return settings_of(sidecar if sidecar.is_file() else path)
    except InvalidRequestError:
        return None


def found_all(scene: Scene, find: Find) -> list[Found]:
    """The takes of all layers. Raises `InvalidRequestError` where one is not there, or not yet."""
    found = []
    for number, layer in enumerate(scene.layers, 1):
        take = find(layer, number)
        if take is None:
            raise InvalidRequestError(NOT_MADE.format(number=number))
        found.append(take)
    return found


def request_of(layer: Layer, defaults_of: DefaultsOf) -> GenerationRequest:
    """What a layer's take is made of: what it says, over what its model's takes begin with."""
    from studio.core.modes import MODES

    assert layer.request is not None, "else there is nothing to make"
    said = dict(layer.request)
    spec: ModeSpec = MODES[str(said.get("mode", "infinite"))]
    said.setdefault("mode", spec.name)
    said.setdefault("model", {"id": spec.model})
    return parse_request(**with_usual(spec.name, said, defaults_of(str(said["model"]["id"]))))


def with_takes(
    scene: Scene,
    find: Find,
    make: MakeTake,
    defaults_of: DefaultsOf,
    cancel: CancelToken,
    tell: Tell = lambda stage: None,
) -> Scene:
    """The scene once all of its takes are there: those that are missing are made, one after the other.

    Two layers that ask for the same, with the same seed, get one take. `tell` hears how far that is.

    Raises:
        CancelledError: `cancel` was set; what was made till then stays.
        StudioError: a take is gone, or can't be made.
    """
    missing = [index for index, layer in enumerate(scene.layers) if find(layer, index + 1) is None]
    layers, made = list(scene.layers), dict[str, str]()
    for place, index in enumerate(missing):
        layer = layers[index]
        request = request_of(layer, defaults_of)
        said = f"Making layer {index + 1}, {one_line(layer.name or request.prompt)[:60]}"

        def share(part: float, before: int = place, said: str = said) -> None:
            tell(Stage((before + min(part, 1.0)) / len(missing), said))

        key = request.model_dump_json() if (layer.request or {}).get("seed") is not None else ""
        cancel.check()
        share(0.0)
        take = made.get(key) or make(request, cancel, share)
        if key:
            made[key] = take
        layers[index] = layer.model_copy(update={"take": take})
    return scene.model_copy(update={"layers": tuple(layers)})
