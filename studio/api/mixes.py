"""Scenes mixed by a session: takes by their paths, and what is to be made by the session's own models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.defaults import DefaultsOf
from studio.core.scene import Scene, parse_scene
from studio.core.settings import Settings
from studio.pipeline.cancel import CancelToken
from studio.service.layers.mixes import Mixes
from studio.service.layers.scenes import find_scene
from studio.service.layers.write import Mixed
from studio.service.takes.export import checked_suffix
from studio.service.takes.files.coding import read_coding
from studio.service.takes.library import Library

if TYPE_CHECKING:
    from studio.api.sound import Sound
    from studio.core.request import GenerationRequest
    from studio.service.jobs.errands import Tell


def load_scene(source: str | Path) -> Scene:
    """A scene of a file of JSON or of a mix, or one that ships, by its name.

    Raises:
        InvalidRequestError: there is none, or it can't be used.
    """
    return find_scene(str(source), Settings().presets)


@dataclass(frozen=True)
class Hands:
    """What a session mixes with: its settings, how it makes a sound, and what its models begin with."""

    settings: Settings
    generate: Callable[[GenerationRequest], Sound]
    defaults: DefaultsOf


def mixed(
    session: Hands,
    asked: Scene | Mapping[str, Any] | str | Path,
    out: Path,
    *,
    stems: Path | None,
    changed: Mapping[str, Any],
    coding: Mapping[str, str | None],
    cancel: CancelToken | None,
    tell: Tell,
) -> Mixed:
    """What `Session.mix` gives; `changed` are fields of the scene that hold instead of its own."""
    scene = asked if isinstance(asked, Scene | Mapping) else find_scene(str(asked), session.settings.presets)
    values = scene.model_dump() if isinstance(scene, Scene) else dict(scene)
    scene = parse_scene({**values, **{key: value for key, value in changed.items() if value is not None}})
    outputs = session.settings.outputs
    mixes = Mixes(outputs, Library(outputs), _maker(session, out), session.defaults)
    return mixes.mix(
        scene, out, stems=stems or False, coding=read_coding(coding, checked_suffix(out)),
        cancel=cancel, tell=tell, paths=True,
    )  # fmt: skip


def _maker(
    session: Hands, out: Path
) -> Callable[[GenerationRequest, CancelToken, Callable[[float], None]], str]:
    """Makes takes beside the mix, called after it."""
    made: list[Path] = []

    def make(request: GenerationRequest, cancel: CancelToken, share: Callable[[float], None]) -> str:
        path = out.with_name(f"{out.stem}_layer_{len(made) + 1}.wav")
        cancel.check()
        session.generate(request).save(path)
        made.append(path)
        return str(path)

    return make
