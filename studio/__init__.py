"""Longwave: a studio for long sound from text.

The public face: `generate` makes a sound, `stream` one that goes on for as long as it is read, `Session`
keeps models and settings of its own. What stands in `__all__` stays; all other modules are the inside.

Importing this package loads nothing else: a name's module loads when the name is first asked for (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.api.default import default_session, edit, generate, kit, mix, stream, unload
    from studio.api.mixes import load_scene
    from studio.api.presets import load_kit_preset, load_preset
    from studio.api.session import Session
    from studio.api.sound import Sound
    from studio.api.stream import Stream
    from studio.core.attention import Attention, DenseAttention, LiteFocusAttention, TokenMergingAttention
    from studio.core.defaults import ModelDefaults
    from studio.core.draft import AudioGenDraft, Draft, NoDraft, RecordedDraft
    from studio.core.errors import (
        CancelledError,
        InvalidRequestError,
        ModelNotFoundError,
        NoSoundError,
        OutOfResourcesError,
        StudioError,
        WeightsError,
    )
    from studio.core.events import AttentionMap, AudioChunk, Drafted, Event, Preview, Progress, StepDone
    from studio.core.kit import KitPlan, KitPreset
    from studio.core.messages import FieldError
    from studio.core.preset import Preset
    from studio.core.request import GenerationRequest, ModelChoice, PromptPoint
    from studio.core.sampling import ClipSampler, ConcatSampler, EndlessSampler, Sampler
    from studio.core.scene import Layer, Scene
    from studio.core.settings import Settings
    from studio.core.speech import Said, Speech
    from studio.service.kit.make import Kit
    from studio.service.layers.write import Mixed

__version__ = "0.1.0"

__all__ = [
    "Attention",
    "AttentionMap",
    "AudioChunk",
    "AudioGenDraft",
    "CancelledError",
    "ClipSampler",
    "ConcatSampler",
    "DenseAttention",
    "Draft",
    "Drafted",
    "EndlessSampler",
    "Event",
    "FieldError",
    "GenerationRequest",
    "InvalidRequestError",
    "Kit",
    "KitPlan",
    "KitPreset",
    "Layer",
    "LiteFocusAttention",
    "Mixed",
    "ModelChoice",
    "ModelDefaults",
    "ModelNotFoundError",
    "NoDraft",
    "NoSoundError",
    "OutOfResourcesError",
    "Preset",
    "Preview",
    "Progress",
    "PromptPoint",
    "RecordedDraft",
    "Said",
    "Sampler",
    "Scene",
    "Session",
    "Settings",
    "Sound",
    "Speech",
    "StepDone",
    "Stream",
    "StudioError",
    "TokenMergingAttention",
    "WeightsError",
    "__version__",
    "default_session",
    "edit",
    "generate",
    "kit",
    "load_kit_preset",
    "load_preset",
    "load_scene",
    "mix",
    "stream",
    "unload",
]

_ERRORS = "CancelledError InvalidRequestError ModelNotFoundError NoSoundError OutOfResourcesError StudioError"
_HOMES = {
    "api.default": "default_session edit generate kit mix stream unload",
    "api.mixes": "load_scene",
    "api.presets": "load_kit_preset load_preset",
    "api.session": "Session",
    "api.sound": "Sound",
    "api.stream": "Stream",
    "core.attention": "Attention DenseAttention LiteFocusAttention TokenMergingAttention",
    "core.defaults": "ModelDefaults",
    "core.draft": "AudioGenDraft Draft NoDraft RecordedDraft",
    "core.errors": f"{_ERRORS} WeightsError",
    "core.events": "AttentionMap AudioChunk Drafted Event Preview Progress StepDone",
    "core.kit": "KitPlan KitPreset",
    "core.messages": "FieldError",
    "core.preset": "Preset",
    "core.request": "GenerationRequest ModelChoice PromptPoint",
    "core.sampling": "ClipSampler ConcatSampler EndlessSampler Sampler",
    "core.scene": "Layer Scene",
    "core.settings": "Settings",
    "core.speech": "Said Speech",
    "service.kit.make": "Kit",
    "service.layers.write": "Mixed",
}
_HOME_OF = {name: f"studio.{home}" for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
