"""Which letters are heard when: phones are handed out to characters, and their time with them.

Each character says none to three phones in order; how readily it says which is counted, and counted again
(hard expectation–maximisation, a voice at a time, since each writes its phones in its own way).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from studio.recipes.speech.voices import PAUSE

BEGIN, END = "^", "$"  # say the pauses before and after
MOST_PHONES = 3
ROUNDS = 4
LATENT_S = 0.04
_STRAY_PAUSE = 9.0  # cost of a pause within a word
_UNSEEN = 12.0
_COUNT_COST = (2.5, 0.7, 2.0, 4.5)  # of saying so many phones, before anything was counted


@dataclass
class Aligner:
    """How readily characters say phones, as costs: −log of shares."""

    costs: dict[str, dict[tuple[str, ...], float]] = field(default_factory=dict)
    single: dict[str, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def fit(cls, pairs: Sequence[tuple[str, Sequence[str]]], rounds: int = ROUNDS) -> Aligner:
        """From sentences and their phones."""
        aligner = cls(single=_begin(pairs))
        for _ in range(rounds):
            counts: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
            for text, phones in pairs:
                symbols = [BEGIN, *text, END]
                for symbol, (start, stop) in zip(symbols, aligner.spans(text, phones), strict=True):
                    counts[symbol][tuple(phones[start:stop])] += 1
            aligner = cls(
                {
                    symbol: {said: -math.log(n / (found.total() + 1)) for said, n in found.items()}
                    for symbol, found in counts.items()
                },
                aligner.single,
            )
        return aligner

    def cost(self, symbol: str, said: tuple[str, ...]) -> float:
        """Of a character's saying just these phones."""
        if symbol in (BEGIN, END, PAUSE):
            return 0.1 if said == (PAUSE,) else 3.0 if not said else math.inf
        if PAUSE in said:
            return _STRAY_PAUSE if len(said) == 1 else math.inf
        known = self.costs.get(symbol, {}).get(said)
        if known is not None:
            return known
        phones = self.single.get(symbol, {})
        guess = _COUNT_COST[len(said)] + sum(phones.get(phone, _UNSEEN / 2) for phone in said)
        return guess + (_UNSEEN / 2 if self.costs else 0.0)

    def spans(self, text: str, phones: Sequence[str]) -> list[tuple[int, int]]:
        """For `BEGIN`, each character and `END`: which phones it says, [first, last)."""
        symbols = [BEGIN, *text, END]
        count = len(phones)
        best = np.full(count + 1, math.inf)
        best[0] = 0.0
        steps = np.zeros((len(symbols), count + 1), np.int64)
        for row, symbol in enumerate(symbols):
            options = np.full((MOST_PHONES + 1, count + 1), math.inf)
            for said in range(MOST_PHONES + 1):
                costs = [self.cost(symbol, tuple(phones[i : i + said])) for i in range(count - said + 1)]
                if costs:
                    options[said, said:] = best[: count - said + 1] + costs
            steps[row] = options.argmin(0)
            best = options.min(0)
        found, stop = [], count
        for row in reversed(range(len(symbols))):
            start = stop - int(steps[row, stop])
            found.append((start, stop))
            stop = start
        return found[::-1]


def _begin(pairs: Iterable[tuple[str, Sequence[str]]]) -> dict[str, dict[str, float]]:
    """Costs of phones for characters, as if both went by evenly."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for text, phones in pairs:
        letters = [character for character in text if character != PAUSE]
        spoken = [phone for phone in phones if phone != PAUSE]
        for i, phone in enumerate(spoken):
            place = (i + 0.5) / len(spoken) * len(letters)
            for near in range(max(0, int(place) - 1), min(len(letters), int(place) + 2)):
                counts[letters[near]][phone] += 1
    totals: Counter[str] = Counter()
    for found in counts.values():
        totals.update(found)
    # How much likelier with the character than anyway: common phones would else go to every letter.
    return {
        letter: {
            phone: max(0.0, 2.0 - math.log(n / found.total() / (totals[phone] / totals.total())))
            for phone, n in found.items()
        }
        for letter, found in counts.items()
    }


def character_frames(
    aligner: Aligner, text: str, phones: Sequence[str], seconds: Sequence[float], frames: int
) -> NDArray[np.float32] | None:
    """How many latent frames each character, and the end after them, lasts [characters + 1].

    One at least, as a durator's tokens do, and `frames` together; nothing where that is too few for them.
    """
    if frames < len(text) + 1:
        return None
    ends = np.concatenate([[0.0], np.cumsum(seconds)]) / LATENT_S
    spans = aligner.spans(text, phones)
    wanted = np.array([ends[stop] for _, stop in spans[1:]])
    wanted[-1] = frames
    return np.diff(spaced(wanted, frames), prepend=0.0).astype(np.float32)


def spaced(ends: NDArray[np.float64], last: float) -> NDArray[np.float64]:
    """The nearest ends to `ends` that lie one apart or more, from one up to `last` (isotonic regression)."""
    index = np.arange(1, len(ends) + 1)
    blocks: list[list[float]] = []
    for value in ends - index:
        blocks.append([value, 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            value_b, weight_b = blocks.pop()
            value_a, weight_a = blocks.pop()
            weight = weight_a + weight_b
            blocks.append([(value_a * weight_a + value_b * weight_b) / weight, weight])
    level = np.concatenate([np.full(round(weight), value) for value, weight in blocks])
    fitted = np.clip(level, 0.0, last - len(ends)) + index
    fitted[-1] = last
    return fitted
