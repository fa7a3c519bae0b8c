"""An edited take as it is written: what is kept in blocks, to the sample, and what was made between."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from studio.core.audio import NO_SOUND
from studio.core.edit import BridgeEdit
from studio.core.errors import NoSoundError
from studio.core.events import AudioChunk, Event, Progress
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import KeptLatents, RenderEvent
from studio.pipeline.edits.known import KnownTake, kept_latents, middle
from studio.pipeline.edits.layout import Kept, Layout, Made, lay_out
from studio.pipeline.edits.make import Bridged, bridged, not_heard, words_of
from studio.pipeline.plan import stereo_plan

if TYPE_CHECKING:
    from studio.backends.base import Backend

BLOCK_FRAMES = 256  # of what is kept, at once


@dataclass(frozen=True)
class _Patch:
    """Samples at a kept part's beginning and end that blend into what was made beside them."""

    head: NDArray[np.float32]
    tail: NDArray[np.float32]


_NOTHING = np.zeros(0, np.float32)


def render_edit(
    edit: BridgeEdit, takes: Sequence[KnownTake], backend: Backend, cancel: CancelToken
) -> Iterator[RenderEvent]:
    """The events of an edited take. Nothing of it is heard before all of its bridges are there.

    Raises:
        CancelledError: `cancel` was set.
        InvalidRequestError: the takes have no such span, or are not of the model's sample rate.
        NoSoundError: the model gave numbers that are none.
    """
    layout = lay_out(edit, takes, backend.geometry)
    sampled = stereo_plan(takes[0].request).sampled
    made = yield from _all_made(layout, edit, takes, backend, cancel)
    told = layout.told(any(one.encoded for one in made.values()))
    if made:
        spoken = words_of(edit, takes, backend) is not None
        told = replace(told, spoken=spoken, notes=not_heard(edit, takes, backend))
    yield told
    patches = _patches(layout, takes, made)
    yield Progress("Writing")
    position = 0
    for index, part in enumerate(layout.parts):
        if isinstance(part, Made):
            yield from _latents(made[index], position, backend.geometry.hop_samples)
            yield AudioChunk(made[index].samples, backend.geometry.sample_rate, position)
        else:
            last = index == len(layout.parts) - 1
            take, patch = takes[part.take], patches[index]
            yield from _kept(part, take, patch, position, sampled, backend, cancel, last=last)
        position += part.samples


def _all_made(
    layout: Layout, edit: BridgeEdit, takes: Sequence[KnownTake], backend: Backend, cancel: CancelToken
) -> Generator[Event, None, dict[int, Bridged]]:
    """The bridges, each by a seed of its own, by their places among the parts."""
    made: dict[int, Bridged] = {}
    for index, part in enumerate(layout.parts):
        if isinstance(part, Made):
            own = edit.model_copy(update={"seed": (edit.seed + len(made)) % 2**63})
            one = yield from bridged(part, own, takes, backend, cancel)
            if not torch.isfinite(one.latents).all() or not np.isfinite(one.samples).all():
                raise NoSoundError(NO_SOUND)
            made[index] = one
    return made


def _patches(layout: Layout, takes: Sequence[KnownTake], made: dict[int, Bridged]) -> dict[int, _Patch]:
    """How each kept part begins and ends, where something was made beside it."""
    patches = {}
    last = len(layout.parts) - 1
    for index, part in enumerate(layout.parts):
        if not isinstance(part, Kept):
            continue
        before = made.get(index - 1) if index or not layout.ring else made.get(last)
        after = made.get(index + 1)
        take, head, tail = takes[part.take], _NOTHING, _NOTHING
        if before is not None:
            said = before.after[: part.samples // 2]
            head = blended(said, take.read(part.start, len(said)))
        if after is not None:
            said = after.before[max(0, len(after.before) - part.samples // 2) :]
            tail = blended(take.read(part.end - len(said), len(said)), said)
        patches[index] = _Patch(head, tail)
    return patches


def blended(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Two sounds [n] or [n, 2] of the same, the first fading into the second at an even level.

    Gains are linear, scaled by what two sounds as alike as these come to: where they agree to the sample the
    levels add, where they agree in sound and not in phase their powers do (`samplers.concat.equal_power`).
    Both channels have the gains of their middle.
    """
    count = len(first)
    rise = ((np.arange(count) + 0.5) / max(count, 1)).astype(np.float32)
    heard, other = middle(first), middle(second)
    norms = float(np.linalg.norm(heard) * np.linalg.norm(other))
    alike = max(0.0, float(heard @ other) / norms) if norms > 0 else 1.0
    power = rise**2 + (1 - rise) ** 2 + 2 * alike * rise * (1 - rise)
    if first.ndim == 2:
        rise, power = rise[:, None], power[:, None]
    mixed = ((1 - rise) * first + rise * second) / np.sqrt(power)
    return np.asarray(mixed, np.float32)


def _kept(
    part: Kept,
    take: KnownTake,
    patch: _Patch,
    position: int,
    sampled: int,
    backend: Backend,
    cancel: CancelToken,
    *,
    last: bool,
) -> Iterator[RenderEvent]:
    """A kept part's latents, where they lie on the take's own frames, and its samples, block by block."""
    hop, rate = backend.geometry.hop_samples, backend.geometry.sample_rate
    block = BLOCK_FRAMES * hop
    for start in range(0, part.samples, block):
        cancel.check()
        count = min(block, part.samples - start)
        if (part.start + start) % hop == (position + start) % hop == 0:
            # Of a frame that what follows cuts into nothing is known any more.
            whole = -(-count // hop) if last else count // hop
            kept = kept_latents(take, (part.start + start) // hop, whole, sampled)
            if whole and kept is not None:
                yield KeptLatents(kept, (position + start) // hop)
        samples = take.read(part.start + start, count).copy()
        _lay_over(samples, patch.head, -start)
        _lay_over(samples, patch.tail, part.samples - len(patch.tail) - start)
        yield AudioChunk(samples, rate, position + start)


def _lay_over(samples: NDArray[np.float32], patch: NDArray[np.float32], at: int) -> None:
    """Put what of a patch lies within the samples in their place; it begins `at`, be that outside."""
    start, stop = max(0, at), min(len(samples), at + len(patch))
    if start < stop:
        samples[start:stop] = patch[start - at : stop - at]


def _latents(made: Bridged, position: int, hop: int) -> Iterator[RenderEvent]:
    if position % hop == 0:
        yield KeptLatents(made.latents, position // hop)
