"""Sound on its way to a listener: a bounded ring of 16-bit samples, paced by what was heard.

A socket swallows far more than a listener has heard (measured: 47 s of sound in 15 s), so it can't pace the
producer. The page acknowledges its play position instead, and `write` waits for that.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque

import numpy as np
from numpy.typing import NDArray

from studio.core.audio import SAMPLE_RATE
from studio.core.request import GenerationRequest
from studio.core.sampling import ClipSampler
from studio.pipeline.cancel import CancelToken

POLL_S = 0.1
EMPTY: NDArray[np.int16] = np.zeros(0, dtype="<i2")


class PcmStream:
    """One listener's sound, little-endian int16: blocks [n] of one channel, [n, channels] of more.

    At most `lead_s` of sound plus one write is ever held or under way: a write is taken whole once the
    listener is less than `lead_s` behind, hence the first one at once. The token is the key to the stream:
    unguessable, and good for one reader at a time.
    """

    def __init__(self, lead_s: float, sample_rate: int = SAMPLE_RATE, channels: int = 1) -> None:
        self.token = secrets.token_urlsafe(24)
        self.sample_rate = sample_rate
        self.channels = channels
        self.patience_s = 0.0  # for which its job waits for a listener who is gone, beyond what any has
        self._lead = max(1, int(lead_s * sample_rate))
        self._blocks: deque[NDArray[np.int16]] = deque()
        self._changed = threading.Condition()
        self._written = 0
        self._read = 0
        self._acknowledged = 0
        self._reading = False
        self._closed = False
        self._unattended = False
        self._last_sign_of_life = time.monotonic()

    @property
    def lead_s(self) -> float:
        """Seconds of sound that are made before any of it is heard; less than one write more."""
        return self._lead / self.sample_rate

    def attach(self) -> bool:
        """Claim the stream for a reader. False where another one reads it."""
        with self._changed:
            if self._reading:
                return False
            self._reading = True
            self._touch()
            return True

    def detach(self) -> None:
        """The reader is gone; another may attach. Safe on an event loop."""
        with self._changed:
            self._reading = False

    @property
    def reading(self) -> bool:
        """Whether a reader holds the stream."""
        return self._reading

    @property
    def sent(self) -> int:
        """Samples given away: the next one read is this one of the stream."""
        return self._read

    @property
    def unattended(self) -> bool:
        """Whether the job goes on without a listener."""
        return self._unattended

    def leave_unattended(self) -> None:
        """Let the job go on without a listener: what nobody fetches is dropped, the oldest first."""
        with self._changed:
            self._unattended = True
            self._changed.notify_all()

    def touch(self) -> None:
        """Count the listener's absence from now on."""
        with self._changed:
            self._touch()

    def read(self, timeout_s: float = 2.0) -> NDArray[np.int16] | None:
        """The next samples [n] or [n, channels]; empty when none came within `timeout_s`; None at the end."""
        with self._changed:
            self._touch()
            if not self._blocks and not self._closed:
                self._changed.wait(timeout_s)
            self._touch()
            if not self._blocks:
                return None if self._closed else EMPTY
            block = self._blocks.popleft()
            self._read += len(block)
            self._changed.notify_all()
            return block

    @property
    def heard_s(self) -> float:
        """Seconds of the take that its listener has heard, as far as that was told."""
        return self._acknowledged / self.sample_rate

    def acknowledge(self, position_s: float) -> None:
        """The listener has heard the take up to `position_s` seconds from its beginning.

        A paused player repeats its position: that keeps the job alive, waiting. A position that was never
        sent, or lies before an earlier one, is taken as the nearest possible.
        """
        with self._changed:
            self._touch()
            heard = int(min(max(position_s, 0.0), 1e9) * self.sample_rate)
            self._acknowledged = max(self._acknowledged, min(heard, self._read))
            self._changed.notify_all()

    def write(self, samples: NDArray[np.int16], cancel: CancelToken) -> None:
        """Hand samples [n] or [n, channels] over, waiting while the listener is `lead_s` or more behind.

        A closed stream takes nothing and does not wait.

        Raises:
            CancelledError: the job was asked to end while this waited.
        """
        with self._changed:
            while not (self._closed or self._unattended) and self._written - self._acknowledged >= self._lead:
                cancel.check()
                self._changed.wait(POLL_S)
            if not self._closed:
                self._blocks.append(samples)
                self._written += len(samples)
                if self._unattended:
                    self._drop_oldest()
                self._changed.notify_all()

    def _touch(self) -> None:
        self._last_sign_of_life = time.monotonic()
        self._unattended = False

    def _drop_oldest(self) -> None:
        while len(self._blocks) > 1 and self._written - self._read > self._lead:
            self._read += len(self._blocks.popleft())
        self._acknowledged = max(self._acknowledged, self._read)

    def close(self, drop: bool = False) -> None:
        """Nothing more will be written; what is held can still be read, unless `drop`ped."""
        with self._changed:
            self._closed = True
            if drop:
                self._blocks.clear()
            self._changed.notify_all()

    @property
    def drained(self) -> bool:
        """Closed, and everything was read."""
        with self._changed:
            return self._closed and not self._blocks

    @property
    def buffered_s(self) -> float:
        """Seconds made but not heard yet."""
        with self._changed:
            return (self._written - self._acknowledged) / self.sample_rate

    @property
    def idle_s(self) -> float:
        """Seconds since a reader last asked for sound or said what it heard."""
        with self._changed:
            return time.monotonic() - self._last_sign_of_life


def stream_for(request: GenerationRequest, lead_s: float) -> PcmStream:
    """The stream of a take's listener. A clip is whole at once, and its file is not to wait for it."""
    whole = isinstance(request.sampler, ClipSampler)
    lead_s = (request.duration_s or 0.0) + 1.0 if whole else lead_s
    return PcmStream(lead_s, request.sample_rate, request.channels)
