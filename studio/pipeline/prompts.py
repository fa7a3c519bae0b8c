"""What the text says to each frame of a take: the prompt, or a lane of prompts that blend into each other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from studio.backends.base import Conditioning
from studio.core.request import PromptPoint
from studio.pipeline.control import TakeControl
from studio.pipeline.plan import Prompts

if TYPE_CHECKING:
    from studio.backends.base import Backend


def prompt_weights(points: tuple[PromptPoint, ...], blend_s: float, times_s: Tensor) -> Tensor:
    """How much each prompt counts at each time.

    From its `at_s` on, a point takes over within `blend_s` from whatever mix was there, so the mix never
    jumps, however close the points are.

    Args:
        points: the lane, in order of time.
        blend_s: seconds a change takes; 0 is a cut.
        times_s: [T] seconds from the take's beginning.

    Returns:
        [T, 1 + points], rows summing to 1; column 0 is the opening prompt.
    """
    weights = torch.zeros(len(times_s), 1 + len(points), dtype=times_s.dtype)
    weights[:, 0] = 1.0
    for column, point in enumerate(points, start=1):
        since = times_s - point.at_s
        share = (since / blend_s).clamp(0, 1) if blend_s > 0 and point.at_s > 0 else (since >= 0).to(times_s)
        weights *= 1 - share[:, None]
        weights[:, column] += share
    return weights


class WeightedConditioning(NamedTuple):
    """One conditioning of a window, and how much each of its frames heeds it [T]."""

    conditioning: Conditioning
    share: Tensor


class PromptSchedule:
    """A take's prompts, encoded once, laid along the frames of the take; again whenever it is steered."""

    def __init__(self, prompts: Prompts, backend: Backend, control: TakeControl | None = None) -> None:
        """Encode the prompts. `control` is what steers the take, where anything does."""
        self._prompts = prompts
        self._backend = backend
        self._control = control or TakeControl(prompts.opening, prompts.points)
        self._frame_rate = backend.geometry.frame_rate
        self._encoded: dict[str, Conditioning] = {}
        self._encode(self._control.points)

    def window(self, start_frame: int, frames: int) -> list[WeightedConditioning]:
        """What is said to `frames` frames from `start_frame` on: the negative prompt, then the prompt.

        At guidance 1 the prompt alone. Vectors of several prompts are mixed frame by frame: pooled is [B, D]
        where the whole window hears one prompt, else [B, T, D]. Tokens can't be mixed: there is one
        conditioning for each prompt that is heard, and what the model predicts of each is.
        """
        # A change begins at the window's middle: what is cleaner has its scene, what is noisier takes it.
        points = self._control.apply_pending((start_frame + frames // 2) / self._frame_rate)
        if points is not self._points:
            self._encode(points)
        texts = [self._prompts.opening, *(point.prompt for point in points)]
        whole = torch.ones(frames, dtype=torch.float64)
        if not points:
            return [WeightedConditioning(self._encoded[texts[0]], whole)]
        times_s = torch.arange(start_frame, start_frame + frames, dtype=torch.float64) / self._frame_rate
        weights = prompt_weights(points, self._prompts.blend_s, times_s)
        heard: list[int] = weights.any(dim=0).nonzero()[:, 0].tolist()
        if len(heard) == 1:
            return [WeightedConditioning(self._encoded[texts[heard[0]]], whole)]
        if self._backend.capabilities.text == "tokens":
            return [
                WeightedConditioning(self._encoded[texts[column]], weights[:, column]) for column in heard
            ]
        mixed = self._mixed([texts[column] for column in heard], weights[:, heard])
        return [WeightedConditioning(mixed, whole)]

    def _mixed(self, texts: list[str], weights: Tensor) -> Conditioning:
        """The negative prompt's vector, then the mix of these prompts' at each frame."""
        vectors = [pooled for text in texts if (pooled := self._encoded[text].pooled) is not None]
        negative, prompts = vectors[0][:-1], torch.cat([vector[-1:] for vector in vectors])
        said = self._encoded[texts[0]]  # what stands beside the vectors is the same for every prompt
        if torch.equal(weights, weights[:1].expand_as(weights)):
            return replace(said, pooled=torch.cat([negative, _mix(weights[:1], prompts)]))
        mixed = _mix(weights, prompts)[None]
        return replace(said, pooled=torch.cat([negative[:, None].expand(-1, len(weights), -1), mixed]))

    def _encode(self, points: tuple[PromptPoint, ...]) -> None:
        """Each prompt behind the negative one, by itself: what a model reads of one depends on no other."""
        self._points = points
        negative = [] if self._prompts.negative is None else [self._prompts.negative]
        wanted = dict.fromkeys([self._prompts.opening, *(point.prompt for point in points)])
        self._encoded = {
            text: self._encoded.get(text) or self._backend.encode_text([*negative, text]) for text in wanted
        }


def _mix(weights: Tensor, prompts: Tensor) -> Tensor:
    """[T, P] × [P, D] → [T, D], as long as the prompts' own vectors: text towers give a fixed length."""
    mixed = weights.to(prompts.device, torch.float32) @ prompts.float()
    length = weights.to(prompts.device, torch.float32) @ prompts.float().norm(dim=-1, keepdim=True)
    scaled: Tensor = functional.normalize(mixed, dim=-1) * length
    return scaled.to(prompts.dtype)
