"""What one asks the studio for: model × sampler × attention × draft × speech, composed, frozen, validated.

The same classes serve the three tabs, presets, sidecars and the API. Bounds live here, because neither the
page nor a raw API call can be trusted to keep them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from studio.core.attention import Attention, DenseAttention
from studio.core.audio import RATES_HZ, Bandwidth
from studio.core.draft import Draft, NoDraft
from studio.core.errors import InvalidRequestError
from studio.core.messages import first_error, wrong
from studio.core.modes import MODES, POCKET
from studio.core.sampling import EndlessSampler, Sampler
from studio.core.speech import Speech
from studio.core.text import Line
from studio.core.values import MAX_SEED, Frozen, Passes, drawn_seed

MAX_PROMPT_CHARS = 2000
MAX_DURATION_S = 24 * 3600.0
MAX_CLIP_S = 600.0  # in one piece
MAX_LANE_POINTS = 500
DEFAULT_WIDTH = 0.7

Stereo = Literal["mono", "wide", "twin"]
_WHOLE_STEPS = {"reuse": "off", "guided_from": 0.0, "guided_to": 1.0}  # of a clip's sampler


def _known(mode: str) -> str:
    if mode not in MODES:
        raise PydanticCustomError("mode", "is none of the studio's")
    return mode


Mode = Annotated[str, AfterValidator(_known)]


class ModelChoice(Frozen):
    """Which checkpoint, and where it runs. `auto` takes what the machine has.

    `passes` is how often a step asks the network under guidance: "two" times, of the prompt and of what it
    leads away from; or "one" time, where the checkpoint has a network into which guidance was folded.
    """

    id: str = Field(POCKET, min_length=1, max_length=500)
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    passes: Passes = "two"


PromptText = Annotated[Line, Field(max_length=MAX_PROMPT_CHARS)]


class PromptPoint(Frozen):
    """From `at_s` seconds on, the scene is `prompt`."""

    at_s: float = Field(ge=0, le=MAX_DURATION_S)
    prompt: PromptText

    @field_validator("prompt")
    @classmethod
    def _described(cls, prompt: str) -> str:
        if not prompt:
            raise ValueError("is empty: describe the sound from this time on")
        return prompt


class GenerationRequest(Frozen):
    """One take, fully determined: the same request on the same machine gives the same samples.

    `duration_s` None means endless. `seed` None draws one at validation, so a request always holds the seed
    it will use; 0 is a seed like any other.

    `stereo` "wide" spreads the mono take over two channels, "twin" samples two that differ in their noise;
    both by `width`, at 0 the mono take in either channel. To "mono" the width is nothing.

    `bandwidth` "48k" is the same take at 48 kHz: what the model says of it, up to 8 kHz, and above that what
    is extended from it.
    """

    mode: Mode = "infinite"
    prompt: PromptText
    negative_prompt: PromptText = ""
    lane: tuple[PromptPoint, ...] = Field((), max_length=MAX_LANE_POINTS)
    lane_blend_s: float = Field(2.0, ge=0, le=60)
    duration_s: float | None = Field(10.0, gt=0, le=MAX_DURATION_S)
    seed: int = Field(default=None, ge=0, le=MAX_SEED, validate_default=True)
    guidance_scale: float = Field(4.0, ge=0, le=100)
    model: ModelChoice = ModelChoice()
    sampler: Sampler = EndlessSampler()
    attention: Attention = DenseAttention()
    draft: Draft = NoDraft()
    speech: Speech = Speech()
    stereo: Stereo = "mono"
    width: float = Field(DEFAULT_WIDTH, ge=0, le=1)
    bandwidth: Bandwidth = "16k"

    @field_validator("seed", mode="before")
    @classmethod
    def _draw_seed(cls, seed: Any) -> Any:
        return drawn_seed(seed)

    @model_validator(mode="after")
    def _coherent(self) -> GenerationRequest:
        if not self.prompt:
            raise wrong("prompt", "is empty: describe the sound you want, for example 'heavy rain'")
        if self.duration_s is None and self.sampler.kind != "endless":
            raise wrong("duration_s", "is needed, as only the endless sampler runs without one: give seconds")
        if self.sampler.kind == "clip" and (self.duration_s or 0) > MAX_CLIP_S:
            raise wrong("duration_s", f"must be at most {MAX_CLIP_S:g} for a clip in one piece")
        if self.lane and MODES[self.mode].sampler != "endless":
            raise wrong("lane", f"must be empty: clips of the {MODES[self.mode].title} tab follow no lane")
        if self.sampler.kind == "concat" and self.draft.kind != "none":
            raise wrong("draft", "is not heard by joined clips: choose the clip or the endless sampler")
        if self.sampler.kind == "concat" and self.speech.text:
            raise wrong("speech.text", "is not said in joined clips: choose the clip or the endless sampler")
        return self

    @property
    def endless(self) -> EndlessSampler:
        """Its sampler, where that is the endless one. Raises `InvalidRequestError` for any other."""
        if not isinstance(self.sampler, EndlessSampler):
            raise InvalidRequestError("This is for endless takes alone: choose the endless sampler.")
        return self.sampler

    @property
    def channels(self) -> int:
        """Of its sound, which is [n] of one and [n, 2] of two."""
        return 1 if self.stereo == "mono" else 2

    @property
    def sample_rate(self) -> int:
        """Of its sound, in Hz."""
        return RATES_HZ[self.bandwidth]

    @property
    def own_settings(self) -> dict[str, Any]:
        """All that its sound follows from, as JSON: without what it says of stereo where that is mono, of
        its bandwidth where that is the model's own, of the steps' sparing where each is whole, and of the
        passes where there are two, as of before there was any other.
        """
        mono = {"stereo", "width"} if self.stereo == "mono" else set()
        own = {"bandwidth"} if self.bandwidth == "16k" else set()
        sampled = self.sampler.model_dump(mode="json")
        whole = {name for name, value in _WHOLE_STEPS.items() if sampled.get(name, value) == value}
        settings = self.model_dump(mode="json", exclude=mono | own)
        if self.model.passes == "two":
            del settings["model"]["passes"]
        return settings | {"sampler": {name: sampled[name] for name in sampled if name not in whole}}

    @property
    def acoustic_scale(self) -> float:
        """w_a: what the draft is followed by; the guidance scale where it has none of its own."""
        own = None if self.draft.kind == "none" else self.draft.acoustic_scale
        return self.guidance_scale if own is None else own

    @property
    def skipped_steps(self) -> int:
        """The noisiest steps of a clip that are left out where it begins from its draft (`strength`)."""
        strength = 1.0 if self.draft.kind == "none" else self.draft.strength
        steps = self.sampler.steps
        return steps - max(1, round(strength * steps)) if strength < 1 else 0


def parse_request(**values: Any) -> GenerationRequest:
    """Build a request, turning any invalid value into one sentence.

    Raises:
        FieldError: names the first field at fault and what it may be.
    """
    try:
        return GenerationRequest(**values)
    except ValidationError as error:
        raise first_error(error, GenerationRequest, values.get("mode")) from error
