"""FIFO sampling: a window of frames at rising noise, from which clean sound leaves for ever.

InfiniteAudio §2.2.1, after FIFO-Diffusion (Kim et al. 2024). The window is a buffer of clean frames followed
by a queue of n groups of k frames at timesteps τ₁ < … < τₙ. k = 1 is the paper's own form.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from studio.samplers.ddim import DdimStep, ddim_step, ddim_steps, run_steps
from studio.samplers.denoise import Denoise, OnStep
from studio.samplers.schedule import NoiseSchedule, add_noise
from studio.samplers.twin import SideNoise, noise_like
from studio.samplers.variation import Noise, gaussian, source_of


@dataclass(frozen=True)
class FifoPlan:
    """Shape of the window: `buffer_frames`, then `timesteps` τ₁ < … < τₙ of `group_size` frames each."""

    timesteps: tuple[int, ...]
    group_size: int
    buffer_frames: int

    @classmethod
    def build(
        cls, timesteps: Tensor | Sequence[int], group_size: int, buffer_frames: int, frame_multiple: int = 1
    ) -> FifoPlan:
        """A plan whose buffer is rounded up until the window divides by `frame_multiple`.

        Raises:
            ValueError: timesteps that don't rise, or a size out of range.
        """
        rising = tuple(int(timestep) for timestep in timesteps)
        if not rising or rising[0] < 0 or any(a >= b for a, b in pairwise(rising)):
            raise ValueError(f"timesteps must rise from 0 or more, got {rising}")
        if group_size < 1 or buffer_frames < 0 or frame_multiple < 1:
            raise ValueError("group_size and frame_multiple start at 1, buffer_frames at 0")
        buffer_frames += -(buffer_frames + len(rising) * group_size) % frame_multiple
        return cls(rising, group_size, buffer_frames)

    @property
    def queue_frames(self) -> int:
        return len(self.timesteps) * self.group_size

    @property
    def window_frames(self) -> int:
        return self.buffer_frames + self.queue_frames

    def queue_timesteps(self, target: bool = False) -> Tensor:
        """Timestep of every queue frame, int64 [queue]; `target`: where one step takes it, −1 being clean."""
        levels = (-1, *self.timesteps[:-1]) if target else self.timesteps
        return torch.tensor(levels).repeat_interleave(self.group_size)

    def frame_timesteps(self) -> Tensor:
        """Timestep every frame of the window is fed at, int64 [window]: the buffer at the smallest, τ₁."""
        buffer = torch.full((self.buffer_frames,), self.timesteps[0])
        return torch.cat([buffer, self.queue_timesteps()])


@dataclass(frozen=True)
class FifoState:
    """Everything an endless take needs to go on: pause it, move it to another machine, resume it.

    `buffer` [B, C, Nb, F] and `queue` [B, C, n·k, F], B being 1, or 2 of channels that are sampled together;
    `generator_state` is that of a CPU `torch.Generator`, or of `variation.Varied`; `side_state` that of the
    generator of their side. `position` counts the clean frames that have left, so it is also the queue's
    first frame in the take.
    """

    buffer: Tensor
    queue: Tensor
    generator_state: Tensor
    position: int
    steps_done: int
    side_state: Tensor | None = None

    def to_dict(self) -> dict[str, Tensor | int]:
        """Tensors and integers only: `torch.load(weights_only=True)` opens what `torch.save` made of it."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def to(self, device: torch.device | str) -> FifoState:
        """The same state with its latents on another device."""
        return replace(self, buffer=self.buffer.to(device), queue=self.queue.to(device))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FifoState:
        """Undo `to_dict`. The generators' states go back to the CPU wherever the file was opened."""
        states = {name: values[name].cpu() for name in ("generator_state", "side_state") if name in values}
        return cls(**{**values, **states})


@torch.no_grad()
def fifo_step(
    denoise: Denoise, state: FifoState, plan: FifoPlan, schedule: NoiseSchedule, side_power: float = 0.0
) -> tuple[FifoState, Tensor]:
    """One forward over the window, one DDIM step of the whole queue; a clean group leaves, noise comes in.

    Args:
        denoise: the model, its conditioning bound; it is given one timestep a frame.
        state: the take so far; left as it is.
        plan: the window's shape, the same for the whole take.
        schedule: noise levels of the checkpoint.
        side_power: of two channels' noise (`SideNoise`), the same for the whole take.

    Returns:
        The state after the step, and the clean frames [B, C, k, F] at `state.position`.

    Raises:
        ValueError: the state was made with another plan.
    """
    buffered, queue = state.buffer, state.queue
    if (buffered.shape[2], queue.shape[2]) != (plan.buffer_frames, plan.queue_frames):
        raise ValueError(
            f"the state holds {buffered.shape[2]} + {queue.shape[2]} frames, "
            f"the plan {plan.buffer_frames} + {plan.queue_frames}"
        )
    window = torch.cat([buffered, queue], dim=2)
    at = plan.frame_timesteps().expand(len(window), -1).to(window.device)
    noise_pred = denoise(window, at, state.position - plan.buffer_frames)[:, :, plan.buffer_frames :]
    here = schedule.alpha_bar(plan.queue_timesteps())[None]
    there = schedule.alpha_bar(plan.queue_timesteps(target=True))[None]
    queue = ddim_step(queue, noise_pred, here, there)
    # A copy: whoever keeps the frames of a long take must not keep every queue they came from.
    frames, rest = queue[:, :, : plan.group_size].clone(), queue[:, :, plan.group_size :]
    generator = source_of(state.generator_state)
    side = None if state.side_state is None else SideNoise(_generator(state.side_state), side_power)
    fresh = noise_like(frames, generator, side)
    after = FifoState(
        buffer=torch.cat([buffered, frames], dim=2)[:, :, plan.group_size :].contiguous(),
        queue=torch.cat([rest, fresh], dim=2),
        generator_state=generator.get_state(),
        position=state.position + plan.group_size,
        steps_done=state.steps_done + 1,
        side_state=None if side is None else side.generator.get_state(),
    )
    return after, frames


@torch.no_grad()
def warm_start_steps(
    denoise: Denoise,
    schedule: NoiseSchedule,
    plan: FifoPlan,
    generator: Noise,
    *,
    channels: int,
    bands: int,
    warmup_steps: int,
    device: torch.device | str = "cpu",
    side: SideNoise | None = None,
) -> Generator[DdimStep, None, tuple[FifoState, Tensor]]:
    """Begin a take from an ordinary clip as long as the window, noised again to the queue's ramp.

    Args:
        denoise: the model, its conditioning bound; here it is given one timestep an item.
        schedule: noise levels of the checkpoint.
        plan: the window's shape.
        generator: CPU generator of all the take's noise; its state goes on in the `FifoState`.
        channels: C of the latents.
        bands: F of the latents.
        warmup_steps: DDIM steps of the clip.
        device: where the latents live.
        side: of the noise of two channels that are sampled together; None of one.

    Yields:
        Each of the clip's steps, once it is done.

    Returns:
        The state, and the clip's clean frames [B, C, buffer_frames, F]: the take's first, which can be played
        at once.
    """
    common = gaussian((1, channels, plan.window_frames, bands), generator)
    noise = (common if side is None else side.both(common)).to(device)
    clip = yield from ddim_steps(denoise, schedule, noise, warmup_steps)
    state = _ramp(clip, plan, schedule, generator, side, position=plan.buffer_frames)
    return state, state.buffer


def warm_start(
    denoise: Denoise,
    schedule: NoiseSchedule,
    plan: FifoPlan,
    generator: Noise,
    *,
    channels: int,
    bands: int,
    warmup_steps: int,
    device: torch.device | str = "cpu",
    on_step: OnStep | None = None,
) -> tuple[FifoState, Tensor]:
    """All of `warm_start_steps` at once. `on_step` is told after each; what it raises ends the run."""
    steps = warm_start_steps(
        denoise,
        schedule,
        plan,
        generator,
        channels=channels,
        bands=bands,
        warmup_steps=warmup_steps,
        device=device,
    )
    return run_steps(steps, on_step)


@torch.no_grad()
def continuation_steps(
    denoise: Denoise,
    schedule: NoiseSchedule,
    plan: FifoPlan,
    generator: Noise,
    latents: Tensor,
    *,
    warmup_steps: int,
    position: int | None = None,
    side: SideNoise | None = None,
) -> Generator[DdimStep, None, FifoState]:
    """Go on from sound that exists: its last frames become the buffer, and a clip is grown beside all of it.

    The frames after the recording are denoised together while it is fed clean at τ₁, then noised again to the
    queue's ramp: what `warm_start_steps` do, but with the recording's end for a beginning.

    Args:
        denoise: the model, its conditioning bound; it is given one timestep a frame.
        schedule: noise levels of the checkpoint.
        plan: the window's shape.
        generator: CPU generator of all the take's further noise.
        latents: clean latents [B, C, T, F] of the recording's end, T ≥ the plan's buffer. More than a buffer
            lets the clip hear more of it; T + the plan's queue must suit the U-Net.
        warmup_steps: DDIM steps of the clip.
        position: where in the take the recording ends, in frames; by default T.
        side: of the noise of two channels that are sampled together; None of one.

    Yields:
        Each of the clip's steps, once it is done; their latents are the clip's own.

    Returns:
        The state whose first `fifo_step` gives the frames right after the recording.

    Raises:
        ValueError: the recording is shorter than the buffer.
    """
    length, size = latents.shape[2], plan.buffer_frames
    if length < size:
        raise ValueError(f"the recording has {length} frames, the buffer needs {size}")
    end = length if position is None else position
    lead = torch.full((len(latents), length), plan.timesteps[0], device=latents.device)

    def denoise_rest(rest: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
        at = torch.cat([lead, timesteps[:, None].expand(-1, rest.shape[2])], dim=1)
        return denoise(torch.cat([latents, rest], dim=2), at, start_frame - length)[:, :, length:]

    common = gaussian((1, latents.shape[1], plan.queue_frames, latents.shape[3]), generator)
    noise = (common if side is None else side.both(common)).to(latents)
    rest = yield from ddim_steps(denoise_rest, schedule, noise, warmup_steps, start_frame=end)
    window = torch.cat([latents[:, :, length - size :], rest], dim=2)
    return _ramp(window, plan, schedule, generator, side, position=end)


def state_from_latents(
    denoise: Denoise,
    schedule: NoiseSchedule,
    plan: FifoPlan,
    generator: Noise,
    latents: Tensor,
    *,
    warmup_steps: int,
    position: int | None = None,
    on_step: OnStep | None = None,
) -> FifoState:
    """All of `continuation_steps` at once. `on_step` is told after each; what it raises ends the run."""
    steps = continuation_steps(
        denoise, schedule, plan, generator, latents, warmup_steps=warmup_steps, position=position
    )
    return run_steps(steps, on_step)


def _ramp(
    clip: Tensor,
    plan: FifoPlan,
    schedule: NoiseSchedule,
    generator: Noise,
    side: SideNoise | None,
    position: int,
) -> FifoState:
    """The state whose window is the clean clip [B, C, window, F], its queue noised to the plan's ramp."""
    buffer, queue = clip[:, :, : plan.buffer_frames], clip[:, :, plan.buffer_frames :]
    noise = noise_like(queue, generator, side)
    noisy = add_noise(queue, noise, schedule.alpha_bar(plan.queue_timesteps())[None])
    apart = None if side is None else side.generator.get_state()
    return FifoState(buffer.clone(), noisy, generator.get_state(), position, steps_done=0, side_state=apart)


def _generator(state: Tensor) -> torch.Generator:
    return torch.Generator().set_state(state)
