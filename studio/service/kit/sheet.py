"""The sheet of a kit: each of its sounds as a spectrogram, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.dsp.spectrogram import draw_spectrogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILE = "spectrograms.png"
_INCHES, _TITLE_INCHES, _LOOP_INCHES, _SHOT_INCHES, _DPI = 12.0, 0.9, 1.9, 1.7, 100
_SHOTS_A_ROW = 4
_FONT = "DejaVu Sans"  # which comes with matplotlib
_MOST_CHARS = 100


@dataclass(frozen=True)
class Picture:
    """A sound of the sheet: its samples [n], and what stands above it."""

    samples: NDArray[np.float32]
    title: str


def write_sheet(
    path: Path, heading: str, loops: Sequence[Picture], shots: Sequence[Picture], sample_rate: int
) -> None:
    """Draw a PNG: the loops two in a row over one length of time, then the one-shots, each over its own.

    Raises:
        OSError: as the disk says.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpec

    loop_rows, shot_rows = -(-len(loops) // 2), -(-len(shots) // _SHOTS_A_ROW)
    heights = [_LOOP_INCHES] * loop_rows + [_SHOT_INCHES] * shot_rows
    size = _INCHES, sum(heights) + _TITLE_INCHES
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(drawable(heading), fontsize=13, parse_math=False)
    grid = GridSpec(len(heights), _SHOTS_A_ROW, figure=figure, height_ratios=heights)
    across = _SHOTS_A_ROW // 2
    for place, picture in enumerate(loops):
        row, column = divmod(place, 2)
        axes = figure.add_subplot(grid[row, column * across : (column + 1) * across])
        _draw(axes, picture, sample_rate, labelled=column == 0, ring=True)
    for place, picture in enumerate(shots):
        row, column = divmod(place, _SHOTS_A_ROW)
        axes = figure.add_subplot(grid[loop_rows + row, column])
        _draw(axes, picture, sample_rate, labelled=column == 0)
    figure.savefig(path, format="png")


def drawable(text: str) -> str:
    """Text with "?" for what the sheet's font has not, and no longer than a line."""
    from matplotlib.font_manager import findfont, get_font

    font = get_font(findfont(_FONT))
    shown = "".join(ch if font.get_char_index(ord(ch)) else "?" for ch in text)
    return shown if len(shown) <= _MOST_CHARS else f"{shown[: _MOST_CHARS - 1]}…"


def _draw(axes: Axes, picture: Picture, sample_rate: int, *, labelled: bool, ring: bool = False) -> None:
    draw_spectrogram(axes, picture.samples, sample_rate, ring=ring)
    axes.set_title(drawable(picture.title), fontsize=9, loc="left", parse_math=False)
    axes.tick_params(labelsize=7)
    axes.set_xlabel("")
    if labelled:
        axes.set_ylabel("kHz", fontsize=8)
    else:
        axes.set_ylabel("")
