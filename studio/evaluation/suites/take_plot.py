"""A take at a glance: its spectrogram with what was found in it, its loudness, and where it goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.core.audio import format_time
from studio.dsp.mel import N_MELS, band_edges_hz
from studio.evaluation.metrics.frames import FRAME_S
from studio.evaluation.suites.take import TakeLook

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, FAINT, CURVE = "#33302b", "#8a867f", "#2f6f8f"
COLOURS = {"seams": "#d1495b", "clicks": "#e0a100", "dropouts": "#7b4bb0", "heard before": "#2a9d6f"}
MAX_COLUMNS = 1400
_HZ_TICKS = (125, 250, 500, 1000, 2000, 4000)
_RANGE_NEPERS = (3.0, 8.0)  # the least and the most of a take's levels that go from black to white
_TIME_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


def draw_take(look: TakeLook, path: Path) -> None:
    """Write the picture as a PNG. Raises `OSError`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    parts = figure.subplots(4, 1, sharex=True, gridspec_kw={"height_ratios": [4.2, 1.0, 1.7, 1.7]})
    sound, marks, level, course = parts
    _spectrogram(sound, look)
    _found(marks, look)
    _loudness(level, look)
    _course(course, look)
    for part in parts:
        part.set_xlim(0, look.duration_s)
        part.tick_params(colors=INK, labelsize=9)
        for side in ("top", "right"):
            part.spines[side].set_visible(False)
    ticks = _time_ticks(look.duration_s)
    course.set_xticks(ticks, [_time(at, ticks) for at in ticks])
    figure.suptitle(look.name, x=0.01, ha="left", fontsize=13, color=INK, weight="bold", parse_math=False)
    sound.set_title(_summary(look), loc="left", fontsize=10, color=INK, parse_math=False)
    figure.savefig(path, dpi=110, format="png", facecolor="white")


def _spectrogram(axes: Axes, look: TakeLook) -> None:
    frames = look.frames.astype(np.float32)
    columns = max(1, min(MAX_COLUMNS, len(frames)))
    edges = np.linspace(0, len(frames), columns + 1).astype(int)
    if len(frames):
        sums = np.add.reduceat(frames, edges[:-1], axis=0) / np.diff(edges)[:, None]
        low, high = np.percentile(sums, (2, 99.7))
        reach = float(np.clip(high - low, *_RANGE_NEPERS))
        axes.imshow(
            sums.T, origin="lower", aspect="auto", cmap="magma", vmin=high - reach, vmax=high,
            extent=(0, len(frames) * FRAME_S, 0, N_MELS), interpolation="nearest",
        )  # fmt: skip
    hz = band_edges_hz(N_MELS)
    axes.set_yticks(np.interp(_HZ_TICKS, hz, np.arange(N_MELS + 1)), [_hertz(one) for one in _HZ_TICKS])
    axes.set_ylim(0, N_MELS)
    for seam in look.seams:
        axes.axvline(seam.at_s, color="white", linewidth=1.2, linestyle=(0, (4, 3)))


def _found(axes: Axes, look: TakeLook) -> None:
    """A row of marks for each kind of thing that was found; silence is grey over all of them."""
    rows: dict[str, list[tuple[float, float]]] = {
        "seams": [(seam.at_s, 0.0) for seam in look.seams],
        "clicks": [(at_s, 0.0) for at_s in look.clicks_s],
        "dropouts": [(span.at_s, span.length_s) for span in look.dropouts],
        "heard before": [(one.at_s, one.length_s) for one in look.repetition.again],
    }
    for row, (name, places) in enumerate(rows.items()):
        width = look.duration_s / 400
        spans = [(at - max(0.0, width - length) / 2, max(width, length)) for at, length in places]
        axes.broken_barh(spans, (-row - 0.4, 0.8), color=COLOURS[name])
    axes.broken_barh(
        [(span.at_s, span.length_s) for span in look.silence], (-len(rows) + 0.5, len(rows)), color="#dddad4",
        zorder=0,
    )  # fmt: skip
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    counted = [f"{name}: {_count(name, look, len(places))}" for name, places in rows.items()]
    axes.set_yticks(range(0, -len(rows), -1), counted)
    axes.tick_params(axis="y", length=0)


def _count(name: str, look: TakeLook, places: int) -> str:
    share = look.repetition.share
    if name == "heard before":
        return "–" if share is None else f"{share:.0%}"
    return str(places) if places else "none"


def _loudness(axes: Axes, look: TakeLook) -> None:
    values = look.level.short_term_lufs
    times = 1.5 + 0.1 * np.arange(len(values))
    axes.plot(times, np.maximum(values, -80), color=CURVE, linewidth=1.1)
    integrated = look.level.integrated_lufs
    if np.isfinite(integrated):
        axes.axhline(integrated, color=FAINT, linewidth=0.9, linestyle="--")
        low = float(np.maximum(values, -80).min(initial=integrated))
        high = float(values.max(initial=integrated))
        axes.set_ylim(min(low, integrated - 6) - 2, max(high, integrated + 6) + 2)
    axes.set_ylabel("loudness\n(LUFS, 3 s)", fontsize=9, color=INK)


def _course(axes: Axes, look: TakeLook) -> None:
    """How far the sound is from its beginning; beside it, where a prompt was given, how near to that."""
    axes.set_ylabel("distance to\nthe beginning", fontsize=9, color=INK)
    axes.set_ylim(0, 1)
    if look.drift is None:
        axes.text(
            0.5, 0.5, "too short to tell", transform=axes.transAxes, ha="center", va="center", color=FAINT
        )
        axes.set_yticks([])
        return
    axes.plot(look.drift.times_s, look.drift.values, "o-", color=CURVE, markersize=2.5, linewidth=1.0)
    axes.plot(look.drift.times_s, _line(look.drift.times_s, look.drift.values), color=FAINT, linestyle="--")
    axes.set_ylim(0, max(0.3, 1.15 * float(look.drift.values.max())))
    if look.prompt is not None:
        other = axes.twinx()
        other.plot(look.prompt.times_s, look.prompt.values, color=COLOURS["heard before"], linewidth=1.0)
        other.set_ylabel("likeness to\nthe prompt", fontsize=9, color=COLOURS["heard before"])


def _line(times_s: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    fitted: Any = np.polynomial.Polynomial.fit(times_s, values, 1)
    return fitted(times_s)


def _summary(look: TakeLook) -> str:
    level = look.level.as_json()
    parts = [
        format_time(look.duration_s),
        f"{level['integrated_lufs']:.1f} LUFS" if level["integrated_lufs"] is not None else "silent",
        f"true peak {level['true_peak_dbtp']:.1f} dB" if level["true_peak_dbtp"] is not None else "",
        f"sound up to {_hertz(look.bandwidth_hz)}Hz",
    ]
    if look.mono is not None:
        loss = "all of it" if not np.isfinite(look.mono.loss_db) else f"{max(0.0, -look.mono.loss_db):.1f} dB"
        parts.append(f"mono loses {loss}")
    return "  ·  ".join(part for part in parts if part).replace("-", "\N{MINUS SIGN}")


def _hertz(hz: float) -> str:
    return f"{hz / 1000:.3g} k" if hz >= 1000 else f"{hz:.0f} "


def _time_ticks(duration_s: float) -> list[float]:
    step = next((one for one in _TIME_STEPS if duration_s / one <= 12), _TIME_STEPS[-1])
    return [float(at) for at in np.arange(0, duration_s + 1e-9, step)]


def _time(at_s: float, ticks: list[float]) -> str:
    fine = len(ticks) > 1 and ticks[1] < 1
    return f"{at_s:.1f} s" if fine else format_time(at_s + 1e-6)
