"""Curved denoising: spend the steps where self-attention looks (InfiniteAudio, §2.2.2)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from studio.samplers.schedule import NoiseSchedule

STRATEGY_OF_KEYS = {"initial": "last", "middle": "middle", "final": "initial"}
"""Region of key frames attended to most → strategy. A window's early frames hold its low timesteps, so
attention to *initial* frames asks for steps at the *end* of sampling."""


def curved_timesteps(schedule: NoiseSchedule, strategy: str, base_steps: int, skip_factor: int) -> Tensor:
    """Thin a schedule outside the third that matters.

    The base schedule of N steps has three regions: final (timesteps near 1), middle, initial (near 1000). The
    favoured one, K = N / 3 steps, is kept whole; of the N − K others every P-th is kept, counted from the
    noisiest, so n = K + ⌈(N − K) / P⌉ for every strategy. `equal` spaces n steps evenly over the same range:
    at one N and P all strategies cost the same. All but `initial` keep the base schedule's noisiest step by
    that counting, and `initial` by its region.

    Args:
        schedule: noise levels of the checkpoint.
        strategy: "equal", "initial", "middle" or "last", the sampling region that keeps its steps.
        base_steps: N, 3 to the schedule's training steps.
        skip_factor: P, at least 1 (nothing skipped).

    Returns:
        Timesteps τ₁ < … < τₙ, int64 [n].

    Raises:
        ValueError: an argument out of range; "auto" must be resolved by `choose_strategy` first.
    """
    if not 3 <= base_steps <= schedule.train_steps:
        raise ValueError(f"base_steps is {base_steps}; it must lie in 3 to {schedule.train_steps}")
    if skip_factor < 1:
        raise ValueError(f"skip_factor is {skip_factor}; it must be at least 1")
    # Unique: at N near the training steps, the offset pushes the two noisiest onto one timestep.
    base = torch.unique(schedule.timesteps(base_steps))
    total, kept = len(base), round(len(base) / 3)
    if strategy == "equal":
        count = kept + -(-(total - kept) // skip_factor)
        ends = (float(base[0]), float(base[-1]))
        return torch.linspace(*ends, count, dtype=torch.float64).round().long()
    starts = {"last": 0, "middle": (total - kept) // 2, "initial": total - kept}
    if strategy not in starts:
        raise ValueError(f"strategy is '{strategy}'; it must be one of equal, {', '.join(starts)}")
    favoured = torch.zeros(total, dtype=torch.bool)
    favoured[starts[strategy] : starts[strategy] + kept] = True
    others = base[~favoured].flip(0)[::skip_factor]
    return torch.cat([base[favoured], others]).sort().values


def key_regions(buffer_frames: int, window_frames: int) -> dict[str, tuple[int, int]]:
    """Half-open frame ranges of a FIFO window's queue in thirds, in the order initial, middle, final.

    The buffer is left out, as the paper does: its frames have left the noise ramp.

    Raises:
        ValueError: fewer than three frames in the queue.
    """
    queue_frames = window_frames - buffer_frames
    if queue_frames < 3:
        raise ValueError(f"a queue of {queue_frames} frames has no three regions")
    cuts = [buffer_frames + round(queue_frames * part / 3) for part in range(4)]
    return {name: (cuts[i], cuts[i + 1]) for i, name in enumerate(STRATEGY_OF_KEYS)}


def choose_strategy(region_attention: Mapping[str, float]) -> str:
    """The strategy for a model, from the mean attention its queries give each region of key frames.

    Args:
        region_attention: mean attention to a key frame of the "initial", "middle" and "final" frames,
            measured on an equal ramp. AudioLDM looks at initial → "last", VoiceLDM at final → "initial".

    Returns:
        "initial", "middle" or "last".

    Raises:
        ValueError: a region is missing.
    """
    if missing := STRATEGY_OF_KEYS.keys() - region_attention.keys():
        raise ValueError(f"no attention given for the regions {sorted(missing)}")
    return STRATEGY_OF_KEYS[max(STRATEGY_OF_KEYS, key=lambda name: region_attention[name])]
