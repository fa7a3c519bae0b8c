"""The measurement of speech, run end to end on the fake that speaks and ears that say what they are told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter

from studio.core.speech import Speech
from studio.evaluation.classifier import Classifier
from studio.evaluation.suites import voice as suite
from studio.evaluation.suites.pocket import HeldOut, Networks
from studio.evaluation.suites.voice import (
    MARGIN_S,
    HeldSpeech,
    VoicePlan,
    behind,
    measure_voice,
    read_on,
)
from studio.evaluation.voices import VoiceClassifier
from studio.pipeline.renderer import Renderer
from studio.pipeline.speech import LEAD_S
from studio.testing.speaking import FakeSpeakingBackend

SENTENCES = ["the cat sat down", "seven dogs ran away", "rain fell on the roof"]
PLAN = VoicePlan(sentences=2, scripts=2, lines=6, steps=2)
Samples = NDArray[np.float32]


class Says:
    """Hears the same whatever is said, and keeps what it was given."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.given: list[Samples] = []

    def hear(self, samples: Samples) -> str:
        self.given.append(samples)
        return self.text


def noise(seed: int, seconds: float = 1.5) -> Samples:
    return (0.1 * np.random.default_rng(seed).normal(size=round(16000 * seconds))).astype(np.float32)


@pytest.fixture
def held() -> HeldSpeech:
    read = [[noise(10 * voice + i) for i in range(len(SENTENCES))] for voice in range(2)]
    known = [[noise(100 + 10 * voice + i) for i in range(4)] for voice in range(2)]
    return HeldSpeech(SENTENCES, read, known)


@pytest.fixture
def scenes() -> HeldOut:
    return HeldOut(np.stack([noise(50 + i, 10.0) for i in range(2)]), ["rain", "a dog"], [["rain"], ["dog"]])


@pytest.fixture
def networks() -> Networks:
    """A VAE and a vocoder that give as much sound as they are given."""
    vae = SimpleNamespace(
        encode=lambda mel: SimpleNamespace(latent_dist=SimpleNamespace(mean=mel)),
        decode=lambda latents: SimpleNamespace(sample=latents),
    )
    torch.manual_seed(0)
    judge = Classifier(["rain", "dog"]).eval()
    return Networks(vae, lambda mel: torch.zeros(len(mel), 160 * mel.shape[1]), None, None, judge)


@pytest.mark.parametrize(("heard", "rate"), [("", 1.0), (SENTENCES[0], None)])
def test_every_figure_is_there_with_its_interval(
    held: HeldSpeech, scenes: HeldOut, networks: Networks, heard: str, rate: float | None
) -> None:
    reported: list[str] = []
    backend, ears = FakeSpeakingBackend(content_band=0), Says(heard)
    figures = measure_voice(backend, networks, ears, held, scenes, PLAN, reported.append)
    for name in ("wer_source", "wer_decoded", "wer", "wer_scene", "wer_script_first", "wer_script_last"):
        assert figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"]
        assert rate is None or figures[name] == rate
    assert figures["wer"] == figures["wer_source"], "the same sentences, heard the same"
    assert {"scene_acc", "voice_acc", "rtf", "script_drift_points"} <= figures.keys()
    assert figures["rtf"] > 0
    assert reported


def test_each_sentence_of_a_script_is_heard_where_it_is_said() -> None:
    backend = FakeSpeakingBackend(content_band=0)
    take = read_on(backend, Renderer(), "a woman says", SENTENCES, VoicePlan(steps=2), seed=1)
    rate = backend.geometry.frame_rate
    lengths = [len(backend.speech_frames(text)) / rate for text in SENTENCES]
    pauses = Speech().pause_s * len(SENTENCES)
    assert take.sound_s >= LEAD_S + sum(lengths) + pauses
    for samples, length in zip(take.sentences, lengths, strict=True):
        assert len(samples) / backend.geometry.sample_rate == pytest.approx(length + 2 * MARGIN_S, abs=0.01)


def test_a_scene_lies_as_far_below_as_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    voice, scene = noise(1), 7 * noise(2, 10.0)
    both: Any = behind(voice, scene, -10.0) - voice
    assert 10 * np.log10(np.mean(both**2) / np.mean(voice**2)) == pytest.approx(-10, abs=0.1)


def ringing(seed: int, hz: float) -> Samples:
    """Noise that rings at one pitch."""
    turn = 2 * np.pi * hz / 16000
    samples: Samples = lfilter([1.0], [1.0, -1.9 * np.cos(turn), 0.9025], noise(seed)).astype(np.float32)
    return samples


def test_voices_are_known_behind_networks_that_change_them_more_than_they_differ(
    monkeypatch: pytest.MonkeyPatch, networks: Networks
) -> None:
    monkeypatch.setattr(
        suite, "through_networks", lambda _, samples: lfilter([1.0], [1.0, -0.9], samples).astype(np.float32)
    )
    pitches = 700.0, 1400.0
    known = [[ringing(100 * voice + i, hz) for i in range(6)] for voice, hz in enumerate(pitches)]
    voices = suite.know_voices(networks, known)
    for voice, hz in enumerate(pitches):
        for seed in range(50, 54):
            said = ringing(seed, hz)
            assert voices.voice(said) == voice
            assert voices.voice(suite.through_networks(networks, said)) == voice
    plain = VoiceClassifier.fit(*known)
    passed = [
        plain.voice(suite.through_networks(networks, ringing(seed, pitches[1]))) for seed in range(50, 54)
    ]
    assert passed == [0] * 4, "what the networks add passes for the lower voice"
