"""How a job is doing, measured where the work is done and told once a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from studio.core.events import AudioChunk, Event, StepDone, Telemetry
from studio.core.memory import device_memory_mb, process_memory_mb

INTERVAL_S = 1.0
_SMOOTHING = 0.9


@dataclass(frozen=True)
class WorkWindow:
    """What a take works on at once: seconds of sound, and the memory that was seen to need, if any was."""

    length_s: float
    work_mb: float = 0.0


class Meter:
    """Counts a job's sound and work. Time spent waiting for a listener is not work."""

    def __init__(
        self,
        device: str,
        window: WorkWindow | None = None,
        begun_s: float = 0.0,
        *,
        clip_s: float | None = None,
    ) -> None:
        """`begun_s`: how much sound the take had before; `clip_s`: what comes at once after all steps."""
        self.device = device
        self._window = window
        self._begun_s = begun_s
        self._clip_s = clip_s
        self._steps_begun_s = 0.0
        self._stepped_share = 0.0
        self._start_mb = process_memory_mb() + (device_memory_mb(device) or 0.0)
        self._work_mb = window.work_mb if window else 0.0
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._waited_s = 0.0
        self._waiting_since: float | None = None
        self._audio_s = 0.0
        self._first_audio_s: float | None = None
        self._at_first_chunk = (0.0, 0.0)  # seconds of work, seconds of sound
        self._step_s = 0.0
        self._steps = 0
        self._stepped_s = 0.0
        self._peak_rss_mb = process_memory_mb()

    def see(self, event: Event) -> None:
        """Count an event of the job."""
        with self._lock:
            if isinstance(event, StepDone):
                mean = self._step_s if self._steps else event.step_s
                self._step_s = _SMOOTHING * mean + (1 - _SMOOTHING) * event.step_s
                if not self._steps:
                    self._steps_begun_s = self._worked_s() - event.step_s
                self._steps += 1
                self._stepped_share = event.step / event.total if event.total else 0.0
                self._stepped_s += event.step_s
            elif isinstance(event, AudioChunk):
                self._audio_s += len(event.samples) / event.sample_rate
                if self._first_audio_s is None:
                    self._first_audio_s = time.monotonic() - self._began
                    self._at_first_chunk = (self._worked_s(), self._audio_s)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While inside, the job waits for its listener."""
        with self._lock:
            self._waiting_since = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._waited_s = self._waited_until_now()
                self._waiting_since = None

    @property
    def audio_s(self) -> float:
        return self._audio_s

    def snapshot(self, buffered_s: float) -> Telemetry:
        """The figures of this moment.

        The real-time factor is over what followed the first chunk: loading and the first window would hide
        for minutes whether the machine keeps up. It is 0 until there is such sound.
        Where the sound comes at once it is over the whole run; while its steps are made, what they come to at
        their pace.
        """
        rss_mb, device_mb = process_memory_mb(), device_memory_mb(self.device)
        with self._lock:
            self._peak_rss_mb = max(self._peak_rss_mb, rss_mb)
            return Telemetry(
                rss_mb=rss_mb,
                device_mb=device_mb,
                conventional_mb=self._conventional_mb(rss_mb + (device_mb or 0.0)),
                realtime_factor=self._live_factor(),
                audio_s=self._audio_s,
                buffered_s=buffered_s,
                step_ms=1000.0 * self._step_s,
            )

    def figures(self) -> dict[str, float]:
        """What goes into the sidecar and `Finished`; its real-time factor is over the whole run."""
        now = self.snapshot(0.0)
        with self._lock:
            figures = {
                "audio_s": self._audio_s,
                "rtf": self._factor_since(),
                "step_ms": 1000.0 * self._step_s,
                "steps": float(self._steps),
                "steps_s": self._stepped_s,
                "rss_end_mb": now.rss_mb,
                "rss_peak_mb": self._peak_rss_mb,
            }
            if self._first_audio_s is not None:
                figures["first_audio_s"] = self._first_audio_s
        return {name: round(value, 4) for name, value in figures.items()}

    @property
    def work_mb(self) -> float:
        """What the work on one window was seen to take so far."""
        return self._work_mb

    def _conventional_mb(self, now_mb: float) -> float | None:
        """The work on one window, as often as the sound made by now holds one."""
        if self._window is None:
            return None
        self._work_mb = max(self._work_mb, now_mb - self._start_mb)
        windows = max(1.0, (self._begun_s + self._audio_s) / self._window.length_s)
        return now_mb + self._work_mb * (windows - 1.0)

    def _live_factor(self) -> float:
        if self._clip_s is None:
            return self._factor_since(*self._at_first_chunk)
        if self._audio_s or not self._stepped_share:
            return self._factor_since()
        stepping_s = (self._worked_s() - self._steps_begun_s) / self._stepped_share
        return (self._steps_begun_s + stepping_s) / self._clip_s

    def _factor_since(self, worked_s: float = 0.0, audio_s: float = 0.0) -> float:
        new_s = self._audio_s - audio_s
        return (self._worked_s() - worked_s) / new_s if new_s > 0.0 else 0.0

    def _worked_s(self) -> float:
        return time.monotonic() - self._began - self._waited_until_now()

    def _waited_until_now(self) -> float:
        since = self._waiting_since
        return self._waited_s + (time.monotonic() - since if since is not None else 0.0)
