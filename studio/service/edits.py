"""Edits of takes: which takes are meant, and what the record of the new one says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from studio.core.edit import AnyEdit, EditRecord, Repaint, Splice, Vary
from studio.core.errors import InvalidRequestError
from studio.core.preset import Marker, PromptChange
from studio.core.speech import Said
from studio.pipeline.checkpoint import Edited, EditedPart
from studio.pipeline.start import FromEdit
from studio.service.takes.library import Library, settings_of
from studio.service.takes.record import EditNotes
from studio.service.takes.shelf import Take, id_of, is_of_a_set
from studio.service.takes.source import TakeOnDisk

if TYPE_CHECKING:
    from studio.core.request import GenerationRequest

MOST_CHARS = 200  # of a name
_CANDIDATE = re.compile(r" · candidate [0-9]+ of [0-9]+$")
_VERSION = re.compile(r"\.v[0-9]{1,6}$")
ENCODED = "What lies around was encoded from its sound again: its latents were not kept, or not there."


def open_take(name: str, library: Library, *, paths: bool = False) -> TakeOnDisk:
    """A take by its id in the library, or with `paths` by that of a sound that the studio made.

    Raises:
        InvalidRequestError: there is none, it is still being made, or it holds no settings.
    """
    if paths and Path(name).is_file():
        return open_sound(Path(name))
    take = library.get(name)
    if take.status == "running":
        raise InvalidRequestError("That take is still being made: stop it first.")
    return TakeOnDisk(take.path, take.record)


def takes_of(
    edit: AnyEdit, take: str, other: str, library: Library, *, paths: bool = False
) -> list[TakeOnDisk]:
    """The takes that an edit is of: one, or for a splice two. Raises as `open_take`."""
    named = [take, other] if isinstance(edit, Splice) else [take]
    return [open_take(name, library, paths=paths) for name in named]


def take_before(library: Library, take: Take) -> Take | None:
    """The take that this one was made of by an edit, the first of two; None where there is none any more."""
    edit = take.about.edit
    if edit is None:
        return None
    # Beside it, as a rule: the library is gone through where it isn't.
    elsewhere = (one.folder for one in library.takes() if one.path.name == edit.of[0])
    for folder in chain((take.folder,), elsewhere):
        try:
            return library.get(id_of(folder / edit.of[0]))
        except InvalidRequestError:
            continue
    return None


def open_sound(path: Path) -> TakeOnDisk:
    """A sound file that the studio made. Raises `InvalidRequestError` for any other."""
    sidecar = path.with_suffix(".json")
    return TakeOnDisk(path, settings_of(sidecar if sidecar.is_file() else path))


def start_of(edit: AnyEdit, takes: Sequence[TakeOnDisk], candidate: tuple[int, int] = (1, 1)) -> FromEdit:
    """What the edited take begins from, once it is seen that it can be; it is which candidate of how many.

    Raises:
        InvalidRequestError: the takes have no such span, or can't be made again.
    """
    if isinstance(edit, Vary):
        _require_made_afresh(takes[0])
    else:
        from studio.backends.base import Geometry
        from studio.pipeline.edits.layout import lay_out

        lay_out(edit, takes, Geometry().at(takes[0].request.bandwidth))
    return FromEdit(edit, tuple(takes), candidate)


def _require_made_afresh(take: TakeOnDisk) -> None:
    """A variation makes the take again, of its settings alone."""
    about = take.about
    if about is not None and about.mix is not None:
        raise InvalidRequestError("This is a mix: vary one of the takes that it was made of.")
    if about is not None and about.edit is not None and not isinstance(about.edit.settings, Vary):
        raise InvalidRequestError("This take was edited: vary the take that it was made of.")
    if about is not None and (about.source is not None or about.status not in ("finished", "stopped")):
        raise InvalidRequestError(
            "Only a take that was made from its settings alone, and whole, can be varied: choose another."
        )


def varied_request(take: TakeOnDisk) -> GenerationRequest:
    """The settings that a variation is made of, as long as the take was where it had no end."""
    request = take.request
    if request.duration_s is None:
        return request.model_copy(update={"duration_s": take.samples / take.sample_rate})
    return request


def version_of(take: TakeOnDisk, outputs: Path) -> tuple[Path, str] | None:
    """The folder and the stem of a take's next version; None where its folder is not the library's."""
    folder = take.path.parent
    if folder.resolve().parent != outputs.resolve() or is_of_a_set(folder):
        return None
    stem = _VERSION.sub("", take.path.stem)
    number = 2
    while any(folder.glob(f"{_escaped(stem)}.v{number}.*")):
        number += 1
    return folder, f"{stem}.v{number}"


def _escaped(stem: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", stem)


def notes_of(start: FromEdit, edited: Edited | None) -> EditNotes:
    """The record of what was made; without `edited`, of a variation."""
    takes = [take for take in start.takes if isinstance(take, TakeOnDisk)]
    of, name = tuple(take.name for take in takes), _named(takes[0].record.name, start.candidate)
    if edited is None:
        return EditNotes(name, EditRecord(of=of, settings=start.edit))
    spans: list[tuple[int, int]] = []
    cues: list[PromptChange] = []
    said: list[Said] = []
    markers: list[Marker] = []
    rate, position = takes[0].sample_rate, 0
    for part in edited.parts:
        if part.take is None:
            spans.append((position, position + part.samples))
            prompt = part.prompt or (cues[-1].prompt if cues else takes[0].cues[0].prompt)
            cues.append(PromptChange(at_s=position / rate, prompt=prompt))
        else:
            cues += _cues_within(takes[part.take], part, position)
            said += _said_within(takes[part.take], part, position)
            markers += _markers_within(takes[part.take], part, position)
        position += part.samples
    if edited.spoken:  # in a span of one take, which has its times
        said = list(takes[0].said)
    record = EditRecord(of=of, settings=start.edit, made=tuple(spans), encoded=edited.encoded)
    loop = (0, position) if edited.ring else _loop_left(takes[0], start.edit, spans)
    return EditNotes(name, record, tuple(_changes(cues)), tuple(said), loop, tuple(markers))


def _named(name: str, candidate: tuple[int, int]) -> str:
    """What an edited take is called: as the one that it was made of, and which candidate it is of several."""
    number, count = candidate
    bare = _CANDIDATE.sub("", name)
    if count == 1:
        return bare
    told = f" · candidate {number} of {count}"
    return bare[: MOST_CHARS - len(told)] + told


def _loop_left(take: TakeOnDisk, edit: AnyEdit, made: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """The take's own loop where what is new lies within it: its end leads to its beginning as before."""
    loop = take.about.loop if take.about is not None and isinstance(edit, Repaint) else None
    if loop is None or not all(loop[0] < start and stop < loop[1] for start, stop in made):
        return None
    return loop


def _cues_within(take: TakeOnDisk, part: EditedPart, position: int) -> Iterator[PromptChange]:
    """The prompts heard in a kept part, at the new take's times, the first from its beginning on."""
    start_s, end_s = part.start / take.sample_rate, (part.start + part.samples) / take.sample_rate
    at_s = position / take.sample_rate
    before = [take.cues[0].prompt, *(cue.prompt for cue in take.cues if cue.at_s <= start_s)]
    yield PromptChange(at_s=at_s, prompt=before[-1])
    for cue in take.cues:
        if start_s < cue.at_s < end_s:
            yield PromptChange(at_s=at_s + cue.at_s - start_s, prompt=cue.prompt)


def _said_within(take: TakeOnDisk, part: EditedPart, position: int) -> Iterator[Said]:
    """The words that lie whole in a kept part, at the new take's times."""
    start_s, end_s = part.start / take.sample_rate, (part.start + part.samples) / take.sample_rate
    shift = (position - part.start) / take.sample_rate
    for one in take.about.said if take.about else ():
        if start_s <= one.start_s and one.end_s <= end_s:
            yield one.moved(shift)


def _markers_within(take: TakeOnDisk, part: EditedPart, position: int) -> Iterator[Marker]:
    """The places that were named in a kept part, at the new take's times."""
    start_s, end_s = part.start / take.sample_rate, (part.start + part.samples) / take.sample_rate
    shift = (position - part.start) / take.sample_rate
    for one in take.about.markers if take.about else ():
        if start_s <= one.at_s < end_s:
            yield one.moved(shift)


def _changes(cues: Sequence[PromptChange]) -> Iterator[PromptChange]:
    """Without what changes nothing."""
    before = None
    for cue in cues:
        if cue.prompt != before:
            yield cue
        before = cue.prompt
