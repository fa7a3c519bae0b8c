"""A bridge made: latents window by window, and the sound of them with what is around."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.core.attention import DenseAttention
from studio.core.draft import NoDraft
from studio.core.edit import BridgeEdit, Repaint
from studio.core.events import Event, Progress
from studio.core.request import GenerationRequest
from studio.pipeline.cancel import CancelToken
from studio.pipeline.denoiser import build_denoiser
from studio.pipeline.edits.known import KnownTake, latents_from
from studio.pipeline.edits.layout import Edge, Made
from studio.pipeline.edits.windows import KNOWN_FRAMES, Window, windows
from studio.pipeline.plan import ClipPlan, Prompts, RenderPlan, guidance_plan, stereo_plan
from studio.pipeline.progress import step_events
from studio.pipeline.speech import SaidAgain
from studio.pipeline.stereo import decode_channels, side_of
from studio.samplers.bridge import BridgePlan, Feeding, bridge_steps
from studio.samplers.ddim import DdimStep, counted
from studio.samplers.schedule import add_noise
from studio.samplers.twin import noise_like

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.samplers.denoise import Denoise

RESAMPLES = 2  # where what is known is fed noised: joins are then in their take's own middle more often
DRAFTLESS = "What is new hears no draft: it follows its prompt and what lies around it."
WORDLESS = (
    "Nothing is said in what is new: words are said again where a span of a script's take is repainted."
)
FADE_S = 0.16  # over which made sound and what is known say the same, and blend


@dataclass(frozen=True)
class Bridged:
    """What was made: `latents` [sampled, C, frames, F]; `samples` [n] or [n, 2], and what of the known was
    said again right `before` and `after` them; whether anything known was `encoded` for it.
    """

    latents: Tensor
    samples: NDArray[np.float32]
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    encoded: bool


def bridged(
    made: Made, edit: BridgeEdit, takes: Sequence[KnownTake], backend: Backend, cancel: CancelToken
) -> Generator[Event, None, Bridged]:
    """As `yield from`: the steps of a bridge, which is as the edit's seed says.

    Raises:
        CancelledError: `cancel` was set; noticed at every step.
    """
    geometry, hop = backend.geometry, backend.geometry.hop_samples
    yield Progress("Hearing what is around")
    stereo = stereo_plan(takes[0].request)
    around = _Around(takes, backend, stereo.sampled)
    left, right = around.left(made.left), around.right(made.right)
    begun = None
    plan = bridge_plan(edit, backend.capabilities.bridge)
    if plan.skipped and made.instead_of is not None:
        begun = around.from_edge(made.instead_of, made.frames)
    told = told_in_bridge(made.prompts, takes[0].request, plan.steps, edit.seed, backend)
    denoise = build_denoiser(told, backend, cancel, speech=words_of(edit, takes, backend))
    yield Progress("Making the bridge" if made.left and made.right else "Making more")
    canvas = torch.cat(
        [left, torch.zeros(*left.shape[:2], made.frames, left.shape[3]).to(left), right], dim=2
    )
    yield from step_events(_fill(canvas, left.shape[2], made, begun, denoise, backend, plan, told))
    yield Progress("Decoding")
    sound = decode_channels(canvas, stereo, backend)
    cancel.check()
    start, stop = left.shape[2] * hop, left.shape[2] * hop + made.samples
    fade = round(FADE_S * geometry.sample_rate)
    return Bridged(
        canvas[:, :, left.shape[2] : left.shape[2] + made.frames],
        sound[start:stop],
        sound[max(0, start - fade) : start],
        sound[stop : stop + fade] if right.shape[2] else sound[:0],
        around.encoded,
    )


def words_of(edit: BridgeEdit, takes: Sequence[KnownTake], backend: Backend) -> SaidAgain | None:
    """What is said again in a bridge: a repainted take's words, if the model knows their places."""
    from studio.backends.base import speaks

    if not isinstance(edit, Repaint) or not takes[0].said or not speaks(backend):
        return None
    return None if backend.content_band is None else SaidAgain(backend, takes[0].said)


def not_heard(edit: BridgeEdit, takes: Sequence[KnownTake], backend: Backend) -> tuple[str, ...]:
    """Sentences on what of the takes is not heard in a bridge."""
    notes = []
    if not isinstance(takes[0].request.draft, NoDraft):
        notes.append(DRAFTLESS)
    if any(take.said for take in takes) and words_of(edit, takes, backend) is None:
        notes.append(WORDLESS)
    return tuple(notes)


class _Around:
    """What is known around a bridge, as latents of the channels that are sampled."""

    def __init__(self, takes: Sequence[KnownTake], backend: Backend, sampled: int) -> None:
        self._takes, self._backend, self._sampled = takes, backend, sampled
        self.encoded = False

    def left(self, edge: Edge | None) -> Tensor:
        """The frames [sampled, C, L, F] that end at an edge; none where there is none."""
        hop = self._backend.geometry.hop_samples
        frames = 0 if edge is None else min(KNOWN_FRAMES, edge.sample // hop)
        return self._none() if edge is None else self._read(edge.take, edge.sample - frames * hop, frames)

    def right(self, edge: Edge | None) -> Tensor:
        """The frames [sampled, C, R, F] that begin at an edge."""
        return self._none() if edge is None else self.from_edge(edge, KNOWN_FRAMES)

    def from_edge(self, edge: Edge, frames: int) -> Tensor:
        """So many frames from an edge on, or as many as there are."""
        there = (self._takes[edge.take].samples - edge.sample) // self._backend.geometry.hop_samples
        return self._read(edge.take, edge.sample, min(frames, there))

    def _read(self, take: int, start: int, frames: int) -> Tensor:
        if not frames:
            return self._none()
        latents, encoded = latents_from(self._takes[take], start, frames, self._backend, self._sampled)
        self.encoded |= encoded
        return latents.float()

    def _none(self) -> Tensor:
        geometry = self._backend.geometry
        shape = (self._sampled, geometry.channels, 0, geometry.bands)
        return torch.zeros(shape, device=self._backend.device)


def bridge_plan(edit: BridgeEdit, feeding: Feeding) -> BridgePlan:
    """What the edit asks of the sampler; what is known is fed as measured best for the system."""
    skipped = 0
    if isinstance(edit, Repaint):
        skipped = min(edit.steps - 1, edit.steps - round(edit.strength * edit.steps))
    return BridgePlan(edit.steps, feeding, skipped, RESAMPLES)


def told_in_bridge(
    prompts: Prompts, request: GenerationRequest, steps: int, seed: int, backend: Backend
) -> RenderPlan:
    """What the take's model is told in a bridge: these prompts, guided and parted as the take was."""
    alone = request.model_copy(update={"draft": NoDraft()})
    guidance = guidance_plan(alone, backend)
    negative = request.negative_prompt if guidance.needs_negative else None
    told = Prompts(prompts.opening, prompts.points, prompts.blend_s, negative)
    sampler = ClipPlan(steps, 1.0)
    stereo = stereo_plan(request, prompts.opening, *(point.prompt for point in prompts.points))
    return RenderPlan(told, seed, guidance, DenseAttention(), sampler, stereo=stereo)


def _fill(
    canvas: Tensor,
    known: int,
    made: Made,
    begun: Tensor | None,
    denoise: Denoise,
    backend: Backend,
    plan: BridgePlan,
    told: RenderPlan,
) -> Generator[DdimStep, None, None]:
    """Fill the bridge's frames of `canvas` [sampled, C, known + frames + …, F], window by window.

    `begun` are latents of what was there, from which it begins where steps are skipped.
    """
    schedule = backend.schedule
    generator, side = torch.Generator().manual_seed(told.seed), side_of(told)

    def drawn(frames: int) -> Tensor:
        return noise_like(canvas[:, :, :1].expand(-1, -1, frames, -1), generator, side)

    noise = drawn(made.frames)
    if begun is not None and plan.skipped:
        level = schedule.alpha_bar(schedule.timesteps(plan.steps)[plan.skipped])
        there = begun.shape[2]  # a take's last frame may not be whole
        noise[:, :, :there] = add_noise(begun, noise[:, :, :there], level)
    after = canvas.shape[2] - known - made.frames
    pieces = windows(made.frames, known, after, backend.geometry.frame_multiple)
    for number, piece in enumerate(pieces):
        start, stop = known + piece.start, known + piece.stop
        own, spare = noise[:, :, piece.start : piece.stop], drawn(piece.spare)
        early = piece.spare if _ends_known(piece) else 0
        unknown = torch.cat([spare, own] if early else [own, spare], dim=2)
        steps = bridge_steps(
            denoise,
            schedule,
            unknown,
            plan,
            generator,
            left=canvas[:, :, start - piece.before : start],
            right=canvas[:, :, stop : stop + piece.after],
            start_frame=made.at_frame + piece.start - early,
            side=side,
        )
        clean = yield from counted(steps, number * plan.forwards, len(pieces) * plan.forwards)
        canvas[:, :, start:stop] = clean[:, :, early : early + stop - start]


def _ends_known(piece: Window) -> bool:
    return piece.after > 0
