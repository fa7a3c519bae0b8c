"""How much memory this process holds, and torch on an accelerator."""

from __future__ import annotations

import sys

import psutil

_MIB = 1024.0 * 1024.0


def process_memory_mb() -> float:
    """Resident memory of this process in MiB."""
    return float(psutil.Process().memory_info().rss / _MIB)


def device_memory_mb(device: str) -> float | None:
    """Memory that torch holds on an accelerator in MiB; None on the CPU, or where torch is not loaded."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    if device.startswith("cuda"):
        return float(torch.cuda.memory_allocated(device) / _MIB)
    if device == "mps":
        return float(torch.mps.current_allocated_memory() / _MIB)
    return None
