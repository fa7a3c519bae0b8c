"""`generate` and `stream` for who needs no session of their own: one is made when it is first asked for.

The only state that a module of the studio keeps; a program that wants none of it makes a `Session`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.api.session import Asked, Session
from studio.api.sound import Sound
from studio.api.stream import Stream
from studio.core.request import ModelChoice

if TYPE_CHECKING:
    from studio.core.kit import KitPlan, KitPreset
    from studio.core.scene import Scene
    from studio.service.kit.make import Kit
    from studio.service.layers.write import Mixed

_lock = threading.Lock()
_default: Session | None = None


def default_session() -> Session:
    """The session behind `generate` and `stream`, made when it is first needed."""
    global _default
    with _lock:
        if _default is None:
            _default = Session()
        return _default


def generate(
    asked: Asked,
    *,
    duration_s: float | None = None,
    model: str | ModelChoice | None = None,
    seed: int | None = None,
    continue_from: str | Path | None = None,
    **settings: Any,
) -> Sound:
    """A whole sound, by the default session: see `Session.generate`."""
    return default_session().generate(
        asked, duration_s=duration_s, model=model, seed=seed, continue_from=continue_from, **settings
    )


def stream(
    asked: Asked,
    *,
    duration_s: float | None = None,
    model: str | ModelChoice | None = None,
    seed: int | None = None,
    continue_from: str | Path | None = None,
    previews: bool = False,
    **settings: Any,
) -> Stream:
    """A sound as it is made, by the default session: see `Session.stream`."""
    return default_session().stream(
        asked,
        duration_s=duration_s,
        model=model,
        seed=seed,
        continue_from=continue_from,
        previews=previews,
        **settings,
    )


def edit(take: str | Path, kind: str, *, other: str | Path | None = None, **values: Any) -> Sound:
    """Another sound, made of one in a file, by the default session: see `Session.edit`."""
    return default_session().edit(take, kind, other=other, **values)


def kit(
    asked: Asked | KitPreset,
    out: str | Path,
    *,
    duration_s: float | None = None,
    model: str | ModelChoice | None = None,
    seed: int | None = None,
    plan: KitPlan | Mapping[str, Any] | None = None,
    **settings: Any,
) -> Kit:
    """Loops that belong together in one ZIP, by the default session: see `Session.kit`."""
    return default_session().kit(
        asked, out, duration_s=duration_s, model=model, seed=seed, plan=plan, **settings
    )


def mix(
    scene: Scene | Mapping[str, Any] | str | Path,
    out: str | Path,
    *,
    stems: str | Path | None = None,
    lufs: float | None = None,
    ceiling_dbtp: float | None = None,
    bits: int | None = None,
    rate: int | None = None,
) -> Mixed:
    """The layers of a scene as one sound, by the default session: see `Session.mix`."""
    return default_session().mix(
        scene, out, stems=stems, lufs=lufs, ceiling_dbtp=ceiling_dbtp, bits=bits, rate=rate
    )


def unload() -> int:
    """Let go of the default session's models; the bytes that came back."""
    return default_session().unload()
