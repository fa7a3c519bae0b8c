"""The claim loop of `work` in Ray's actors, on this machine or on a cluster. The only file that imports Ray.

Ray starts the workers, each with cores or a graphics card of its own, and starts one anew that died. Who
makes what is agreed on in the set's folder, as among all workers: nothing here hands out work.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from copy import copy
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from studio.core.errors import InvalidRequestError, ModelNotFoundError, OutOfResourcesError, StudioError
from studio.core.interrupts import deferred, own_handlers
from studio.pipeline.cancel import CancelToken
from studio.service.batch.folder import SetFolder
from studio.service.batch.ledger import Ledger
from studio.service.batch.local import MakeMaker, cores
from studio.service.batch.queue import work_queue
from studio.service.batch.units import Unit
from studio.service.batch.work import Progressed, Tally, Tell, work

LOOK_S = 0.25  # how soon a run notices that it is to stop
GRACE_S = 20.0  # for a worker to end in: a step of a large model takes seconds
RESTARTS = 100  # of a worker: a unit that kills has an error after its third, so something else is wrong then
MISSING = "Ray is not installed: `uv pip install --group ray` in a checkout, or `pip install 'ray==2.60.0'`."
LACKING = (
    "Ray's workers have no module {module}: install Longwave on every node, or give its wheel by --ray-env."
)
QUEUE_ROWS = 1_000_000  # more than a folder of sets has at once


class LongwaveWorker:
    """An actor: it works in one thread, and is asked in others. Its names are what Ray's dashboard shows."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._cancel = CancelToken()
        self._told: SimpleQueue[Progressed] = SimpleQueue()

    def __repr__(self) -> str:
        return f"LongwaveWorker({self._name})"

    def make(self, make_maker: MakeMaker, work_on: Callable[..., Tally], about: tuple[Any, ...]) -> Tally:
        """`work` or `work_queue`, to its end. Ray calls it again where the process died over it."""
        return work_on(*about, make=make_maker(), cancel=self._cancel, tell=self._told.put, worker=self._name)

    def told(self) -> list[Progressed]:
        """How rows stand since the last call; waits a moment for the first."""
        news: list[Progressed] = []
        with suppress(Empty):
            news.append(self._told.get(timeout=LOOK_S))
            while True:
                news.append(self._told.get_nowait())
        return news

    def stop(self) -> None:
        """End `make` at the next step, which lets go of what it holds."""
        self._cancel.set()


def run_ray(
    folder: SetFolder,
    units: Sequence[Unit],
    make_maker: MakeMaker,
    *,
    workers: int | None = None,
    address: str = "",
    env: Mapping[str, Any] | None = None,
    tell: Tell = lambda progressed: None,
    cancel: CancelToken,
    retry_errors: bool = False,
) -> Tally:
    """Make what is not there of the units by Ray's actors, beside whoever else works in the folder.

    Args:
        folder: seen under the same path by every node.
        make_maker: called once in each actor; a function of a module of the wheel, or a `functools.partial`.
        workers: how many; where it is not given, one for each graphics card, or else for each core.
        address: the cluster's, as `ray.init` takes it; where it is empty, one on this machine that ends with
            the run. A process that is connected already stays so.
        env: Ray's `runtime_env` of the workers, as `{"pip": ["/shared/longwave-….whl"]}`.
        tell: told of every row as it stands, in this thread.
        cancel: ends the run; what is being made is let go of.

    Raises:
        ModelNotFoundError: Ray is not installed, or Longwave is not, on a node.
        InvalidRequestError: no cluster answers, or it can't make the workers' environment.
        FolderError: the disk is full, or the folder gone; the workers have ended.
        OutOfResourcesError: the workers die, whatever they are at.
        StudioError: what `make_maker` raised.
        KeyboardInterrupt: likewise, once the workers have ended.
    """
    folder = copy(folder)
    folder.path = folder.path.absolute()  # a node's current folder is another
    folder.prepare()
    if retry_errors:
        folder.clear_errors(row.id for unit in units for row in unit.rows)
    ledger = Ledger(folder, tell)
    left = ledger.survey(units)
    if left and not cancel.is_set():
        with _cluster(address, max(cores(), workers or 1)) as ray:
            on_cards = any(row.request.model.device != "cpu" for unit in left for row in unit.rows)
            crew = _Crew(ray, folder.path.name, workers, len(left), env, on_cards=on_cards)
            crew.run(make_maker, work, (folder, left), ledger.note, cancel)
        ledger.survey(left)
    return ledger.tally(units, stopped=cancel.is_set())


def run_ray_queue(
    path: Path,
    make_maker: MakeMaker,
    *,
    workers: int | None = None,
    address: str = "",
    env: Mapping[str, Any] | None = None,
    tell: Tell = lambda progressed: None,
    cancel: CancelToken,
    once: bool = False,
) -> None:
    """Make what is put into a folder of sets (`queue.work_queue`) by Ray's actors; the rest as `run_ray`."""
    with _cluster(address, max(cores(), workers or 1)) as ray:
        crew = _Crew(ray, path.absolute().name, workers, QUEUE_ROWS, env, on_cards=True)
        crew.run(make_maker, partial(work_queue, once=once), (path.absolute(),), tell, cancel)


class _Crew:
    """The actors of one run."""

    def __init__(
        self,
        ray: Any,
        label: str,
        workers: int | None,
        most: int,
        env: Mapping[str, Any] | None,
        *,
        on_cards: bool,
    ) -> None:
        """`most` is how many units there may be to make."""
        self._ray = ray
        count, resources = shares(ray, workers, on_cards=on_cards)
        run = secrets.token_hex(3)  # the last run of the same set may not have let go of its names yet
        names = [f"{label} {number + 1}/{min(count, most)} {run}" for number in range(min(count, most))]
        options: dict[str, Any] = {
            **resources,
            "max_concurrency": 3,  # `make`, `told` and `stop`
            "max_restarts": RESTARTS,
            "max_task_retries": -1,
            "runtime_env": dict(env or {}),
        }
        actor = ray.remote(LongwaveWorker)
        self._actors = [actor.options(name=name, **options).remote(name) for name in names]
        self._working: list[Any] = []
        self._telling: dict[Any, Any] = {}
        self._begun: set[Any] = set()  # the work of those that were heard: others may wait for room for ever

    def run(
        self,
        make_maker: MakeMaker,
        work_on: Callable[..., Tally],
        about: tuple[Any, ...],
        tell: Tell,
        cancel: CancelToken,
    ) -> None:
        """Listen until one of them says that nothing is left; then no other has anything to do either."""
        about = self._ray.put(about)  # once for all
        self._working = [one.make.remote(make_maker, work_on, about) for one in self._actors]
        self._telling = {one.told.remote(): one for one in self._actors}
        try:
            while not cancel.is_set() and not self._listen(tell):
                pass
        finally:
            with deferred():  # who asks twice in haste still has claims let go of
                self._end(tell)

    def _listen(self, tell: Tell) -> bool:
        """Whether a worker has come to the end, once its news are told."""
        ready, _ = self._ray.wait([*self._telling, *self._working], timeout=LOOK_S)
        for reference in ready:
            if reference not in self._telling:
                self._result(reference)
                return True
            actor = self._telling.pop(reference)
            self._begun.add(self._working[self._actors.index(actor)])
            for progressed in self._result(reference):
                tell(progressed)
            self._telling[actor.told.remote()] = actor
        return False

    def _result(self, reference: Any) -> Any:
        """What an actor answered. Raises what it raised, as it was raised there."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, StudioError):
                raise cause from None
            if lacking := re.search(r"No module named '(\w+)", str(error)):
                raise ModelNotFoundError(LACKING.format(module=lacking.group(1))) from error
            raise
        except errors.RuntimeEnvSetupError as error:
            said = str(error).strip().splitlines()[-1]
            raise InvalidRequestError(f"Ray can't make the environment of its workers: {said}") from error
        except errors.RayActorError as error:
            raise OutOfResourcesError(
                "Ray's workers die, perhaps for want of memory: look in Ray's logs, and try fewer workers."
            ) from error

    def _end(self, tell: Tell) -> None:
        """Have all let go of what they hold; one that doesn't in time is killed, and its claims go stale."""
        try:
            for actor in self._actors:
                actor.stop.remote()
            begun, telling = list(self._begun), list(self._telling)
            if begun:
                self._ray.wait(begun, num_returns=len(begun), timeout=GRACE_S)
            for reference in self._ray.wait(telling, num_returns=len(telling), timeout=2 * LOOK_S)[0]:
                with suppress(StudioError, self._ray.exceptions.RayError):
                    for progressed in self._result(reference):
                        tell(progressed)
        finally:  # whatever becomes of the last words: an actor that is left holds cores, and works on
            for actor in self._actors:
                self._ray.kill(actor)


def shares(ray: Any, workers: int | None, *, on_cards: bool) -> tuple[int, dict[str, float]]:
    """How many workers, and what of the cluster each has: a graphics card, or part of one, where there are
    any and they may be used, else so many cores that all of them find a node.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cards = int(sum(node.get("GPU", 0) for node in nodes))
    if on_cards and cards:
        count = workers or cards
        return count, {"num_gpus": 1 / -(-count // cards) if count > cards else 1, "num_cpus": 1}
    there = [int(node.get("CPU", 0)) for node in nodes]
    count = workers or max(1, sum(there))
    size = max(1, sum(there) // count)
    while size > 1 and sum(here // size for here in there) < count:
        size -= 1
    return count, {"num_cpus": size}


@contextmanager
def _cluster(address: str, cores: int) -> Iterator[Any]:
    """Ray, connected. A cluster that is begun here, of so many cores, ends here and leaves no files."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing of a run goes anywhere
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise ModelNotFoundError(MISSING) from error
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {} if address else {"num_cpus": cores}
    home = None if address or os.name == "nt" else tempfile.mkdtemp(prefix="longwave-ray-", dir="/tmp")
    if home is not None:  # whose path is short: it holds sockets
        options["_temp_dir"] = home
    try:
        with redirect_stdout(sys.stderr):  # Ray's word of a worker that died would go to stdout
            _connect(ray, address, options)
            yield ray
    finally:
        ray.shutdown()
        if home is not None:
            shutil.rmtree(home, ignore_errors=True)


def _connect(ray: Any, address: str, options: Mapping[str, Any]) -> None:
    try:
        # Without the workers' words, which would go to stdout.
        with own_handlers():
            ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **options)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if not address:
            raise OutOfResourcesError(
                f"Ray can't start on this machine ({said}): take --engine local, or give a cluster."
            ) from error
        raise InvalidRequestError(
            f"No Ray cluster is to be had at '{address[:80]}' ({said}): see what `ray status` says."
        ) from error
