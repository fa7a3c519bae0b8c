"""A take's sound for whoever listens: any number, each in its own time, none of them able to hold up another.

It is paced by who is furthest, and he by the clock: a socket swallows far more than a player has played.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from studio.service.live.pcm_stream import PcmStream

AHEAD_S = 4.0  # of sound that a listener has before he hears it
KEPT_S = 20.0  # of sound that is kept for those who are behind
BLOCK_S = 0.25


class Broadcast:
    """The sound of one stream, of which it is the one reader. Any thread may call.

    Memory holds `KEPT_S` of sound, whoever listens.
    """

    def __init__(
        self, stream: PcmStream, patience_s: float = 0.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`patience_s`: for how long the take waits for its first listener, and for another after its last.

        `now` is a clock, in seconds.
        """
        stream.patience_s = patience_s
        stream.attach()
        self.sample_rate, self.channels = stream.sample_rate, stream.channels
        self._stream = stream
        self._now = now
        self._lock = threading.Lock()
        self._blocks: deque[NDArray[np.int16]] = deque()
        self._first = 0  # sample of the oldest block
        self._head = 0  # samples taken from the stream
        self._over = False

    def listen(self) -> Listener:
        """A new listener, who begins with the last seconds that others were given."""
        with self._lock:
            start = max(self._first, self._head - round(AHEAD_S * self.sample_rate))
        return Listener(self, start, self._now)

    def read(self, start: int, most: int) -> tuple[int, NDArray[np.int16] | None]:
        """At most so many samples from `start` on, and where they begin, which is later where those are gone.

        They are empty where there are none yet, and None at the end.
        """
        with self._lock:
            self._stream.touch()
            if start >= self._head and most > 0 and not self._over:
                self._fetch()
            start = max(start, self._first)
            if start >= self._head:
                return start, None if self._over else self._nothing
            first = self._first
            for block in self._blocks:
                if start < first + len(block):
                    return start, block[start - first :][: max(most, 0)]
                first += len(block)
            return start, self._nothing

    @property
    def held(self) -> int:
        """Samples in memory."""
        return self._head - self._first

    @property
    def _nothing(self) -> NDArray[np.int16]:
        return np.zeros(0 if self.channels == 1 else (0, self.channels), np.int16)

    def _fetch(self) -> None:
        """Take what the stream has next, and let it make as much more."""
        block = self._stream.read(timeout_s=0.0)
        if block is None:
            self._over = True
        elif len(block):
            self._blocks.append(block)
            self._head += len(block)
            self._stream.acknowledge(self._head / self.sample_rate)
            kept = round(KEPT_S * self.sample_rate)
            while len(self._blocks) > 1 and self._head - self._first - len(self._blocks[0]) >= kept:
                self._first += len(self._blocks.popleft())


class Listener:
    """One of a broadcast's: it is given what is to be heard within the next seconds, and no more."""

    def __init__(self, broadcast: Broadcast, start: int, now: Callable[[], float]) -> None:
        self._broadcast = broadcast
        self._now = now
        self._at = start
        self._ahead = round(AHEAD_S * broadcast.sample_rate)
        self._due = float(start + self._ahead)  # up to where it may be given
        self._asked_at = now()

    def read(self) -> NDArray[np.int16] | None:
        """The next samples [n] or [n, channels]; empty where none are due or there yet; None at the end.

        One who took nothing for a while goes on where he was, in time, as long as that is still there.
        """
        broadcast, now = self._broadcast, self._now()
        self._due += (now - self._asked_at) * broadcast.sample_rate
        self._due = min(self._due, self._at + self._ahead)
        self._asked_at = now
        most = min(int(self._due) - self._at, round(BLOCK_S * broadcast.sample_rate))
        found, samples = broadcast.read(self._at, most)
        if samples is not None:
            self._due += found - self._at
            self._at = found + len(samples)
        return samples
