"""What takes of a model begin with where nobody says otherwise.

A checkpoint is sampled the way its authors did it, unless its folder says how it wants to be. The settings of
the published ones stand in `backends.registry`; those here are the pocket models', as a request's own are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from pydantic import Field, model_validator

from studio.core.audio import Bandwidth
from studio.core.sampling import ClipSampler, ConcatSampler, EndlessSampler
from studio.core.values import Frozen, Passes

EFFORTS = ("fast", "balanced", "careful")


class Scales(Frozen):
    """Scales of guidance: by the text, and by the words that are said in the scene.

    `speech` None is for a model that says none, or has one scale for both.
    """

    text: float = Field(4.0, ge=0, le=100)
    speech: float | None = Field(None, ge=0, le=100)


class Effort(Frozen):
    """A choice of quality: the DDIM steps of a clip, N and k of an endless take (`core.sampling`), and the
    passes of a step (`core.request.ModelChoice`).
    """

    steps: int = 50
    base_steps: int = 24
    group_size: int = 8
    passes: Passes = "two"


class ModelDefaults(Frozen):
    """Guidance, steps and FIFO plan that a model's takes begin with.

    `spoken` are the scales of takes in which words are said, where those differ. "balanced" holds where
    nobody chooses, and has two passes, as takes had before there were others. `clip_s` is the length of clips
    that are joined, `bandwidth` that of the takes.
    """

    guidance: Scales = Scales()
    spoken: Scales | None = None
    fast: Effort = Effort(steps=25, base_steps=16)
    balanced: Effort = Effort()
    careful: Effort = Effort(steps=100, base_steps=40)
    skip_factor: int = 2
    buffer_frames: int = 8
    warmup_steps: int = 16
    clip_s: float = 5.12
    bandwidth: Bandwidth = "16k"

    @model_validator(mode="after")
    def _within_bounds(self) -> ModelDefaults:
        if self.balanced.passes != "two":
            raise ValueError("has one pass where nobody chooses: say so of fast")
        for quality in EFFORTS:
            EndlessSampler.model_validate(self._sampler("endless", quality))
            ConcatSampler.model_validate(self._sampler("concat", quality))
            ClipSampler.model_validate(self._sampler("clip", quality))
        return self

    def settings(self, kind: str, *, spoken: bool = False) -> dict[str, Any]:
        """The settings of a request with a sampler of this kind; `spoken`: in which words are said."""
        scales = self.spoken if spoken and self.spoken is not None else self.guidance
        speech = {} if scales.speech is None else {"speech": {"scale": scales.speech}}
        return {
            "guidance_scale": scales.text,
            "sampler": self._sampler(kind, "balanced"),
            "bandwidth": self.bandwidth,
            **speech,
        }

    def efforts(self, kind: str) -> dict[str, dict[str, int]]:
        """What each choice of quality sets of a sampler of this kind."""
        names = ("base_steps", "group_size") if kind == "endless" else ("steps",)
        return {quality: {name: getattr(self.effort(quality), name) for name in names} for quality in EFFORTS}

    def effort(self, quality: str) -> Effort:
        """The choice of this name."""
        effort: Effort = getattr(self, quality)
        return effort

    def _sampler(self, kind: str, quality: str) -> dict[str, Any]:
        effort = self.effort(quality)
        if kind == "endless":
            return {
                "kind": kind,
                "base_steps": effort.base_steps,
                "group_size": effort.group_size,
                "skip_factor": self.skip_factor,
                "buffer_frames": self.buffer_frames,
                "warmup_steps": self.warmup_steps,
            }
        joined = {"clip_s": self.clip_s} if kind == "concat" else {}
        return {"kind": kind, "steps": effort.steps, **joined}


DefaultsOf: TypeAlias = Callable[[str], ModelDefaults]
"""The defaults of a model by its id."""


def usual_defaults(model_id: str) -> ModelDefaults:
    """The studio's own, whatever the model: where there is no catalog to ask."""
    return ModelDefaults()
