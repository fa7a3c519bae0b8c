"""One stream of events to any number of readers, none of which can hold up the job or another reader."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from studio.core.events import TERMINAL, AudioChunk, Event

BACKLOG = 256


class Subscription:
    """One reader's bounded backlog: one that falls behind loses its oldest events, never the terminal one."""

    def __init__(self, backlog: int = BACKLOG) -> None:
        self._events: deque[Event] = deque(maxlen=backlog)
        self._changed = threading.Condition()
        self._ended = False
        self.lost = 0

    def put(self, event: Event) -> None:
        """Add an event; drop the oldest where the backlog is full."""
        with self._changed:
            if self._ended:
                return
            self.lost += len(self._events) == self._events.maxlen
            self._events.append(event)
            self._ended = isinstance(event, TERMINAL)
            self._changed.notify_all()

    def get(self, timeout_s: float | None = None) -> Event | None:
        """The next event; None where none came in time, or after the terminal one."""
        with self._changed:
            if not self._events and not self._ended:
                self._changed.wait(timeout_s)
            return self._events.popleft() if self._events else None

    def __iter__(self) -> Iterator[Event]:
        """Every event to come, the terminal one last."""
        while True:
            event = self.get()
            if event is not None:
                yield event
                if isinstance(event, TERMINAL):
                    return
            elif self._ended:
                return


class EventBus:
    """Fans a job's events out. A reader that comes late gets what is coming, or at least how it ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: list[Subscription] = []
        self._latest: Event | None = None

    def publish(self, event: Event) -> bool:
        """Give an event to every reader. False, and nobody hears it, after the terminal one."""
        with self._lock:
            if isinstance(self._latest, TERMINAL):
                return False
            if not isinstance(event, AudioChunk):
                self._latest = event
            for reader in self._readers:
                reader.put(event)
            if isinstance(event, TERMINAL):
                self._readers.clear()
            return True

    def subscribe(self) -> Subscription:
        """A new reader, who first hears the latest word on how things stand."""
        subscription = Subscription()
        with self._lock:
            if self._latest is not None:
                subscription.put(self._latest)
            if not isinstance(self._latest, TERMINAL):
                self._readers.append(subscription)
        return subscription

    def events(self) -> Iterator[Event]:
        """What a new reader hears, from this call on; it is forgotten when it ends or leaves."""
        subscription = self.subscribe()

        def read() -> Iterator[Event]:
            try:
                yield from subscription
            finally:
                self.unsubscribe(subscription)

        return read()

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a reader; unknown ones are none of our business."""
        with self._lock:
            self._readers = [reader for reader in self._readers if reader is not subscription]
