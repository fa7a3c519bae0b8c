"""The time of a step by kind of module: whose is whose, against a clock of ours, and nothing left behind."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from studio.backends.base import Conditioning
from studio.core.errors import InvalidRequestError
from studio.evaluation.benchmarks import shares as module
from studio.evaluation.benchmarks.shares import KINDS, ModuleTimes, module_shares, time_modules
from studio.testing import FakeBackend
from tests.pipeline.test_attention import Unet


class Clock:
    """Goes on by what is done, in milliseconds, not by what that takes here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ms = 0.0
        monkeypatch.setattr(module, "_mark", lambda _: self.now_ms / 1000)
        monkeypatch.setattr(module, "_timed_ms", self._timed_ms)

    def _timed_ms(self, _: torch.device, call: Any) -> float:
        began = self.now_ms
        call()
        return self.now_ms - began


class Slow(nn.Module):
    """Stands in the place of a part, and takes so long."""

    def __init__(self, clock: Clock, inner: nn.Module, took_ms: float) -> None:
        super().__init__()
        self.inner, self._clock, self._took_ms = inner, clock, took_ms

    def forward(self, *told: Any, **more: Any) -> Any:
        self._clock.now_ms += self._took_ms
        return self.inner(*told, **more)


class SlowConv(nn.Conv2d):
    """Takes so long."""

    def __init__(self, clock: Clock, took_ms: float) -> None:
        super().__init__(8, 8, 1)
        self._clock, self._took_ms = clock, took_ms

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._clock.now_ms += self._took_ms
        return super().forward(x)


def attention(reads: int | None = None) -> Any:
    from diffusers.models.attention_processor import Attention

    return Attention(query_dim=8, heads=2, dim_head=4, cross_attention_dim=reads)


class Step(nn.Module):
    """Two convolutions, one attention to itself, one to a text, one that could read and is given nothing."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.first, self.second = SlowConv(clock, 0.5), SlowConv(clock, 7.5)
        self.own, self.text, self.unread = attention(), attention(6), attention(8)
        self.other = Slow(clock, nn.Identity(), 16.0)
        for part, took_ms in ((self.own, 1.0), (self.text, 2.0), (self.unread, 4.0)):
            part.to_q = Slow(clock, part.to_q, took_ms)

    def forward(self, x: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        tokens = self.second(self.first(x)).flatten(2).transpose(1, 2)
        tokens = self.other(self.own(tokens, encoder_hidden_states=None))
        return self.unread(self.text(tokens, encoder_hidden_states=text))


def test_each_kind_has_the_time_of_its_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    step = Step(clock)
    hooked = {name: len(part._forward_pre_hooks) for name, part in step.named_modules()}
    times = time_modules(step, lambda: step(torch.randn(1, 8, 2, 3), torch.randn(1, 4, 6)))
    assert times.ms == pytest.approx(
        {"self_attention": 5.0, "cross_attention": 2.0, "convolution": 8.0, "rest": 16.0}
    )
    assert times.forward_ms == pytest.approx(31.0)
    assert times.overhead == pytest.approx(0.0)
    assert {name: len(part._forward_pre_hooks) for name, part in step.named_modules()} == hooked
    assert not any(part._forward_hooks for part in step.modules())


def test_what_looking_costs_is_told_and_not_hidden() -> None:
    times = ModuleTimes(
        {"self_attention": 3.0, "cross_attention": 1.0, "convolution": 6.0, "rest": 2.0}, 10.0
    )
    assert times.shares == {
        "self_attention": 0.25, "cross_attention": pytest.approx(1 / 12), "convolution": 0.5,
        "rest": pytest.approx(1 / 6),
    }  # fmt: skip
    assert times.overhead == pytest.approx(0.2)


class Speaking(Unet):
    """Keeps how it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[torch.Size, int]] = []

    def predict_noise(
        self, latents: torch.Tensor, timesteps: torch.Tensor, start_frame: int, conditioning: Conditioning
    ) -> torch.Tensor:
        """The U-Net's."""
        self.asked.append((latents.shape, len(conditioning.vector)))
        return super().predict_noise(latents, timesteps, start_frame, conditioning)


@pytest.mark.parametrize("batch", [1, 2])
def test_a_backends_step_is_measured_whole(batch: int) -> None:
    backend = Speaking()
    told = module_shares(backend, 1.0, batch=batch, repeats=2)
    assert tuple(told) == KINDS
    assert sum(told.values()) == pytest.approx(1.0)
    assert told["self_attention"] > 0
    assert told["convolution"] > 0
    assert told["cross_attention"] == 0, "it reads no text"
    shape = torch.Size((batch, 8, backend.geometry.frames(1.0), 16))
    assert backend.asked == [(shape, batch)] * 5, "once to warm up, then twice looked into and twice not"


def test_a_model_without_a_unet_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="no U-Net"):
        module_shares(FakeBackend(), 1.0)
