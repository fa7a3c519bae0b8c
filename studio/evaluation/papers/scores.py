"""What a row's clips are worth: the papers' metrics over any embedders, with intervals over the captions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.evaluation.embedders.base import Embedder, TextEmbedder, Vectors, knows_classes, reads_text
from studio.evaluation.embedders.hearing import Heard, HearingCache
from studio.evaluation.metrics import pairs, sets
from studio.evaluation.metrics.distance import frechet_distance
from studio.evaluation.metrics.pairs import mean_figure
from studio.evaluation.metrics.summary import Figure, bootstrap
from studio.evaluation.papers.manifest import Example

ROUNDS = 200  # of the bootstrap of what is no mean
Rows = NDArray[np.floating]
Report = Callable[[str, int, int], None]
"""Told what is done, and (done, in all)."""


@dataclass(frozen=True)
class Scores:
    """A row's clips, in the order of the captions, by each embedder's name.

    Attributes:
        clips: their vectors.
        rows: the metrics that are means over clips, by `metric/embedder`: [clips].
        truth: the recordings' vectors; of the recordings themselves none.
    """

    clips: dict[str, sets.Clips]
    rows: dict[str, Rows]
    truth: dict[str, sets.Clips]

    def figures(self) -> dict[str, Figure]:
        """Every metric with its interval: distances to the recordings, then the means."""
        out: dict[str, Figure] = {}
        for name, real in self.truth.items():
            out[f"frechet/{name}"] = sets.frechet(self.clips[name], real, ROUNDS)
            if len(real.rows) > 1 and sets.median_distance(real.rows) > 0:
                out[f"kad/{name}"] = sets.kernel_distance(self.clips[name], real)
        return out | {name: mean_figure(rows) for name, rows in self.rows.items()}

    def less(self, other: Scores) -> dict[str, Figure]:
        """Each Fréchet distance and mean less another row's of the same captions, drawn together."""
        out = {}
        for name, real in self.truth.items():
            sides = self.clips[name], other.clips[name]

            def apart(
                drawn: NDArray[np.int64],
                sides: tuple[sets.Clips, sets.Clips] = sides,
                real: sets.Clips = real,
            ) -> float:
                mine, theirs = (frechet_distance(side.draw(drawn), real.draw(drawn)) for side in sides)
                return mine - theirs

            out[f"frechet_less/{name}"] = bootstrap(apart, np.arange(len(real)), rounds=ROUNDS)
        for name, rows in self.rows.items():
            metric, _, embedder = name.partition("/")
            if metric != "family":
                out[f"{metric}_less/{embedder}"] = mean_figure(rows - other.rows[name])
        return out


class Ears:
    """The embedders that a table is scored by; what they hear of a file is kept by its content."""

    def __init__(self, embedders: Sequence[Embedder], folder: Path, report: Report = lambda *_: None) -> None:
        """`folder` is where it is kept."""
        self.embedders, self._report = tuple(embedders), report
        self._cache = HearingCache(folder)

    @property
    def read(self) -> bool:
        """Whether any of them reads texts, and so gives CLAP scores."""
        return any(reads_text(each) for each in self.embedders)

    def cosines(self, paths: Sequence[Path], examples: Sequence[Example]) -> Rows:
        """The CLAP score of each clip and its caption [clips], by the first embedder that reads texts.

        Raises:
            InvalidRequestError: a file can't be read.
            ValueError: none of them reads texts.
        """
        for embedder in self.embedders:
            hear = partial(
                self._hear, embedder, paths
            )  # before what follows tells no more than that it reads
            if reads_text(embedder):
                return _cosines(embedder, hear(), examples)
        raise ValueError("none of these embedders reads texts")

    def score(self, paths: Sequence[Path], truth: Sequence[Path], examples: Sequence[Example]) -> Scores:
        """Clips against their recordings; of recordings against themselves that alone which has one side.

        Raises:
            InvalidRequestError: a file can't be read.
        """
        clips: dict[str, sets.Clips] = {}
        real: dict[str, sets.Clips] = {}
        rows: dict[str, Rows] = {}
        for embedder in self.embedders:
            name, heard = embedder.name, self._hear(embedder, paths)
            clips[name] = sets.Clips.of([each.vectors for each in heard])
            if list(paths) != list(truth):
                others = self._hear(embedder, truth)
                real[name] = sets.Clips.of([each.vectors for each in others])
                if knows_classes(embedder):
                    made, told = _logits(heard), _logits(others)
                    rows[f"kl/{name}"] = pairs.kl_softmax(made, told)
                    rows[f"kl_sigma/{name}"] = pairs.kl_sigmoid(made, told)
            if reads_text(embedder):
                rows[f"clap/{name}"] = _cosines(embedder, heard, examples)
            if knows_classes(embedder) and all(set(e.families) & set(embedder.labels) for e in examples):
                rows[f"family/{name}"] = _family(heard, embedder.labels, examples)
        return Scores(clips, rows, real)

    def _hear(self, embedder: Embedder, paths: Sequence[Path]) -> list[Heard]:
        heard = []
        for number, path in enumerate(paths):
            self._report(f"{embedder.name} listens", number, len(paths))
            heard.append(self._cache.hear(embedder, path))
        return heard


def speed(made_s: Sequence[float], against_s: Sequence[float]) -> Figure:
    """How many times as quick a row is as another, by the seconds that each clip took."""
    both = np.stack([np.asarray(made_s), np.asarray(against_s)], axis=1)
    return bootstrap(lambda rows: rows[:, 1].sum() / max(1e-9, rows[:, 0].sum()), both)


def _cosines(reader: TextEmbedder, heard: Sequence[Heard], examples: Sequence[Example]) -> Rows:
    """The cosine between each caption and the mean of its clip's windows [clips]."""
    sounds = np.stack([each.vectors.mean(axis=0) for each in heard])
    return pairs.cosine(sounds, reader.embed_text([each.caption for each in examples]))


def _logits(heard: Sequence[Heard]) -> Vectors:
    return np.stack([each.logits for each in heard if each.logits is not None])


def _family(heard: Sequence[Heard], labels: Sequence[str], examples: Sequence[Example]) -> Rows:
    """Whether the likeliest class of each clip is a family of its caption's [clips]."""
    likeliest = _logits(heard).argmax(axis=1)
    right = [labels[best] in each.families for best, each in zip(likeliest, examples, strict=True)]
    return np.array(right, np.float64)
