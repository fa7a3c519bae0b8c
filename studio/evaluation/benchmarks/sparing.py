"""What all steps of a clip cost: dense, sparse, and sparse with what else spares work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor

from studio.backends.base import Conditioning, Geometry
from studio.backends.systems.tone import ToneBackend
from studio.core.attention import SparseMethod, by_method
from studio.core.request import parse_request
from studio.core.sampling import ClipSampler, Reuse
from studio.evaluation.benchmarks.endless import Stopwatch
from studio.evaluation.benchmarks.sparse import BANDS, LATENT_CHANNELS, frames_for, text_for
from studio.modules.patches.lite_focus import ratio_for
from studio.pipeline.batch import ClipBatch, clip_of
from studio.pipeline.cancel import CancelToken
from studio.pipeline.plan import resolve_plan

GUIDED_FROM = 0.2
SCALE = 3.5  # costs what any costs


class Way(NamedTuple):
    """A way to make a clip: its attention, which steps reuse the deep levels, and where guidance begins."""

    name: str
    method: SparseMethod = "balanced"
    reuse: Reuse = "off"
    guided_from: float = 0.0


WAYS = (
    Way("dense", "dense"),
    Way("lite_focus"),
    Way("lite_focus, one of two rests", reuse="one_of_two"),
    Way("lite_focus, two of three rest", reuse="two_of_three"),
    Way("lite_focus, interval", guided_from=GUIDED_FROM),
    Way("lite_focus, two of three rest, interval", reuse="two_of_three", guided_from=GUIDED_FROM),
)


class BareBackend(ToneBackend):
    """A U-Net that is told the same text whatever one says, and whose sound nobody hears."""

    def __init__(self, unet: Any) -> None:
        least = frames_for(unet, 0.0)
        super().__init__(Geometry(frame_multiple=least, channels=LATENT_CHANNELS, bands=BANDS))
        self.device, self.dtype = unet.device, unet.dtype
        self.unet: Any = unet
        self.predictions = self.deep = 0
        self._texts = {items: text_for(unet, items) for items in (1, 2)}

    def predict_noise(
        self, latents: Tensor, timesteps: Tensor, start_frame: int, conditioning: Conditioning
    ) -> Tensor:
        """What the U-Net says of latents [B, C, T, F]."""
        self.predictions += len(latents)
        said = self._texts[len(latents)]
        with torch.inference_mode():
            noise = self.unet(latents.to(self.dtype), timesteps, **said, return_dict=False)[0]
        return noise.clone().to(latents)

    def went_deep(self, *_: object) -> None:
        """A hook of a deep block."""
        self.deep += 1


def bench_end_to_end(
    unet: Any,
    durations_s: Sequence[float],
    steps: int,
    *,
    repeats: int = 1,
    batch: int = 1,
    ratio: float | None = None,
    show: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Medians of `repeats` whole runs, the ways taking turns; decoding, which is alike for all, is left out.

    It is what a take of each way does (`pipeline.batch`) but for its text. `deep` is in how many steps the
    deep levels worked, `predictions` how many were asked of the model.

    Args:
        unet: a diffusers U-Net for latents [B, 8, T, 16].
        durations_s: lengths of sound, from short to long.
        steps: of DDIM.
        batch: 1 without guidance, 2 under it.
        ratio: LiteFocus's r; by each length's rule where none is given.
        show: told what is measured.
    """
    ways = [way for way in WAYS if batch > 1 or not way.guided_from]
    _run(unet, WAYS[0], 1.0, 1, batch, None)  # the first call pays for more than itself
    rows = []
    for duration_s in sorted(durations_s):
        taken: dict[str, list[float]] = {way.name: [] for way in ways}
        counts: dict[str, tuple[int, int]] = {}
        for turn in range(repeats):
            for way in ways:
                show(f"{duration_s:g} s: {way.name}, {turn + 1} of {repeats}")
                took_s, counts[way.name] = _run(unet, way, duration_s, steps, batch, ratio)
                taken[way.name].append(took_s)
        dense_s = median(taken["dense"])
        for name, times in taken.items():
            deep, predictions = counts[name]
            rows.append(
                {
                    "seconds": duration_s, "steps": steps, "deep": deep, "predictions": predictions,
                    "took_s": round(median(times), 3), "speedup": round(dense_s / median(times), 3),
                    "way": name,
                }
            )  # fmt: skip
    return rows


def _run(
    unet: Any, way: Way, duration_s: float, steps: int, batch: int, ratio: float | None
) -> tuple[float, tuple[int, int]]:
    """Seconds of a run, in how many steps the deep levels worked, and how many predictions were asked."""
    request = parse_request(
        mode="sparse",
        prompt="-",
        seed=0,
        duration_s=duration_s,
        guidance_scale=SCALE if batch > 1 else 1.0,
        sampler=ClipSampler(steps=steps, reuse=way.reuse, guided_from=way.guided_from),
        attention=by_method(way.method, ratio_for(duration_s) if ratio is None else ratio),
    )
    backend, watch = BareBackend(unet), Stopwatch(unet.device)
    plan = resolve_plan(request, backend)
    clip = ClipBatch([plan], clip_of(plan), backend, CancelToken())
    hook = unet.up_blocks[0].resnets[0].conv1.register_forward_hook(backend.went_deep)
    try:
        with watch:
            for _ in clip.steps():
                pass
    finally:
        hook.remove()
    return watch.mean_ms / 1000, (backend.deep, backend.predictions)
