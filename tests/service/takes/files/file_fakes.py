"""A take with changes of prompt, a script and a loop, for what exports say of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile as sf

from studio.core.preset import Group, Preset, PromptChange, TakeRecord
from studio.core.speech import Said

RATE = 16000
SECONDS = 4
CUES = ((0.0, "light rain"), (1.5, "thunder & wind"), (3.0, "雨の音"))
SAID = (Said(text="The storm is near.", start_s=1.0, end_s=1.75),)


def record(loop: tuple[int, int] | None = (8000, 56000)) -> Preset:
    take = TakeRecord(
        file="a.flac",
        created="2026-01-31T14:02:11.250",
        version="0.1.0",
        duration_s=SECONDS,
        sample_rate=RATE,
        cues=tuple(PromptChange(at_s=at_s, prompt=prompt) for at_s, prompt in CUES),
        said=SAID,
        loop=loop,
        group=Group(id="g", position=2, takes=3),
    )
    settings = {"mode": "infinite", "prompt": "light rain", "duration_s": 4.0, "seed": 7}
    return Preset(name="light rain", settings=settings, take=take)


def write_source(folder: Path, loop: tuple[int, int] | None = (8000, 56000), channels: int = 1) -> Path:
    """The take as the library has it, a FLAC of 16 bits."""
    path = folder / "take.flac"
    sound = np.random.default_rng(0).normal(0, 0.05, (SECONDS * RATE, channels))
    with sf.SoundFile(path, "w", RATE, channels, "PCM_16", format="FLAC") as file:
        file.comment = json.dumps(record(loop).model_dump(mode="json"))
        file.write(sound)
    return path
