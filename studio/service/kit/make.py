"""A kit from its request: loops, what is cut from them, and all of it in one ZIP."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from studio.core.errors import InvalidRequestError
from studio.core.files import disk_error, replacing_path
from studio.core.kit import KitPlan
from studio.core.request import GenerationRequest
from studio.pipeline.cancel import CancelToken
from studio.service.jobs.errands import Stage, Tell
from studio.service.jobs.runner import Render
from studio.service.kit import licences, sheet
from studio.service.kit.apart import Variations, distances, heard, least
from studio.service.kit.loops import Lease, Loop, LoopMaker, Turn, require_loop
from studio.service.kit.manifest import FILE as MANIFEST
from studio.service.kit.manifest import Findings, manifest
from studio.service.kit.parts import Part, gain_for, measured_loop, middle_of, shots_of, write_part
from studio.service.kit.states import make_states, seed_after
from studio.service.takes.level import Measured
from studio.service.takes.naming import slug
from studio.service.takes.scratch import Scratch

MAX_STEM_BYTES = 60
LEVEL_LU = 0.5  # by which a heavy state is louder than a light one, or nobody hears that it is


@dataclass(frozen=True)
class Kit:
    """A kit that was made: its ZIP, and its manifest."""

    path: Path
    manifest: dict[str, Any]

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what is not as it was asked for."""
        return tuple(self.manifest["notes"])


def require_kit(request: GenerationRequest, out: Path) -> None:
    """Raise `InvalidRequestError` where no kit can be made of a request, or not there."""
    if out.suffix.lower() != ".zip":
        raise InvalidRequestError(f"A kit is a ZIP: end the name {out.name} in .zip.")
    if out.is_dir() or not out.parent.is_dir():
        raise InvalidRequestError(f"Can't write {out}: choose a file in a folder that is there.")
    require_loop(request)


def make_kit(
    request: GenerationRequest,
    plan: KitPlan,
    out: Path,
    *,
    lease: Lease,
    render: Render,
    turn: Turn,
    cancel: CancelToken,
    tell: Tell = lambda stage: None,
) -> Kit:
    """Make a kit, and put its ZIP at `out` once all of it is there; whatever ends it before leaves nothing.

    The same request and plan make the same sounds.

    Raises:
        CancelledError: `cancel` was set; noticed in every step.
        InvalidRequestError: the request is of no loop, or `out` can't be written.
        OutOfResourcesError: the disk is full.
        StudioError: the model can't be had, or can't do what is asked.
    """
    require_kit(request, out)
    scratch = _scratch()
    try:
        maker = LoopMaker(lease, render, turn, scratch.path, plan.rate)
        work = _Work(request, plan, maker, cancel, tell)
        folder = scratch.path / "kit"
        try:
            told, files = work.written(work.loops(), folder)
        except OSError as error:
            raise disk_error(error, scratch.path) from error
        try:
            work.pack(folder, files, out)
        except OSError as error:
            raise disk_error(error, out) from error
        return Kit(out, told)
    finally:
        scratch.remove()


def _scratch() -> Scratch:
    try:
        return Scratch()
    except OSError as error:
        raise disk_error(error, Path(gettempdir()) / "kit") from error


class _Work:
    """One kit on its way."""

    def __init__(
        self, request: GenerationRequest, plan: KitPlan, maker: LoopMaker, cancel: CancelToken, tell: Tell
    ) -> None:
        self._request, self._plan, self._maker = request, plan, maker
        self._cancel, self._tell = cancel, tell
        self._stem = slug(request.prompt, MAX_STEM_BYTES)
        self._found = Findings()
        self._done = 0

    def loops(self) -> list[Part]:
        """All loops: the bed, its variations, its states, in this order."""
        bed = Part("bed", f"{self._stem}_bed", "Bed", self._loop(self._request, "the bed"))
        parts = [bed, *self._variations(bed)]
        return [*parts, *self._states(parts)]

    def _loop(self, request: GenerationRequest, what: str) -> Loop:
        said = f"Making {what}"

        def tell(share: float) -> None:
            self._tell(Stage(min(1.0, (self._done + share) / self._planned), said))

        tell(0.0)
        loop = self._maker.make(request, self._cancel, tell)
        self._done += 1
        return loop

    @property
    def _planned(self) -> int:
        """Loops, as far as is known, and one for what follows them."""
        states = 0 if self._plan.states == "none" else 2
        return max(1 + self._plan.variations + states, self._done + 1) + 1

    def _variations(self, bed: Part) -> list[Part]:
        """Of other seeds, those that follow the bed's, until enough of them lie apart."""
        first = heard(bed.loop.read(), bed.loop.sample_rate)
        offered: list[Loop] = []
        known = Variations(self._plan, first)
        while known.wanting:
            request = seed_after(self._request, 1 + len(offered))
            loop = self._loop(request, f"variation {len(offered) + 1}")
            offered.append(loop)
            known.offer(heard(loop.read(), loop.sample_rate))
        chosen = known.chosen()
        found = self._found
        found.loops_made = 1 + len(offered)
        found.distances = distances([first, *(one.heard for one in chosen)])
        found.least = least(found.distances)
        if found.least is not None and found.least < self._plan.distance:
            found.notes.append(
                f"The variations lie {found.least:.2f} apart and not {self._plan.distance:g}, after "
                f"{len(offered)} were made: the model hears little else in these words. Choose others, or "
                "a longer loop."
            )
        return [
            Part("variation", f"{self._stem}_variation_{number}", f"Variation {number}", offered[one.index])
            for number, one in enumerate(chosen, start=1)
        ]

    def _states(self, parts: Sequence[Part]) -> list[Part]:
        loops = make_states(self._request, self._plan, self._loop, self._maker.layered, self._found.notes)
        made: list[Part] = []
        for name, loop in loops.items():
            same = next((part.name for part in [*parts, *made] if part.loop is loop), "")
            made.append(Part("state", f"{self._stem}_{name}", name.capitalize(), loop, same_as=same))
        return made

    def written(self, loops: list[Part], folder: Path) -> tuple[dict[str, Any], list[str]]:
        """Write all files into a folder; the manifest, and the files' names. Raises `OSError`."""
        self._say("Listening for events")
        measured = [measured_loop(part.loop.read(), part.loop.sample_rate) for part in loops]
        gain_db = gain_for(measured, measured[0], self._plan.lufs)
        self._note_levels(loops, measured, gain_db)
        shots = self._shots(loops)
        self._say("Writing the files")
        created = datetime.now()
        parts = []
        for part in [*loops, *shots]:
            self._cancel.check()
            parts.append(write_part(folder, part, gain_db, created))
        self._say("Drawing the spectrograms")
        self._draw(folder / sheet.FILE, parts, gain_db)
        told = manifest(self._request, self._plan, parts, self._found, created)
        text = json.dumps(told, ensure_ascii=False, indent=1)
        (folder / MANIFEST).write_text(f"{text}\n", encoding="utf-8")
        (folder / licences.FILE).write_text(licences.licences(self._request, created), encoding="utf-8")
        return told, [MANIFEST, licences.FILE, sheet.FILE, *(part.file for part in parts)]

    def _say(self, what: str) -> None:
        self._cancel.check()
        self._tell(Stage(self._done / self._planned, what))

    def _shots(self, loops: Sequence[Part]) -> list[Part]:
        if not self._plan.shots:
            return []
        own = [part for part in loops if part.kind != "state"]  # in those the bed's events are heard again
        shots = shots_of(own, self._plan.shots, self._stem)
        if not shots:
            self._found.notes.append(
                "No one-shots: nothing in these loops stands out of its background by itself."
            )
        return shots

    def _note_levels(self, loops: Sequence[Part], measured: Sequence[Measured], gain_db: float) -> None:
        found, wanted = self._found, self._plan.lufs
        found.gain_db = gain_db
        bed = measured[0].lufs
        if wanted is not None and (bed is None or bed + gain_db < wanted - LEVEL_LU):
            reached = "no loudness" if bed is None else f"{bed + gain_db:.1f} LUFS".replace("-", "−")
            found.notes.append(
                f"The bed has {reached} and not {f'{wanted:g}'.replace('-', '−')}: its peaks, or another "
                "loop's, allow no more."
            )
        states = [one.lufs for part, one in zip(loops, measured, strict=True) if part.kind == "state"]
        if len(states) == 2 and None not in states:
            light, heavy = (float(one or 0.0) for one in states)
            if heavy - light < LEVEL_LU:
                found.notes.append(
                    f"The heavy state is no louder than the light one ({heavy - light:+.1f} LU): set their "
                    "levels where you play them."
                )

    def _draw(self, path: Path, parts: Sequence[Part], gain_db: float) -> None:
        self._cancel.check()
        rate = parts[0].loop.sample_rate
        pictures = {
            event: [
                sheet.Picture(middle_of(part, gain_db), _title(part))
                for part in parts
                if (part.event is not None) == event
            ]
            for event in (False, True)
        }
        sheet.write_sheet(path, self._request.prompt, pictures[False], pictures[True], rate)

    def pack(self, folder: Path, names: Sequence[str], out: Path) -> None:
        """Put the folder's files into the ZIP, uncompressed: of sound this would save nothing. Raises
        `OSError`.
        """
        with (
            replacing_path(out, sync=True) as partial,
            zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive,
        ):
            for name in names:
                self._cancel.check()
                archive.write(folder / name, f"{self._stem}/{name}")


def _title(part: Part) -> str:
    lufs = part.measured.lufs
    level = "" if lufs is None or part.event is not None else f" · {lufs:.1f} LUFS".replace("-", "−")
    if part.event is not None:
        return part.label
    seeds = ", ".join(map(str, part.loop.seeds or [part.loop.request.seed]))
    return f"{part.label}: {part.loop.request.prompt} · seed {seeds}{level}"
