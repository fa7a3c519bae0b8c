"""Edits by `import studio`: a sound of a file, and its file again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio import InvalidRequestError, Session, load_preset
from studio.testing import FakeBackend


def test_a_sound_in_a_file_is_edited_and_saved(tmp_path: Path) -> None:
    with Session(create_backend=lambda choice: FakeBackend()) as session:
        clip = {
            "sampler": {"kind": "clip", "steps": 3},
            "mode": "sparse",
            "seed": 1,
            "attention": {"kind": "dense"},
        }
        sound = session.generate("rain", duration_s=5, **clip)
        sound.save(tmp_path / "rain.flac")
        loop = session.edit(tmp_path / "rain.flac", "loop", bpm=120, bars=2, seed=1, steps=3)
        assert loop.loop == (0, len(loop.samples)) == (0, 4 * loop.sample_rate)
        kept = loop.samples[9000:120_000]
        np.testing.assert_allclose(kept, sound.samples[9000:120_000], atol=1 / 32767)
        loop.save(tmp_path / "loop.wav")
        record = load_preset(tmp_path / "loop.json").take
        assert record is not None
        assert record.loop == loop.loop
        both = session.edit(
            tmp_path / "rain.flac", "splice", other=tmp_path / "loop.wav", bridge_s=1, steps=3
        )
        assert both.duration_s == 10
        same = session.edit(tmp_path / "rain.flac", "vary", share=0)
        np.testing.assert_array_equal(same.samples, sound.samples)
        with pytest.raises(InvalidRequestError, match="give it as other"):
            session.edit(tmp_path / "rain.flac", "splice")
        with pytest.raises(InvalidRequestError, match="There is no edit 'paint'"):
            session.edit(tmp_path / "rain.flac", "paint")
