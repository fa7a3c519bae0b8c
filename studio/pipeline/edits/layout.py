"""What an edited take consists of: spans of takes that are there, and bridges that are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.core.audio import format_time
from studio.core.edit import LEAST_KEPT_S, BridgeEdit, Extend, Loop, Repaint, Splice
from studio.core.errors import InvalidRequestError
from studio.core.request import PromptPoint
from studio.pipeline.checkpoint import Edited, EditedPart
from studio.pipeline.edits.known import KnownTake
from studio.pipeline.plan import Prompts

if TYPE_CHECKING:
    from studio.backends.base import Geometry

BLEND_S = 0.4  # a prompt of a bridge's own takes over within


@dataclass(frozen=True)
class Kept:
    """Samples [start, end) of one of the takes, as they are."""

    take: int
    start: int
    end: int

    @property
    def samples(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Edge:
    """Where one of the takes is left, or entered."""

    take: int
    sample: int


@dataclass(frozen=True)
class Made:
    """New sound: `samples` of what `frames` latent frames come to, between the edges that there are.

    `prompts` are what is said, the bridge beginning at `at_frame` of their time. `own_prompt` is what was
    asked to be heard in it, empty where the take goes on. `instead_of` is what it takes the place of.
    """

    frames: int
    samples: int
    prompts: Prompts
    at_frame: int
    left: Edge | None = None
    right: Edge | None = None
    own_prompt: str = ""
    instead_of: Edge | None = None


Part = Kept | Made


@dataclass(frozen=True)
class Layout:
    """The parts in order. Where it is a `ring`, the last is made, and leads to the first."""

    parts: tuple[Part, ...]
    ring: bool = False

    def told(self, encoded: bool) -> Edited:
        """As the take's writer wants to know it."""
        parts = [
            EditedPart(part.samples, part.take, part.start)
            if isinstance(part, Kept)
            else EditedPart(part.samples, prompt=part.own_prompt)
            for part in self.parts
        ]
        return Edited(tuple(parts), self.ring, encoded)


def lay_out(edit: BridgeEdit, takes: Sequence[KnownTake], geometry: Geometry) -> Layout:
    """What an edit comes to, of the take, and of the one that it is spliced to.

    Raises:
        InvalidRequestError: a span outside its take, a loop shorter than it can be, or a take of another
            sample rate than the model's, or of other channels than its settings say.
    """
    _require_channels(takes)
    for take in takes:
        if take.sample_rate != geometry.sample_rate:
            raise InvalidRequestError(
                f"{take.name} is at {take.sample_rate} Hz and its model speaks {geometry.sample_rate}: edit "
                "the take as it was made, and export it then."
            )
    match edit:
        case Repaint():
            return _repaint(edit, takes[0], geometry)
        case Extend():
            return _extend(edit, takes[0], geometry)
        case Splice():
            return _splice(edit, takes[0], takes[1], geometry)
        case Loop():
            return _loop(edit, takes[0], geometry)


def _require_channels(takes: Sequence[KnownTake]) -> None:
    first, wanted = takes[0], takes[0].request.channels
    if first.channels != wanted:
        raise InvalidRequestError(
            f"{first.name} has {_counted(first.channels)} and its settings make {wanted}: "
            "edit the take as it was made."
        )
    for take in takes[1:]:
        if take.channels != wanted:
            raise InvalidRequestError(
                f"{first.name} has {_counted(wanted)} and {take.name} {take.channels}: "
                "splice takes that have as many."
            )


def _counted(channels: int) -> str:
    return f"{channels} channel" if channels == 1 else f"{channels} channels"


def _repaint(edit: Repaint, take: KnownTake, geometry: Geometry) -> Layout:
    """Whole frames around the span: what is heard of it lies within them."""
    start, end = _span(take, edit.start_s, edit.end_s)
    hop = geometry.hop_samples
    start, end = start // hop * hop, -(-end // hop) * hop
    if take.samples - end < hop:  # of less than a frame nothing is known
        end = take.samples
    if edit.strength == 0:
        return Layout((Kept(0, 0, take.samples),))
    rate = take.sample_rate
    made = Made(
        frames=-(-(end - start) // hop),
        samples=end - start,
        prompts=_overlaid(take, edit.prompt, start / rate, end / rate),
        at_frame=start // hop,
        left=Edge(0, start) if start else None,
        right=Edge(0, end) if end < take.samples else None,
        own_prompt=edit.prompt,
        instead_of=Edge(0, start),
    )
    return _without_empty(Kept(0, 0, start), made, Kept(0, end, take.samples))


def _extend(edit: Extend, take: KnownTake, geometry: Geometry) -> Layout:
    """More on either side, in whole frames."""
    hop, rate = geometry.hop_samples, geometry.frame_rate
    parts: list[Part] = [Kept(0, 0, take.samples)]
    length_s = take.samples / take.sample_rate
    if frames := -(-round(edit.left_s * take.sample_rate) // hop):
        prompts = _overlaid(take, edit.prompt, -edit.left_s, 0.0)
        right = Edge(0, 0)
        parts.insert(0, Made(frames, frames * hop, prompts, -frames, right=right, own_prompt=edit.prompt))
    if frames := -(-round(edit.right_s * take.sample_rate) // hop):
        prompts = _overlaid(take, edit.prompt, length_s, length_s + edit.right_s)
        at, left = round(length_s * rate), Edge(0, take.samples)
        parts.append(Made(frames, frames * hop, prompts, at, left=left, own_prompt=edit.prompt))
    return Layout(tuple(parts))


def _splice(edit: Splice, first: KnownTake, second: KnownTake, geometry: Geometry) -> Layout:
    """The one's beginning, a bridge of whole frames in whose middle the prompts change, the other's rest."""
    hop, rate = geometry.hop_samples, first.sample_rate
    leave = first.samples
    if edit.leave_s is not None:
        leave = _inside(first, edit.leave_s, "is left") // hop * hop
    enter = _inside(second, edit.enter_s, "is entered") // hop * hop
    if leave < hop or second.samples - enter < hop:
        raise InvalidRequestError("Nothing is left of one of the takes: leave it later, or enter it earlier.")
    frames = max(1, round(edit.bridge_s * geometry.frame_rate))
    at_frame = round(leave / hop)
    middle_s = (at_frame + frames / 2) / geometry.frame_rate
    before, after = _in_force(first, leave / rate), _in_force(second, enter / rate)
    points = (PromptPoint(at_s=middle_s - edit.bridge_s / 4, prompt=after),) if after != before else ()
    prompts = Prompts(before, points, edit.bridge_s / 2)
    if edit.prompt:
        end_s = (at_frame + frames) / geometry.frame_rate
        told = PromptPoint(at_s=at_frame / geometry.frame_rate, prompt=edit.prompt)
        back = PromptPoint(at_s=_back_s(told.at_s, end_s), prompt=after)
        prompts = Prompts(before, (told, back), BLEND_S)
    made = Made(frames, frames * hop, prompts, at_frame, Edge(0, leave), Edge(1, enter), edit.prompt)
    return Layout((Kept(0, 0, leave), made, Kept(1, enter, second.samples)))


def _loop(edit: Loop, take: KnownTake, geometry: Geometry) -> Layout:
    """The span, whose last frames lead to its beginning; its length is exact, whatever a frame is."""
    hop, rate = geometry.hop_samples, take.sample_rate
    start, end = _span(take, edit.start_s, edit.end_s)
    samples = edit.beat_samples(rate) or end - start
    if take.loop == (start, start + samples):
        return Layout((Kept(0, start, start + samples),), ring=True)
    frames = max(1, round(edit.bridge_s * geometry.frame_rate))
    kept = samples - frames * hop
    if kept < LEAST_KEPT_S * rate:
        raise InvalidRequestError(
            f"A loop of {samples / rate:.2f} s is too short for a bridge of {frames * hop / rate:.2f} s and "
            f"{LEAST_KEPT_S:g} s beside it: take a longer span, or a shorter bridge."
        )
    if start + kept > take.samples:
        there_s = (take.samples - start) / rate
        raise InvalidRequestError(
            f"The loop is to last {samples / rate:.2f} s and the take has {there_s:.2f} from there on: take "
            "fewer bars, a longer bridge, or a longer take."
        )
    prompts = _overlaid(take, edit.prompt, (start + kept) / rate, (start + samples) / rate)
    made = Made(
        frames,
        frames * hop,
        prompts,
        round((start + kept) / hop),
        left=Edge(0, start + kept),
        right=Edge(0, start),
        own_prompt=edit.prompt,
    )
    return Layout((Kept(0, start, start + kept), made), ring=True)


def _span(take: KnownTake, start_s: float, end_s: float | None) -> tuple[int, int]:
    """Samples [start, end) of a take. Raises `InvalidRequestError` where they are not inside it."""
    start = _inside(take, start_s, "begins")
    if end_s is None:
        return start, take.samples
    end = round(end_s * take.sample_rate)
    if end > take.samples + take.sample_rate // 1000:  # a length is told to the millisecond
        raise _outside(take, "The span ends")
    return start, min(end, take.samples)


def _inside(take: KnownTake, at_s: float, what: str) -> int:
    sample = round(at_s * take.sample_rate)
    if sample >= take.samples:
        raise _outside(take, "The span begins" if what == "begins" else f"The take {what}")
    return sample


def _outside(take: KnownTake, what: str) -> InvalidRequestError:
    length_s = take.samples / take.sample_rate
    return InvalidRequestError(
        f"{what} beyond the take's end, which is {format_time(length_s)} ({length_s:.2f} s) long: choose a "
        "time inside it."
    )


def _without_empty(*parts: Part) -> Layout:
    return Layout(tuple(part for part in parts if part.samples))


def _in_force(take: KnownTake, at_s: float) -> str:
    """The prompt that is heard at a time of a take."""
    return [take.cues[0].prompt, *(cue.prompt for cue in take.cues if cue.at_s <= at_s)][-1]


def _overlaid(take: KnownTake, prompt: str, start_s: float, end_s: float) -> Prompts:
    """A take's prompts, with another in a span of it, if one is given."""
    opening, blend_s = take.cues[0].prompt, take.request.lane_blend_s
    points = tuple(PromptPoint(at_s=cue.at_s, prompt=cue.prompt) for cue in take.cues[1:])
    if not prompt:
        return Prompts(opening, points, blend_s)
    before = tuple(point for point in points if point.at_s < start_s)
    after = tuple(point for point in points if point.at_s > end_s)
    begun = (PromptPoint(at_s=start_s, prompt=prompt),) if start_s > 0 else ()
    back = PromptPoint(at_s=_back_s(start_s, end_s), prompt=_in_force(take, max(0.0, end_s)))
    return Prompts(opening if begun else prompt, (*before, *begun, back, *after), min(BLEND_S, blend_s))


def _back_s(start_s: float, end_s: float) -> float:
    """When a span's prompt begins to give way, so that what follows has its own from its beginning."""
    blended = end_s - BLEND_S if end_s - start_s >= 2 * BLEND_S else end_s
    return max(0.0, blended)
