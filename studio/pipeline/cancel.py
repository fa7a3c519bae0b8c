"""The one way a running job is asked to end."""

from __future__ import annotations

import threading

from studio.core.errors import CancelledError


class CancelToken:
    """A flag that the denoising loop, the pacing stream and the decoder poll.

    Setting it is cheap and safe from any thread, the server's event loop included; the first reason is kept.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._reason = ""

    @property
    def reason(self) -> str:
        """Why the job was asked to end, in words for the user; empty while it was not."""
        return self._reason

    def set(self, reason: str = "Stopped.") -> None:
        """Ask the job to end."""
        with self._lock:
            if not self._event.is_set():
                self._reason = reason
                self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise where the job was asked to end.

        Raises:
            CancelledError: with the reason.
        """
        if self._event.is_set():
            raise CancelledError(self._reason)

    def wait(self, timeout_s: float) -> bool:
        """Sleep at most `timeout_s`, less when the job is asked to end meanwhile. True when it was."""
        return self._event.wait(timeout_s)
