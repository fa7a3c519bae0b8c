"""A take's denoiser: the backend bound to what is said, what is heard and how it attends, guided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from studio.backends.base import Conditioning, Tokens
from studio.core.attention import DenseAttention
from studio.pipeline.attention import SparseAttention
from studio.pipeline.cancel import CancelToken
from studio.pipeline.control import TakeControl
from studio.pipeline.plan import RenderPlan
from studio.pipeline.prompts import PromptSchedule, WeightedConditioning
from studio.samplers.guidance import dual_guided, dual_weights, guided

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.samplers.denoise import Denoise


class AcousticSource(Protocol):
    """What a dual model hears along a take (`pipeline.acoustic`)."""

    def window(self, start_frame: int, frames: int) -> Tensor:
        """Acoustic frames [2, L, D] for these latent frames: of the empty text, then of the draft."""
        ...


class BoundTake:
    """One take's share in a forward: what is said to the model and heard by it along the frames, and how it
    attends.
    """

    def __init__(
        self,
        plan: RenderPlan,
        backend: Backend,
        control: TakeControl | None = None,
        acoustics: AcousticSource | None = None,
    ) -> None:
        """Encode the prompts.

        Raises:
            InvalidRequestError: the model lacks what is to be made sparse.
        """
        self._track = PromptSchedule(plan.prompts, backend, control)
        self.attention = SparseAttention(plan.attention, plan.seed, backend)
        self.sparse = not isinstance(plan.attention, DenseAttention)
        self.scales = plan.guidance.text_scale, plan.guidance.acoustic_scale
        self._acoustics = acoustics
        parts = dual_weights(*self.scales)
        self._texts, self._drafts = (
            torch.tensor([part in asked for part in parts]).long() for asked in (("text", "both"), ("both",))
        )
        if plan.prompts.negative is None:
            self._texts = torch.zeros_like(self._texts)  # of the prompt alone

    @property
    def hears(self) -> bool:
        """Whether a draft steers it beside the text."""
        return self._acoustics is not None

    def window(self, start_frame: int, frames: int) -> list[WeightedConditioning]:
        """What conditions `frames` frames from `start_frame` on: an item for each part of its guidance."""
        said = self._track.window(start_frame, frames)
        if self._acoustics is None:
            return said
        heard = Tokens(self._acoustics.window(start_frame, frames)).take(self._drafts)
        return [
            WeightedConditioning(part.conditioning.take(self._texts).with_acoustic(heard), part.share)
            for part in said
        ]


def build_denoiser(
    plan: RenderPlan,
    backend: Backend,
    cancel: CancelToken,
    control: TakeControl | None = None,
    acoustics: AcousticSource | None = None,
) -> Denoise:
    """The plan's denoiser: the backend with the prompts along the frames, and with what it hears, its
    attention as asked for, guided, ended by `cancel`.

    Raises:
        InvalidRequestError: the model lacks what is to be made sparse.
    """
    return denoise_together([BoundTake(plan, backend, control, acoustics)], backend, cancel)


def denoise_together(takes: Sequence[BoundTake], backend: Backend, cancel: CancelToken) -> Denoise:
    """A denoiser of latents [B, C, T, F], an item a take, whose guidance and attention are alike.

    A step of sparse attention draws by its take's seed what it attends to: such takes have a forward each.
    """
    count = len(takes)
    if takes[0].sparse and count > 1:
        groups = [(slice(index, None, count), [take]) for index, take in enumerate(takes)]
    else:
        groups = [(slice(None), list(takes))]

    def denoise(latents: Tensor, timesteps: Tensor, start_frame: int) -> Tensor:
        cancel.check()
        noise = [
            _predict(group, backend, latents[rows], timesteps[rows], start_frame) for rows, group in groups
        ]
        return noise[0] if len(noise) == 1 else torch.stack(noise, dim=1).flatten(0, 1)

    scales = takes[0].scales
    return dual_guided(denoise, *scales) if takes[0].hears else guided(denoise, scales[0])


def _predict(
    takes: Sequence[BoundTake], backend: Backend, latents: Tensor, timesteps: Tensor, start_frame: int
) -> Tensor:
    """ε of latents [P · B, C, T, F]: each take's item for one part of the guidance, then for the next."""
    frames = latents.shape[2]
    said = _side_by_side([take.window(start_frame, frames) for take in takes])
    with takes[0].attention.step(frames, timesteps, start_frame):
        noise = [backend.predict_noise(latents, timesteps, start_frame, part.conditioning) for part in said]
    return noise[0] if len(said) == 1 else _blended(noise, [part.share for part in said])


def _side_by_side(windows: Sequence[list[WeightedConditioning]]) -> list[WeightedConditioning]:
    """The takes' conditionings as one, part of the guidance by part; takes of one lane have as many each."""
    if len(windows) == 1:
        return windows[0]
    joined = []
    for parts in zip(*windows, strict=True):
        whole = Conditioning.join([part.conditioning for part in parts])
        by_part = torch.arange(_items(whole)).view(len(windows), -1).T.flatten()
        joined.append(WeightedConditioning(whole.take(by_part), parts[0].share))
    return joined


def _items(conditioning: Conditioning) -> int:
    return len(conditioning.text[0].states if conditioning.pooled is None else conditioning.pooled)


def _blended(noise: Sequence[Tensor], shares: Sequence[Tensor]) -> Tensor:
    """Predictions [B, C, T, F], each counting by its share [T] of every frame; shares sum to 1."""
    total = torch.zeros_like(noise[0], dtype=torch.float32)
    for part, share in zip(noise, shares, strict=True):
        total += part * share.to(total)[:, None]
    return total.to(noise[0].dtype)
