"""What an exported file says of its inside: markers, what is said when, a loop, in its own samples."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from studio.core.errors import InvalidRequestError
from studio.core.preset import SYNTHETIC, Marker, Preset, PromptChange, parse_preset
from studio.core.speech import within

MAX_MARKS = 10_000  # of a file; a lane or a script of more is no longer looked through by anybody


@dataclass(frozen=True)
class Span:
    """The part [start, stop) of a take, in samples of its `sample_rate`, that becomes `frames` at `rate`."""

    start: int
    stop: int
    sample_rate: int
    rate: int
    frames: int

    @property
    def start_s(self) -> float:
        return self.start / self.sample_rate

    @property
    def end_s(self) -> float:
        return self.stop / self.sample_rate

    def at(self, sample: float) -> int:
        """Where a sample of the take lies in the file, or the file's end it lies beyond."""
        inside = min(max(sample, self.start), self.stop)
        return min(round((inside - self.start) * self.rate / self.sample_rate), self.frames)

    def loop(self, points: tuple[int, int] | None) -> tuple[int, int] | None:
        """A loop of the take in the file; None where not all of it is in it."""
        if points is None or points[0] < self.start or points[1] > self.stop:
            return None
        first, end = self.at(points[0]), self.at(points[1])
        return (first, end) if first < end else None


@dataclass(frozen=True)
class Mark:
    """A place of a file, in samples; of a stretch `length` of them, else 0."""

    at: int
    label: str
    length: int = 0


@dataclass(frozen=True)
class About:
    """What a file's tags are made of. `time_reference` is the sample of the take that the file begins with,
    at the file's rate, which has `frames` of them; `loop` is its first sample and the one after its last.
    """

    title: str = ""
    description: str = ""
    created: datetime | None = None
    variation: int = 1
    seed: str = ""
    marks: tuple[Mark, ...] = ()
    loop: tuple[int, int] | None = None
    time_reference: int = 0
    frames: int = 0


NOTHING = About()


def record_of(comment: str) -> Preset | None:
    """The take's record that a comment is; None where it is something else."""
    try:
        record = parse_preset(comment) if comment else None
    except InvalidRequestError:
        return None
    return record if record is not None and record.take is not None else None


def about(comment: str, span: Span) -> About:
    """What the comment of a take says of a span of it."""
    record = record_of(comment)
    if record is None or record.take is None:
        return NOTHING
    take = record.take
    marks = [Mark(span.at(cue.at_s * span.sample_rate), cue.prompt) for cue in _cues(take.cues, span)]
    marks += [
        Mark(span.at(one.at_s * span.sample_rate), one.label) for one in markers_within(take.markers, span)
    ]
    for one in take.said:
        first, end = (span.at(time * span.sample_rate) for time in (one.start_s, one.end_s))
        if first < end:
            marks.append(Mark(first, one.text, end - first))
    return About(
        title=record.name,
        description=str(record.settings.get("prompt") or record.name),
        created=_time(take.created),
        variation=take.group.position if take.group else 1,
        seed=str(record.settings.get("seed", "")),
        marks=tuple(sorted(marks, key=lambda mark: (mark.at, mark.length)))[:MAX_MARKS],
        loop=span.loop(take.loop),
        time_reference=round(span.start * span.rate / span.sample_rate),
        frames=span.frames,
    )


def record_within(comment: str, span: Span, total: int) -> str:
    """A take's JSON as it is true of a span of it, at the file's rate: what is heard and said when, its loop.

    The whole take at its own rate, and any other comment, stay as they are; `total` is the take's length.
    """
    record = record_of(comment)
    whole = (span.start, span.stop) == (0, total)
    if record is None or record.take is None or (whole and span.rate == span.sample_rate):
        return comment
    told, take = json.loads(comment), record.take
    if take.loop is not None:
        told["take"]["loop"] = span.loop(take.loop)
    told["take"]["sample_rate"] = span.rate
    if not whole:
        said = within(take.said, span.start_s, span.end_s)
        told["take"]["duration_s"] = span.end_s - span.start_s
        told["take"]["cues"] = [
            {"at_s": round(max(cue.at_s - span.start_s, 0.0), 3), "prompt": cue.prompt}
            for cue in _cues(take.cues, span)
        ]
        told["take"]["markers"] = [
            one.moved(-span.start_s).model_dump() for one in markers_within(take.markers, span)
        ]
        if take.said:
            told["take"]["said"] = [one.model_dump() for one in said]
            told["description"] = SYNTHETIC if said else ""
    return json.dumps(told)


def without_word_times(comment: str) -> str:
    """A take's JSON that says when each sentence is said, and of no word when; any other comment as it is."""
    record = record_of(comment)
    if record is None or record.take is None or not record.take.said:
        return comment
    told = json.loads(comment)
    for one in told["take"]["said"]:
        one.pop("words_s", None)
    return json.dumps(told)


def markers_within(markers: tuple[Marker, ...], span: Span) -> list[Marker]:
    """Those that lie in a span, its end included."""
    return [one for one in markers if span.start_s <= one.at_s <= span.end_s]


def _cues(cues: tuple[PromptChange, ...], span: Span) -> list[PromptChange]:
    """Those that are heard within a span: the last one before its beginning, and all that follow in it."""
    ordered = sorted(cues, key=lambda cue: cue.at_s)
    before = [cue for cue in ordered if cue.at_s <= span.start_s]
    return [*before[-1:], *(cue for cue in ordered if span.start_s < cue.at_s < span.end_s)]


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
