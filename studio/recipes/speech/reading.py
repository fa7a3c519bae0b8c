"""What the voices read, kept on disk in parts: log-mels with the phones that are heard in them.

A part is a file of `PART` sentences of one voice; reading goes on after the last that is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from studio.core.audio import SAMPLE_RATE, to_int16
from studio.core.files import replacing_path
from studio.dsp.mel import HOP_SAMPLES, LOG_FLOOR, log_mel
from studio.recipes.speech.voices import PAUSE, Utterance, Voice

PART = 200
LEVEL = 0.1  # RMS of a voice's louder half
BEFORE_S, AFTER_S = 0.06, 0.14  # of the pauses at a sentence's ends so much is kept
MEL_PER_LATENT = 4


def trimmed(said: Utterance) -> Utterance:
    """Without most of the silence at its ends, and at the corpus's level."""
    phones, lasts = list(said.phones), list(said.seconds)
    first = last = 0.0
    if phones[0] == PAUSE:
        first = max(0.0, lasts[0] - BEFORE_S)
        lasts[0] -= first
    if phones[-1] == PAUSE:
        last = max(0.0, lasts[-1] - AFTER_S)
        lasts[-1] -= last
    stop = len(said.samples) - round(last * SAMPLE_RATE)
    samples = said.samples[round(first * SAMPLE_RATE) : stop]
    frames = samples[: len(samples) // 800 * 800].reshape(-1, 800)
    powers = np.sort(np.square(frames).mean(1))
    level = float(np.sqrt(powers[len(powers) // 2 :].mean()))
    scaled = samples * (LEVEL / max(level, 1e-4))
    return Utterance(np.clip(scaled, -0.99, 0.99).astype(np.float32), tuple(phones), tuple(lasts))


def mel_of(samples: NDArray[np.float32]) -> NDArray[np.float16]:
    """Log-mel [frames, 64] of a number of frames that latents divide, silence at its end."""
    step = HOP_SAMPLES * MEL_PER_LATENT
    padded = np.pad(samples, (0, -len(samples) % step))
    mel = log_mel(torch.from_numpy(padded)).clamp(min=LOG_FLOOR)
    return mel.numpy().astype(np.float16)


@dataclass(frozen=True)
class Reading:
    """One sentence of one voice: log-mel [frames, 64], phones and how many s each lasts."""

    voice: str
    text: str
    mel: NDArray[np.float16]
    phones: tuple[str, ...]
    seconds: tuple[float, ...]

    @cached_property
    def frames(self) -> int:
        """Latent frames."""
        return len(self.mel) // MEL_PER_LATENT


def read_aloud(folder: Path, voice: Voice, sentences: Iterable[str], count: int) -> None:
    """Write the first `count` sentences as `voice` reads them, part by part; parts that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    source = iter(sentences)
    for number in range(-(-count // PART)):
        some = list(islice(source, min(PART, count - number * PART)))
        path = folder / f"{voice.name}-{number:04d}.npz"
        if not path.exists():
            _write_part(
                path, [(text, trimmed(voice.say(text, number * PART + i))) for i, text in enumerate(some)]
            )


def _write_part(path: Path, said: Sequence[tuple[str, Utterance]]) -> None:
    mels = [mel_of(utterance.samples) for _, utterance in said]
    notes = [{"text": text, "phones": u.phones, "seconds": u.seconds} for text, u in said]
    with replacing_path(path) as partial, open(partial, "wb") as file:
        np.savez(
            file,
            mels=np.concatenate(mels),
            lengths=np.array([len(mel) for mel in mels]),
            notes=json.dumps(notes),
        )


def readings(folder: Path, voice: str) -> Iterator[Reading]:
    """All that a voice has read, in order."""
    for path in sorted(folder.glob(f"{voice}-*.npz")):
        with np.load(path) as part:
            mels, ends = part["mels"], np.cumsum(part["lengths"])
            for note, mel in zip(json.loads(str(part["notes"])), np.split(mels, ends[:-1]), strict=True):
                yield Reading(voice, note["text"], mel, tuple(note["phones"]), tuple(note["seconds"]))


def keep_samples(folder: Path, voice: Voice, sentences: Sequence[str]) -> list[NDArray[np.float32]]:
    """Each sentence as `voice` reads it, samples [n] at 16 kHz, read once and kept as int16."""
    path = folder / f"{voice.name}.npz"
    kept: dict[str, NDArray[np.int16]] = {}
    if path.exists():
        with np.load(path) as file:
            kept = dict(file)
    missing = [text for text in sentences if text not in kept]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        kept |= {text: to_int16(trimmed(voice.say(text, seed)).samples) for seed, text in enumerate(missing)}
        with replacing_path(path) as partial, open(partial, "wb") as file:
            np.savez(file, **kept)  # type: ignore[arg-type]
    return [kept[text].astype(np.float32) / 32767.0 for text in sentences]
