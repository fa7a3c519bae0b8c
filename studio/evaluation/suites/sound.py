"""What a checkpoint generates, judged: ordinary clips, endless takes, concatenated clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.backends.base import Backend
from studio.core.request import parse_request
from studio.core.sampling import ClipSampler, EndlessSampler
from studio.evaluation.classifier import Classifier
from studio.evaluation.metrics.distance import bootstrap_interval, frechet_distance
from studio.evaluation.suites.pocket import (
    WINDOW_S,
    HeldOut,
    Report,
    family_share,
    pair_share,
    spread_prompts,
)
from studio.pipeline.batch import render_clips
from studio.pipeline.collect import render_samples
from studio.pipeline.renderer import Renderer

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class SoundPlan:
    """How much is generated. The defaults are the full measure; `quick` is for a look.

    Of each prompt two ordinary `clips` and one endless take are made. The first `takes` last for `windows`;
    the rest for `turned + 2`: as many windows as ordinary clips, of the same prompts, after the queue turned.
    """

    clips: int = 560
    scenes: int = 140
    takes: int = 48
    windows: int = 12
    turned: int = 2
    steps: int = 50
    batch: int = 4

    @classmethod
    def quick(cls) -> SoundPlan:
        return cls(clips=56, scenes=14, takes=8, windows=6)


def make_clips(
    backend: Backend,
    prompts: Sequence[str],
    scale: float,
    plan: SoundPlan,
    seed: int,
    report: Report,
    name: str,
) -> Samples:
    """One clip of 5.12 s a prompt by DDIM: [prompts, n]."""
    geometry, out = backend.geometry, []
    sampler = ClipSampler(steps=plan.steps)
    for start in range(0, len(prompts), plan.batch):
        report(f"{name}: {start} of {len(prompts)}")
        requests = [
            parse_request(
                prompt=prompt, seed=seed + start, duration_s=WINDOW_S, guidance_scale=scale, sampler=sampler
            )
            for prompt in prompts[start : start + plan.batch]
        ]
        # Drawn for a batch at once, as all figures of model cards are.
        shape = (len(requests), geometry.channels, geometry.frames(WINDOW_S), geometry.bands)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed + start))
        out += render_clips(requests, backend, latents=noise)
    return np.stack(out)


def measure_sound(
    backend: Backend,
    classifier: Classifier,
    held_out: HeldOut,
    renderer: Renderer,
    sampler: EndlessSampler,
    scale: float,
    plan: SoundPlan,
    report: Report,
) -> dict[str, float]:
    """Right families of ordinary and endless sound, drift over a minute, scenes, Fréchet distances.

    `renderer` makes the endless takes, by `sampler`; `scale` is the guidance of all.
    """
    single = held_out.only(scenes=False)
    prompts, families = (twice(rows) for rows in spread_prompts(single, plan.clips // 2))
    clips = make_clips(backend, prompts, scale, plan, 0, report, "Ordinary clips")
    logits, ordinary = listen(classifier, clips)
    figures = {"ddim_family_acc": family_share(classifier.top(logits), families)}

    scene_prompts, scene_families = spread_prompts(held_out.only(scenes=True), plan.scenes)
    scenes = make_clips(backend, scene_prompts, scale, plan, 10_000, report, "Scenes")
    figures["scene_acc"] = pair_share(classifier.top(listen(classifier, scenes)[0], 2), scene_families)

    takes = hear_takes(backend, classifier, single, renderer, sampler, scale, plan, report)
    long = takes[: plan.takes]
    hits = np.array([take.hits for take in long], dtype=np.float64)
    third = plan.windows // 3
    drift = 100 * (hits[:, :third].mean(1) - hits[:, -third:].mean(1))
    low, high = bootstrap_interval(drift)
    thirds = [hits[:, i * third : (i + 1) * third].mean() for i in range(3)]
    figures |= {
        "endless_family_acc": float(min(thirds)),
        "endless_drift_points": float(drift.mean()),
        "endless_drift_low": low,
        "endless_drift_high": high,
    }
    parts = {
        "ordinary": ordinary,
        "endless": torch.cat([take.embeddings[plan.turned : plan.turned + 2] for take in takes]),
        "concat": listen(classifier, across_joins(clips))[1],
        "first_third": torch.cat([take.embeddings[:third] for take in long]),
        "last_third": torch.cat([take.embeddings[-third:] for take in long]),
    }
    return figures | distances(classifier, single, parts)


def twice(rows: Sequence[Any]) -> list[Any]:
    """Each row two times running: a prompt's two clips are what concatenation would join."""
    return [row for row in rows for _ in range(2)]


def across_joins(clips: Samples) -> Samples:
    """Windows that straddle a join of two clips of one prompt: the end of one, the beginning of the other."""
    half = clips.shape[1] // 2
    first, second = clips[0::2], clips[1::2]
    return np.concatenate(
        [
            np.concatenate([first[:, half:], second[:, :half]], axis=1),
            np.concatenate([second[:, half:], first[:, :half]], axis=1),
        ]
    )


@dataclass(frozen=True)
class HeardTake:
    """Of one take: whether each window's likeliest family is right [windows], and embeddings [windows, D]."""

    hits: list[bool]
    embeddings: Tensor


def hear_takes(
    backend: Backend,
    classifier: Classifier,
    single: HeldOut,
    renderer: Renderer,
    sampler: EndlessSampler,
    scale: float,
    plan: SoundPlan,
    report: Report,
) -> list[HeardTake]:
    """One take of each of the ordinary clips' prompts, the long ones first."""
    prompts, families = spread_prompts(single, max(plan.takes, plan.clips // 2))
    heard = []
    for i, (prompt, names) in enumerate(zip(prompts, families, strict=True)):
        report(f"Endless takes: {i} of {len(prompts)}")
        windows = plan.windows if i < plan.takes else plan.turned + 2
        request = parse_request(
            prompt=prompt,
            seed=20_000 + i,
            duration_s=windows * WINDOW_S,
            guidance_scale=scale,
            sampler=sampler,
        )
        take = render_samples(renderer, request, backend)
        logits, embedded = listen(classifier, take.reshape(windows, -1))
        heard.append(HeardTake([row[0] in names for row in classifier.top(logits)], embedded))
    return heard


def distances(classifier: Classifier, single: HeldOut, parts: Mapping[str, Tensor]) -> dict[str, float]:
    """Fréchet distances of `parts` [windows, D] to corpus audio, with the corpus's distance to itself.

    Counts are equal a side and alike for all, but for parts that have fewer windows: those compare with
    one another alone.
    """
    n = single.windows().shape[1]
    real = torch.cat(
        [
            listen(classifier, single.samples[:, k : k + n])[1]
            for k in range(0, single.samples.shape[1] - n + 1, n // 2)
        ]
    )
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
    half = len(real) // 2
    corpus = real[order[:half]].numpy()
    figures = {"fd_windows": float(half), "fd_floor": frechet_distance(real[order[half:]].numpy(), corpus)}
    for name, heard in parts.items():
        count = min(half, len(heard))
        pick = torch.randperm(len(heard), generator=torch.Generator().manual_seed(1))[:count]
        figures[f"fd_{name}"] = frechet_distance(heard[pick].numpy(), corpus[:count])
    return figures


def listen(classifier: Classifier, samples: Samples) -> tuple[Tensor, Tensor]:
    """Logits and embeddings of windows [B, n], a few at a time."""
    parts = [classifier.predict(samples[i : i + 16]) for i in range(0, len(samples), 16)]
    return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])
