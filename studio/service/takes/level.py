"""A sound brought to a loudness below a ceiling: the gain and limiting that takes, and what it came to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_REDUCTION_DB = 12.0  # more is heard as squashed: rather say what was reached
WORTH_LU_PER_DB = 0.25  # where a decibel of gain brings less, only peaks are flattened
STEP_DB = 3.0
TOLERANCE_LU = 0.05
REACHED_LU = 0.3
MARGIN_DB = 0.05  # for rounding to 16 bits, and for what the moving gain does between two samples
_PASSES = 10

Block = NDArray[np.float64]
Blocks = Callable[[], Iterable[Block]]


@dataclass(frozen=True)
class Measured:
    """Loudness and true peak of a sound; None where it is too short, too quiet, or silence."""

    lufs: float | None
    true_peak_dbtp: float | None
    range_lu: float | None = None  # by EBU Tech 3342
    momentary_lufs: float | None = None  # the loudest 0.4 s
    short_term_lufs: float | None = None  # the loudest 3 s


@dataclass(frozen=True)
class Plan:
    """What is done to a sound: a gain, and a limiter of this ceiling or none; the loudness it comes to."""

    gain_db: float = 0.0
    limit_dbtp: float | None = None
    lufs: float | None = None


@dataclass(frozen=True)
class Level:
    """What an export for a loudness came to, measured on what was written."""

    asked_lufs: float
    ceiling_dbtp: float
    reached: Measured
    gain_db: float
    reduction_db: float

    @property
    def label(self) -> str:
        """The loudness reached, as a file's name may hold it."""
        lufs = self.reached.lufs
        return "level-kept" if lufs is None else f"{_tenth(lufs)}LUFS"

    @property
    def sentence(self) -> str:
        """What was reached and, where that is not what was asked for, why."""
        lufs, peak = self.reached.lufs, self.reached.true_peak_dbtp
        if peak is None:
            return "This is silence: its level is as it was."
        limited = f", peaks turned down by up to {self.reduction_db:.1f} dB" if self.reduction_db else ""
        ends = f"true peak {_shown(peak)} dBTP{limited}"
        if lufs is None:
            lowered = f" but for {-self.gain_db:.1f} dB, for its peaks" if self.gain_db else ""
            return (
                "This has no loudness to measure, which takes 0.4 s above −70 LUFS: "
                f"its level is as it was{lowered}; {ends}."
            )
        said = f"{_shown(lufs)} LUFS"
        if abs(lufs - self.asked_lufs) > REACHED_LU:
            said += f", not the {_shown(self.asked_lufs)} asked for"
            if lufs < self.asked_lufs:
                ceiling = _shown(self.ceiling_dbtp)
                said += f": the ceiling of {ceiling} dBTP allows no more without squashing the sound"
        if peak > self.ceiling_dbtp + 0.05:
            ends += f", above the ceiling of {_shown(self.ceiling_dbtp)}: this format can't hold it"
        return f"{said}; {ends}."

    @property
    def figures(self) -> dict[str, float]:
        """For a take's record: what there is of these, to the tenth."""
        values = {
            "lufs": self.reached.lufs,
            "true_peak_dbtp": self.reached.true_peak_dbtp,
            "asked_lufs": self.asked_lufs,
            "ceiling_dbtp": self.ceiling_dbtp,
            "gain_db": self.gain_db,
            "limited_db": self.reduction_db,
        }
        return {name: round(value, 1) + 0.0 for name, value in values.items() if value is not None}

    @property
    def report(self) -> dict[str, float | None]:
        """For JSON: the same, with null for a loudness or a peak that there is not."""
        return {"lufs": None, "true_peak_dbtp": None, **self.figures}


def measure(blocks: Iterable[Block], sample_rate: int, channels: int) -> Measured:
    """The loudness (BS.1770-4, gated) and the true peak of blocks [n, channels], full scale 1."""
    # Their filters take longer to import than the page has.
    from studio.dsp.loudness import LoudnessMeter
    from studio.dsp.true_peak import TruePeakMeter

    loudness, peak = LoudnessMeter(sample_rate, channels), TruePeakMeter(sample_rate, channels)
    for block in blocks:
        loudness.push(block)
        peak.push(block)
    highest = peak.peak()
    return Measured(
        _finite(loudness.integrated()),
        20 * float(np.log10(highest)) if highest > 0 else None,
        loudness.loudness_range(),
        _finite(loudness.momentary().max(initial=-np.inf)),
        _finite(loudness.short_term().max(initial=-np.inf)),
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


class Leveller:
    """Applies a plan to a sound that can be read over and over, in blocks: any length in the same memory."""

    def __init__(self, read: Blocks, sample_rate: int, channels: int) -> None:
        """`read` gives the sound anew, as blocks [n, channels] with full scale 1."""
        self._read = read
        self._rate = sample_rate
        self._channels = channels
        self.reduction_db = 0.0  # of what was made last

    def made(self, plan: Plan) -> Iterator[Block]:
        """The sound by a plan, as blocks [n, channels] that no rounding has touched yet."""
        from studio.dsp.limiter import Limiter

        self.reduction_db = 0.0
        if plan.limit_dbtp is None:
            for block in self._read():
                yield block * 10 ** (plan.gain_db / 20)
            return
        limiter = Limiter(self._rate, self._channels, plan.gain_db, plan.limit_dbtp)
        for block in self._read():
            yield limiter.push(block)
        yield limiter.flush()
        self.reduction_db = limiter.reduction_db

    def loudness(self, plan: Plan) -> float:
        """What a plan would come to in LUFS; −inf where that can't be measured."""
        from studio.dsp.loudness import LoudnessMeter

        meter = LoudnessMeter(self._rate, self._channels)
        for made in self.made(plan):
            meter.push(np.clip(made, -1.0, 1.0))
        return float(meter.integrated())

    def settle(self, lufs: float, ceiling_dbtp: float) -> Plan:
        """The plan that brings the sound to `lufs`, or as near as the ceiling allows without squashing it.

        Beyond what gain alone can do the gain rises by steps, each measured, until the loudness is there, or
        the limiter would turn peaks down by more than `MAX_REDUCTION_DB`, or a step no longer brings
        `WORTH_LU_PER_DB`.
        """
        source = measure(self._read(), self._rate, self._channels)
        if source.true_peak_dbtp is None:
            return Plan()
        free_db = ceiling_dbtp - MARGIN_DB - source.true_peak_dbtp
        if source.lufs is None:
            return Plan(min(0.0, free_db) if source.true_peak_dbtp > ceiling_dbtp else 0.0)
        if lufs - source.lufs <= free_db:
            return Plan(lufs - source.lufs, None, lufs)
        return self._limited(lufs, ceiling_dbtp - MARGIN_DB, source.lufs, free_db)

    def _limited(self, lufs: float, limit_dbtp: float, source_lufs: float, free_db: float) -> Plan:
        reached = source_lufs + free_db
        best = Plan(free_db, None, reached)
        slope = 1.0
        for _ in range(_PASSES):
            wanted_db = best.gain_db + min((lufs - reached) / slope, STEP_DB)
            gain_db = min(max(wanted_db, free_db), free_db + MAX_REDUCTION_DB)
            step_db = gain_db - best.gain_db
            if abs(step_db) < 0.01:
                break
            now = self.loudness(Plan(gain_db, limit_dbtp))
            brought = (now - reached) / step_db
            if brought < WORTH_LU_PER_DB:
                break
            best, reached, slope = Plan(gain_db, limit_dbtp, now), now, min(brought, 1.0)
            if abs(lufs - reached) <= TOLERANCE_LU:
                break
        return best


def _tenth(value: float) -> str:
    return f"{round(value, 1) + 0.0:.1f}"


def _shown(value: float) -> str:
    return _tenth(value).replace("-", "−")
