"""What one asks the studio for: model × sampler × attention × acoustic draft, composed, frozen, validated.

The same classes serve the three tabs, presets, sidecars and the API. Bounds live here, because neither the
page nor a raw API call can be trusted to keep them.
"""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from studio.core.fields import first_error, wrong
from studio.core.text import Line, one_line

MAX_PROMPT_CHARS = 2000
MAX_DURATION_S = 24 * 3600.0
MAX_CLIP_S = 600.0  # in one piece
MAX_SEED = 2**63 - 1
EXACT_FLOAT = 2**53 - 1  # above it a floating-point number stands for several whole ones
MAX_LANE_POINTS = 500
MAX_WINDOW_FRAMES = 4000
POCKET, POCKET_CLIPS = "pocket/audioldm", "pocket/audioldm2"  # what ships, and what makes whole clips of it
POCKET_DUAL, POCKET_DRAFTS = "pocket/dcldm", "pocket/audiogen"  # what hears a draft, and what makes one
POCKET_TANGO = "pocket/tango"
FRAME_S = 0.04  # a latent frame of every system here: 25 a second

Mode = Literal["infinite", "sparse", "dual"]
SparseMethod = Literal["dense", "uniform", "balanced", "tome"]  # what bench and eval put beside each other
Strategy = Literal["equal", "initial", "middle", "last", "auto"]
_SHOWN_CHARS = 60
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}(\.0*)?")


class Frozen(BaseModel):
    """Base of every value here: immutable, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelChoice(Frozen):
    """Which checkpoint, and where it runs. `auto` takes what the machine has."""

    id: str = Field(POCKET, min_length=1, max_length=500)
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"


class EndlessSampler(Frozen):
    """FIFO sampling with curved denoising (InfiniteAudio, §2.2). Lengths are latent frames of 40 ms.

    `base_steps` is the number of steps N of the schedule before thinning, `skip_factor` the P by which the
    regions that attention neglects are thinned, `group_size` the frames k that leave the queue a step.
    """

    kind: Literal["endless"] = "endless"
    strategy: Strategy = "auto"
    base_steps: int = Field(24, ge=3, le=1000)
    skip_factor: int = Field(2, ge=1, le=100)
    group_size: int = Field(8, ge=1, le=32)
    buffer_frames: int = Field(8, ge=0, le=512)
    warmup_steps: int = Field(16, ge=1, le=1000)
    attention_interval: int = Field(0, ge=0, le=10000)

    @model_validator(mode="after")
    def _bounded(self) -> EndlessSampler:
        window_s, limit_s = self.window_frames * FRAME_S, MAX_WINDOW_FRAMES * FRAME_S
        if window_s > limit_s:
            raise ValueError(
                f"asks for a window of {window_s:.0f} s, more than {limit_s:g}: "
                "take fewer base steps, a larger P, smaller groups or a shorter buffer"
            )
        return self

    @property
    def steps(self) -> int:
        """Steps n a frame takes once the schedule is thinned (`samplers.curve`): K + ⌈(N − K) / P⌉."""
        kept = round(self.base_steps / 3)
        return kept - (kept - self.base_steps) // self.skip_factor

    @property
    def window_frames(self) -> int:
        """Frames that are worked on at once, but for what the U-Net's downsampling rounds up."""
        return self.steps * self.group_size + self.buffer_frames


class ClipSampler(Frozen):
    """An ordinary DDIM run over the whole clip."""

    kind: Literal["clip"] = "clip"
    steps: int = Field(50, ge=1, le=1000)


class ConcatSampler(Frozen):
    """Independent clips joined end to end: the baseline of the paper."""

    kind: Literal["concat"] = "concat"
    steps: int = Field(50, ge=1, le=1000)
    clip_s: float = Field(5.12, ge=0.64, le=60)
    crossfade_s: float = Field(0.0, ge=0, le=5)


Sampler = Annotated[EndlessSampler | ClipSampler | ConcatSampler, Field(discriminator="kind")]


class DenseAttention(Frozen):
    """Every token attends to every other."""

    kind: Literal["dense"] = "dense"


def _block(name: str) -> str:
    if not re.fullmatch(r"mid|(up|down)[1-9]", name):
        raise ValueError("must be 'mid', or 'down' or 'up' with a level's number, as in down2")
    return name


Blocks = Annotated[tuple[Annotated[str, AfterValidator(_block)], ...], Field(max_length=20)]


def _share(value: object) -> object:
    """r as a number, or "auto"; a union of the two would be refused in a sentence that names but one."""
    if value == "auto":
        return value
    try:
        share = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        share = 0.0
    if not 0 < share <= 1:
        raise ValueError("must be 'auto', or a share of the tokens above 0 and up to 1")
    return share


class LiteFocusAttention(Frozen):
    """Same-frequency focus and cross-frequency compensation (LiteFocus).

    `ratio` is the paper's r; `blocks` are names as in `modules.blocks`, none for those that the paper takes.
    """

    kind: Literal["lite_focus"] = "lite_focus"
    ratio: Annotated[float | Literal["auto"], BeforeValidator(_share)] = "auto"
    sampling: Literal["uniform", "balanced"] = "balanced"
    focus: bool = True
    compensation: bool = True
    blocks: Blocks = ()

    @model_validator(mode="after")
    def _attends(self) -> LiteFocusAttention:
        if not self.focus and not self.compensation:
            raise ValueError("attends to nothing without focus and compensation: switch one on")
        return self


class TokenMergingAttention(Frozen):
    """Bipartite token merging (ToMe), LiteFocus's baseline."""

    kind: Literal["token_merging"] = "token_merging"
    ratio: float = Field(0.5, gt=0, lt=1)
    blocks: Blocks = ()


Attention = Annotated[
    DenseAttention | LiteFocusAttention | TokenMergingAttention, Field(discriminator="kind")
]


class NoDraft(Frozen):
    """Text alone."""

    kind: Literal["none"] = "none"


class _Heard(Frozen):
    """What every draft has: the AudioGen whose tokens it is made of, and how it steers the diffusion.

    `acoustic_scale` is w_a beside the request's guidance scale w_t; None is the same for both (DC-LDM,
    eq. 8). `strength` is the share of the schedule that the take is denoised for, begun from the draft's own
    latents: 1 begins from noise alone.
    """

    model: str = Field(POCKET_DRAFTS, min_length=1, max_length=500)
    acoustic_scale: float | None = Field(None, ge=0, le=100)
    strength: float = Field(1.0, gt=0, le=1)


def exact_seed(seed: Any) -> Any:
    """A seed as the whole number that is meant, whether it came as a number or as its digits; None is any.

    Where a program has made a floating-point number of a large one, as JavaScript does, its neighbours have
    become the same: it would be another sound.

    Raises:
        ValueError: it is no whole number, or not exact.
    """
    if isinstance(seed, str):
        digits = one_line(seed).replace("\N{MINUS SIGN}", "-")
        if digits and not _WHOLE.fullmatch(digits):
            raise ValueError(f"must be a whole number from 0 to {MAX_SEED:,}, or −1 for any")
        seed = int(digits.partition(".")[0]) if digits else None
    if isinstance(seed, float) and abs(seed) > EXACT_FLOAT:
        raise ValueError(f"is exact as a number up to {EXACT_FLOAT:,} only: give its digits as text")
    return None if seed == -1 else seed


Seed = Annotated[Annotated[int, Field(ge=0, le=MAX_SEED)] | None, BeforeValidator(exact_seed)]


class AudioGenDraft(_Heard):
    """AudioGen's answer to the prompt conditions the diffusion (DC-LDM); no seed of its own: the take's."""

    kind: Literal["audiogen"] = "audiogen"
    seed: Seed = None
    temperature: float = Field(1.0, gt=0, le=10)
    top_k: int = Field(250, ge=0, le=100000)
    top_p: float = Field(0.0, ge=0, le=1)
    guidance_scale: float = Field(3.0, ge=0, le=100)


class RecordedDraft(_Heard):
    """A recording of the user's takes AudioGen's place; the file of this digest lies beside the takes."""

    kind: Literal["recorded"] = "recorded"
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    file: Annotated[Line, Field(max_length=300)] = ""


Draft = Annotated[NoDraft | AudioGenDraft | RecordedDraft, Field(discriminator="kind")]


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

    @field_validator("seed", mode="before")
    @classmethod
    def _draw_seed(cls, seed: Any) -> Any:
        wanted = exact_seed(seed)
        return secrets.randbelow(2**32) if wanted is None else wanted

    @model_validator(mode="after")
    def _coherent(self) -> GenerationRequest:
        if not self.prompt:
            raise wrong("prompt", "is empty: describe the sound you want, for example 'heavy rain'")
        if self.duration_s is None and self.sampler.kind != "endless":
            raise wrong("duration_s", "is needed, as only the endless sampler runs without one: give seconds")
        if self.sampler.kind == "clip" and (self.duration_s or 0) > MAX_CLIP_S:
            raise wrong("duration_s", f"must be at most {MAX_CLIP_S:g} for a clip in one piece")
        if self.mode in ("sparse", "dual") and self.lane:
            raise wrong("lane", f"must be empty: clips of the {self.mode.title()} tab follow no lane")
        if self.sampler.kind == "concat" and self.draft.kind != "none":
            raise wrong("draft", "is not heard by joined clips: choose the clip or the endless sampler")
        return self

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
