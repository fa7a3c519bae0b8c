"""How well a detector tells joins from whole takes, kind by kind.

The detector is a logistic regression on a frozen embedder's windows, scored across folds that share no prompt
and no sound. It counts where it knows hard joins of different prompts' takes (`COUNTS` and more). Of each
kind it is asked twice: as it learnt from hard joins, and learnt anew from that kind. Beside it, without
anything learnt, stands how large the window's own step in its middle is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from studio.core.audio import SAMPLE_RATE
from studio.core.files import replacing
from studio.dsp.resample import resample
from studio.evaluation.benchmarks.seams import Prompt, Sounds, Window, thirds, windows
from studio.evaluation.classifier import Classifier
from studio.evaluation.embedders.base import Samples, Vectors
from studio.evaluation.metrics.joins import described, level_alike, step
from studio.evaluation.metrics.summary import Figure, bootstrap
from studio.evaluation.metrics.told_apart import held_out_scores

COUNTS = 0.95
WHOLE, HARD = "whole", "hard"
KINDS: dict[str, tuple[str, ...]] = {
    HARD: (HARD,),
    "crossfade": ("crossfade",),
    "hard same": ("hard same",),
    "crossfade same": ("crossfade same",),
    "played round": ("played round",),
    "loop": ("loop into", "loop out of"),
    "loop into": ("loop into",),
    "loop out of": ("loop out of",),
    "ring": ("ring",),
    "repaint": ("repaint into", "repaint out of"),
    "repaint into": ("repaint into",),
    "repaint out of": ("repaint out of",),
}
ONE_SIDE = tuple((f"{edit} {side}",) for edit in ("loop", "repaint") for side in ("into", "out of"))
Floats = NDArray[np.float64]
Report = Callable[[str], None]


class Ears(Protocol):
    """An embedder that tells how its vector comes about along a sound: courses [moments, D]."""

    name: str
    sample_rate: int
    version: str

    def course(self, samples: Samples) -> Vectors: ...


@dataclass(frozen=True)
class _Heard:
    """Windows as they are judged: rows [n, D], steps [n], and each one's kind, prompt and fold [n]."""

    rows: Floats
    steps: Floats
    kinds: NDArray[np.str_]
    prompts: NDArray[np.int64]
    folds: NDArray[np.intp]

    def are(self, kinds: Sequence[str]) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = np.isin(self.kinds, kinds)
        return found


def measure_joins(
    made: Sequence[tuple[Prompt, Sounds]],
    ears: Ears,
    classifier: Classifier,
    cache: Path,
    report: Report = lambda _: None,
) -> dict[str, Any]:
    """What stands in the table; see docs/measuring.md for its keys.

    Args:
        made: of ten prompts at least, so that each fold has two.
        ears: the embedder.
        classifier: of the families.
        cache: where what was heard is kept, by the windows' and the embedder's hashes.
        report: told how far it is.
    """
    heard = _hear(list(windows(made)), ears, cache, report)
    whole = heard.are((WHOLE,))
    by_hard = _judged(heard, (HARD,))
    joins: dict[str, Any] = {}
    for name, kinds in KINDS.items():
        report(f"Judging {name}")
        own = None if name == HARD or kinds in ONE_SIDE else _ranked(_judged(heard, kinds), heard, kinds)
        joins[name] = {
            "windows": int(heard.are(kinds).sum()),
            "auc": _ranked(by_hard, heard, kinds).as_json(),
            "auc_own": None if own is None else own.as_json(),
            "step": _ranked(heard.steps, heard, kinds).as_json(),
        }
    return {
        "prompts": len(made),
        "families": len({prompt.family for prompt, _ in made}),
        "whole_windows": int(whole.sum()),
        "counts": joins[HARD]["auc"]["value"] >= COUNTS,
        "joins": joins,
        "family": measure_families(made, classifier),
    }


def measure_families(made: Sequence[tuple[Prompt, Sounds]], classifier: Classifier) -> dict[str, Any]:
    """How often the prompt's family is the likeliest inside a repaint's bridge, and in what is around it.

    `share` is the one over the other; null where none is right outside.
    """
    right = np.array(
        [
            [top[0] == prompt.family for top in classifier.top(classifier.predict(thirds(sounds))[0])]
            for prompt, sounds in made
        ],
        np.float64,
    )
    inside, outside = right[:, 1], right[:, ::2].mean(axis=1)

    def over(drawn: NDArray[np.int64]) -> float:
        return float(inside[drawn].sum() / max(outside[drawn].sum(), 0.5))

    rows = np.arange(len(made))
    share = bootstrap(over, rows, within=(0.0, np.inf)).as_json() if outside.any() else None
    return {
        "inside": bootstrap(lambda drawn: float(inside[drawn].mean()), rows, within=(0, 1)).as_json(),
        "outside": bootstrap(lambda drawn: float(outside[drawn].mean()), rows, within=(0, 1)).as_json(),
        "share": share,
    }


def _hear(found: Sequence[Window], ears: Ears, cache: Path, report: Report) -> _Heard:
    folder = cache / f"{ears.name}-{ears.version}"
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for done, window in enumerate(found):
        if done % 50 == 0:
            report(f"{ears.name} hears window {done} of {len(found)}")
        rows.append(described(_course(window.samples, ears, folder)))
    return _Heard(
        np.stack(rows),
        np.array([step(window.samples) for window in found]),
        np.array([window.kind for window in found]),
        np.array([window.prompt.number for window in found]),
        np.array([window.prompt.fold for window in found]),
    )


def _course(samples: Samples, ears: Ears, folder: Path) -> Vectors:
    """What the embedder hears of a window, at one level, once for ever."""
    digest = hashlib.sha256(np.ascontiguousarray(samples, np.float32).tobytes()).hexdigest()[:24]
    path = folder / f"{digest}.npy"
    if not path.is_file():
        course = ears.course(resample(level_alike(samples), SAMPLE_RATE, ears.sample_rate))
        with replacing(path) as file:
            np.save(file, course.astype(np.float16), allow_pickle=False)
    held: Vectors = np.load(path, allow_pickle=False).astype(np.float32)
    return held


def _judged(heard: _Heard, kinds: Sequence[str]) -> Floats:
    """Each window's score by a detector of these kinds, learnt from the other folds."""
    positive = heard.are(kinds)
    return held_out_scores(heard.rows, positive, heard.folds, positive | heard.are((WHOLE,)))


def _ranked(scores: Floats, heard: _Heard, kinds: Sequence[str]) -> Figure:
    """The AUC of these kinds among whole takes; its interval draws prompts anew, with all their windows."""
    numbers = np.unique(heard.prompts)
    positive, whole = heard.are(kinds), heard.are((WHOLE,))
    of, among = (heard.prompts[some][:, None] == numbers for some in (positive, whole))
    over = scores[positive][:, None] - scores[whole][None]
    wins = of.T.astype(float) @ ((np.sign(over) + 1) / 2) @ among  # of each prompt's windows over each one's

    def drawn_auc(drawn: NDArray[np.int64]) -> float:
        often = np.bincount(drawn, minlength=len(numbers)).astype(float)
        pairs = (often @ of.sum(axis=0)) * (often @ among.sum(axis=0))
        return float(often @ wins @ often / pairs)

    return bootstrap(drawn_auc, np.arange(len(numbers)), within=(0.0, 1.0))
