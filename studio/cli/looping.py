"""`render --loop`: a take that is sampled as a loop, or made first and closed then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from studio.cli.progress import follow
from studio.core.binding import Values
from studio.core.edit import Loop, parse_edit
from studio.core.errors import InvalidRequestError
from studio.core.events import Event, Failed, Finished

if TYPE_CHECKING:
    from studio.core.request import GenerationRequest
    from studio.pipeline.recording import Recording
    from studio.service.jobs.job import Job
    from studio.service.studio import Studio

LEAST_S = 2.5


def looped(given: Values, loop: bool, bpm: float | None, bars: int | None) -> Values:
    """The options of a command, with the length that its bars come to.

    Raises:
        InvalidRequestError: bars of what is no loop, without a tempo, or beside another length.
    """
    if bpm is None and bars is None:
        return given
    if not loop:
        raise InvalidRequestError("--bpm and --bars are of loops: give --loop too.")
    if "duration_s" in given or given.get("endless"):
        raise InvalidRequestError("Give --bars or --seconds, not both.")
    asked = parse_edit("loop", bpm=bpm, bars=bars)
    length_s = asked.beat_s if isinstance(asked, Loop) else None
    assert length_s is not None, "a loop of a tempo and bars has a length"
    return {**given, "duration_s": length_s}


def require_end(request: GenerationRequest, loop: bool) -> None:
    """Raise `InvalidRequestError` for a loop that has none, or is too short."""
    if loop and request.duration_s is None:
        raise InvalidRequestError("An endless take is no loop: give --seconds, or --bpm and --bars.")
    if loop and (request.duration_s or 0) < LEAST_S:
        raise InvalidRequestError(f"A loop lasts {LEAST_S:g} s at least: give more seconds, or more bars.")


def make_take(
    studio: Studio,
    request: GenerationRequest,
    show: Callable[[Event], None],
    *,
    out: Path | None,
    recording: Recording | None,
    loop: bool,
) -> tuple[Job, Finished | Failed]:
    """Make a take; a loop that can't be sampled as one is made of a take that goes when it is closed."""
    from studio.pipeline.ring import can_be_ring

    ring = loop and recording is None and can_be_ring(request)
    if not loop or ring:
        job = studio.submit(request, out=out, recording=recording, ring=ring)
        return job, follow(studio, job, show)
    edit = parse_edit("loop", seed=request.seed)
    job = studio.submit(request, recording=recording)
    outcome = follow(studio, job, show)
    if isinstance(outcome, Failed) or outcome.stopped or outcome.path is None:
        return job, outcome
    made = f"{outcome.path.parent.name}/{outcome.path.stem}"
    job = studio.edit(edit, made, out=out)
    outcome = follow(studio, job, show)
    if isinstance(outcome, Finished) and not outcome.stopped and outcome.path is not None:
        studio.library.erase(made)
    return job, outcome
