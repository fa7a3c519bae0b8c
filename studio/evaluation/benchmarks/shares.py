"""Where a denoising step's time goes by kind of module, and how that shifts with length (LiteFocus, Fig. 1b).

Each attention and each convolution of the U-Net is timed by hooks. What those cost is measured too, by calls
without them in between, and is told rather than taken off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from studio.core.errors import InvalidRequestError
from studio.evaluation.benchmarks.endless import Stopwatch

if TYPE_CHECKING:
    from studio.backends.base import Backend

KINDS = ("self_attention", "cross_attention", "convolution", "rest")
_SAID = "a dog barks in the rain"


@dataclass(frozen=True)
class ModuleTimes:
    """Medians over calls of a U-Net.

    Attributes:
        ms: what each of `KINDS` took of a call that was looked into; they add up to it.
        forward_ms: what a call takes that nobody looks into.
    """

    ms: dict[str, float]
    forward_ms: float

    @property
    def shares(self) -> dict[str, float]:
        """Of each of `KINDS`; they add up to 1."""
        total = sum(self.ms.values())
        return {kind: took / total for kind, took in self.ms.items()}

    @property
    def overhead(self) -> float:
        """How much longer a call takes for being looked into, as a share; noise may make it negative."""
        return sum(self.ms.values()) / self.forward_ms - 1


def module_shares(backend: Backend, seconds: float, *, batch: int = 2, repeats: int = 3) -> dict[str, float]:
    """The share of each of `KINDS` in a denoising step of a clip of so many seconds; they add up to 1.

    The projections of an attention are its own; "rest" is norms, feed-forwards, activations, embeddings.
    A model that could hear a draft hears none.

    Args:
        backend: loaded.
        seconds: length of sound.
        batch: 2 as under guidance, or 1.
        repeats: medians of so many.

    Raises:
        InvalidRequestError: the model has no U-Net to look into.
    """
    if backend.unet is None:
        raise InvalidRequestError("This model has no U-Net to look into: choose another model.")
    geometry = backend.geometry
    shape = batch, geometry.channels, geometry.frames(seconds), geometry.bands
    latents = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(backend.device)
    timesteps = torch.full((batch,), backend.schedule.train_steps // 2, device=backend.device)
    said = backend.encode_text(["", _SAID][-batch:])

    def step() -> Tensor:
        return backend.predict_noise(latents, timesteps, 0, said)

    return time_modules(backend.unet, step, repeats=repeats).shares


@torch.inference_mode()
def time_modules(unet: Any, call: Callable[[], object], *, repeats: int = 3) -> ModuleTimes:
    """Time a `call` of the U-Net, once unmeasured, then `repeats` times looked into and not, in turn."""
    device = next(unet.parameters()).device
    plain: list[float] = []
    looked: list[dict[str, float]] = []
    call()
    for _ in range(repeats):
        plain.append(_timed_ms(device, call))
        with _watched(unet, device) as spans:
            total_ms = _timed_ms(device, call)
        inside = dict.fromkeys(KINDS, 0.0)
        for span in spans:
            inside[span.kind] += span.took_ms
        inside["rest"] = max(0.0, total_ms - sum(inside.values()))
        looked.append(inside)
    # Of the calls that were looked into, the one whose length is the median: medians of parts add up to none.
    middle = sorted(looked, key=lambda parts: sum(parts.values()))[len(looked) // 2]
    return ModuleTimes(middle, median(plain))


@dataclass
class _Span:
    """One call of a module, between two marks: seconds, or an accelerator's own events."""

    kind: str
    marks: list[Any] = field(default_factory=list)

    @property
    def took_ms(self) -> float:
        began, ended = self.marks
        return began.elapsed_time(ended) if hasattr(began, "elapsed_time") else 1000 * (ended - began)


@contextmanager
def _watched(unet: nn.Module, device: torch.device) -> Iterator[list[_Span]]:
    """The calls of attentions and convolutions while it lasts; to be read once the device has settled."""
    spans: list[_Span] = []

    def begin(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        spans.append(_Span(_kind(module, args, kwargs), [_mark(device)]))

    def end(*_: Any) -> None:
        spans[-1].marks.append(_mark(device))

    with ExitStack() as undo:
        for module in unet.modules():
            if isinstance(module, (Attention, nn.Conv2d)):  # neither of which lies within the other
                undo.callback(module.register_forward_pre_hook(begin, with_kwargs=True).remove)
                undo.callback(module.register_forward_hook(end).remove)
        yield spans


def _kind(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """By what an attention is given: AudioLDM's second one could read a text, and is given none."""
    if isinstance(module, nn.Conv2d):
        return "convolution"
    other = args[1] if len(args) > 1 else kwargs.get("encoder_hidden_states")
    return "self_attention" if other is None else "cross_attention"


def _mark(device: torch.device) -> Any:
    """This moment of the device: a queue of work isn't waited for where it can be marked itself."""
    if device.type == "cuda":
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(device))
        return event
    if device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


def _timed_ms(device: torch.device, call: Callable[[], object]) -> float:
    watch = Stopwatch(device)
    with watch:
        call()
    return watch.mean_ms
