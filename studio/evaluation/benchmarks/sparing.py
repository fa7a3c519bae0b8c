"""What all steps of a clip cost: dense, sparse, and sparse with what else spares work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor

from studio.core.attention import SparseMethod, by_method
from studio.core.values import FRAME_S
from studio.evaluation.benchmarks.endless import Stopwatch
from studio.evaluation.benchmarks.sparse import BANDS, LATENT_CHANNELS, frames_for, noise_for, text_for
from studio.modules.patches.lite_focus import ratio_for
from studio.modules.patches.methods import attending
from studio.pipeline.reuse import DeepReuse
from studio.samplers.ddim import ddim_sample
from studio.samplers.guidance import ALWAYS, guided, within
from studio.samplers.schedule import NoiseSchedule

INTERVAL = (0.2, 0.9)
SCALE = 3.5  # costs what any costs
# AudioLDM 2's scheduler_config.json.
SCHEDULE = {"beta_schedule": "scaled_linear", "beta_start": 0.0015, "beta_end": 0.0195, "steps_offset": 1}


class Way(NamedTuple):
    """A way to make a clip: its attention, how often deep levels work, and where guidance counts."""

    name: str
    method: SparseMethod = "balanced"
    period: int = 1
    span: tuple[float, float] = ALWAYS


WAYS = (
    Way("dense", "dense"),
    Way("lite_focus"),
    Way("lite_focus, one of two rests", period=2),
    Way("lite_focus, two of three rest", period=3),
    Way("lite_focus, interval", span=INTERVAL),
    Way("lite_focus, two of three rest, interval", period=3, span=INTERVAL),
)


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

    `deep` is in how many steps the deep levels worked, `predictions` how many were asked of the model.

    Args:
        unet: a diffusers U-Net for latents [B, 8, T, 16].
        durations_s: lengths of sound, from short to long.
        steps: of DDIM.
        batch: 1 without guidance; an even number for so many halves of clips under it.
        ratio: LiteFocus's r; by each length's rule where none is given.
        show: told what is measured.
    """
    ways = [way for way in WAYS if batch > 1 or way.span == ALWAYS]
    _run(unet, WAYS[0], frames_for(unet, 1.0), 1, batch, None)  # the first call pays for more than itself
    rows = []
    for duration_s in sorted(durations_s):
        taken: dict[str, list[float]] = {way.name: [] for way in ways}
        counts: dict[str, tuple[int, int]] = {}
        for turn in range(repeats):
            for way in ways:
                show(f"{duration_s:g} s: {way.name}, {turn + 1} of {repeats}")
                took_s, counts[way.name] = _run(unet, way, frames_for(unet, duration_s), steps, batch, ratio)
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


@torch.inference_mode()
def _run(
    unet: Any, way: Way, frames: int, steps: int, batch: int, ratio: float | None
) -> tuple[float, tuple[int, int]]:
    """Seconds of a run, in how many steps the deep levels worked, and how many predictions were asked."""
    schedule, clips = NoiseSchedule.from_config(SCHEDULE), max(1, batch // 2)
    texts = {items: text_for(unet, items) for items in (clips, 2 * clips)}
    seconds, reuse = frames * FRAME_S, DeepReuse(way.period, unet)
    wanted = by_method(way.method, ratio_for(seconds) if ratio is None else ratio)
    generator, deep, predictions = torch.Generator().manual_seed(0), 0, 0

    def count(*_: object) -> None:
        nonlocal deep
        deep += 1

    def predict(latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
        nonlocal predictions
        predictions += len(latents) // clips
        given = latents.to(unet.dtype), timesteps
        with attending(unet, wanted, generator, seconds), reuse.step(latents, timesteps):
            return unet(*given, **texts[len(latents)], return_dict=False)[0].to(latents)

    by_scale = guided(predict, SCALE if batch > 1 else 1.0)
    denoise = within(by_scale, predict, way.span, schedule.train_steps)
    latents, watch = noise_for(unet, clips, LATENT_CHANNELS, frames, BANDS).float(), Stopwatch(unet.device)
    hook = unet.up_blocks[0].resnets[0].conv1.register_forward_hook(count)
    try:
        with watch:
            ddim_sample(denoise, schedule, latents, steps)
    finally:
        hook.remove()
    return watch.mean_ms / 1000, (deep, predictions)
