"""Sentences as the networks learn them: letters, how long each is said, log-mels, and phones by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.recipes.speech.align import LATENT_S, Aligner, character_frames
from studio.recipes.speech.reading import Reading, readings
from studio.recipes.speech.tokenizer import token_ids

VOICES = "woman", "man"
FITTED = 500  # sentences a voice to count letters and phones in


@dataclass(frozen=True)
class Spoken:
    """A sentence of T latent frames and K tokens, its letters and the end.

    `ids` int64 [K], `durations` float32 [K] in latent frames, `mel` float16 [4·T, 64], `phones` int64 [T].
    """

    voice: int
    text: str
    ids: NDArray[np.int64]
    durations: NDArray[np.float32]
    mel: NDArray[np.float16]
    phones: NDArray[np.int64]

    @property
    def frames(self) -> int:
        return len(self.phones)


@dataclass(frozen=True)
class SpeechSet:
    """Sentences of all voices, and how many phones they have together."""

    spoken: Sequence[Spoken]
    phones: int

    def of_voice(self, voice: int) -> list[int]:
        return [i for i, one in enumerate(self.spoken) if one.voice == voice]


@dataclass(frozen=True)
class Batch:
    """Sentences padded to the longest: ids, mask, durations [B, K]; voices, frames [B]; phones [B, T]."""

    ids: Tensor
    mask: Tensor
    durations: Tensor
    voices: Tensor
    frames: Tensor
    phones: Tensor


def collate(spoken: Sequence[Spoken]) -> Batch:
    """Pad sentences; phones are −1 behind their end."""
    tokens, frames = max(len(one.ids) for one in spoken), max(one.frames for one in spoken)
    ids, mask = (
        torch.ones(len(spoken), tokens, dtype=torch.long),
        torch.zeros(len(spoken), tokens, dtype=torch.long),
    )
    durations = torch.zeros(len(spoken), tokens)
    phones = torch.full((len(spoken), frames), -1)
    for row, one in enumerate(spoken):
        ids[row, : len(one.ids)] = torch.from_numpy(one.ids)
        mask[row, : len(one.ids)] = 1
        durations[row, : len(one.ids)] = torch.from_numpy(one.durations)
        phones[row, : one.frames] = torch.from_numpy(one.phones)
    voices = torch.tensor([one.voice for one in spoken])
    return Batch(ids, mask, durations, voices, torch.tensor([one.frames for one in spoken]), phones)


def retimed(one: Spoken, durations: NDArray[np.float32], frames: int) -> Spoken:
    """The sentence with its letters as long as `durations` [K] say, in `frames` latent frames.

    Its log-mel is stretched or pressed between the letters' ends; pitch stays, as that lies across the bands.
    """
    ours, theirs = (np.concatenate([[0.0], np.cumsum(each)]) for each in (durations, one.durations))
    phones = one.phones[np.interp(np.arange(frames) + 0.5, ours, theirs).astype(int).clip(max=one.frames - 1)]
    patch = len(one.mel) // one.frames
    centres = np.interp((np.arange(patch * frames) + 0.5) / patch, ours, theirs)
    at = (patch * centres - 0.5).clip(0, len(one.mel) - 1)
    before = at.astype(int)
    after, share = np.minimum(before + 1, len(one.mel) - 1), (at - before)[:, None]
    mel = (1 - share) * one.mel[before].astype(np.float32) + share * one.mel[after].astype(np.float32)
    return replace(one, durations=durations, mel=mel.astype(np.float16), phones=phones)


def load_speech(folder: Path, limit: int | None = None) -> SpeechSet:
    """What was read into `folder`, aligned; `limit` sentences a voice."""
    spoken: list[Spoken] = []
    phone_ids: dict[tuple[int, str], int] = {}
    for number, voice in enumerate(VOICES):
        read = list(islice(readings(folder, voice), limit))
        aligner = Aligner.fit([(one.text, one.phones) for one in read[:FITTED]])
        for one in read:
            durations = character_frames(aligner, one.text, one.phones, one.seconds, one.frames)
            if durations is not None:
                phones = _phones(one, number, phone_ids)
                spoken.append(Spoken(number, one.text, token_ids(one.text), durations, one.mel, phones))
    return SpeechSet(spoken, len(phone_ids))


def _phones(one: Reading, voice: int, known: dict[tuple[int, str], int]) -> NDArray[np.int64]:
    """The phone in the middle of each latent frame [T]; the voices write theirs in different ways."""
    ends = np.cumsum(one.seconds) / LATENT_S
    places = np.searchsorted(ends, np.arange(one.frames) + 0.5).clip(max=len(ends) - 1)
    return np.array([known.setdefault((voice, one.phones[i]), len(known)) for i in places])
