"""What a running job tells its readers: page, file writer and command line read the same stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Progress:
    """A stage that has no sound yet, in words for the user ("Loading the model")."""

    message: str


@dataclass(frozen=True)
class StepDone:
    """One denoising step ended. `total` is None when the run is endless."""

    step: int
    total: int | None
    step_s: float


@dataclass(frozen=True)
class Drafted:
    """The draft that the take will be refined from: samples [n] and codebooks' tokens [codebooks, L].

    `columns` are its mel columns in bytes [n, 64], low first, as those of a `Preview`.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    tokens: NDArray[np.int16]
    columns: NDArray[np.uint8]


@dataclass(frozen=True)
class Preview:
    """What a clip would look like if it ended after this step: mel columns in bytes [n, 64], low first."""

    step: int
    columns: NDArray[np.uint8]


@dataclass(frozen=True)
class AudioChunk:
    """Consecutive samples: float32 in [−1, 1], [n] of a mono take, else [n, 2].

    `start_sample` counts from the take's beginning; a sample is one of all channels.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    start_sample: int

    @property
    def end_sample(self) -> int:
        return self.start_sample + len(self.samples)


@dataclass(frozen=True)
class AttentionMap:
    """Decoder self-attention averaged to frame × frame: `weights` [queries, keys], rows sum to 1.

    `regions` maps a region's name to its half-open range of frames in the window.
    """

    step: int
    weights: NDArray[np.float32]
    regions: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Telemetry:
    """Once a second. `realtime_factor` is seconds of work a second of sound: below 1 keeps up.

    `conventional_mb` is what memory one run over the whole length would take, were it not for the window.
    """

    rss_mb: float
    device_mb: float | None
    realtime_factor: float
    audio_s: float
    buffered_s: float
    step_ms: float
    conventional_mb: float | None = None


@dataclass(frozen=True)
class Finished:
    """The take is whole (or was stopped by its user) and on disk."""

    path: Path | None
    duration_s: float
    figures: dict[str, float] = field(default_factory=dict)
    stopped: bool = False


@dataclass(frozen=True)
class Failed:
    """The job ended by an error; `message` is fit for the user. What was made until then is at `path`."""

    message: str
    path: Path | None = None


Event = Progress | StepDone | Drafted | Preview | AudioChunk | AttentionMap | Telemetry | Finished | Failed
TERMINAL = (Finished, Failed)
