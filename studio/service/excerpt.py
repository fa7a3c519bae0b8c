"""The last seconds heard of a take that is still being made: as a take of its own, or to take away."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.core.audio import format_time
from studio.core.errors import InvalidRequestError
from studio.core.preset import SYNTHETIC, Preset
from studio.core.request import GenerationRequest
from studio.core.speech import Said, as_said, format_script, within
from studio.service.jobs.job import Job
from studio.service.takes.naming import take_stem
from studio.service.takes.shelf import id_of
from studio.service.takes.writer import TakeWriter

MAX_EXCERPT_S = 600.0
_NOTHING_YET = "Nothing was heard of this take yet: wait for its first seconds."
_NAME_CHARS = 180  # of the take's own, so that the span has room


@dataclass(frozen=True)
class Excerpt:
    """Samples [n] or [n, channels] of a take, and the settings that ask for such a sound from its start."""

    samples: NDArray[np.int16]
    sample_rate: int
    request: GenerationRequest
    name: str
    said: tuple[Said, ...] = ()

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True)
class Kept:
    """A take of the library: its name there, its id, its seconds."""

    name: str
    id: str
    seconds: float


def excerpt_of(job: Job, seconds: float, until_s: float) -> Excerpt:
    """The `seconds` before `until_s`, in the time of the job's listener; fewer where fewer are there.

    Raises:
        InvalidRequestError: none are there, or their file can't be read.
    """
    path = job.outcome.path if job.outcome is not None else job.file
    if path is None:
        raise InvalidRequestError(_NOTHING_YET)
    try:
        with sf.SoundFile(path) as sound:
            rate = sound.samplerate
            stop = min(sound.frames, job.first_sample + round(until_s * rate))
            start = max(job.first_sample, stop - round(min(seconds, MAX_EXCERPT_S) * rate))
            if stop <= start:
                raise InvalidRequestError(_NOTHING_YET)
            sound.seek(start)
            samples = sound.read(stop - start, dtype="int16")
    except (OSError, sf.LibsndfileError) as error:
        raise InvalidRequestError(
            "The file of this take can't be read any more: start a new take."
        ) from error
    begins_s, ends_s = start / rate, stop / rate
    name = f"{job.request.prompt[:_NAME_CHARS]} ({format_time(begins_s)}–{format_time(ends_s)})"
    said = within(job.control.said, begins_s, ends_s)
    return Excerpt(samples, rate, _settings(job, begins_s, ends_s, said), name, said)


def _settings(job: Job, begins_s: float, ends_s: float, said: tuple[Said, ...]) -> GenerationRequest:
    """The job's, with the scene that was heard first, and the changes and words within the span in its own
    time.
    """
    lane = tuple(
        point.model_copy(update={"at_s": round(point.at_s - begins_s, 3)})
        for point in job.control.points
        if begins_s < point.at_s < ends_s
    )
    scene, length_s = job.control.prompt_at(begins_s), round(ends_s - begins_s, 3)
    speech = job.request.speech.model_copy(update={"text": format_script(as_said(said)).rstrip("\n")})
    return job.request.model_copy(
        update={"prompt": scene, "lane": lane, "duration_s": length_s, "speech": speech}
    )


def keep(excerpt: Excerpt, outputs: Path) -> Kept:
    """Write it under the outputs folder as the library has takes: sound, record and tag.

    Raises:
        InvalidRequestError: the folder can't be written.
        OutOfResourcesError: the disk is full.
    """
    take = TakeWriter.begin(excerpt.request, excerpt.sample_rate, outputs, name=excerpt.name)
    try:
        take.tell_said(excerpt.said)
        take.write(np.asarray(excerpt.samples / 32767, np.float32))  # its own rounding turns that back
    except BaseException:
        take.discard()
        raise
    path = take.finish("finished", {})
    if path is None:
        raise InvalidRequestError("The file was deleted or moved meanwhile: save it again.")
    return Kept(excerpt.name, id_of(path.with_suffix(".json")), excerpt.duration_s)


def as_flac(excerpt: Excerpt) -> tuple[str, bytes]:
    """A file to take away: its name and what is in it, the settings in its comment tag."""
    name = f"{take_stem(excerpt.request, datetime.now())}.flac"
    about = SYNTHETIC if excerpt.said else ""
    settings = excerpt.request.model_dump(mode="json")
    record = Preset(name=excerpt.name, description=about, settings=settings)
    file = io.BytesIO()
    channels = 1 if excerpt.samples.ndim == 1 else excerpt.samples.shape[1]
    with sf.SoundFile(file, "w", excerpt.sample_rate, channels, "PCM_16", format="FLAC") as sound:
        sound.comment = json.dumps(record.model_dump(mode="json"))
        sound.write(excerpt.samples)
    return name, file.getvalue()
