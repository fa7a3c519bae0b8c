"""What a row's clips are worth: the papers' metrics over any embedders, with intervals over the captions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.core.files import disk_error, replacing
from studio.evaluation.embedders.base import Embedder, Samples, Vectors, knows_classes, reads_text
from studio.evaluation.metrics.distance import frechet_distance, kl_divergence
from studio.evaluation.metrics.summary import Figure, bootstrap
from studio.evaluation.papers.manifest import Example

ROUNDS = 200  # of the bootstrap: each of a wide embedder's distances takes long
Indices = NDArray[np.int64]
Statistic = Callable[[Indices], float]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Heard:
    """One clip through one embedder: `vectors` [windows, D], and `logits` [classes] where it knows some."""

    vectors: Vectors
    logits: Vectors | None


@dataclass(frozen=True)
class Row:
    """A row's clips, in the order of the captions, through each embedder by its name."""

    heard: dict[str, list[Heard]]


class Ears:
    """The embedders that a table is scored by; what they made of a sound is kept by what it is."""

    def __init__(self, embedders: Sequence[Embedder], folder: Path) -> None:
        """`folder` is where vectors are kept."""
        self.embedders, self._folder = tuple(embedders), folder

    def listen(self, sounds: Sequence[tuple[str, Callable[[int], Samples]]], report: Report) -> Row:
        """Sounds, each by a name that no other has and its samples at a rate, through all embedders.

        Raises:
            InvalidRequestError: a sound can't be read, or its vectors can't be kept.
        """
        heard: dict[str, list[Heard]] = {}
        for embedder in self.embedders:
            heard[embedder.name] = []
            for number, (name, samples) in enumerate(sounds):
                report(f"{embedder.name}: {number} of {len(sounds)} heard")
                heard[embedder.name].append(self._hear(embedder, name, samples))
        return Row(heard)

    def texts(self, examples: Sequence[Example]) -> dict[str, Vectors]:
        """The captions' unit vectors [n, D] by each embedder that reads texts."""
        captions = [each.caption for each in examples]
        named = [(each.name, each) for each in self.embedders]
        return {name: _unit(each.embed_text(captions)) for name, each in named if reads_text(each)}

    def measures(
        self, row: Row, truth: Row, texts: dict[str, Vectors], examples: Sequence[Example]
    ) -> dict[str, Statistic]:
        """The statistics of captions that are scored, by `metric/embedder`; of the recordings themselves
        those alone that look at one side.
        """
        out: dict[str, Statistic] = {}
        for embedder in self.embedders:
            name = embedder.name
            made, real = row.heard[name], truth.heard[name]
            if name in texts:
                out[f"clap/{name}"] = _clap(made, texts[name])
            if row is not truth:
                out[f"frechet/{name}"] = _frechet(made, real)
                if knows_classes(embedder):
                    out[f"kl/{name}"] = _kl(made, real, _softmax)
                    out[f"kl_sigma/{name}"] = _kl(made, real, _sigmoid)
            if knows_classes(embedder) and all(set(e.families) & set(embedder.labels) for e in examples):
                out[f"family/{name}"] = _family(made, embedder.labels, examples)
        return out

    def _hear(self, embedder: Embedder, name: str, samples: Callable[[int], Samples]) -> Heard:
        digest = hashlib.sha256(f"{name} {embedder.name} {embedder.source}".encode()).hexdigest()[:32]
        path = self._folder / f"{digest}.npz"
        try:
            with np.load(path, allow_pickle=False) as kept:
                logits = kept.get("logits")
                if kept["vectors"].ndim == 2 and knows_classes(embedder) == (logits is not None):
                    return Heard(kept["vectors"], logits)
        except (OSError, ValueError, KeyError, EOFError):
            pass
        sound = samples(embedder.sample_rate)
        logits = embedder.logits(sound) if knows_classes(embedder) else None
        heard = Heard(embedder.embed(sound), logits)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            kept = (
                {"vectors": heard.vectors} if logits is None else {"vectors": heard.vectors, "logits": logits}
            )
            with replacing(path) as file:
                np.savez(file, allow_pickle=False, **kept)
        except OSError as error:
            raise disk_error(error, path) from error
        return heard


def cosines(made: Sequence[Heard], texts: Vectors) -> NDArray[np.floating]:
    """The CLAP score of each clip: the cosine between its caption and the mean of its windows [clips]."""
    sounds = _unit(np.stack([_unit(each.vectors).mean(axis=0) for each in made]))
    return (sounds * texts).sum(axis=1)


def figure(statistic: Statistic, count: int) -> Figure:
    """A statistic of captions with its interval, captions drawn anew."""
    return bootstrap(statistic, np.arange(count), rounds=ROUNDS)


def ratio(made_s: Sequence[float], against_s: Sequence[float]) -> Statistic:
    """How many times as quick a row is as another, by the seconds that each clip took."""
    made, against = np.asarray(made_s), np.asarray(against_s)
    return lambda drawn: float(against[drawn].sum() / max(1e-9, made[drawn].sum()))


def difference(made: Statistic, against: Statistic) -> Statistic:
    """A statistic less another's, of the same captions."""
    return lambda drawn: made(drawn) - against(drawn)


def _frechet(made: Sequence[Heard], real: Sequence[Heard]) -> Statistic:
    def distance(drawn: Indices) -> float:
        sides = [np.concatenate([side[i].vectors for i in drawn]) for side in (made, real)]
        return frechet_distance(*sides)

    return distance


def _kl(
    made: Sequence[Heard], real: Sequence[Heard], shares: Callable[[Vectors], NDArray[np.float64]]
) -> Statistic:
    """The mean over captions of KL(recording ‖ clip)."""
    p, q = (
        shares(np.stack([each.logits for each in side if each.logits is not None])) for side in (real, made)
    )
    each = np.array([kl_divergence(p[i : i + 1], q[i : i + 1]) for i in range(len(p))])
    return lambda drawn: float(each[drawn].mean())


def _clap(made: Sequence[Heard], texts: Vectors) -> Statistic:
    """The mean over captions of `cosines`."""
    each = cosines(made, texts)
    return lambda drawn: float(each[drawn].mean())


def _family(made: Sequence[Heard], labels: Sequence[str], examples: Sequence[Example]) -> Statistic:
    """The share of clips whose likeliest class is a family of their caption's."""
    logits = np.stack([each.logits for each in made if each.logits is not None])
    right = np.array(
        [labels[best] in each.families for best, each in zip(logits.argmax(axis=1), examples, strict=True)]
    )
    return lambda drawn: float(right[drawn].mean())


def _unit(vectors: Vectors) -> Vectors:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(1e-12, length), np.float32)


def _softmax(logits: Vectors) -> NDArray[np.float64]:
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def _sigmoid(logits: Vectors) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))
