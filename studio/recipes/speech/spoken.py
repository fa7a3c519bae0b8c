"""What the voices read as clips of sound, laid out as the corpus is: the vocoder learns speech from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from studio.core.audio import SAMPLE_RATE, to_int16
from studio.core.files import replacing_path
from studio.recipes.data.clips import Corpus
from studio.recipes.speech.grammar import training_sentences
from studio.recipes.speech.reading import trimmed
from studio.recipes.speech.voices import Voice


def spoken_corpus(
    folder: Path, voices: Sequence[Voice], others: Sequence[str], clips: int, clip_s: float
) -> Corpus:
    """`clips` clips of `clip_s` s, each of one voice that reads sentence after sentence; made once, and kept.

    Args:
        others: words that are read besides the grammar's own.
    """
    labels = folder / "labels.json"
    if labels.exists() and len(Corpus(folder)) >= clips:
        return Corpus(folder)
    folder.mkdir(parents=True, exist_ok=True)
    length = round(clip_s * SAMPLE_RATE)
    captions: list[list[str]] = []
    with replacing_path(folder / "audio.npy") as partial:
        audio = np.lib.format.open_memmap(partial, mode="w+", dtype=np.int16, shape=(clips, length))
        read = [_read(voice, others, number, len(voices), length) for number, voice in enumerate(voices)]
        for clip in track(range(clips), "Reading aloud for the vocoder"):
            samples, said = next(read[clip % len(voices)])
            audio[clip] = to_int16(samples)
            captions.append([said])
        audio.flush()
        del audio
    (folder / "captions.json").write_text(json.dumps(captions))
    labels.write_text(json.dumps([[voices[clip % len(voices)].name] for clip in range(clips)]))
    return Corpus(folder)


def _read(
    voice: Voice, others: Sequence[str], number: int, voices: int, length: int
) -> Iterator[tuple[NDArray[np.float32], str]]:
    """Without an end: `length` samples of one voice, and what it says in them; the last word may be cut."""
    seed = 0
    sentences = islice(training_sentences(others), number, None, voices)
    while True:
        parts: list[NDArray[np.float32]] = []
        said: list[str] = []
        while sum(map(len, parts)) < length:
            said.append(next(sentences))
            parts.append(trimmed(voice.say(said[-1], seed)).samples)
            seed += 1
        yield np.concatenate(parts)[:length], ". ".join(said)
