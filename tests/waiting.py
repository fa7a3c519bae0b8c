"""Waiting for what is to happen, never for time to pass."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(happened: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Return once it has happened. Fails the test where it does not within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
