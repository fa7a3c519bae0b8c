"""Clips a minute by how many are denoised side by side, and in how many processes.

Every process keeps its model loaded; each of a round makes as many clips, and the ways take turns, so that a
machine's moods fall on all of them alike.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from studio.core.cores import cores
from studio.core.errors import StudioError
from studio.core.request import GenerationRequest, ModelChoice
from studio.pipeline.batch import clip_of, render_clips
from studio.pipeline.cancel import CancelToken
from studio.pipeline.peak_memory import rise_mb
from studio.pipeline.plan import resolve_plan
from studio.pipeline.renderer import Renderer

if TYPE_CHECKING:
    from studio.backends.base import Backend

Create = Callable[[ModelChoice], "Backend"]
WORTH = 0.97  # of the most clips a minute: the smallest batch that makes so many is the best


@dataclass(frozen=True)
class Way:
    """How clips are made: in so many processes, by so many at once in each."""

    workers: int
    batch: int


class Maker:
    """One process's model, and what it makes."""

    def __init__(self, request: GenerationRequest, create: Create) -> None:
        """Load the model of a request, whose clips are made, each by a seed of its own."""
        self._request, self._backend = request, create(request.model)
        self._renderer = Renderer()

    def make(self, batch: int, clips: int) -> None:
        """So many clips, by so many side by side."""
        for first in range(0, clips, batch):
            render_clips([self._seeded(first + number) for number in range(batch)], self._backend)

    def look(self, batch: int) -> tuple[float, float]:
        """MiB beyond the model that a batch is said to take, and that it took."""
        plan = resolve_plan(self._request, self._backend)
        known = self._renderer.calibration(plan, clip_of(plan), self._backend, CancelToken())
        taken = rise_mb(str(self._backend.device), lambda: self.make(batch, batch))
        return known.memory_mb(clip_of(plan).duration_s, batch), taken

    def about(self) -> tuple[str, str]:
        """The device and the number format that it computes on."""
        return str(self._backend.device), str(self._backend.dtype).removeprefix("torch.")

    def _seeded(self, number: int) -> GenerationRequest:
        return self._request.model_copy(update={"seed": self._request.seed + number})


def bench_batch(
    request: GenerationRequest,
    create: Create,
    *,
    batches: Sequence[int] = (1, 2, 4, 8),
    workers: Sequence[int] = (1,),
    repeats: int = 3,
    show: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Medians of `repeats` rounds, of as many clips in each process as the largest batch has.

    Each row: `clips_per_minute` of all processes, its `ratio` to the first row (one by one in as few
    processes as were asked for), and of one process the `told_mb` and `peak_mb` of memory beyond the model.
    `best` is the smallest batch of the processes that made most, which lost no more than 3 % of that.

    Args:
        request: a clip in one piece.
        create: loads its model: a function of a module, or a partial of one, for other processes load too.
        batches: sizes to try; the first row is of the smallest.
        workers: numbers of processes to try. All of them hold their models at once.
        repeats: rounds.
        show: told what is measured.

    Raises:
        StudioError: the model can't be loaded, or can't do what is asked.
    """
    ways = [Way(count, size) for count in sorted(set(workers)) for size in sorted(set(batches))]
    clips = max(batches)
    with ExitStack() as stack:
        show("Loading the model")
        crews = {count: stack.enter_context(_Crew(count, request, create)) for count in sorted(set(workers))}
        device, dtype = crews[ways[0].workers].about()
        memory = {}
        for way in ways:
            show(f"Memory of {_named(way)}")
            memory[way] = crews[way.workers].look(way.batch)
        times: dict[Way, list[float]] = {way: [] for way in ways}
        for turn in range(repeats):
            for way in ways:
                show(f"Round {turn + 1} of {repeats}: {_named(way)}")
                times[way].append(crews[way.workers].time_s(way.batch, clips))
    speed = {way: 60.0 * way.workers * clips / median(times[way]) for way in ways}
    rows = [
        {
            "workers": way.workers,
            "batch": way.batch,
            "clips_per_minute": round(speed[way], 2),
            "ratio": round(speed[way] / speed[ways[0]], 3),
            "told_mb": round(memory[way][0], 1),
            "peak_mb": round(memory[way][1], 1),
        }
        for way in ways
    ]
    best = best_of(speed)
    about = {"model": request.model.id, "device": device, "dtype": dtype, "seconds": request.duration_s}
    return {
        **about,
        "steps": request.sampler.steps,
        "clips": clips,
        "repeats": repeats,
        "cores": cores(),
        "rows": rows,
        "best": {"workers": best.workers, "batch": best.batch},
    }


def best_of(speed: dict[Way, float]) -> Way:
    """The smallest batch that loses next to nothing, of the number of processes that made most."""
    fastest = max(speed, key=lambda way: speed[way])
    near = [
        way
        for way, made in speed.items()
        if way.workers == fastest.workers and made >= WORTH * speed[fastest]
    ]
    return min(near, key=lambda way: way.batch)


def _named(way: Way) -> str:
    return f"{way.batch} at once, {way.workers} {'process' if way.workers == 1 else 'processes'}"


class _Crew:
    """So many processes with a model each, the cores divided among them."""

    def __init__(self, workers: int, request: GenerationRequest, create: Create) -> None:
        self._task = (request, create, max(1, cores() // workers))
        self._context, self._workers = multiprocessing.get_context("spawn"), workers
        self._ends: list[Connection] = []
        self._stack = ExitStack()

    def __enter__(self) -> _Crew:
        with ExitStack() as stack:
            for _ in range(self._workers):
                ours, theirs = self._context.Pipe()
                process = self._context.Process(target=_serve, args=(theirs, *self._task), daemon=True)
                process.start()
                theirs.close()  # or its end would not be heard of
                stack.callback(process.join)
                stack.callback(ours.close)  # which ends it
                self._ends.append(ours)
            self._answers()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def about(self) -> tuple[str, str]:
        said: tuple[str, str] = self._ask("about")[0]
        return said

    def look(self, batch: int) -> tuple[float, float]:
        """The most that any is told to take, and that any took, while all are at it."""
        seen: list[tuple[float, float]] = self._ask("look", batch)
        return max(told for told, _ in seen), max(taken for _, taken in seen)

    def time_s(self, batch: int, clips: int) -> float:
        """Until the last of them has made its clips."""
        began = time.perf_counter()
        self._ask("make", batch, clips)
        return time.perf_counter() - began

    def _ask(self, name: str, *values: int) -> list[Any]:
        for end in self._ends:
            end.send((name, values))
        return self._answers()

    def _answers(self) -> list[Any]:
        answers = [_answer(end) for end in self._ends]
        for answer in answers:
            if isinstance(answer, StudioError):
                raise answer
        return answers


def _answer(end: Connection) -> Any:
    try:
        return end.recv()
    except EOFError:
        return StudioError("A process that made clips died, perhaps for want of memory: try fewer.")


def _serve(end: Connection, request: GenerationRequest, create: Create, threads: int) -> None:
    """Do as one is asked, until the other end is gone. What goes wrong is an answer too."""
    torch.set_num_threads(threads)
    maker = None
    try:
        maker = Maker(request, create)
        end.send(None)
        while True:
            name, values = end.recv()
            end.send(getattr(maker, name)(*values))
    except StudioError as error:
        end.send(error)
    except (EOFError, KeyboardInterrupt):
        return
