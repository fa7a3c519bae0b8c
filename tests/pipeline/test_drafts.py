"""Drafts are made once, by what they are made of, and a damaged file counts as none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studio.backends.acoustic.base import Sampling, tile_tokens
from studio.core.draft import RecordedDraft
from studio.core.errors import InvalidRequestError, ModelNotFoundError
from studio.core.preset import Source
from studio.pipeline.drafts import FOLDER, AcousticModelPool, Drafts, GeneratedDraft
from studio.pipeline.recording import Recording
from tests.pipeline.drafting_fakes import FakeDrafter

RAIN = GeneratedDraft("pocket/audiogen", seed=1)


@pytest.fixture
def drafter() -> FakeDrafter:
    return FakeDrafter()


@pytest.fixture
def drafts(drafter: FakeDrafter, tmp_path: Path) -> Drafts:
    return Drafts(AcousticModelPool(lambda *_: drafter, lambda *_: drafter), tmp_path)


def recording(seconds: float = 2.0, name: str = "mine.wav") -> Recording:
    samples = np.linspace(-0.5, 0.5, round(seconds * 16000)).astype(np.float32)
    return Recording(samples, Source(file=name, sha256="a" * 64, duration_s=seconds))


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ({}, False),
        ({"prompt": "wind"}, True),
        ({"duration_s": 1.5}, True),
        ({"wanted": replace(RAIN, seed=8)}, True),
        ({"wanted": replace(RAIN, sampling=Sampling(temperature=0.5))}, True),
        ({"wanted": replace(RAIN, sampling=Sampling(top_k=3))}, True),
        ({"wanted": replace(RAIN, sampling=Sampling(guidance_scale=1.0))}, True),
    ],
)
def test_what_a_draft_is_made_of(
    drafts: Drafts, drafter: FakeDrafter, changed: dict[str, object], again: bool
) -> None:
    values = {"wanted": RAIN, "prompt": "rain", "duration_s": 1.0, "device": "cpu"}
    first = drafts.from_text(**values)
    second = drafts.from_text(**{**values, **changed})
    assert len(drafter.asked) == 1 + again
    if not again:
        np.testing.assert_array_equal(first.tokens, second.tokens)


def test_another_checkpoint_of_the_same_name_makes_other_drafts(tmp_path: Path, drafter: FakeDrafter) -> None:
    for weights in ("old", "new", "old"):
        models = AcousticModelPool(lambda *_: drafter, lambda *_: drafter)
        Drafts(models, tmp_path, lambda _, weights=weights: weights).from_text(RAIN, "rain", 1.0, "cpu")
    assert len(drafter.asked) == 2


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"no array at all"])
def test_a_half_written_draft_is_made_again(
    drafts: Drafts, drafter: FakeDrafter, tmp_path: Path, damage: bytes
) -> None:
    first = drafts.from_text(RAIN, "rain", 1.0, "cpu")
    [file] = (tmp_path / FOLDER).glob("*.npy")
    file.write_bytes(damage)
    again = drafts.from_text(RAIN, "rain", 1.0, "cpu")
    np.testing.assert_array_equal(again.tokens, first.tokens)
    assert len(drafter.asked) == 2
    drafts.from_text(RAIN, "rain", 1.0, "cpu")
    assert len(drafter.asked) == 2, "it was mended"


def test_a_disk_that_keeps_nothing_costs_time_alone(drafter: FakeDrafter, tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file is in the way")
    drafts = Drafts(AcousticModelPool(lambda *_: drafter, lambda *_: drafter), tmp_path)
    assert drafts.from_text(RAIN, "rain", 1.0, "cpu").tokens.shape == (4, 50)


def test_the_empty_text_ships_or_is_asked_for(drafts: Drafts, drafter: FakeDrafter) -> None:
    asked = drafts.unconditional("fake", 2.0, "cpu")
    assert [prompt for prompt, *_ in drafter.asked] == [""]
    drafter.unconditional = asked.tokens[:, :30]
    shipped = drafts.unconditional("fake", 2.0, "cpu")
    assert len(drafter.asked) == 1
    np.testing.assert_array_equal(shipped.tokens[:, 30:60], shipped.tokens[:, :30])
    assert shipped.tokens.shape == (4, 100)


def test_without_audiogen_recordings_and_kept_drafts_are_heard_all_the_same(
    drafter: FakeDrafter, tmp_path: Path
) -> None:
    def missing(*_: str) -> FakeDrafter:
        raise ModelNotFoundError("AudioGen needs audiocraft.")

    whole = Drafts(AcousticModelPool(lambda *_: drafter, lambda *_: drafter), tmp_path)
    kept = whole.from_text(RAIN, "rain", 1.0, "cpu")
    drafter.unconditional = kept.tokens
    drafts = Drafts(AcousticModelPool(missing, lambda *_: drafter), tmp_path)
    np.testing.assert_array_equal(drafts.from_text(RAIN, "rain", 1.0, "cpu").tokens, kept.tokens)
    assert drafts.unconditional("fake", 1.0, "cpu").tokens.shape == (4, 50)
    wanted = drafts.store_recording(recording(), "fake")
    assert drafts.of_recording(wanted, "cpu").tokens.shape == (4, 100)
    with pytest.raises(ModelNotFoundError, match="audiocraft"):
        drafts.from_text(RAIN, "wind", 1.0, "cpu")


def test_a_recording_is_put_by_once_and_said_to_be_gone(drafts: Drafts, tmp_path: Path) -> None:
    wanted = drafts.store_recording(recording(), "fake")
    assert wanted == RecordedDraft(model="fake", sha256="a" * 64, file="mine.wav")
    file = tmp_path / FOLDER / f"{wanted.sha256}.flac"
    before = file.stat().st_mtime_ns
    drafts.store_recording(recording(), "fake")
    assert file.stat().st_mtime_ns == before
    file.unlink()
    with pytest.raises(InvalidRequestError, match=r"mine\.wav is not here any more"):
        drafts.of_recording(wanted, "cpu")


def test_round_and_round() -> None:
    tokens = np.arange(6, dtype=np.int16).reshape(2, 3)
    np.testing.assert_array_equal(tile_tokens(tokens, 5)[0], [0, 1, 2, 0, 1])
    assert tile_tokens(tokens, 2).shape == (2, 2)


def test_a_model_without_a_codec_apart_is_loaded_once() -> None:
    models = AcousticModelPool(lambda *_: FakeDrafter(), lambda *_: None)
    assert models.opener("a", "cpu") is models.codec("a", "cpu") is models.drafter("a", "cpu")


def test_a_damaged_recording_is_put_by_again_and_heard_as_far_as_asked(tmp_path: Path) -> None:
    drafter = FakeDrafter()
    drafts = Drafts(AcousticModelPool(lambda *_: drafter, lambda *_: drafter), tmp_path)
    own = drafts.store_recording(recording(), "fake")
    whole = drafts.of_recording(own, "cpu").tokens
    (tmp_path / FOLDER / f"{own.sha256}.flac").write_bytes(b"half")
    assert drafts.store_recording(recording(), "fake") == own
    np.testing.assert_array_equal(drafts.of_recording(own, "cpu").tokens, whole)
    assert drafts.of_recording(own, "cpu", 0.5).tokens.shape == (4, 25)


def test_models_are_loaded_once_and_let_go_of() -> None:
    loaded: list[tuple[str, str]] = []

    def load(*choice: str) -> FakeDrafter:
        loaded.append(choice)
        return FakeDrafter()

    models = AcousticModelPool(load, load)
    assert models.drafter("a", "cpu") is models.drafter("a", "cpu")
    models.drafter("b", "cpu")
    models.codec("b", "cpu")
    assert loaded == [("a", "cpu"), ("b", "cpu"), ("b", "cpu")]
    models.unload()
    models.drafter("b", "cpu")
    assert len(loaded) == 4
