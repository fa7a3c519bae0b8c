"""A small listening test, and raters who answer it without a browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from studio.evaluation.listening.answers import Key, KeyTrial, read_key
from studio.evaluation.listening.design import Order
from studio.evaluation.listening.make import Made, make_test

RATE = 8000
TEXTS = ("rain on tin", "a dog barks", "birds, then wind", "a train", "waves", "typing", "a bell", "frogs")


def write_systems(
    folder: Path, *names: str, items: int = 4, seconds: float = 1.0, ending: str = "wav"
) -> list[Path]:
    """A folder of sounds for each name, each system at another level, and captions.csv beside them."""
    rng = np.random.default_rng(0)
    for level, name in enumerate(names, start=1):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for item in range(items):
            noise = rng.normal(0, 0.02 * level, round(seconds * RATE))
            sf.write(folder / name / f"clip{item}.{ending}", noise, RATE)
    rows = [f'clip{item}.wav,"{TEXTS[item]}"' for item in range(items)]
    (folder / "captions.csv").write_text("\n".join(["file,caption", *rows]) + "\n")
    return [folder / name for name in names]


def small_test(folder: Path, kind: str = "ovl-rel", *names: str, **more: Any) -> tuple[Made, Key]:
    """A made test of systems of these names, and its key."""
    items = more.pop("items", 4)
    folders = write_systems(folder, *(names or ("one", "two")), items=items)
    order = Order(
        tuple(folders), kind, folder / "test", captions=folder / "captions.csv", seed=1, **more  # type: ignore[arg-type]
    )  # fmt: skip
    made = make_test(order)
    return made, read_key(made.key)


Said = Callable[[int, KeyTrial], dict[str, Any]]


def answers_of(key: Key, rater: int, said: Said, **more: Any) -> dict[str, Any]:
    """What the page would send for a rater who says `said` of each trial: scores, choice or unplayable."""
    answers = [
        {
            "trial": place, "sounds": list(trial.sounds), "scores": {}, "choice": None, "unplayable": False,
            "heard_s": 1.0, "plays": 1, "took_s": 3.5, "at": "2026-01-31T14:02:11.000Z", **said(place, trial),
        }
        for place, trial in enumerate(key.orders[rater - 1])
    ]  # fmt: skip
    return {
        "longwave": "listening-answers", "version": 1, "test": key.test, "kind": key.kind, "rater": rater,
        "session": f"{rater:016x}", "listening_on": "headphones", "began": "2026-01-31T14:00:00.000Z",
        "finished": "2026-01-31T14:20:00.000Z", "answers": answers, **more,
    }  # fmt: skip


def write_answers(folder: Path, name: str, answers: dict[str, Any]) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(answers))
    return path
