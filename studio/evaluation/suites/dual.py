"""AudioGen, TANGO, DC-LDM and DC-LDM without text beside each other, as in DC-LDM's Tables 1 and 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from studio.backends.acoustic.base import AcousticDraft, Drafter
from studio.backends.base import Backend, DualBackend
from studio.core.draft import AudioGenDraft, NoDraft
from studio.core.request import parse_request
from studio.core.sampling import ClipSampler
from studio.evaluation.classifier import Classifier
from studio.evaluation.metrics.distance import frechet_distance, kl_divergence
from studio.evaluation.suites.pocket import HeldOut, Report, family_share, pair_share, spread
from studio.pipeline.acoustic import ClipAcoustics
from studio.pipeline.batch import render_clips

System = Literal["audiogen", "tango", "dcldm", "ldm_ag"]
SYSTEMS: tuple[System, ...] = ("audiogen", "tango", "dcldm", "ldm_ag")
WINDOW_S = 5.0


@dataclass(frozen=True)
class DualPlan:
    """What is made: clips of one family and scenes of two, of 10 s, by each system and at each w."""

    systems: Sequence[System] = SYSTEMS
    scales: Sequence[float] = (4.0,)
    clips: int = 112
    scenes: int = 56
    seconds: float = 10.0
    steps: int = 50
    batch: int = 4


@dataclass(frozen=True)
class Heard:
    """What the judge makes of clips: softmax and sigmoid shares [clips, families], embeddings [clips, 64]."""

    shares: np.ndarray
    sigmoids: np.ndarray
    embeddings: np.ndarray

    def top(self, classifier: Classifier, count: int = 2) -> list[list[str]]:
        return classifier.top(torch.from_numpy(self.shares), count)


def measure_dual(
    backend: DualBackend,
    tango: Backend,
    drafter: Drafter,
    unconditional: AcousticDraft,
    classifier: Classifier,
    held_out: HeldOut,
    plan: DualPlan,
    report: Report,
) -> list[dict[str, Any]]:
    """A row for each system, and each w of those that have one, of the same captions, drafts and seeds.

    `family_acc` and `scene_acc` are the shares of clips whose likeliest family, and of scenes whose likeliest
    two, are the caption's; `kl` and `kl_sigma` compare each clip's classes with those of the recording that
    its caption describes, `fd` the two sets of embeddings. `ldm_ag` reads the empty text, where
    the model reads any: the paper's row is that of a model that reads none. `tango` is what the DC-LDM was
    begun from.
    """
    single, scenes = held_out.only(scenes=False), held_out.only(scenes=True)
    chosen = [(single, i) for i in spread(single, plan.clips)]
    chosen += [(scenes, i) for i in spread(scenes, plan.scenes)] if plan.scenes else []
    prompts = [kind.captions[i] for kind, i in chosen]
    families = [kind.families[i] for kind, i in chosen]
    real = _listen(classifier, np.stack([kind.samples[i] for kind, i in chosen]))
    drafts = _drafts(drafter, prompts, plan, report)
    out = []
    for system in plan.systems:
        for scale in plan.scales if system != "audiogen" else plan.scales[:1]:
            named = system if len(plan.scales) == 1 or system == "audiogen" else f"{system}, w = {scale:g}"
            if system == "audiogen":
                made = [draft.samples for draft in drafts]
            else:
                model = tango if system == "tango" else backend
                made = _refine(model, system, prompts, drafts, unconditional, scale, plan, report, named)
            heard = _listen(classifier, _stack(made, plan.seconds))
            figures = _figures(classifier, heard, real, families, plan.clips)
            out.append({"system": system, "w": None if system == "audiogen" else scale, **figures})
    return out


def _drafts(drafter: Drafter, prompts: Sequence[str], plan: DualPlan, report: Report) -> list[AcousticDraft]:
    drafts: list[AcousticDraft] = []
    for start in range(0, len(prompts), 4 * plan.batch):
        report(f"drafts: {start} of {len(prompts)}")
        some = prompts[start : start + 4 * plan.batch]
        drafts += [drafter.decode(each) for each in drafter.draft_many(some, plan.seconds, seed=start)]
    return drafts


def _refine(
    backend: Backend,
    system: System,
    prompts: Sequence[str],
    drafts: Sequence[AcousticDraft],
    unconditional: AcousticDraft,
    scale: float,
    plan: DualPlan,
    report: Report,
    name: str,
) -> list[np.ndarray]:
    geometry, made = backend.geometry, []
    hears = system != "tango"
    settings = {
        "mode": "dual",
        "duration_s": plan.seconds,
        "guidance_scale": scale,
        "sampler": ClipSampler(steps=plan.steps),
        "draft": AudioGenDraft() if hears else NoDraft(),
    }
    for start in range(0, len(prompts), plan.batch):
        report(f"{name}: {start} of {len(prompts)}")
        some = slice(start, start + plan.batch)
        requests = [parse_request(prompt=prompt, seed=start, **settings) for prompt in prompts[some]]
        heard = [ClipAcoustics(backend, draft, unconditional) for draft in drafts[some]] if hears else None
        # Drawn for a batch at once, as all figures of model cards are.
        shape = (len(requests), geometry.channels, geometry.frames(plan.seconds), geometry.bands)
        made += render_clips(
            requests,
            backend,
            acoustics=heard,
            texts=[""] * len(requests) if system == "ldm_ag" else None,
            latents=torch.randn(shape, generator=torch.Generator().manual_seed(start)),
        )
    return made


def _stack(made: Sequence[np.ndarray], seconds: float) -> np.ndarray:
    length = round(seconds * 16000)
    return np.stack([np.pad(each[:length], (0, max(0, length - len(each)))) for each in made])


def _listen(classifier: Classifier, samples: np.ndarray) -> Heard:
    """Windows of 5 s, averaged over each clip."""
    length = round(WINDOW_S * 16000)
    count = samples.shape[1] // length
    heard = [classifier.predict(row[: count * length].reshape(count, length)) for row in samples]
    return Heard(
        np.stack([logits.softmax(dim=-1).mean(0).numpy() for logits, _ in heard]),
        np.stack([logits.sigmoid().mean(0).numpy() for logits, _ in heard]),
        np.stack([embedding.mean(0).numpy() for _, embedding in heard]),
    )


def _figures(
    classifier: Classifier, heard: Heard, real: Heard, families: Sequence[Sequence[str]], clips: int
) -> dict[str, float | int | None]:
    top = heard.top(classifier)
    pairs = top[clips:]
    return {
        "clips": clips,
        "scenes": len(pairs),
        "family_acc": round(family_share(top[:clips], families[:clips]), 4),
        "scene_acc": round(pair_share(pairs, families[clips:]), 4) if pairs else None,
        "kl": round(kl_divergence(real.shares, heard.shares), 4),
        "kl_sigma": round(kl_divergence(real.sigmoids, heard.sigmoids), 4),
        "fd": round(frechet_distance(heard.embeddings, real.embeddings), 4),
    }
