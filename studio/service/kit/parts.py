"""The files of a kit: what each is of, and how it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studio import __version__
from studio.core.audio import middle
from studio.core.preset import Preset, PromptChange, TakeRecord
from studio.core.request import GenerationRequest
from studio.dsp.events import SoundEvent, cut_event, find_events
from studio.service.kit.loops import Loop, Samples
from studio.service.takes.files.coding import Coding
from studio.service.takes.files.encode import encode
from studio.service.takes.files.marks import Span, about
from studio.service.takes.files.samples import rounded
from studio.service.takes.files.wav_chunks import write_loudness
from studio.service.takes.level import Measured, measure
from studio.service.takes.record import comment_of

Kind = Literal["bed", "variation", "state", "one-shot"]
BITS = 24
CEILING_DBTP = -1.0
LAP_S = 0.1  # of a loop's other end, for what its peak is where it begins anew
SHOT_LAP_S = 4.0  # likewise, for an event that goes round
FOLDERS: dict[Kind, str] = {
    "bed": "loops", "variation": "variations", "state": "states", "one-shot": "one-shots"
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A sound of the kit: a loop, or where there is an `event` what of one is cut out.

    `name` is of its file without the ending, `label` what a reader calls it. `of` is the name of the part
    that it is cut from. `same_as` names an earlier part that has the same samples.
    """

    kind: Kind
    name: str
    label: str
    loop: Loop
    event: SoundEvent | None = None
    of: str = ""
    same_as: str = ""
    measured: Measured = Measured(None, None)

    @property
    def file(self) -> str:
        """Its place in the kit."""
        return f"{FOLDERS[self.kind]}/{self.name}.wav"

    def samples(self, gain_db: float) -> Samples:
        """Its samples [n] or [n, channels] at the kit's level. Raises `OSError`."""
        sound = self.loop.read()
        if self.event is not None:
            sound = cut_event(lapped(sound, 0, self.event.end), self.event, self.loop.sample_rate)
        return np.asarray(sound * np.float32(10 ** (gain_db / 20)), np.float32)


def lapped(ring: Samples, before: int, stop: int) -> Samples:
    """A ring [n, …] played from `before` samples ahead of its beginning to sample `stop`, which may lie
    beyond its end.
    """
    return ring[np.arange(-before, stop) % len(ring)]


def measured_loop(ring: Samples, sample_rate: int) -> Measured:
    """Loudness of one turn; the true peak also of the place where it begins anew."""
    channels = 1 if ring.ndim == 1 else ring.shape[1]
    once = measure([ring.reshape(-1, channels).astype(np.float64)], sample_rate, channels)
    lap = round(LAP_S * sample_rate)
    round_it = lapped(ring, lap, len(ring) + lap).reshape(-1, channels).astype(np.float64)
    return replace(once, true_peak_dbtp=measure([round_it], sample_rate, channels).true_peak_dbtp)


def gain_for(loops: Sequence[Measured], bed: Measured, lufs: float | None) -> float:
    """The one gain of all of a kit's files, in dB: it brings the bed to a loudness, or leaves the level, and
    no true peak above −1 dBTP. So what is lighter stays lighter.
    """
    wanted = 0.0 if lufs is None or bed.lufs is None else lufs - bed.lufs
    peaks = [one.true_peak_dbtp for one in loops if one.true_peak_dbtp is not None]
    return min(wanted, CEILING_DBTP - max(peaks)) if peaks else wanted


def shots_of(loops: Sequence[Part], most: int, stem: str) -> list[Part]:
    """The events that stand out most in the loops, at most so many, in the order in which they are heard."""
    found: list[tuple[Part, SoundEvent]] = []
    for part in loops:
        ring, rate = part.loop.read(), part.loop.sample_rate
        lap = min(len(ring), round(SHOT_LAP_S * rate))
        events = find_events(lapped(ring, 0, len(ring) + lap), rate, lap)
        found += [(part, event) for event in events]
    best = sorted(range(len(found)), key=lambda place: -found[place][1].over_db)[:most]
    return [
        Part("one-shot", f"{stem}_shot_{number:02d}", f"One-shot {number}", part.loop, event, part.name)
        for number, (part, event) in enumerate((found[place] for place in sorted(best)), start=1)
    ]


def write_part(folder: Path, part: Part, gain_db: float, created: datetime) -> Part:
    """Write a part's file below the folder; the part with what was measured of it.

    24 bits are as fine as what is written: nothing is dithered, so that silence stays silence.

    Raises:
        OSError: as the disk says.
    """
    samples, rate = part.samples(gain_db), part.loop.sample_rate
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    blocks = samples.reshape(-1, channels).astype(np.float64)
    measured = measured_loop(samples, rate) if part.event is None else measure([blocks], rate, channels)
    path = folder / part.file
    path.parent.mkdir(parents=True, exist_ok=True)
    comment = comment_of(_record(part, path.name, len(samples), measured, created))
    span = Span(0, len(samples), rate, rate, len(samples))
    coding = Coding(BITS)
    encode(
        path, ".wav", rate, channels, rounded(_once(blocks), BITS, dither=False), comment,
        coding=coding, about=about(comment, span),
    )  # fmt: skip
    write_loudness(path, measured)
    return replace(part, measured=measured)


def middle_of(part: Part, gain_db: float) -> NDArray[np.float32]:
    """What is common to a part's channels [n], to look at."""
    return middle(part.samples(gain_db))


def _once(blocks: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    yield blocks


def _record(part: Part, file: str, samples: int, measured: Measured, created: datetime) -> Preset:
    """What the file says of itself, so that the studio opens it again: as settings, and to go on with."""
    request, rate = part.loop.request, part.loop.sample_rate
    asked = _within(request, samples / rate) if part.event is not None else request
    layers = f"Of {len(part.loop.seeds)} loops on top of each other." if part.loop.seeds else ""
    figures = {"lufs": measured.lufs, "true_peak_dbtp": measured.true_peak_dbtp}
    return Preset(
        name=f"{request.prompt[:150]} ({part.label})",
        description=layers,
        settings=asked.model_dump(mode="json"),
        take=TakeRecord(
            file=file,
            created=created.isoformat(timespec="milliseconds"),
            version=__version__,
            duration_s=samples / rate,
            sample_rate=rate,
            cues=(PromptChange(at_s=0.0, prompt=request.prompt),),
            loop=(0, samples) if part.event is None else None,
            figures={name: round(value, 1) for name, value in figures.items() if value is not None},
        ),
    )


def _within(request: GenerationRequest, seconds: float) -> GenerationRequest:
    return request.model_copy(update={"duration_s": seconds})
