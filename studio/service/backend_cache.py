"""Loaded checkpoints: each once, let go of on request, saying how much memory came back."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil

from studio.core.request import ModelChoice
from studio.service.telemetry import device_memory_mb

if TYPE_CHECKING:
    from studio.backends.base import Backend

log = logging.getLogger(__name__)

BackendFactory = Callable[[ModelChoice], "Backend"]
CAPACITY = 2
_MIB = 1024 * 1024


class BackendCache:
    """At most `capacity` loaded backends, one per (id, device, dtype); the least recently used goes first."""

    def __init__(self, create: BackendFactory, capacity: int = CAPACITY) -> None:
        self._create = create
        self._capacity = capacity
        self._lock = threading.Lock()
        self._loaded: OrderedDict[ModelChoice, Backend] = OrderedDict()
        self._work_mb: dict[ModelChoice, float] = {}

    def get(self, choice: ModelChoice) -> Backend:
        """The backend of a choice, loading it if need be. Raises what the factory raises."""
        with self._lock:
            if choice not in self._loaded:
                while len(self._loaded) >= self._capacity:
                    self._drop(next(iter(self._loaded)))
                self._loaded[choice] = self._create(choice)
            self._loaded.move_to_end(choice)
            return self._loaded[choice]

    def holds(self, choice: ModelChoice) -> bool:
        return choice in self._loaded

    def work_mb(self, choice: ModelChoice) -> float:
        """The most that a take of this backend made the process grow, in MiB: what its work needs."""
        return self._work_mb.get(choice, 0.0)

    def note_work(self, choice: ModelChoice, grown_mb: float) -> None:
        """Keep it: only a backend's first take shows it, later ones find the memory there."""
        self._work_mb[choice] = max(grown_mb, self.work_mb(choice))

    @property
    def choices(self) -> tuple[ModelChoice, ...]:
        """What is loaded, the least recently used first."""
        return tuple(self._loaded)

    def unload(self) -> int:
        """Let go of every backend. Returns the bytes that process and accelerator hold less than before."""
        with self._lock:
            devices = {str(backend.device) for backend in self._loaded.values()}
            before = _held_bytes(devices)
            for choice in tuple(self._loaded):
                self._drop(choice)
            return max(0, before - _held_bytes(devices))

    def _drop(self, choice: ModelChoice) -> None:
        self._loaded.pop(choice).unload()
        log.info("Unloaded %s", choice.id)
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()


def _held_bytes(devices: set[str]) -> int:
    on_devices = sum(device_memory_mb(device) or 0.0 for device in devices)
    return psutil.Process().memory_info().rss + int(on_devices * _MIB)
