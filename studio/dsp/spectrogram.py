"""Spectrograms to look at. NumPy alone, so that the page's process can draw them without torch."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

COLUMNS_PER_S = 100
N_BANDS = 64
FLOOR_DB = -80.0
CEILING_DB = 0.0
MEL_FLOOR, MEL_CEILING = -9.0, 2.0  # natural logs of a model's mel: its near silence, and as loud as it gets
_WINDOW_COLUMNS = 6.4  # 64 ms: 1024 samples of 16 kHz


def column_samples(sample_rate: int) -> int:
    """The samples that a column stands for."""
    return max(1, round(sample_rate / COLUMNS_PER_S))


def window_samples(sample_rate: int) -> int:
    """The samples that are looked at for a column: 64 ms at any rate, so that bins are as narrow."""
    return round(_WINDOW_COLUMNS * column_samples(sample_rate))


def _hann(sample_rate: int) -> NDArray[np.float32]:
    return np.hanning(window_samples(sample_rate) + 1)[:-1].astype(np.float32)


def _mel_points_hz(sample_rate: int) -> NDArray[np.float64]:
    """Edges of the picture's bands in Hz [N_BANDS + 2], evenly spaced in mel (HTK's formula)."""
    top = 2595.0 * np.log10(1.0 + sample_rate / 2 / 700.0)
    return 700.0 * (10.0 ** (np.linspace(0.0, top, N_BANDS + 2) / 2595.0) - 1.0)


def band_centres_hz(sample_rate: int) -> NDArray[np.float64]:
    """Where the middles of the bands of `columns` are, in Hz [N_BANDS]."""
    return _mel_points_hz(sample_rate)[1:-1]


def _filterbank(sample_rate: int) -> NDArray[np.float32]:
    """Triangles with peak 1 [bins, N_BANDS], widened to a bin at least, or low bands would stay black."""
    bin_hz = sample_rate / window_samples(sample_rate)
    frequencies = np.arange(window_samples(sample_rate) // 2 + 1)[:, None] * bin_hz
    edges = _mel_points_hz(sample_rate)
    centre = edges[1:-1]
    below = np.maximum(centre - edges[:-2], bin_hz)
    above = np.maximum(edges[2:] - centre, bin_hz)
    triangles = np.minimum(1 - (centre - frequencies) / below, 1 - (frequencies - centre) / above)
    return np.maximum(triangles, 0.0).astype(np.float32)


def _transform(windowed: NDArray[np.float32], bank: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Frames [n, window] → columns [n, N_BANDS]."""
    full_scale = windowed.shape[-1] / 4  # a sine's peak bin under a Hann window
    magnitude = np.abs(np.fft.rfft(windowed, axis=-1)) @ bank / full_scale
    decibels = 20.0 * np.log10(np.maximum(magnitude, 1e-6))
    scaled = (decibels - FLOOR_DB) / (CEILING_DB - FLOOR_DB)
    return np.round(np.clip(scaled, 0.0, 1.0) * 255.0).astype(np.uint8)


class SpectrogramStream:
    """Columns of a growing sound: what comes out does not depend on how the sound was cut into chunks."""

    def __init__(self, sample_rate: int = 16000) -> None:
        self._bank, self._window = _filterbank(sample_rate), _hann(sample_rate)
        self._hop = column_samples(sample_rate)
        self._pad = (len(self._window) - self._hop) // 2
        self._rest = np.zeros(self._pad, np.float32)

    def push(self, samples: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Next samples [n] → columns [frames, 64] that are complete by now, low bands first.

        0 is −80 dB or less, 255 full scale. A column stands for 10 ms and comes 27 ms late.
        """
        sound, size = np.concatenate([self._rest, np.asarray(samples, np.float32)]), len(self._window)
        count = max(0, (len(sound) - size) // self._hop + 1)
        self._rest = sound[count * self._hop :].copy()
        if count == 0:
            return np.zeros((0, N_BANDS), np.uint8)
        frames = np.lib.stride_tricks.sliding_window_view(sound, size)[:: self._hop][:count]
        return _transform(frames * self._window, self._bank)

    def flush(self) -> NDArray[np.uint8]:
        """The last columns [frames, 64], seen against silence; afterwards the stream is as new."""
        columns_left = self.push(np.zeros(self._pad, np.float32))
        self._rest = np.zeros(self._pad, np.float32)
        return columns_left


def columns(samples: NDArray[np.floating], sample_rate: int = 16000) -> NDArray[np.uint8]:
    """Samples [n] → columns [n // 10 ms, 64] of a mel spectrogram in bytes, low bands first."""
    stream = SpectrogramStream(sample_rate)
    return np.concatenate([stream.push(samples), stream.flush()])


def spectrogram_png(
    samples: NDArray[np.floating], path: Path, sample_rate: int = 16000, title: str | None = None
) -> None:
    """Draw samples [n] as a mel spectrogram with time in seconds and frequency in kHz."""
    # The object interface, not pyplot: no global figure list, so it is safe in worker threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 3.0), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = draw_spectrogram(axes, samples, sample_rate)
    if title:
        axes.set_title(title)
    figure.colorbar(image, ax=axes, label="dB")
    figure.savefig(path)


def draw_spectrogram(
    axes: Axes, samples: NDArray[np.floating], sample_rate: int, *, ring: bool = False
) -> AxesImage:
    """Draw samples [n] into axes of matplotlib's, with seconds below and kHz at the side; of a `ring` the
    beginning follows the end.
    """
    lap = int(_WINDOW_COLUMNS) * column_samples(sample_rate) if ring else 0
    sound = samples[np.arange(-lap, len(samples) + lap) % len(samples)] if ring else samples
    edge = lap // column_samples(sample_rate)
    seen = columns(sound, sample_rate)[edge : -edge or None]
    picture = seen.T.astype(np.float32) / 255.0 * (CEILING_DB - FLOOR_DB) + FLOOR_DB
    duration_s = max(len(samples), 1) / sample_rate
    image = axes.imshow(
        picture, origin="lower", aspect="auto", cmap="magma", vmin=FLOOR_DB, vmax=CEILING_DB,
        extent=(0.0, duration_s, 0.0, float(N_BANDS)),
    )  # fmt: skip
    centres = _mel_points_hz(sample_rate)[1:-1]
    ticks_khz = [khz for khz in (0.25, 0.5, 1, 2, 4, 8, 16) if khz * 1000 <= centres[-1]]
    positions = [float(np.interp(khz * 1000, centres, np.arange(N_BANDS) + 0.5)) for khz in ticks_khz]
    axes.set_yticks(positions, [f"{khz:g}" for khz in ticks_khz])
    axes.set_xlabel("time (s)")
    axes.set_ylabel("frequency (kHz)")
    return image


def overview(blocks: Sequence[NDArray[np.floating]], sample_rate: int = 16000) -> NDArray[np.uint8]:
    """Blocks of a long sound, of a window or more each → columns [blocks, 64], the mean of each."""
    bank, window = _filterbank(sample_rate), _hann(sample_rate)
    rows = []
    for block in blocks:
        whole = np.pad(np.asarray(block, np.float32), (0, max(0, len(window) - len(block))))
        frames = np.lib.stride_tricks.sliding_window_view(whole, len(window))[:: len(window) // 2]
        rows.append(_transform(frames * window, bank).mean(axis=0))
    return np.round(np.stack(rows)).astype(np.uint8) if rows else np.zeros((0, N_BANDS), np.uint8)


def mel_columns(log_mel: NDArray[np.floating], width: int) -> NDArray[np.uint8]:
    """A model's log-mel (natural) [frames, bands] → at most `width` columns [n, bands] in bytes, to look at.

    The bands are the model's and not those of `columns`, so the two pictures agree in kind alone.
    """
    count = min(width, len(log_mel))
    edges = np.linspace(0, len(log_mel), count, endpoint=False).astype(int)
    sums = np.add.reduceat(np.asarray(log_mel, np.float32), edges, axis=0)
    means = sums / np.diff([*edges, len(log_mel)])[:, None]
    scaled = (means - MEL_FLOOR) / (MEL_CEILING - MEL_FLOOR)
    return np.round(np.clip(scaled, 0.0, 1.0) * 255.0).astype(np.uint8)


def columns_png(picture: NDArray[np.uint8]) -> bytes:
    """Columns [n, 64] as a small PNG, n × 64 pixels, low bands at the bottom."""
    from matplotlib.image import imsave

    file = BytesIO()
    imsave(file, picture.T, cmap="magma", vmin=0, vmax=255, origin="lower", format="png")
    return file.getvalue()
