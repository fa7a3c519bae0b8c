"""One take, looked through: drift, repetition, seams, clicks, dropouts, silence, level, bandwidth, mono."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.core.errors import InvalidRequestError
from studio.dsp.loudness import LoudnessMeter
from studio.dsp.mel import SAMPLE_RATE as FRAMES_RATE
from studio.dsp.resample import resample_stream
from studio.dsp.true_peak import TruePeakMeter
from studio.evaluation.embedders.base import Embedder, Vectors, reads_text
from studio.evaluation.metrics.bandwidth import BandwidthMeter
from studio.evaluation.metrics.clicks import ClickFinder
from studio.evaluation.metrics.drift import Course, from_the_beginning, towards
from studio.evaluation.metrics.dropouts import DropoutFinder
from studio.evaluation.metrics.frames import FrameMeter
from studio.evaluation.metrics.repetition import Repetition, repetition
from studio.evaluation.metrics.seams import Seam, find_seams
from studio.evaluation.metrics.silence import SilenceMeter
from studio.evaluation.metrics.spans import Span
from studio.evaluation.metrics.stereo import MonoFit, MonoMeter
from studio.evaluation.sound_files import rate_of

WINDOW_S = 5.0  # that an embedder hears at a time
MAX_CHANNELS = 16
MAX_S = 24 * 3600.0
_BLOCK = 1 << 16
Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Level:
    """Loudness in LUFS and the true peak in dB under full scale; −∞ for silence."""

    integrated_lufs: float
    short_term_lufs: NDArray[np.float64]  # of each 3 s, 0.1 s apart
    true_peak_dbtp: float

    def as_json(self) -> dict[str, Any]:
        heard = self.short_term_lufs[np.isfinite(self.short_term_lufs)]
        figures = {
            "integrated_lufs": self.integrated_lufs,
            "short_term_max_lufs": heard.max(initial=-np.inf),
            "short_term_min_lufs": heard.min(initial=np.inf),
            "true_peak_dbtp": self.true_peak_dbtp,
        }
        return {name: round(float(one), 2) if np.isfinite(one) else None for name, one in figures.items()}


@dataclass(frozen=True)
class TakeLook:
    """All that was found in a take. What it is too short for, or has no use for, is None."""

    name: str
    duration_s: float
    sample_rate: int
    channels: int
    broken_samples: int  # that are no numbers, and were taken for silence
    drift: Course | None
    prompt: Course | None  # CLAP's score
    repetition: Repetition
    seams: list[Seam]
    clicks_s: list[float]
    dropouts: list[Span]
    silence: list[Span]
    level: Level
    bandwidth_hz: float
    mono: MonoFit | None
    frames: NDArray[np.float16]  # the log-mel [n, 64], 50 a second

    @property
    def silence_share(self) -> float:
        return min(1.0, sum(span.length_s for span in self.silence) / self.duration_s)

    def as_json(self) -> dict[str, Any]:
        return {
            "file": self.name,
            "duration_s": round(self.duration_s, 3),
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "broken_samples": self.broken_samples,
            "drift": self.drift and self.drift.as_json(),
            "prompt": self.prompt and self.prompt.as_json(),
            "repetition": self.repetition.as_json(),
            "seams": [seam.as_json() for seam in self.seams],
            "clicks_s": [round(at_s, 3) for at_s in self.clicks_s],
            "dropouts": [span.as_json() for span in self.dropouts],
            "silence": [span.as_json() for span in self.silence],
            "silence_share": round(self.silence_share, 4),
            "level": self.level.as_json(),
            "bandwidth_hz": round(self.bandwidth_hz, 1),
            "mono": self.mono and self.mono.as_json(),
        }


def look_through(path: Path, embedder: Embedder, prompt: str | None = None) -> Iterator[float | TakeLook]:
    """Shares of the work that are done, up to 1, and at last what was found; a caller may leave at any time.

    The sound is read in blocks, so memory grows by 25 MB an hour of it, for its spectrogram.

    Args:
        path: any file that libsndfile reads.
        embedder: who hears drift.
        prompt: what the take was asked to be, for an embedder that reads text.

    Raises:
        InvalidRequestError: it can't be read, is empty, or too much; or the embedder reads no text.
    """
    if prompt and not reads_text(embedder):
        raise InvalidRequestError(
            f"{embedder.name} reads no text: choose an embedder that does, or no prompt."
        )
    source = _Source.opened(path)
    meters = _Meters(source)
    frames, ears = FrameMeter(), _Ears(embedder)
    passes = 1 if embedder.sample_rate == FRAMES_RATE else 2
    for sound in resample_stream(source.mono(meters), source.rate, FRAMES_RATE):
        frames.push(sound)
        if passes == 1:
            ears.push(sound)
        yield 0.9 * source.share / passes
    if not source.read:
        raise InvalidRequestError(f"{path.name} holds no sound: choose another file.")
    if passes == 2:
        for sound in resample_stream(source.mono(), source.rate, embedder.sample_rate):
            ears.push(sound)
            yield 0.45 + 0.45 * source.share
    rows = frames.frames()
    vectors, times_s = ears.heard()
    yield 0.92
    again = repetition(rows)
    yield 0.96
    score = None
    if prompt and reads_text(embedder):
        score = towards(vectors, embedder.embed_text([prompt])[0], times_s)
    yield meters.found(rows, find_seams(rows), again, from_the_beginning(vectors, times_s), score)


class _Source:
    """A file's blocks; what is no number is silence, and counted."""

    def __init__(self, path: Path, rate: int, channels: int, frames: int) -> None:
        self.path, self.rate, self.channels, self.frames = path, rate, channels, frames
        self.read = 0
        self.broken = 0

    @classmethod
    def opened(cls, path: Path) -> _Source:
        rate = rate_of(path)
        about = sf.info(path)
        if about.channels > MAX_CHANNELS or about.frames > MAX_S * rate:
            raise InvalidRequestError(
                f"{path.name} has more than {MAX_CHANNELS} channels or lasts longer than a day: cut it."
            )
        return cls(path, rate, about.channels, about.frames)

    @property
    def share(self) -> float:
        return min(1.0, self.read / max(1, self.frames))

    def mono(self, meters: _Meters | None = None) -> Iterator[Sound]:
        """The channels' average block by block; each block itself goes to the meters."""
        self.read, self.broken = 0, 0
        try:
            with sf.SoundFile(self.path) as sound:
                while len(block := sound.read(_BLOCK, dtype="float32", always_2d=True)):
                    fine = np.isfinite(block)
                    self.broken += int(block.size - np.count_nonzero(fine))
                    block = np.where(fine, block, np.float32(0))
                    self.read += len(block)
                    if meters:
                        meters.push(block)
                    yield block.mean(axis=1)
        except sf.LibsndfileError as error:
            raise InvalidRequestError(f"Can't read {self.path.name} to its end: export it anew.") from error


class _Ears:
    """Vectors of windows of 5 s; a take that is shorter is heard as a whole."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._length = round(WINDOW_S * embedder.sample_rate)
        self._held = np.zeros(0, np.float32)
        self._vectors: list[Vectors] = []

    def push(self, sound: Sound) -> None:
        self._held = np.concatenate([self._held, sound])
        while len(self._held) >= self._length:
            self._hear(self._held[: self._length])
            self._held = self._held[self._length :]

    def heard(self) -> tuple[Vectors, NDArray[np.float64]]:
        """Vectors [n, D], and the times of the windows' middles [n]."""
        if not self._vectors:
            self._hear(self._held)
        middles = (np.arange(len(self._vectors), dtype=np.float64) + 0.5) * WINDOW_S
        return np.stack(self._vectors), np.asarray(middles, np.float64)

    def _hear(self, sound: Sound) -> None:
        self._vectors.append(self._embedder.embed(sound).mean(axis=0))


class _Meters:
    """What is measured of each channel at the file's own rate."""

    def __init__(self, source: _Source) -> None:
        rate, channels = source.rate, source.channels
        self._source = source
        self._loudness = LoudnessMeter(rate, channels)
        self._peak = TruePeakMeter(rate, channels)
        self._clicks = ClickFinder(rate, channels)
        self._dropouts = DropoutFinder(rate, channels)
        self._silence = SilenceMeter(rate, channels)
        self._bandwidth = BandwidthMeter(rate, channels)
        self._mono = MonoMeter(rate) if channels == 2 else None

    def push(self, block: Sound) -> None:
        meters = (
            self._loudness, self._peak, self._clicks, self._dropouts, self._silence, self._bandwidth,
        )  # fmt: skip
        for meter in meters:
            meter.push(block)
        if self._mono:
            self._mono.push(block)

    def found(
        self,
        frames: NDArray[np.float16],
        seams: list[Seam],
        again: Repetition,
        drift: Course | None,
        prompt: Course | None,
    ) -> TakeLook:
        source, peak = self._source, self._peak.peak()
        return TakeLook(
            name=source.path.name,
            duration_s=source.read / source.rate,
            sample_rate=source.rate,
            channels=source.channels,
            broken_samples=source.broken,
            drift=drift,
            prompt=prompt,
            repetition=again,
            seams=seams,
            clicks_s=self._clicks.times_s(),
            dropouts=self._dropouts.spans(),
            silence=self._silence.spans(),
            level=Level(
                self._loudness.integrated(),
                self._loudness.short_term(),
                20 * float(np.log10(peak)) if peak > 0 else -np.inf,
            ),
            bandwidth_hz=self._bandwidth.bandwidth_hz(),
            mono=self._mono.fit() if self._mono else None,
            frames=frames,
        )
