"""How much memory a piece of work takes, looked at from outside."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Callable

import torch

from studio.core.memory import device_memory_mb, process_memory_mb

PEAK_INTERVAL_S = 0.01


class PeakMemory:
    """The most memory held while inside: the process's, and the accelerator's where there is one."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)
        self.rss_mb = 0.0
        self.device_mb: float | None = None

    def __enter__(self) -> PeakMemory:
        if self._device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(self._device)
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()
        if self._device.startswith("cuda"):  # exact, where looking now and then would miss a peak
            self.device_mb = torch.cuda.max_memory_allocated(self._device) / 2**20

    def figures(self) -> dict[str, float | None]:
        """`peak_rss_mb`, and `peak_device_mb`: None on the CPU."""
        device_mb = None if self.device_mb is None else round(self.device_mb, 1)
        return {"peak_rss_mb": round(self.rss_mb, 1), "peak_device_mb": device_mb}

    def _watch(self) -> None:
        while not self._over.wait(PEAK_INTERVAL_S):
            self._look()

    def _look(self) -> None:
        self.rss_mb = max(self.rss_mb, process_memory_mb())
        device_mb = device_memory_mb(self._device)
        if device_mb is not None:
            self.device_mb = max(self.device_mb or 0.0, device_mb)


def rise_mb(device: str, call: Callable[[], object]) -> float:
    """The most memory in MiB that a call holds beyond what is held before it."""
    _trim()
    before = device_memory_mb(device)
    resting = process_memory_mb() if before is None else before
    with PeakMemory(device) as peak:
        call()
    return (peak.rss_mb if peak.device_mb is None else peak.device_mb) - resting


def _trim() -> None:
    """Give freed memory back, where the C library can, so that the next call's shows."""
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return
