"""The papers' figures, drawn as there. matplotlib loads with the first picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from studio.core.files import disk_error, replacing_path
from studio.dsp.mel import log_mel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

Floats = NDArray[np.floating]


@contextmanager
def picture(path: Path, rows: int, columns: int, size: tuple[float, float]) -> Iterator[NDArray[Any]]:
    """Axes [rows, columns], of `size` inches each, written to a PNG where the block ends well.

    Raises:
        InvalidRequestError: it can't be written there.
    """
    # The object interface, not pyplot: no global figure list, so it is safe in worker threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] * columns, size[1] * rows), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    yield figure.subplots(rows, columns, squeeze=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing_path(path) as partial:
            figure.savefig(partial, format="png")
    except OSError as error:
        raise disk_error(error, path) from error


def spectrogram(axes: Axes, samples: Floats, title: str, joins_s: Sequence[float] = ()) -> None:
    """A log-mel of samples [n] at 16 kHz; where clips meet, a red line."""
    mel = log_mel(torch.from_numpy(np.asarray(samples, np.float32))).numpy()
    seconds = len(samples) / 16000
    axes.imshow(
        mel.T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=-11,
        vmax=2,
        extent=(0, seconds, 0, mel.shape[1]),
    )
    for place in joins_s:
        axes.axvline(place, color="red", linewidth=1.5)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("s")
    axes.set_yticks([])


def attention_map(axes: Axes, weights: Floats, regions: Mapping[str, tuple[int, int]], title: str) -> None:
    """Queries downwards, keys to the right, the frames of the window; lines between its regions."""
    axes.imshow(weights, cmap="viridis", vmax=float(np.quantile(weights, 0.99)))
    for start, _ in regions.values():
        axes.axvline(start - 0.5, color="white", linewidth=0.8)
        axes.axhline(start - 0.5, color="white", linewidth=0.8)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("key frame")
    axes.set_ylabel("query frame")


def curves(
    axes: Axes,
    x: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    labels: tuple[str, str],
    title: str = "",
) -> None:
    """Lines over the same places, with their names."""
    for name, values in lines.items():
        axes.plot(x, values, marker="o", label=name)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.set_title(title, fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def shares(axes: Axes, x: Sequence[float], parts: Mapping[str, Sequence[float]]) -> None:
    """Stacked bars that add up to 1, one a length."""
    places, base = np.arange(len(x)), np.zeros(len(x))
    for name, values in parts.items():
        axes.bar(places, values, bottom=base, label=name)
        base += np.asarray(values)
    axes.set_xticks(places, [f"{each:g} s" for each in x])
    axes.set_ylabel("share of a step's time")
    axes.legend(fontsize=8)


def bands(axes: Axes, weights: Floats, seconds: float, title: str) -> None:
    """One token's attention [frames, bands], a row a band, low ones at the bottom."""
    axes.imshow(
        weights.T, origin="lower", aspect="auto", cmap="viridis", vmax=float(np.quantile(weights, 0.995)),
        extent=(0, seconds, 0, weights.shape[1]),
    )  # fmt: skip
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("s")
    axes.set_ylabel("band")


def pattern(axes: Axes, weights: Floats, title: str) -> None:
    """Attention among neighbouring tokens [n, n], flattened time-major."""
    axes.imshow(weights, cmap="viridis", vmax=float(np.quantile(weights, 0.99)))
    axes.set_title(title, fontsize=9)
