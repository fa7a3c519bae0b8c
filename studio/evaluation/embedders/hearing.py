"""What an embedder hears in sound files, kept by their content, so that no file is heard twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from studio.backends.reading import held_by
from studio.core.errors import WeightsError
from studio.core.files import disk_error, replace_file
from studio.evaluation.embedders.base import Embedder, Samples, Vectors, knows_classes
from studio.evaluation.sound_files import stream_mono

BLOCK_S = 120.0  # of a long file that is heard at once
_LEAST_S = 10.0  # a rest that is shorter goes to the block before it
_FORMAT = 1  # changes where the same weights are listened with otherwise


@dataclass(frozen=True)
class Heard:
    """A file, as one embedder hears it.

    Attributes:
        vectors: [windows, D], in order.
        peak: the loudest sample, without its sign.
        logits: [classes] of the clip, of an embedder that knows classes.
        halves: [2, classes] of its two halves, likewise.
    """

    vectors: Vectors
    peak: float
    logits: Vectors | None = None
    halves: Vectors | None = None


def hear(embedder: Embedder, path: Path) -> Heard:
    """Hear a file of any length, block by block.

    Raises:
        InvalidRequestError: it can't be read, or holds no sound.
    """
    vectors, logits, sizes, peak = [], [], [], 0.0
    halves: Vectors | None = None
    for block in _blocks(path, embedder.sample_rate):
        peak = max(peak, float(np.abs(block).max()))
        sizes.append(len(block))
        if not knows_classes(embedder):
            vectors.append(embedder.embed(block))
            continue
        heard, scores = embedder.both(block)
        vectors.append(heard)
        logits.append(scores)
        middle = len(block) // 2
        if halves is None and middle:  # of the only block; several are halves by themselves
            halves = np.stack([embedder.logits(block[:middle]), embedder.logits(block[middle:])])
    if not logits:
        return Heard(np.concatenate(vectors), peak)
    if len(logits) > 1:
        middle = len(logits) // 2
        parts = (slice(None, middle), slice(middle, None))
        halves = np.stack([np.average(logits[part], axis=0, weights=sizes[part]) for part in parts])
    whole = np.average(logits, axis=0, weights=sizes)
    return Heard(np.concatenate(vectors), peak, whole.astype(np.float32), halves)


def _blocks(path: Path, sample_rate: int) -> Iterator[Samples]:
    last: Samples | None = None
    for block in stream_mono(path, sample_rate, BLOCK_S):
        if last is None:
            last = block
        elif len(block) < _LEAST_S * sample_rate:
            last = np.concatenate([last, block])
        else:
            yield last
            last = block
    if last is not None:
        yield last


class HearingCache:
    """A folder of what was heard: a file for each sound and each embedder's weights."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def hear(self, embedder: Embedder, path: Path) -> Heard:
        """What `hear` gives, from the folder if it is there.

        Raises:
            InvalidRequestError: as `hear`, or the folder can't be written.
            OutOfResourcesError: the disk is full.
        """
        place = self.place(embedder, path)
        kept = _kept(place)
        if kept is not None:
            return kept
        heard = hear(embedder, path)
        _keep(place, heard)
        return heard

    def place(self, embedder: Embedder, path: Path) -> Path:
        """Where a file's hearing is kept, by the content of the file."""
        try:
            with open(path, "rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            content = "unreadable"  # `hear` says so in its own words
        name = f"{embedder.name}-{embedder.version}-{_FORMAT}"
        return self.folder / name / f"{content}.safetensors"


def _kept(place: Path) -> Heard | None:
    """What was kept; none where it is missing, or damaged and to be made anew."""
    with suppress(WeightsError, SafetensorError, OSError, KeyError, IndexError):
        if place.is_file():
            held_by(place)
            tensors = load_file(place)
            peak = float(tensors["peak"][0])
            return Heard(tensors["vectors"], peak, tensors.get("logits"), tensors.get("halves"))
    return None


def _keep(place: Path, heard: Heard) -> None:
    tensors = {"vectors": heard.vectors, "peak": np.array([heard.peak], np.float32)}
    tensors |= {name: rows for name in ("logits", "halves") if (rows := getattr(heard, name)) is not None}
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_file(place, save({name: np.ascontiguousarray(t, np.float32) for name, t in tensors.items()}))
    except OSError as error:
        raise disk_error(error, place) from error
