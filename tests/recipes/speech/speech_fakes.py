"""Voices without weights: every letter is a tone of its own, and its own phone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio.core.audio import SAMPLE_RATE
from studio.recipes.speech.voices import PAUSE, Utterance

LETTER_S, PAUSE_S = 0.08, 0.3


@dataclass
class ToneVoice:
    """Says a letter for 80 ms, one octave apart by name; silent between words and around them."""

    name: str
    said: int = 0

    def say(self, sentence: str, seed: int) -> Utterance:
        self.said += 1
        phones = (PAUSE, *sentence, PAUSE)
        seconds = (PAUSE_S, *(LETTER_S for _ in sentence), PAUSE_S)
        base = 200.0 if self.name == "man" else 400.0
        parts = []
        for phone, lasts in zip(phones, seconds, strict=True):
            time = np.arange(round(lasts * SAMPLE_RATE)) / SAMPLE_RATE
            hertz = base * 2 ** ((ord(phone) - ord("a")) / 12)
            parts.append(np.zeros_like(time) if phone == PAUSE else 0.3 * np.sin(2 * np.pi * hertz * time))
        return Utterance(np.concatenate(parts).astype(np.float32), phones, seconds)


def tone_voices() -> tuple[ToneVoice, ToneVoice]:
    """A woman's and a man's."""
    return ToneVoice("woman"), ToneVoice("man")
