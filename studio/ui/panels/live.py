"""What a page may ask about the take it listens to, a few times a second: figures and new columns."""

from __future__ import annotations

import base64
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np

from studio.core.audio import format_time, middle
from studio.core.binding import fill
from studio.core.events import (
    AttentionMap,
    AudioChunk,
    Drafted,
    Event,
    Failed,
    Finished,
    Preview,
    Progress,
    StepDone,
    Telemetry,
)
from studio.core.preset import Bands, Preset
from studio.core.prompt_schedule import format_lane
from studio.core.sampling import EndlessSampler
from studio.core.values import FRAME_S
from studio.dsp.spectrogram import COLUMNS_PER_S, N_BANDS, SpectrogramStream
from studio.service.jobs.job import Job

KEPT_COLUMNS = 6000  # a minute of picture; memory stays flat however long the take
MAX_VIEWS = 64
SHOWN_SENTENCES = 200  # told of at every beat
MAP_PIXELS = 160


class LiveView:
    """One take as its listener sees it. Fed by the job's events, read by the page's heartbeat."""

    def __init__(self, job: Job) -> None:
        if job.stream is None:
            raise ValueError("only a job with a listener can be viewed live")
        self.job = job
        self.stream = job.stream
        self._lock = threading.Lock()
        self._spectrogram = SpectrogramStream(self.stream.sample_rate)
        self._offset = job.first_sample
        self._next_sample = 0
        self._columns = bytearray()
        self._first_column = 0
        self._message = "Starting"
        self._telemetry: Telemetry | None = None
        self._attention: dict[str, Any] | None = None
        self._preview: Preview | None = None
        self.draft: Drafted | None = None
        self._step: StepDone | None = None
        self._began = time.monotonic()
        self._follower: threading.Thread | None = None
        self.superseded = False

    def follow(self, events: Iterable[Event]) -> None:
        """See these events as they come, in a thread: whether a page is open or not."""
        self._follower = threading.Thread(target=self._see_all, args=(events,), name="view", daemon=True)
        self._follower.start()

    def wait(self, timeout_s: float = 5.0) -> None:
        """Wait until the events followed are seen to their end."""
        if self._follower is not None:
            self._follower.join(timeout_s)

    @property
    def _behind(self) -> bool:
        """Whether the take has ended and what was followed of it isn't seen to its end yet."""
        return self.job.ended and self._follower is not None and self._follower.is_alive()

    def _see_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self.see(event)

    def see(self, event: Event) -> None:
        """Take the job's next event."""
        with self._lock:
            if isinstance(event, AudioChunk):
                self._message = "Fading out" if self.job.control.ending else "Playing"
                self._draw(event)
            elif isinstance(event, Progress):
                self._message = event.message
            elif isinstance(event, StepDone):
                self._count(event)
            elif isinstance(event, Drafted):
                self.draft = event
            elif isinstance(event, Preview):
                self._preview = event
            elif isinstance(event, Telemetry):
                self._telemetry = event
            elif isinstance(event, AttentionMap):
                self._attention = attention_picture(event)
            elif isinstance(event, Finished):
                self._append(self._spectrogram.flush())
                self._message = _conclusion(event, self.job, self._step)
            elif isinstance(event, Failed):
                self._message = event.message

    def _count(self, event: StepDone) -> None:
        """How far a clip is; the steps of an endless take's first window tell nothing."""
        if event.total is None or self.job.request.sampler.kind == "endless":
            return
        self._step = event
        if event.step == 1:
            self._began = time.monotonic() - event.step_s
        left_s = (time.monotonic() - self._began) / event.step * (event.total - event.step)
        self._message = f"Step {event.step} of {event.total}, {format_time(left_s + 0.5)} left"

    def state(self) -> dict[str, Any]:
        """What the player has to know to begin, and how the take stands.

        It has ended once its end was seen here: until then its length is not known whole.
        """
        behind = self._behind
        outcome = None if behind else self.job.outcome
        return {
            "token": self.stream.token,
            "sample_rate": self.stream.sample_rate,
            "lead_s": self.stream.lead_s,
            "columns_per_s": COLUMNS_PER_S,
            "offset_s": self._offset / self.stream.sample_rate,
            "seed": str(self.job.request.seed),  # beyond 2**53 a number of JavaScript would be another seed
            "phase": "running" if behind else self.job.status,
            "message": self._message,
            "prompt": self.job.request.prompt,
            **self._scene(),
            "extended_hz": None if (bands := Bands.of(self.job.request)) is None else bands.extended_hz,
            "said": self._said(),
            "file": outcome.path.name if outcome is not None and outcome.path is not None else "",
            "drafted": self.draft is not None,
        }

    def _said(self) -> list[dict[str, Any]]:
        """The sentences that are laid out by now, with their words' times where they are not over yet."""
        heard_s = self.stream.heard_s + self._offset / self.stream.sample_rate
        said = self.job.control.said[-SHOWN_SENTENCES:]
        return [one.model_dump(exclude={"words_s"} if one.end_s < heard_s else None) for one in said]

    def _scene(self) -> dict[str, Any]:
        """What an endless take is about: as it began, the changes that it has taken up or is planned to, what
        was asked for last, and how long a change that is asked for now takes to be heard.
        """
        sampler = self.job.request.sampler
        if not isinstance(sampler, EndlessSampler):
            return {}
        prompt, lane = self.job.control.asked
        return {
            "opening": self.job.request.prompt,
            "points": [point.model_dump() for point in self.job.control.points],
            "asked": {"prompt": prompt, "lane": format_lane(lane), "script": self.job.control.asked_script},
            "heard_after_s": heard_after_s(sampler, self.stream.buffered_s),
        }

    def form(self) -> dict[str, Any]:
        """The values of the form that make this take, for a page that has not filled it in."""
        request = self.job.request
        settings = request.model_dump(mode="json")
        return fill(request.mode, Preset(name=request.mode.title(), settings=settings))

    def beat(self, columns_from: int, attention_from: int = 0, preview_from: int = 0) -> dict[str, Any]:
        """How the take stands, the picture's columns from `columns_from` on, bands of bytes, base64, and the
        latest attention map and preview where they are of later steps than those named.
        """
        with self._lock:
            first = min(max(columns_from, self._first_column), self._total_columns)
            fresh = bytes(self._columns[(first - self._first_column) * N_BANDS :])
            telemetry, attention, preview = self._telemetry, self._attention, self._preview
        return {
            **self.state(),
            "figures": self._figures(telemetry),
            "made_s": self._next_sample / self.stream.sample_rate,
            "first_column": first,
            "columns": base64.b64encode(fresh).decode("ascii"),
            "attention": attention if attention is not None and attention["step"] > attention_from else None,
            "preview": _picture(preview) if preview is not None and preview.step > preview_from else None,
        }

    def _figures(self, telemetry: Telemetry | None) -> dict[str, float | None]:
        """What the gauges show; once a clip is there, or a take ended within a second, what its file says."""
        figures: dict[str, float | None] = {}
        if telemetry is not None:
            figures = {
                "memory_mb": telemetry.rss_mb + (telemetry.device_mb or 0.0),
                "rtf": telemetry.realtime_factor,
                "step_ms": telemetry.step_ms,
                "ahead_s": telemetry.buffered_s,
                "conventional_mb": telemetry.conventional_mb,
            }
        outcome = self.job.outcome
        if isinstance(outcome, Finished) and outcome.path is not None:
            clip = self.job.request.sampler.kind == "clip"
            for name in ("rtf", "step_ms"):
                if name in outcome.figures and (clip or not figures.get(name)):
                    figures[name] = outcome.figures[name]
        return figures

    @property
    def _total_columns(self) -> int:
        return self._first_column + len(self._columns) // N_BANDS

    def _draw(self, chunk: AudioChunk) -> None:
        # A reader that fell behind loses chunks; silence in their place keeps the picture's time right.
        start = chunk.start_sample - self._offset
        lost = np.zeros(max(0, start - self._next_sample), np.float32)
        self._append(self._spectrogram.push(np.concatenate([lost, middle(chunk.samples)])))
        self._next_sample = start + len(chunk.samples)

    def _append(self, columns: np.ndarray) -> None:
        self._columns += columns.tobytes()
        surplus = len(self._columns) // N_BANDS - KEPT_COLUMNS
        if surplus > 0:
            del self._columns[: surplus * N_BANDS]
            self._first_column += surplus


class LiveViews:
    """The takes by their streams' tokens, which are the keys to them.

    Old ones are forgotten when they have ended, never before: a page plays them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._views: OrderedDict[str, LiveView] = OrderedDict()

    def open(self, job: Job, events: Iterable[Event] = ()) -> LiveView:
        """A view of a job that has a listener, which follows these events of it."""
        view = LiveView(job)
        with self._lock:
            self._views[view.stream.token] = view
            ended = [token for token, old in self._views.items() if old.job.ended]
            for token in ended[: max(0, len(self._views) - MAX_VIEWS)]:
                del self._views[token]
        view.follow(events)
        return view

    def alone(self, mode: str) -> LiveView | None:
        """The newest take of a tab that nobody listens to at the moment, if there is one."""
        with self._lock:
            views = [view for view in self._views.values() if view.job.request.mode == mode]
        return next(
            (view for view in reversed(views) if not view.job.ended and not view.stream.reading), None
        )

    def supersede(self, job_id: str) -> None:
        """Another take has its place on the page: who follows it there is to be silent."""
        with self._lock:
            for view in self._views.values():
                if view.job.id == job_id:
                    view.superseded = True

    def get(self, token: str) -> LiveView | None:
        """The view of that token, if it is known."""
        with self._lock:
            return self._views.get(token)


def heard_after_s(sampler: EndlessSampler, ahead_s: float) -> float:
    """How many seconds after it is asked for a change is heard, about: half the queue is noisy enough to take
    it up, and the `ahead_s` that are made already are heard first.
    """
    return sampler.steps * sampler.group_size * FRAME_S / 2 + ahead_s


def attention_picture(event: AttentionMap) -> dict[str, Any]:
    """A map as the page draws it: at most `MAP_PIXELS` bytes square, and the regions as shares of it.

    Square roots of the weights against the brightest: a few frames would outshine the rest.
    """
    frames = len(event.weights)
    edges = np.unique(np.linspace(0, frames, min(frames, MAP_PIXELS), endpoint=False).astype(int))
    pooled = np.add.reduceat(np.add.reduceat(event.weights, edges, 0), edges, 1)
    pooled /= np.diff([*edges, frames])[:, None] * np.diff([*edges, frames])
    shown = np.sqrt(np.clip(pooled / max(float(np.quantile(pooled, 0.995)), 1e-12), 0, 1))
    return {
        "step": event.step,
        "size": len(edges),
        "map": base64.b64encode(np.round(255 * shown).astype(np.uint8).tobytes()).decode("ascii"),
        "regions": {name: [from_ / frames, to / frames] for name, (from_, to) in event.regions.items()},
    }


def _picture(preview: Preview) -> dict[str, Any]:
    """A preview as the page draws it."""
    columns = base64.b64encode(preview.columns.tobytes()).decode("ascii")
    return {"step": preview.step, "width": len(preview.columns), "columns": columns}


def _conclusion(outcome: Finished, job: Job, step: StepDone | None) -> str:
    if outcome.path is None:
        done = f"after {step.step} of {step.total} steps, " if step is not None else ""
        return f"Stopped {done}before there was any sound."
    ended = "Stopped" if outcome.stopped else "Finished"
    # A reason other than the user's own click is news to the user.
    reason = f" {job.cancel.reason}" if job.cancel.reason not in {"", "Stopped."} else ""
    saved = f"{ended}: {format_time(outcome.duration_s)} saved as {outcome.path.name}.{reason}"
    return " ".join([saved, *(["Of its recording:", *job.notes] if job.notes else [])])
