"""Right families of clips in one piece, by length and by attention: what sparsity costs, and at which r."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from studio.backends.base import Backend
from studio.core.attention import MERGED, WITH_RATIO, Attention, SparseMethod, by_method
from studio.core.request import parse_request
from studio.core.sampling import ClipSampler, Reuse
from studio.evaluation.classifier import Classifier
from studio.evaluation.suites.pocket import HeldOut, Report, family_share, spread_prompts
from studio.modules.patches.lite_focus import ratio_for
from studio.pipeline.collect import render_samples
from studio.pipeline.renderer import Renderer

WINDOW_S = 5.0


@dataclass(frozen=True)
class LengthPlan:
    """What is made: `clips` prompts at each length, by each method, by each ratio where it has one, and with
    deep levels that rest in each of the ways; all of it guided in the same interval of noise.
    """

    seconds: Sequence[float] = (10.0, 20.0, 40.0, 80.0)
    methods: Sequence[SparseMethod] = ("dense", "balanced")
    ratios: Sequence[float | None] = (None,)  # None: by length
    clips: int = 112
    steps: int = 50
    guidance_scale: float = 4.0
    reuse: Sequence[Reuse] = ("off",)
    guided: tuple[float, float] = (0.0, 1.0)

    def sampler(self, reuse: Reuse) -> ClipSampler:
        """What a clip is sampled by, with deep levels that rest in this way."""
        start, end = self.guided
        return ClipSampler(steps=self.steps, reuse=reuse, guided_from=start, guided_to=end)


def measure_lengths(
    backend: Backend, classifier: Classifier, held_out: HeldOut, plan: LengthPlan, report: Report
) -> list[dict[str, Any]]:
    """A row for each length, method, ratio and way of resting, of the same prompts and seeds.

    `family_acc` is the share of clips whose likeliest family, by the mean over windows of 5 s, is the
    prompt's; `worst_acc` the same of single windows, at the place in the clip where it is lowest; `clip_s`
    the mean seconds a clip took.
    """
    prompts, families = spread_prompts(held_out.only(scenes=False), plan.clips)
    rows = []
    ways = [
        (seconds, method, ratio, reuse)
        for seconds in plan.seconds
        for method in plan.methods
        for ratio in (plan.ratios if method in WITH_RATIO else (None,))
        for reuse in plan.reuse
    ]
    for seconds, method, ratio, reuse in ways:
        named = f"{seconds:g} s, {method}{'' if ratio is None else f', r = {ratio:g}'}, reuse {reuse}"
        tops, taken = [], []
        for number, prompt in enumerate(prompts):
            report(f"{named}: {number} of {len(prompts)}")
            began = perf_counter()
            attention = by_method(method, "auto" if ratio is None else ratio)
            samples = _clip(backend, prompt, seconds, attention, plan.sampler(reuse), number, plan)
            taken.append(perf_counter() - began)
            tops.append(_windows(classifier, samples))
        rows.append(
            {
                "seconds": seconds, "method": method, "ratio": _ratio(method, ratio, seconds),
                "reuse": reuse, "clips": len(prompts),
                **_shares(classifier, tops, families), "clip_s": round(float(np.mean(taken)), 2),
            }
        )  # fmt: skip
    return rows


def _clip(
    backend: Backend,
    prompt: str,
    seconds: float,
    attention: Attention,
    sampler: ClipSampler,
    seed: int,
    plan: LengthPlan,
) -> np.ndarray:
    request = parse_request(
        mode="sparse",
        prompt=prompt,
        seed=seed,
        duration_s=seconds,
        guidance_scale=plan.guidance_scale,
        sampler=sampler,
        attention=attention,
    )
    return render_samples(Renderer(), request, backend)


def _ratio(method: SparseMethod, ratio: float | None, seconds: float) -> float | None:
    if method not in WITH_RATIO:
        return MERGED if method.startswith("tome") else None
    return ratio_for(seconds) if ratio is None else ratio


def _windows(classifier: Classifier, samples: np.ndarray) -> Tensor:
    """The judge's shares of each window of a clip [windows, families]."""
    length = round(WINDOW_S * 16000)
    count = max(1, len(samples) // length)
    windows = np.resize(samples, count * length).reshape(count, length)
    return classifier.predict(windows)[0].softmax(dim=-1)


def _shares(
    classifier: Classifier, tops: Sequence[Tensor], families: Sequence[Sequence[str]]
) -> dict[str, float]:
    whole = torch.stack([clip.mean(dim=0) for clip in tops])
    by_place = [
        family_share(classifier.top(torch.stack([clip[place] for clip in tops])), families)
        for place in range(len(tops[0]))
    ]
    return {
        "family_acc": round(family_share(classifier.top(whole), families), 4),
        "worst_acc": round(min(by_place), 4),
    }
