"""What was read aloud, trimmed and kept part by part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.core.audio import SAMPLE_RATE
from studio.recipes.speech import reading
from studio.recipes.speech.dataset import collate, load_speech
from studio.recipes.speech.reading import AFTER_S, BEFORE_S, mel_of, read_aloud, readings, trimmed
from studio.recipes.speech.tokenizer import END, token_ids
from studio.recipes.speech.voices import PAUSE
from tests.recipes.speech.speech_fakes import LETTER_S, ToneVoice, tone_voices

SENTENCES = [f"the {a} {b}" for a in ("old", "new", "tall") for b in ("house", "river", "boat", "gate")]


def test_silence_around_a_sentence_is_cut_and_its_level_set() -> None:
    said = trimmed(ToneVoice("man").say("hello there", 0))
    assert (said.seconds[0], said.seconds[-1]) == pytest.approx((BEFORE_S, AFTER_S))
    assert sum(said.seconds) == pytest.approx(len(said.samples) / SAMPLE_RATE, abs=1e-3)
    assert not said.samples[: int(BEFORE_S * SAMPLE_RATE) - 1].any()
    assert said.samples[int(BEFORE_S * SAMPLE_RATE) + 5 :][:50].any()
    quiet = ToneVoice("man").say("hello there", 0)
    louder = trimmed(type(quiet)(quiet.samples * 0.2, quiet.phones, quiet.seconds))
    np.testing.assert_allclose(louder.samples, said.samples, atol=1e-5)


def test_log_mels_have_frames_that_latents_divide() -> None:
    for samples in (640, 641, 1279, 1281):
        mel = mel_of(np.zeros(samples, np.float32))
        assert mel.shape == (4 * -(-samples // 640), 64)
        assert mel.dtype == np.float16


def test_reading_goes_on_where_it_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PART", 4)
    voice = ToneVoice("woman")
    read_aloud(tmp_path, voice, SENTENCES, 6)
    assert voice.said == 6
    (tmp_path / "woman-0001.npz").unlink()
    read_aloud(tmp_path, voice, SENTENCES, 6)
    assert voice.said == 8, "the part that was missing"
    found = list(readings(tmp_path, "woman"))
    assert [one.text for one in found] == SENTENCES[:6]
    for one in found:
        assert one.phones == (PAUSE, *one.text, PAUSE)
        assert one.frames == len(one.mel) // 4
        assert sum(one.seconds) == pytest.approx(0.04 * one.frames, abs=0.04)
    assert not list(readings(tmp_path, "man"))


def test_sentences_are_aligned_and_padded_to_the_longest(tmp_path: Path) -> None:
    for voice in tone_voices():
        read_aloud(tmp_path, voice, SENTENCES, len(SENTENCES))
    speech = load_speech(tmp_path, 10)
    assert len(speech.spoken) == 20
    assert speech.of_voice(0) == list(range(10))
    letters = set("".join(SENTENCES[:10]))
    assert speech.phones == 2 * len(letters), "a pause is heard too; each voice has its own"
    for one in speech.spoken:
        assert one.ids.tolist() == token_ids(one.text).tolist()
        assert one.durations.sum() == pytest.approx(one.frames)
        assert one.durations[1:-2] == pytest.approx(LETTER_S / 0.04, abs=1.01)
    first, *_, second = sorted(speech.spoken, key=lambda one: one.frames)
    batch = collate([first, second])
    assert batch.ids.shape == batch.mask.shape == batch.durations.shape == (2, len(second.ids))
    assert batch.mask.sum(1).tolist() == [len(first.ids), len(second.ids)]
    assert batch.ids[0, len(first.ids) - 1] == END
    assert batch.frames.tolist() == [first.frames, second.frames]
    assert (batch.phones[0, first.frames :] == -1).all()
    assert batch.durations[0, len(first.ids) :].sum() == 0
