"""Recipe 11: DC-LDM (Wang et al. 2024), from any TANGO-type U-Net, on one processor or many machines.

`accelerate` spreads a step over processes, each of which sees its own share of the step's clips. What a step
sees is a function of (seed, step) alone, so a run that was killed repeats nothing and skips nothing.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from studio.core.interrupts import Asked, deferred
from studio.modules.acoustic_branch import AcousticBranch
from studio.modules.acoustic_context import AcousticContext
from studio.modules.patches.framewise import framewise
from studio.modules.text import t5_states
from studio.samplers.schedule import NoiseSchedule
from studio.training.encoded import EncodedClips
from studio.training.log import TrainingLog
from studio.training.loop import STATE_FILE, step_generator
from studio.training.noising import fifo_ramps, noised
from studio.training.options import DcLdmOptions
from studio.training.precision import trainable_attention
from studio.training.saved import load_run, save_run

DROPPED = 0.05  # of the clips each: text alone, acoustics alone, both (the partial predictions of guidance)

RAMP_FRAMES = 40  # that a ramp needs at least: its buffer takes up to 32

Hearing = AcousticBranch | AcousticContext
ReadText = Callable[[Sequence[str]], tuple[Tensor, Tensor]]
"""Texts → a frozen text encoder's states [B, L, D] and their mask."""
Sample = Callable[[Any, Any, int], None]
"""Writes samples of (averaged U-Net, averaged branch) after so many steps."""


class DualUNet(nn.Module):
    """U-Net and branch as one module, for whoever spreads it over devices."""

    def __init__(self, unet: Any, branch: Hearing) -> None:
        super().__init__()
        self.unet, self.branch = unet, branch

    def forward(
        self, noisy: Tensor, timesteps: Tensor, states: Tensor, mask: Tensor, acoustic: Tensor
    ) -> Tensor:
        """The prediction [B, 8, T, F] for noisy latents, a text's states and an acoustic encoding."""
        with self.branch.hearing(acoustic):
            return self.unet(
                noisy, timesteps, encoder_hidden_states=states, encoder_attention_mask=mask
            ).sample


def train_dcldm(
    unet: Any,
    branch: Hearing,
    clips: EncodedClips,
    unconditional: Tensor,
    read_text: ReadText,
    schedule: NoiseSchedule,
    options: DcLdmOptions,
    *,
    sample: Sample | None = None,
    cpu: bool = False,
) -> tuple[Any, Hearing]:
    """Train `branch`, and `unet` with it, in place; gives the averaged ones.

    Args:
        branch: what hears the draft: DC-LDM's branch beside the text, or the context in the text's place.
        unconditional: the empty text's acoustic encoding [L, D].
        sample: called in the main process every `sample_every` steps.
        cpu: leave accelerators alone.
    """
    accelerator = Accelerator(
        mixed_precision=options.mixed_precision, gradient_accumulation_steps=options.accumulate, cpu=cpu
    )
    unet.requires_grad_(options.train_unet)
    if options.checkpointing:
        unet.enable_gradient_checkpointing()
    with branch.attached(unet), framewise(unet):
        run = _Run(accelerator, unet, branch, clips, unconditional, read_text, schedule, options)
        run.train(sample)
        return run.averaged()


class _Run:
    """One process of a run."""

    def __init__(
        self,
        accelerator: Accelerator,
        unet: Any,
        branch: Hearing,
        clips: EncodedClips,
        unconditional: Tensor,
        read_text: ReadText,
        schedule: NoiseSchedule,
        options: DcLdmOptions,
    ) -> None:
        self.accelerator, self.options = accelerator, options
        self.unet, self.branch = unet, branch
        self.clips, self.unconditional = clips, unconditional
        self.read_text, self.schedule = read_text, schedule
        self.module = DualUNet(unet, branch).train()
        self.trained = {n: p for n, p in self.module.named_parameters() if p.requires_grad}
        optimizer = torch.optim.AdamW(self.trained.values(), lr=options.learning_rate)
        self.prepared, self.optimizer = accelerator.prepare(self.module, optimizer)
        self.ema = {name: value.detach().clone().float() for name, value in self.trained.items()}
        self.step = 0
        self._load()

    def train(self, sample: Sample | None) -> None:
        """Go on until the last step, or until the time is up; saved at the end.

        Raises:
            KeyboardInterrupt: it was asked to end, which every process does after the same step, saved.
        """
        with deferred() as asked:
            self._train(sample, asked)
        if asked:
            raise KeyboardInterrupt

    def _train(self, sample: Sample | None, asked: Asked) -> None:
        options, main = self.options, self.accelerator.is_main_process
        began, losses = time.monotonic(), []
        log = TrainingLog(options.run_dir, self.step) if main else None
        while self.step < options.steps:
            rate = self._rate()
            losses.append(self._one_step(rate))
            self.step += 1
            last = self._is_over(began, asked) or self.step == options.steps
            if self.step % options.log_every == 0 and log is not None:
                figures = {"loss": sum(losses) / len(losses), "learning_rate": rate}
                log.write(self.step, time.monotonic() - began, figures)
                losses.clear()
            if self.step % options.save_every == 0 or last:
                self._save()
            if main and sample and options.sample_every and self.step % options.sample_every == 0:
                sample(*self.averaged(), self.step)
            if last:
                break
        if log is not None:
            log.close()

    def _is_over(self, began: float, asked: Asked) -> bool:
        """Whether the time is up, or somebody asked to end, in any process: all save after the same step."""
        limit_minutes = self.options.max_minutes
        if asked or (limit_minutes is not None and time.monotonic() - began > limit_minutes * 60):
            self.accelerator.set_trigger()
        return bool(self.accelerator.check_trigger())

    def averaged(self) -> tuple[Any, Hearing]:
        """Copies of U-Net and branch, detached from each other, with the averaged weights."""
        own = {name: value.detach().clone() for name, value in self.trained.items()}
        with torch.no_grad():
            for name, value in self.trained.items():
                value.copy_(self.ema[name])
        branch = type(self.branch)(**_plain(self.branch.config)).eval()
        branch.load_state_dict({k: v.detach().cpu() for k, v in self.branch.state_dict().items()})
        unet = type(self.unet).from_config(self.unet.config).eval()
        mine = unet.state_dict()
        unet.load_state_dict({k: v.detach().cpu() for k, v in self.unet.state_dict().items() if k in mine})
        with torch.no_grad():
            for name, value in self.trained.items():
                value.copy_(own[name])
        return unet, branch

    def _one_step(self, rate: float) -> float:
        options, total = self.options, 0.0
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        for micro in range(options.accumulate):
            with self.accelerator.accumulate(self.prepared):
                loss = self._loss(micro)
                self.accelerator.backward(loss)
                if self.accelerator.sync_gradients:
                    self.accelerator.clip_grad_norm_(self.trained.values(), 1.0)
                self.optimizer.step()
                self.optimizer.zero_grad()
            total += float(loss.detach()) / options.accumulate
        with torch.no_grad():
            decay = min(options.ema_decay, (1 + self.step) / (10 + self.step))
            for name, value in self.trained.items():
                self.ema[name].lerp_(value.float(), 1 - decay)
        return total

    def _loss(self, micro: int) -> Tensor:
        """Of this process's share of the step's clips."""
        options, device = self.options, self.accelerator.device
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        place = (self.step * options.accumulate + micro) * world + rank
        generator = step_generator(options.seed, place)
        clean, acoustic, texts = self._draw(generator)
        count, frames = len(clean), clean.shape[2]
        due = bool(options.ramp_every) and self.step % options.ramp_every == options.ramp_every - 1
        ramp = due and frames >= RAMP_FRAMES
        steps = self.schedule.train_steps
        timesteps = (
            fifo_ramps(count, frames, generator, steps)
            if ramp
            else torch.randint(steps, (count,), generator=generator)
        )
        noisy, wanted, weight = noised(clean, timesteps, self.schedule, generator)
        states, mask = self.read_text(texts)
        given = (noisy, timesteps, states, mask, acoustic)
        # What checkpoints compute again in the backward, they compute outside of any such mode.
        with nullcontext() if options.checkpointing else trainable_attention(device.type):
            predicted = self.prepared(*(values.to(device) for values in given))
        return (weight.to(device) * (predicted.float() - wanted.to(device)).square()).mean()

    def _draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor, list[str]]:
        """Latents [B, 8, T, F], acoustic encodings [B, L, D] and texts, of which some are dropped."""
        options, latents, acoustics, texts = self.options, [], [], []
        for index in torch.randint(len(self.clips), (options.batch,), generator=generator).tolist():
            whole, heard = self.clips.latents(index), self.clips.acoustic(index)
            frames = min(options.frames or whole.shape[1], whole.shape[1])
            start = int(torch.randint(whole.shape[1] - frames + 1, (), generator=generator))
            said = self.clips.captions[index]
            text = said[int(torch.randint(len(said), (), generator=generator))]
            dropped = float(torch.rand((), generator=generator)) / DROPPED
            latents.append(whole[:, start : start + frames])
            acoustics.append(self.unconditional[: len(heard)] if 1 <= dropped < 3 else heard)
            texts.append(text if options.with_text and (1 <= dropped < 2 or dropped >= 3) else "")
        return torch.stack(latents), torch.stack(acoustics), texts

    def _rate(self) -> float:
        """The learning rate of this step: up in the warm-up, then straight down to nothing."""
        options = self.options
        if self.step < options.warmup:
            return options.learning_rate * (self.step + 1) / options.warmup
        left = (options.steps - self.step) / max(1, options.steps - options.warmup)
        return options.learning_rate * min(1.0, left)

    def _identity(self) -> dict[str, Any]:
        """What a step's draws and weights follow from: a run is resumed by one that has the same."""
        options, config = self.options, self.branch.config
        return {
            "clips": self.clips.fingerprint,
            "placement": config["placement"],
            "encoding": config["encoding"],
            "trained parts": "all" if options.train_unet else "branch",
            "processes": self.accelerator.num_processes,
            **{
                name: getattr(options, name)
                for name in ("batch", "accumulate", "frames", "ramp_every", "seed", "with_text")
            },
        }

    @property
    def _file(self) -> Path:
        return self.options.run_dir / STATE_FILE

    def _save(self) -> None:
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            scaler = self.accelerator.scaler
            state = {
                "step": self.step,
                "scaler": scaler.state_dict() if scaler is not None else {},
                "trained": {name: value.detach().cpu() for name, value in self.trained.items()},
                "ema": {name: value.cpu() for name, value in self.ema.items()},
                "optimizer": self.optimizer.state_dict(),
            }
            save_run(self._file, self._identity(), state)
        self.accelerator.wait_for_everyone()

    def _load(self) -> None:
        state = load_run(self._file, self._identity())
        if state is None:
            return
        if self.accelerator.scaler is not None and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.step = state["step"]
        with torch.no_grad():
            for name, value in self.trained.items():
                value.copy_(state["trained"][name])
                self.ema[name].copy_(state["ema"][name])
        self.optimizer.load_state_dict(state["optimizer"])


def text_reader(encoder: Any, tokenizer: Any) -> ReadText:
    """A frozen T5 as a run asks it."""

    def read(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        states, mask = t5_states(encoder, tokenizer, texts)
        return states.clone(), mask  # out of inference mode, for what is to have gradients

    return read


def no_text(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """What a U-Net is told of texts that it does not read."""
    return torch.zeros(len(texts), 1, 1), torch.ones(len(texts), 1)


def _plain(config: Any) -> dict[str, Any]:
    return {key: copy.deepcopy(value) for key, value in dict(config).items() if not key.startswith("_")}
