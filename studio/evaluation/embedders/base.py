"""What an embedder is: a network that tells how sounds differ, trained apart from what it measures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Sound in, vectors out.

    Attributes:
        name: as `--embedder` takes it.
        sample_rate: of the samples that it is given, in Hz.
        width: D of its vectors.
        source: where its weights come from.
        licence: of its weights.
        version: says which weights it has; what it heard of a sound is kept under that.
    """

    name: str
    sample_rate: int
    width: int
    source: str
    licence: str
    version: str

    def embed(self, samples: Samples) -> Vectors:
        """Mono samples [n] at `sample_rate`, of any length above none → vectors [windows, D], in order.

        A network that reads clips as a whole gives one window; one of fixed windows gives as many as fit,
        and one where none does, what lacks filled up as its authors do.
        """
        ...


@runtime_checkable
class Tagger(Protocol):
    """An embedder that also knows classes: `labels`, in the order of its scores."""

    labels: tuple[str, ...]

    def logits(self, samples: Samples) -> Vectors:
        """Mono samples [n] → scores [classes] of the clip, before any softmax or sigmoid."""
        ...

    def both(self, samples: Samples) -> tuple[Vectors, Vectors]:
        """What `embed` and `logits` give, at the price of one."""
        ...


@runtime_checkable
class TextEmbedder(Protocol):
    """An embedder that puts texts into the same space as sounds."""

    def embed_text(self, texts: Sequence[str]) -> Vectors:
        """Texts → vectors [n, D]."""
        ...


def knows_classes(embedder: Embedder) -> TypeGuard[Tagger]:
    """Whether it gives scores of classes, for KL divergences."""
    return isinstance(embedder, Tagger)


def reads_text(embedder: Embedder) -> TypeGuard[TextEmbedder]:
    """Whether it puts texts beside sounds, for CLAP's score."""
    return isinstance(embedder, TextEmbedder)
