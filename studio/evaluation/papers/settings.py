"""How the papers made their tables, as settings of requests; and what is asked for otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from studio.backends.registry import SystemSpec
from studio.core.attention import Attention, DenseAttention
from studio.core.draft import AudioGenDraft
from studio.core.paper import PaperSettings, infinite_audio
from studio.core.sampling import ClipSampler, ConcatSampler, EndlessSampler

INFINITE = infinite_audio(2.5, "last")


@dataclass(frozen=True)
class Asked:
    """What is asked for otherwise than by a paper; None leaves its own.

    Attributes:
        count: captions.
        steps: of clips in one piece and of joined ones.
        guidance: the scale by the text.
        base_steps: N of endless takes before they are thinned.
        group_size: frames k that leave an endless take's queue a step.
        lengths_s: of tables and figures over lengths; the first one of those that have but one.
        scales: of the figure over guidance.
        clip_s: of the clips that are joined.
    """

    count: int | None = None
    steps: int | None = None
    guidance: float | None = None
    base_steps: int | None = None
    group_size: int | None = None
    lengths_s: tuple[float, ...] | None = None
    scales: tuple[float, ...] | None = None
    clip_s: float | None = None

    def usual_s(self, paper: PaperSettings) -> float:
        """The length of clips in tables of one length."""
        return self.lengths_s[0] if self.lengths_s else paper.duration_s

    def lengths(self, usual: tuple[float, ...]) -> tuple[float, ...]:
        """The lengths to make, a paper's own where none are asked for."""
        return self.lengths_s or usual


def paper_of(spec: SystemSpec) -> PaperSettings:
    """What the papers made a system's clips with; of one in none of them, InfiniteAudio's AudioLDM."""
    return spec.paper or INFINITE


def clip(
    spec: SystemSpec, asked: Asked, seconds: float | None = None, attention: Attention | None = None
) -> dict[str, Any]:
    """A clip in one piece as a paper's system makes it: its steps, its sampler, its guidance."""
    paper = paper_of(spec)
    return {
        "mode": "infinite" if attention is None else "sparse",
        "sampler": ClipSampler(steps=asked.steps or paper.steps, method=paper.sampler),
        "duration_s": seconds or asked.usual_s(paper),
        "attention": attention or DenseAttention(),
        **_guided(spec, asked),
    }


def dual(spec: SystemSpec, asked: Asked, audiogen: str) -> dict[str, Any]:
    """A clip beside the draft of an AudioGen."""
    return {**clip(spec, asked), "mode": "dual", "draft": AudioGenDraft(model=audiogen)}


def endless(
    spec: SystemSpec,
    asked: Asked,
    strategy: str,
    seconds: float | None = None,
    *,
    base_steps: int | None = None,
    skip_factor: int | None = None,
    attention_interval: int = 0,
) -> dict[str, Any]:
    """InfiniteAudio's take of a strategy: k = 1, N thinned by P to fewer than 150 steps, about 3 s (§2.2.2).

    `base_steps` and `skip_factor` are a table's own, which nothing that is asked for overrides.
    """
    paper = paper_of(spec)
    usual = paper.endless or INFINITE.endless
    assert usual is not None, "InfiniteAudio tries endless takes"
    changed = {
        "strategy": strategy,
        "base_steps": base_steps or asked.base_steps or usual.base_steps,
        "skip_factor": skip_factor or usual.skip_factor,
        "group_size": asked.group_size or usual.group_size,
        "attention_interval": attention_interval,
    }
    plan = EndlessSampler.model_validate({**usual.model_dump(), **changed})
    # No paper says how the first window is made: by as many steps as a frame takes.
    sampled = plan.model_copy(update={"warmup_steps": plan.steps})
    return {"sampler": sampled, "duration_s": seconds or asked.usual_s(paper), **_guided(spec, asked)}


def joined(spec: SystemSpec, asked: Asked, seconds: float) -> dict[str, Any]:
    """Clips of the model's own length and steps, one after the other."""
    clip_s = asked.clip_s or spec.defaults.clip_s
    sampler = ConcatSampler(steps=asked.steps or paper_of(spec).steps, clip_s=clip_s)
    return {"sampler": sampler, "duration_s": seconds, **_guided(spec, asked)}


def _guided(spec: SystemSpec, asked: Asked) -> dict[str, Any]:
    """The scale by the text; of a model that speaks also the one by words, of which none are said here."""
    paper = paper_of(spec)
    scale = paper.guidance_scale if asked.guidance is None else asked.guidance
    return {
        "guidance_scale": scale,
        **({} if paper.speech_scale is None else {"speech": {"scale": paper.speech_scale}}),
    }
