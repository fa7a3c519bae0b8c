"""Loaded checkpoints: each once, let go of on request, saying how much memory came back."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil

from studio.core.errors import InvalidRequestError
from studio.core.memory import device_memory_mb
from studio.core.request import ModelChoice

if TYPE_CHECKING:
    from studio.backends.base import Backend

log = logging.getLogger(__name__)

BackendFactory = Callable[[ModelChoice], "Backend"]
CAPACITY = 2
IN_USE = "A take is being made: stop it before you unload its model."
_MIB = 1024 * 1024


class ModelCache:
    """At most `capacity` loaded backends, each once; the least recently used goes first.

    None goes while it is used: where all are, one more than that is loaded.
    """

    def __init__(
        self,
        create: BackendFactory,
        capacity: int = CAPACITY,
        resolve: Callable[[ModelChoice], ModelChoice] = lambda choice: choice,
    ) -> None:
        """`resolve` says what "auto" is on this machine: a checkpoint is one, however it was asked for."""
        self._create = create
        self._capacity = capacity
        self._resolve = resolve
        self._lock = threading.Lock()
        self._loaded: OrderedDict[ModelChoice, Backend] = OrderedDict()
        self._leases: Counter[ModelChoice] = Counter()
        self._work_mb: dict[ModelChoice, float] = {}

    def get(self, choice: ModelChoice) -> Backend:
        """The backend of a choice, loading it if need be, for who shares it with nobody.

        Raises what the factory raises.
        """
        with self._lock:
            return self._get(self._resolve(choice))

    @contextmanager
    def lease(self, choice: ModelChoice) -> Iterator[Backend]:
        """The backend of a choice, as `get`, which nobody unloads inside the block."""
        key = self._resolve(choice)
        with self._lock:
            backend = self._get(key)
            self._leases[key] += 1
        try:
            yield backend
        finally:
            with self._lock:
                self._leases[key] -= 1

    def holds(self, choice: ModelChoice) -> bool:
        return self._resolve(choice) in self._loaded

    def work_mb(self, choice: ModelChoice) -> float:
        """The most that a take of this backend made the process grow, in MiB: what its work needs."""
        return self._work_mb.get(self._resolve(choice), 0.0)

    def note_work(self, choice: ModelChoice, grown_mb: float) -> None:
        """Keep it: only a backend's first take shows it, later ones find the memory there."""
        self._work_mb[self._resolve(choice)] = max(grown_mb, self.work_mb(choice))

    @property
    def choices(self) -> tuple[ModelChoice, ...]:
        """What is loaded, the least recently used first."""
        return tuple(self._loaded)

    def unload(self, others: Callable[[], None] = lambda: None) -> int:
        """Let go of every backend, and with them of what `others` lets go of.

        Returns the bytes that process and accelerator hold less than before.

        Raises:
            InvalidRequestError: one of them is being used.
        """
        with self._lock:
            if any(self._leases.values()):
                raise InvalidRequestError(IN_USE)
            devices = {str(backend.device) for backend in self._loaded.values()}
            before = _held_bytes(devices)
            others()
            for choice in tuple(self._loaded):
                self._drop(choice)
            collect()
            return max(0, before - _held_bytes(devices))

    def _get(self, key: ModelChoice) -> Backend:
        if key not in self._loaded:
            idle = [held for held in self._loaded if not self._leases[held]]
            for held in idle[: max(0, len(self._loaded) - self._capacity + 1)]:
                self._drop(held)
                collect()
            self._loaded[key] = self._create(key)
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def _drop(self, choice: ModelChoice) -> None:
        self._loaded.pop(choice).unload()
        log.info("Unloaded %s", choice.id)


def collect() -> None:
    """Give back what nothing refers to any more."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _held_bytes(devices: set[str]) -> int:
    on_devices = sum(device_memory_mb(device) or 0.0 for device in devices)
    return int(psutil.Process().memory_info().rss + on_devices * _MIB)
