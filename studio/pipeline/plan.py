"""A request resolved, once and against the model that makes it: each layer below is given its part of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import torch

from studio.backends.acoustic.base import Sampling
from studio.backends.textures import is_steady
from studio.core.attention import Attention, DenseAttention
from studio.core.draft import AudioGenDraft, NoDraft, RecordedDraft
from studio.core.errors import InvalidRequestError
from studio.core.request import GenerationRequest, PromptPoint, Stereo
from studio.core.sampling import ClipMethod, ClipSampler, ConcatSampler, EndlessSampler
from studio.core.speech import Speech
from studio.pipeline.chunks import total_samples
from studio.pipeline.drafts import DraftPlan, GeneratedDraft
from studio.samplers.curve import curved_timesteps
from studio.samplers.fifo import FifoPlan
from studio.samplers.guidance import ALWAYS, Weights, dual_weights, needs_negative, voice_weights
from studio.samplers.variation import Noise, Varied

if TYPE_CHECKING:
    from studio.backends.base import Backend


@dataclass(frozen=True)
class Prompts:
    """What is said along a take.

    After the `opening` each of `points`, in order of time, takes over within `blend_s` seconds. `negative` is
    what guidance leads away from: None where it asks nothing of the model about that.
    """

    opening: str
    points: tuple[PromptPoint, ...] = ()
    blend_s: float = 0.0
    negative: str | None = None


@dataclass(frozen=True)
class Guidance:
    """How far predictions are pushed.

    Attributes:
        scale: by the text, where nothing stands beside it (`samplers.guidance.guided`).
        weights: of each prediction, where a draft or words stand beside it; none where nothing ever does.
        told: the scale that the model itself is told (`backends.base.Conditioning.scale`).
    """

    scale: float
    weights: Weights = field(default_factory=dict)
    told: float = 1.0

    @property
    def passes(self) -> int:
        """How many predictions a step asks of the model at most."""
        return max(len(self.weights), 1 + needs_negative(self.scale))

    @property
    def needs_negative(self) -> bool:
        """Whether the model is asked about the negative prompt at all."""
        return needs_negative(self.scale) or not all(part.prompt for part in self.weights)


@dataclass(frozen=True)
class Variation:
    """A `share` of the take's noise is redrawn by another `seed`."""

    seed: int
    share: float


@dataclass(frozen=True)
class EndlessPlan:
    """FIFO sampling: `strategy` is what `window` was laid out by, never "auto".

    An attention map is made every `attention_interval` steps, 0 for none.
    """

    window: FifoPlan
    strategy: str
    warmup_steps: int
    attention_interval: int = 0


@dataclass(frozen=True)
class ClipPlan:
    """One run over `duration_s`, the noisiest `skipped` of its `steps` left out.

    The U-Net's deep levels work in one step of each `period`; guidance counts from the first to the second
    share of the schedule's noise levels that it is `guided` at.
    """

    steps: int
    duration_s: float
    skipped: int = 0
    method: ClipMethod = "ddim"
    period: int = 1
    guided: tuple[float, float] = ALWAYS


@dataclass(frozen=True)
class ConcatPlan:
    """`count` independent clips of `clip_frames`, neighbours sharing `overlap_frames`."""

    steps: int
    clip_frames: int
    overlap_frames: int
    count: int


SamplerPlan: TypeAlias = EndlessPlan | ClipPlan | ConcatPlan


@dataclass(frozen=True)
class StereoPlan:
    """How a take comes to its channels: `kind` and `width` as `GenerationRequest` has them, and whether all
    that is heard in it is `steady`, so that two channels may part further.
    """

    kind: Stereo = "mono"
    width: float = 0.0
    steady: bool = False

    @property
    def sampled(self) -> int:
        """Channels that are sampled: at width 0 both are the mono take, which is sampled once."""
        return 2 if self.kind == "twin" and self.width > 0 else 1


MONO = StereoPlan()


@dataclass(frozen=True)
class RenderPlan:
    """A take: `total_samples` of it, None where it has no end; no `draft` where the text alone is heard, and
    a `speech` without text where nothing is said. With a `variation` it is the take of its seed, nearly.
    """

    prompts: Prompts
    seed: int
    guidance: Guidance
    attention: Attention
    sampler: SamplerPlan
    total_samples: int | None = None
    draft: DraftPlan | None = None
    speech: Speech = Speech()
    stereo: StereoPlan = MONO
    variation: Variation | None = None

    def noise(self) -> Noise:
        """What all of the take's noise is drawn from, at its beginning."""
        if self.variation is None:
            return torch.Generator().manual_seed(self.seed)
        return Varied.of(self.seed, self.variation.seed, self.variation.share)


def resolve_plan(request: GenerationRequest, backend: Backend, strategy: str | None = None) -> RenderPlan:
    """What a request comes to on this model.

    `strategy` is what an endless one's "auto" was measured to be, or what a take that goes on was begun with;
    without it the request's own holds.

    Raises:
        InvalidRequestError: it asks for a clip without a length.
        ValueError: the strategy is still "auto".
    """
    guidance = guidance_plan(request, backend)
    negative = request.negative_prompt if guidance.needs_negative else None
    length_s, rate = request.duration_s, backend.geometry.sample_rate
    return RenderPlan(
        prompts=Prompts(request.prompt, request.lane, request.lane_blend_s, negative),
        seed=request.seed,
        guidance=guidance,
        attention=request.attention,
        sampler=_sampler_plan(request, backend, strategy),
        total_samples=None if length_s is None else total_samples(length_s, rate),
        draft=draft_plan(request),
        speech=request.speech,
        stereo=stereo_plan(request),
    )


def stereo_plan(request: GenerationRequest, *prompts: str) -> StereoPlan:
    """How the request comes to its channels; `prompts` are heard in it beside its own."""
    if request.stereo == "mono":
        return MONO
    if request.stereo == "wide":
        return StereoPlan("wide", request.width)
    heard = (request.prompt, *(point.prompt for point in request.lane), *prompts)
    # What is said is events, and what a draft holds nobody knows.
    alone = request.draft.kind == "none" and not request.speech.text
    return StereoPlan("twin", request.width, alone and all(is_steady(one) for one in heard if one))


def guidance_plan(request: GenerationRequest, backend: Backend) -> Guidance:
    """How the predictions of a request are weighed.

    In a model that speaks, a scale counts what is said beyond the prediction itself (`voice_weights`): where
    there are no words that is ε_d + w(ε_d − ε₀), guidance by the text at 1 + w.
    """
    scale, speech = request.guidance_scale, request.speech
    if request.draft.kind != "none":
        return Guidance(scale, dual_weights(scale, request.acoustic_scale))
    if not backend.capabilities.speaks:
        return Guidance(1.0, told=scale) if _is_folded(request, backend) else Guidance(scale)
    return Guidance(scale if speech.scale is None else 1 + scale, voice_weights(scale, speech.scale))


def _is_folded(request: GenerationRequest, backend: Backend) -> bool:
    """Whether the model says at once what guidance makes of two predictions: away from the empty text, which
    is what it learned to lead away from, and at a scale that it learned.
    """
    span = backend.capabilities.folded
    return span is not None and not request.negative_prompt and span[0] <= request.guidance_scale <= span[1]


def plan_window(sampler: EndlessSampler, strategy: str, backend: Backend) -> FifoPlan:
    """The window that these settings make on this checkpoint; `strategy` is not "auto" any more."""
    timesteps = curved_timesteps(backend.schedule, strategy, sampler.base_steps, sampler.skip_factor)
    multiple = backend.geometry.frame_multiple
    return FifoPlan.build(timesteps, sampler.group_size, sampler.buffer_frames, multiple)


def clip_plan(request: GenerationRequest, sampler: ClipSampler) -> ClipPlan:
    """A clip's steps and length; raises as `resolve_plan`."""
    return ClipPlan(
        sampler.steps,
        _length_s(request),
        request.skipped_steps,
        sampler.method,
        sampler.period,
        (sampler.guided_from, sampler.guided_to),
    )


def draft_plan(request: GenerationRequest) -> DraftPlan | None:
    """The draft that a request hears, its seed the take's where it has none of its own."""
    match request.draft:
        case NoDraft():
            return None
        case RecordedDraft() as recorded:
            return recorded
        case AudioGenDraft() as wanted:
            seed = request.seed if wanted.seed is None else wanted.seed
            sampling = Sampling(wanted.temperature, wanted.top_k, wanted.top_p, wanted.guidance_scale)
            return GeneratedDraft(wanted.model, seed, sampling)


def _sampler_plan(request: GenerationRequest, backend: Backend, strategy: str | None) -> SamplerPlan:
    match request.sampler:
        case EndlessSampler() as sampler:
            resolved = strategy or sampler.strategy
            # The probe sees what dense attention would look at: of a sparse model that is not where it looks.
            interval = sampler.attention_interval if isinstance(request.attention, DenseAttention) else 0
            window = plan_window(sampler, resolved, backend)
            return EndlessPlan(window, resolved, sampler.warmup_steps, interval)
        case ClipSampler() as sampler:
            return clip_plan(request, sampler)
        case ConcatSampler() as sampler:
            return _concat_plan(sampler, _length_s(request), backend)


def _concat_plan(sampler: ConcatSampler, duration_s: float, backend: Backend) -> ConcatPlan:
    """As many clips as the length takes, joined plainly or with a crossfade of whole frames."""
    geometry = backend.geometry
    clip_frames = geometry.frames(sampler.clip_s)
    overlap_frames = min(round(sampler.crossfade_s * geometry.frame_rate), clip_frames // 2)
    stride = (clip_frames - overlap_frames) * geometry.hop_samples
    beyond = total_samples(duration_s, geometry.sample_rate) - overlap_frames * geometry.hop_samples
    return ConcatPlan(sampler.steps, clip_frames, overlap_frames, max(1, -(-beyond // stride)))


def _length_s(request: GenerationRequest) -> float:
    if request.duration_s is None:
        raise InvalidRequestError("Only the endless sampler runs without a length: give seconds.")
    return request.duration_s
