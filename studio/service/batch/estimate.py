"""What a set will take in time and disk, by a short trial of each kind of take that is in it."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.draft import NoDraft
from studio.core.errors import StudioError
from studio.core.request import GenerationRequest, ModelChoice
from studio.core.sampling import ClipSampler, ConcatSampler, EndlessSampler
from studio.service.batch.folder import SetFolder
from studio.service.batch.rows import Row

if TYPE_CHECKING:
    from studio.backends.base import Backend

MAX_KINDS = 8  # that are tried; loading models for more would be no short look
WEIGHED = 200  # takes of the folder whose size is looked at
LEAST_PIECES, TRIAL_S, MOST_TRIAL_S = 4, 2.0, 20.0  # how long an endless take is listened to
_SAMPLE_BYTES = 2
UNTRIED = f"not tried: only the {MAX_KINDS} most frequent kinds are"
BackendOf = Callable[[ModelChoice], "Backend"]
TimeOf = Callable[[GenerationRequest], float]


@dataclass(frozen=True)
class Kind:
    """Rows alike but for what is in them and how long they are, all still to be made.

    `time_s` is for all of them, one after the other in one process; None where it is `unknown`, and why.
    """

    model: str
    sampler: str
    rows: int
    seconds: float
    time_s: float | None
    unknown: str = ""
    without: str = ""


@dataclass(frozen=True)
class Estimate:
    """What rows of a folder will take. `seconds` is all their sound, `left_s` what is still to be made of it.

    `disk_bytes` is for what is left: by the `weighed` takes of the folder, else at most, as samples of
    16 bits that nothing packs.
    """

    rows: int
    done: int
    failed: int
    seconds: float
    left_s: float
    kinds: tuple[Kind, ...]
    device: str
    disk_bytes: float
    weighed: int
    free_bytes: int

    @property
    def left(self) -> int:
        """Rows that are still to be made."""
        return self.rows - self.done - self.failed

    @property
    def time_s(self) -> float | None:
        """Of the kinds that could be tried, in one process; None where none could."""
        known = [kind.time_s for kind in self.kinds if kind.time_s is not None]
        return sum(known) if known else None

    @property
    def untimed(self) -> int:
        """Rows of the kinds that could not be tried."""
        return sum(kind.rows for kind in self.kinds if kind.time_s is None)

    def figures(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {**asdict(self), "left": self.left, "time_s": self.time_s, "untimed": self.untimed}


def estimate(
    rows: Sequence[Row],
    folder: SetFolder,
    backend_of: BackendOf,
    show: Callable[[str], None] = lambda _: None,
) -> Estimate:
    """What rows will take in a folder, which may not be there yet.

    Args:
        backend_of: loads a model; raises `StudioError` for one that is not here.
        show: told what is being tried.

    Raises:
        FolderError: the folder can't be read.
    """
    once = {row.id: row for row in rows}
    survey = folder.survey(once)
    left = [row for row in once.values() if row.id not in survey.settled]
    groups: dict[Hashable, list[Row]] = {}
    for row in left:
        groups.setdefault(_kind_of(row.request), []).append(row)
    kinds: list[Kind] = []
    devices = set[str]()
    for place, group in enumerate(sorted(groups.values(), key=len, reverse=True)):
        show(f"Trying {group[0].request.model.id}")
        kind, backend = _try(group, backend_of if place < MAX_KINDS else None)
        kinds.append(kind)
        if backend is not None:
            devices.add(str(backend.device))
    left_s = sum(_seconds(row) for row in left)
    weighed, bytes_a_second = _weigh(folder, [row for row in once.values() if row.id in survey.done])
    return Estimate(
        rows=len(once),
        done=len(survey.done),
        failed=len(survey.failed),
        seconds=sum(map(_seconds, once.values())),
        left_s=left_s,
        kinds=tuple(kinds),
        device=", ".join(sorted(devices)),
        disk_bytes=left_s * bytes_a_second or sum(map(_bytes, left)),
        weighed=weighed,
        free_bytes=_free(folder.path),
    )


def _try(group: Sequence[Row], backend_of: BackendOf | None) -> tuple[Kind, Backend | None]:
    """How long the rows of a kind take; without a `backend_of` that is unknown."""
    request, seconds = group[0].request, sum(map(_seconds, group))
    about = (request.model.id, request.sampler.kind, len(group), seconds)
    if backend_of is None:
        return Kind(*about, None, UNTRIED), None
    try:
        from studio.backends.base import at_bandwidth  # torch

        backend = at_bandwidth(backend_of(request.model), request.bandwidth)
        plain = request.model_copy(update={"draft": NoDraft()})
        time_of = (_endless if isinstance(request.sampler, EndlessSampler) else _clip)(plain, backend)
    except StudioError as error:
        return Kind(*about, None, str(error)), None
    without = "its drafts" if request.draft.kind == "audiogen" else ""
    return Kind(*about, sum(time_of(row.request) for row in group), without=without), backend


def _kind_of(request: GenerationRequest) -> Hashable:
    """What rows have in common that take as long for as many seconds and steps."""
    sampler: Hashable = request.sampler
    if isinstance(request.sampler, ClipSampler):
        sampler = request.sampler.model_copy(update={"steps": 0})
    elif isinstance(request.sampler, ConcatSampler):
        sampler = request.sampler.kind
    drafted, spoken = request.draft.kind, bool(request.speech.text)
    told = request.bandwidth, drafted, spoken
    return request.model, sampler, request.attention, request.guidance_scale == 1, told


def _clip(request: GenerationRequest, backend: Backend) -> TimeOf:
    """By a step and a decode of short clips (`pipeline.estimate`)."""
    from studio.pipeline.cancel import CancelToken
    from studio.pipeline.denoiser import build_denoiser
    from studio.pipeline.estimate import calibrate
    from studio.pipeline.plan import ClipPlan, resolve_plan
    from studio.pipeline.speech import clip_speech

    plan = resolve_plan(request, backend)
    speech = clip_speech(backend, plan.speech, backend.geometry.frames(request.duration_s or 0.0))
    denoise = build_denoiser(plan, backend, CancelToken(), speech=speech)
    clip = plan.sampler if isinstance(plan.sampler, ClipPlan) else None
    calibration = calibrate(denoise, backend, plan.stereo.sampled, clip)

    def time_of(row: GenerationRequest) -> float:
        steps = row.sampler.steps - row.skipped_steps
        return calibration.estimate(row.duration_s or 0.0, steps, math.inf).time_s

    return time_of


def _endless(request: GenerationRequest, backend: Backend) -> TimeOf:
    """By a take's beginning, as far as its pace shows."""
    from studio.core.events import AudioChunk
    from studio.pipeline.cancel import CancelToken
    from studio.pipeline.renderer import Renderer

    renderer, cancel, heard = Renderer(), CancelToken(), list[tuple[float, float]]()
    if request.endless.strategy == "auto":  # which a process looks for once
        renderer.strategy(backend, request.endless, cancel)
    began = time.perf_counter()
    events = renderer(request, backend, cancel)
    for event in events:
        if not isinstance(event, AudioChunk):
            continue
        now = time.perf_counter() - began
        heard.append((now, event.end_sample / event.sample_rate))
        took_s = now - heard[0][0]
        if (len(heard) > LEAST_PIECES and took_s > TRIAL_S) or (len(heard) > 1 and now > MOST_TRIAL_S):
            break
    cancel.set()
    (first_at, first_s), (last_at, last_s) = heard[0], heard[-1]
    pace = (last_at - first_at) / (last_s - first_s) if last_s > first_s else last_at / last_s
    start_s = max(0.0, first_at - pace * first_s)
    return lambda row: start_s + pace * (row.duration_s or 0.0)


def _seconds(row: Row) -> float:
    return row.request.duration_s or 0.0


def _bytes(row: Row) -> float:
    """Of its samples, where nothing packs them."""
    return _seconds(row) * row.request.sample_rate * row.request.channels * _SAMPLE_BYTES


def _weigh(folder: SetFolder, done: Sequence[Row]) -> tuple[int, float]:
    """Some takes of the folder: how many, and their bytes a second of sound."""
    sizes: list[tuple[int, float]] = []
    for row in islice(done, WEIGHED):
        sound = folder.found(row.id)
        if sound is not None:
            sizes.append((_size(sound) + _size(folder.sidecar(row.id)), _seconds(row)))
    seconds = sum(length for _, length in sizes)
    return len(sizes), sum(size for size, _ in sizes) / seconds if seconds else 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone meanwhile
        return 0


def _free(path: Path) -> int:
    """Bytes that are free where a folder is, or will be."""
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())
    return shutil.disk_usage(there).free
