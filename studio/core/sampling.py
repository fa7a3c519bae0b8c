"""How a take is sampled: settings of each sampler."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from studio.core.values import FRAME_S, Frozen

MAX_WINDOW_FRAMES = 4000

Strategy = Literal["equal", "initial", "middle", "last", "auto"]
ClipMethod = Literal["ddim", "ddpm"]
Reuse = Literal["off", "one_of_two", "two_of_three"]


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
    """An ordinary run over the whole clip: deterministic by DDIM, or drawing noise anew in each step by DDPM
    (DC-LDM, eq. 5 to 7).

    `reuse` is on how many steps the network's deep levels rest, and what they gave before is taken again
    (DeepCache). Guidance counts from `guided_from` to `guided_to`, shares of the schedule's noise levels of
    which 0 is none and 1 the noisiest: beyond them the prompt is followed as the model does by itself
    (Kynkäänniemi et al. 2024).
    """

    kind: Literal["clip"] = "clip"
    steps: int = Field(50, ge=1, le=1000)
    method: ClipMethod = "ddim"
    reuse: Reuse = "off"
    guided_from: float = Field(0.0, ge=0, le=1)
    guided_to: float = Field(1.0, ge=0, le=1)

    @model_validator(mode="after")
    def _guides(self) -> ClipSampler:
        if self.guided_from >= self.guided_to:
            raise ValueError("guides nowhere: let guidance begin below the noise at which it ends")
        return self

    @property
    def period(self) -> int:
        """Of so many steps one lets the deep levels work."""
        return {"off": 1, "one_of_two": 2, "two_of_three": 3}[self.reuse]


class ConcatSampler(Frozen):
    """Independent clips joined end to end: the baseline of the paper."""

    kind: Literal["concat"] = "concat"
    steps: int = Field(50, ge=1, le=1000)
    clip_s: float = Field(5.12, ge=0.64, le=60)
    crossfade_s: float = Field(0.0, ge=0, le=5)


Sampler = Annotated[EndlessSampler | ClipSampler | ConcatSampler, Field(discriminator="kind")]
