"""What one pass a step is worth beside two: the same prompts from the same seeds, judged, and timed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from studio.backends.base import Backend
from studio.core.sampling import EndlessSampler
from studio.core.values import Passes
from studio.dsp.mel import log_mel
from studio.evaluation.classifier import Classifier
from studio.evaluation.suites.pocket import WINDOW_S, HeldOut, Report, family_share, spread_prompts
from studio.evaluation.suites.sound import Samples, SoundPlan, distances, hear_takes, listen, make_clips
from studio.pipeline.cancel import CancelToken
from studio.pipeline.renderer import Renderer

_DB = 20 / np.log(10)  # of a log-mel's magnitudes


@dataclass(frozen=True)
class PassesPlan:
    """How much is made of each kind, at each of the `scales`: clips of 5.12 s, and endless takes of so many
    such `windows`.
    """

    clips: int = 112
    takes: int = 28
    windows: int = 4
    steps: int = 50
    scales: tuple[float, ...] = (4.0,)
    batch: int = 4

    @property
    def sound(self) -> SoundPlan:
        """The same, as the suite of sounds has it: every take is one of the long ones."""
        turned = self.windows - 2
        return SoundPlan(2 * self.takes, 0, self.takes, self.windows, turned, self.steps, self.batch)


def measure_passes(
    backends: Mapping[Passes, Backend],
    classifier: Classifier,
    held_out: HeldOut,
    plan: PassesPlan,
    report: Report = lambda _: None,
) -> list[dict[str, Any]]:
    """A row for each scale and kind: the share of right families and the Fréchet distance to the corpus, of
    clips and of endless takes, and the real-time factors.

    `apart_db` is the mean distance of a clip's log-mel to that of the kind that comes first, from the same
    seed.
    """
    single = held_out.only(scenes=False)
    prompts, families = spread_prompts(single, plan.clips)
    renderer, sampler = Renderer(), EndlessSampler()
    strategy = renderer.strategy(next(iter(backends.values())), sampler, CancelToken())
    sampler = sampler.model_copy(update={"strategy": strategy})  # one for all
    rows = []
    for scale in plan.scales:
        first: Samples | None = None
        for passes, backend in backends.items():
            named = f"{passes} at {scale:g}"
            began = time.perf_counter()
            clips = make_clips(backend, prompts, scale, plan.sound, 0, report, f"Clips, {named}")
            made = time.perf_counter()
            report(f"Endless takes, {named}")
            takes = hear_takes(
                backend, classifier, single, renderer, sampler, scale, plan.sound, lambda _: None
            )
            ended = time.perf_counter()
            logits, heard = listen(classifier, clips)
            first = clips if first is None else first
            rows.append(
                {
                    "scale": scale,
                    "passes": passes,
                    "clips_right": family_share(classifier.top(logits), families),
                    "takes_right": float(np.mean([take.hits for take in takes])),
                    **distances(
                        classifier,
                        single,
                        {"clips": heard, "takes": torch.cat([take.embeddings for take in takes])},
                    ),
                    "clips_rtf": (made - began) / (len(clips) * WINDOW_S),
                    "takes_rtf": (ended - made) / (len(takes) * plan.windows * WINDOW_S),
                    "apart_db": _apart_db(clips, first),
                }
            )
    return rows


def _apart_db(clips: Samples, first: Samples) -> float:
    ours, theirs = (log_mel(torch.from_numpy(samples)) for samples in (clips, first))
    return float(_DB * (ours - theirs).abs().mean())
