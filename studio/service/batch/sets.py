"""The sets of a studio: begun, made between its takes, stopped, gone on with, looked at row by row.

The truth of a set is its folder. What is kept here is who works on it now, and what was said of that.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from studio.core.audio import format_time
from studio.core.errors import CancelledError, InvalidRequestError, StudioError
from studio.core.events import Event
from studio.core.request import GenerationRequest, ModelChoice
from studio.core.settings import Settings
from studio.pipeline.cancel import CancelToken
from studio.service.batch.folder import SetFolder
from studio.service.batch.listing import About, read_about, read_rows, sets_in, write_rows
from studio.service.batch.rows import Fingerprint, Row, row_of
from studio.service.batch.standing import Standing, standing_of
from studio.service.batch.units import Unit, units_of
from studio.service.batch.work import Made, Maker, work
from studio.service.jobs.runner import BUG_MESSAGE
from studio.service.takes.naming import slug
from studio.service.takes.shelf import SETS, shown

log = logging.getLogger(__name__)

MAX_ROWS = 10_000  # more are for the command line
STRANGERS_ROWS = 20
MAX_NAME_CHARS = 100
SHUTDOWN_S = 10.0
KNOWN_ROWS = 8  # sets whose rows are kept in memory
Phase = Literal["waiting", "making", "stopped", "failed", "done"]
GONE = "That set is not there any more: look at the list of sets."


@dataclass(frozen=True)
class Summary:
    """How a set stands. `phase` "failed": all that could be made is, and some rows failed. `left_s` is about
    how long it still takes, once that is known; `said` a sentence on what stopped it.
    """

    id: str
    about: About
    phase: Phase
    made: int
    failed: int
    left_s: float | None = None
    said: str = ""


@dataclass(frozen=True)
class Plan:
    """What a set would be: so many takes, so long together, about so many bytes, of those that are free."""

    takes: int
    sound_s: float
    size: int
    free: int
    time_s: float | None


@dataclass
class _Run:
    """A set that is worked on, waits for that, or was in this process."""

    id: str
    client: str
    cancel: CancelToken = field(default_factory=CancelToken)
    ended: bool = False
    said: str = ""
    making: frozenset[str] = frozenset()
    worked_s: float = 0.0
    made_s: float = 0.0  # of sound, in that time


class Sets:
    """Works on one set at a time, a unit in each turn that the device gives it. Any thread may ask."""

    def __init__(
        self,
        settings: Settings,
        make: Maker,
        turn: Callable[[ModelChoice, CancelToken], AbstractContextManager[None]],
        fingerprint: Fingerprint,
        admit: Callable[[GenerationRequest], None],
        require_place: Callable[[str, int], None],
        batch: Callable[[ModelChoice], int] = lambda _: 1,
    ) -> None:
        """`turn` gives the device of a model between takes; `admit` and `require_place` refuse as they do for
        takes; `batch` says how many rows of a model are best made side by side.
        """
        self._settings = settings
        self._folder = settings.outputs / SETS
        self._make = make
        self._turn = turn
        self._fingerprint = fingerprint
        self._admit = admit
        self._require_place = require_place
        self._batch = batch
        self._changed = threading.Condition()
        self._runs: dict[str, _Run] = {}
        self._queue: deque[_Run] = deque()
        self._rows: dict[str, tuple[Row, ...]] = {}
        self._paces: dict[tuple[str, int], float] = {}  # seconds of work a second of sound, by model and steps
        self._closed = False
        self._thread: threading.Thread | None = None

    def rows_of(self, requests: Sequence[GenerationRequest]) -> list[Row]:
        """The rows that make these requests."""
        return [row_of(request, self._fingerprint) for request in requests]
