"""What the judge hears in a take: the families of sound that it knows, and how sure it is."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile as sf

from studio.core.audio import SAMPLE_RATE, middle
from studio.core.errors import InvalidRequestError, WeightsError
from studio.dsp.resample import resample

if TYPE_CHECKING:
    from studio.evaluation.classifier import Classifier

WINDOW_S = 5.0
MAX_WINDOWS = 60


class AudioTagger:
    """The shipped judge, loaded when it is first asked."""

    def __init__(self, assets: Path) -> None:
        self._folder = assets / "pocket" / "judge"
        self._lock = threading.Lock()
        self._classifier: Classifier | None = None

    def tag(self, path: Path, count: int | None = 2) -> list[tuple[str, float]]:
        """The likeliest families of a take with their shares, over windows of 5 s; none without a judge.

        `count` None gives all of them.

        Raises:
            InvalidRequestError: it is no sound file.
        """
        classifier = self._load()
        if classifier is None:
            return []
        windows = _windows(path)
        logits, _ = classifier.predict(windows)
        shares = logits.softmax(dim=-1).mean(dim=0)
        best = shares.topk(len(shares) if count is None else count)
        return [
            (classifier.families[i], float(p))
            for p, i in zip(best.values, best.indices.tolist(), strict=True)
        ]

    def _load(self) -> Classifier | None:
        from studio.evaluation.classifier import Classifier

        with self._lock:
            if self._classifier is None:
                try:
                    self._classifier = Classifier.load(self._folder)
                except WeightsError:
                    return None
            return self._classifier


def _windows(path: Path) -> np.ndarray:
    """Windows [n, samples] spread over a take, at the judge's rate; one that is shorter is repeated."""
    try:
        with sf.SoundFile(path) as sound:
            length = int(WINDOW_S * sound.samplerate)
            count = max(1, min(MAX_WINDOWS, sound.frames // length))
            rows = []
            for start in np.linspace(0, max(0, sound.frames - length), count).astype(int):
                sound.seek(int(start))
                heard = resample(middle(sound.read(length, dtype="float32")), sound.samplerate, SAMPLE_RATE)
                rows.append(np.resize(heard, int(WINDOW_S * SAMPLE_RATE)))
            return np.stack(rows)
    except (OSError, RuntimeError) as error:
        raise InvalidRequestError(f"Can't read {path.name}: it is no sound file.") from error
