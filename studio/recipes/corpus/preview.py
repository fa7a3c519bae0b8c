"""A look and a listen at the corpus: one sound a family, some scenes, and a sheet of their spectrograms."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import soundfile
import torch

from studio.core.audio import SAMPLE_RATE
from studio.dsp.mel import log_mel
from studio.recipes.corpus.clip import Clip, make_clip
from studio.recipes.corpus.families import FAMILIES

_COLUMNS = 4


def write_preview(
    folder: Path,
    seed: int = 0,
    per_family: int = 1,
    *,
    families: Sequence[str] = tuple(FAMILIES),
    scenes: int = 8,
    duration_s: float = 10.0,
) -> list[Path]:
    """Write WAV files of single families and of scenes, and `sheet.png` of their log-mels.

    Args:
        folder: made when it is not there.
        seed: the first clip's seed; the following clips count up from it.
        per_family: clips of each family.
        families: which families.
        scenes: how many clips of two families.
        duration_s: each clip's length in seconds.

    Returns:
        The files' paths, the sheet last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plan: list[tuple[str, str | None]] = [
        (f"{name}_{index}" if per_family > 1 else name, name)
        for name in families
        for index in range(per_family)
    ]
    plan += [(f"scene_{index}", None) for index in range(scenes)]
    paths, clips = [], []
    for offset, (stem, family) in enumerate(plan):
        clip = make_clip(seed + offset, family=family, scene=family is None, duration_s=duration_s)
        path = folder / f"{stem}.wav"
        soundfile.write(path, clip.samples, SAMPLE_RATE, subtype="PCM_16")
        paths.append(path)
        clips.append((stem, clip))
    sheet = folder / "sheet.png"
    _draw_sheet(clips, sheet)
    return [*paths, sheet]


def _draw_sheet(clips: Sequence[tuple[str, Clip]], path: Path) -> None:
    """One spectrogram a clip, all on one colour scale so that levels compare."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(clips) // _COLUMNS)
    figure = Figure(figsize=(4.2 * _COLUMNS, 2.2 * rows), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axis in axes[len(clips) :]:
        axis.set_axis_off()
    for axis, (stem, clip) in zip(axes, clips, strict=False):
        mel = log_mel(torch.from_numpy(clip.samples))
        axis.imshow(
            mel.T.numpy(),
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=-11,
            vmax=2,
            extent=(0, clip.description.duration_s, 0, mel.shape[-1]),
        )
        axis.set_title(f"{stem}: " + textwrap.fill(clip.caption, 52), fontsize=7)
        axis.tick_params(labelsize=6)
    figure.savefig(path)
