"""What a model that speaks is worth: are its words understood, alone, inside a scene, and read on and on?

Judged by a recogniser and a classifier of voices that know nothing of the model, on sentences that it never
saw; the same measured on the voices that it learned from says what can be had at most.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from studio.backends.base import SpeakingBackend
from studio.core.events import AudioChunk
from studio.core.request import GenerationRequest, parse_request
from studio.core.sampling import ClipSampler, EndlessSampler
from studio.core.speech import Speech
from studio.dsp.mel import log_mel
from studio.evaluation.classifier import Classifier
from studio.evaluation.metrics.distance import bootstrap_interval
from studio.evaluation.metrics.words import word_error_rate, word_errors
from studio.evaluation.recognizer import Recognizer
from studio.evaluation.suites.pocket import HeldOut, Networks
from studio.evaluation.voices import VoiceClassifier
from studio.pipeline.cancel import CancelToken
from studio.pipeline.control import TakeControl
from studio.pipeline.renderer import Renderer
from studio.pipeline.speech import LEAD_S

SAMPLE_RATE = 16000
VOICES = "a woman says", "a man says"
SCENE_DB = -10.0  # of a scene below the voice
AFTER_S = 0.4  # a clip goes on behind its last word
MARGIN_S = 0.2  # heard before and behind a sentence of a take
Samples = NDArray[np.float32]
Report = Callable[[str], None]
Counts = list[tuple[int, int]]


@dataclass(frozen=True)
class HeldSpeech:
    """Sentences that no recipe saw, as each voice reads them: samples [n] at 16 kHz by voice and sentence.

    `known` is other speech of each voice, to know the voices by.
    """

    sentences: Sequence[str]
    read: Sequence[Sequence[Samples]]
    known: Sequence[Sequence[Samples]]


@dataclass(frozen=True)
class VoicePlan:
    """How much is said. The defaults are the full measure; `quick` is for a look.

    Each of the first `sentences` is said by both voices, alone and in a scene; `scripts` takes of `lines`
    sentences are read on. `words` and `scene` are the scales of guidance; None for `words`: one for both.
    """

    sentences: int = 200
    scripts: int = 6
    lines: int = 40
    steps: int = 50
    scene: float = 2.0
    words: float | None = None

    @classmethod
    def quick(cls, **settings: Any) -> VoicePlan:
        return cls(**{"sentences": 12, "scripts": 1, "lines": 9, **settings})


@dataclass(frozen=True)
class Ears:
    """Who judges."""

    recognizer: Recognizer
    scenes: Classifier
    voices: VoiceClassifier

    def errors(self, text: str, samples: Samples) -> tuple[int, int]:
        return word_errors(text, self.recognizer.hear(samples))

    def family(self, samples: Samples) -> str:
        """The likeliest family of sounds."""
        return self.scenes.top(self.scenes.predict(samples[None])[0])[0][0]


def measure_voice(
    backend: SpeakingBackend,
    networks: Networks,
    recognizer: Recognizer,
    held: HeldSpeech,
    scenes: HeldOut,
    plan: VoicePlan,
    report: Report,
) -> dict[str, float]:
    """Every figure of the model card, with the bounds of its 95 % interval as `NAME_low` and `NAME_high`.

    `scenes` are clips of one family.
    """
    ears = Ears(recognizer, networks.classifier, know_voices(networks, held.known))
    figures = _sources(ears, networks, held, plan, report)
    renderer = Renderer()
    alone, voices, _ = _clips(backend, renderer, ears, held, None, plan, report)
    behind, _, families = _clips(backend, renderer, ears, held, scenes, plan, report)
    reference = _reference(ears, held, scenes, plan)
    figures |= _rate("wer", alone) | _rate("wer_scene", behind)
    figures |= _share("voice_acc", voices) | _share("scene_acc_clips", families)
    figures |= _share("scene_acc_source", reference)
    figures["scene_acc"] = figures["scene_acc_clips"] / max(1e-9, figures["scene_acc_source"])
    if plan.scripts:
        figures |= _scripts(backend, renderer, ears, held, plan, report)
    return figures


def know_voices(networks: Networks, known: Sequence[Sequence[Samples]]) -> VoiceClassifier:
    """Who tells the voices apart: by their speech as it is, and as VAE and vocoder give it back.

    Both networks change a voice's colour by more than what is between two voices.
    """
    first, second = ([*said, *(through_networks(networks, each) for each in said)] for said in known)
    return VoiceClassifier.fit(first, second)


def _sources(
    ears: Ears, networks: Networks, held: HeldSpeech, plan: VoicePlan, report: Report
) -> dict[str, float]:
    """The voices themselves, and what is left of them behind VAE and vocoder."""
    counts: dict[str, Counts] = {"source": [], "decoded": []}
    known: dict[str, list[bool]] = {"source": [], "decoded": []}
    for voice, said in enumerate(held.read):
        report(f"The voices themselves: {voice + 1} of {len(held.read)}")
        for text, samples in zip(held.sentences[: plan.sentences], said, strict=False):
            for name, heard in ("source", samples), ("decoded", through_networks(networks, samples)):
                counts[name].append(ears.errors(text, heard))
                known[name].append(ears.voices.voice(heard) == voice)
    figures: dict[str, float] = {}
    for name in counts:
        figures |= _rate(f"wer_{name}", counts[name]) | _share(f"voice_acc_{name}", known[name])
    return figures


@torch.inference_mode()
def through_networks(networks: Networks, samples: Samples) -> Samples:
    """Samples [n] → log-mel → VAE → log-mel → vocoder → samples."""
    mel = log_mel(torch.from_numpy(samples[: len(samples) // 640 * 640]))[None, None]
    decoded = networks.vae.decode(networks.vae.encode(mel).latent_dist.mean).sample[:, 0]
    return networks.vocoder(decoded)[0].numpy()


def _clips(
    backend: SpeakingBackend,
    renderer: Renderer,
    ears: Ears,
    held: HeldSpeech,
    scenes: HeldOut | None,
    plan: VoicePlan,
    report: Report,
) -> tuple[Counts, list[bool], list[bool]]:
    """Each sentence in both voices: errors, whether the voice is right, whether the scene's family is."""
    counts: Counts = []
    voices, families = [], []
    name = "Speech alone" if scenes is None else "Speech in scenes"
    for number, text in enumerate(held.sentences[: plan.sentences]):
        report(f"{name}: {number} of {plan.sentences}")
        for voice, says in enumerate(VOICES):
            place = len(counts) % len(scenes.captions) if scenes else 0
            prompt = f"{scenes.captions[place]}, {says}" if scenes else says
            samples = say(backend, renderer, prompt, text, plan, seed=len(counts))
            counts.append(ears.errors(text, samples))
            voices.append(ears.voices.voice(samples) == voice)
            if scenes:
                families.append(ears.family(samples) in scenes.families[place])
    return counts, voices, families


def say(
    backend: SpeakingBackend, renderer: Renderer, prompt: str, text: str, plan: VoicePlan, seed: int
) -> Samples:
    """A clip of one sentence, as long as that takes."""
    seconds = len(backend.speech_frames(text)) / backend.geometry.frame_rate + LEAD_S + AFTER_S
    request = _request(prompt, text, seconds, plan, seed, ClipSampler(steps=plan.steps))
    events = renderer(request, backend, CancelToken())
    return np.concatenate([event.samples for event in events if isinstance(event, AudioChunk)])


def _request(
    prompt: str, text: str, seconds: float, plan: VoicePlan, seed: int, sampler: ClipSampler | EndlessSampler
) -> GenerationRequest:
    return parse_request(
        prompt=prompt, seed=seed, duration_s=seconds, guidance_scale=plan.scene, sampler=sampler,
        speech={"text": text, "scale": plan.words},
    )  # fmt: skip


def _reference(ears: Ears, held: HeldSpeech, scenes: HeldOut, plan: VoicePlan) -> list[bool]:
    """Whether the classifier finds the corpus's own scenes behind the voices."""
    found: list[bool] = []
    for number in range(min(plan.sentences, len(held.sentences))):
        for said in held.read:
            place = len(found) % len(scenes.captions)
            mixed = behind(said[number], scenes.samples[place])
            found.append(ears.family(mixed) in scenes.families[place])
    return found


def behind(voice: Samples, scene: Samples, level_db: float = SCENE_DB) -> Samples:
    """A voice with a scene `level_db` below it, in RMS."""
    cut = np.resize(scene, len(voice))
    gain = np.sqrt(np.mean(np.square(voice)) / max(1e-12, float(np.mean(np.square(cut))))) * 10 ** (
        level_db / 20
    )
    mixed = voice + gain * cut
    return (mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32)


def _scripts(
    backend: SpeakingBackend,
    renderer: Renderer,
    ears: Ears,
    held: HeldSpeech,
    plan: VoicePlan,
    report: Report,
) -> dict[str, float]:
    """Scripts read on in endless takes: errors in their first and last thirds, and time a second of sound."""
    first, last = [], []
    took_s = sound_s = 0.0
    for number in range(plan.scripts):
        report(f"Scripts read on: {number} of {plan.scripts}")
        lines = [held.sentences[(number * plan.lines + i) % len(held.sentences)] for i in range(plan.lines)]
        take = read_on(backend, renderer, VOICES[number % len(VOICES)], lines, plan, seed=5000 + number)
        counts = [ears.errors(text, samples) for text, samples in zip(lines, take.sentences, strict=True)]
        third = max(1, len(counts) // 3)
        first.append(counts[:third])
        last.append(counts[-third:])
        took_s += take.took_s
        sound_s += take.sound_s
    apart = np.array([word_error_rate(b) - word_error_rate(a) for a, b in zip(first, last, strict=True)])
    low, high = bootstrap_interval(100 * apart)
    return {
        **_rate("wer_script_first", [count for take in first for count in take]),
        **_rate("wer_script_last", [count for take in last for count in take]),
        "script_drift_points": float(100 * apart.mean()),
        "script_drift_low": low,
        "script_drift_high": high,
        "rtf": took_s / sound_s,
    }


@dataclass(frozen=True)
class ReadTake:
    """An endless take's sentences, samples [n] each, how long it is and how long it took to make."""

    sentences: Sequence[Samples]
    sound_s: float
    took_s: float


def read_on(
    backend: SpeakingBackend,
    renderer: Renderer,
    prompt: str,
    lines: Sequence[str],
    plan: VoicePlan,
    seed: int,
) -> ReadTake:
    """An endless take in which all lines are read, one after the other."""
    spoken = sum(len(backend.speech_frames(line)) for line in lines) / backend.geometry.frame_rate
    pauses = len(lines) * float(Speech().pause_s)
    seconds = spoken + pauses + LEAD_S + AFTER_S
    request = _request(prompt, "\n".join(lines), seconds, plan, seed, EndlessSampler())
    control = TakeControl(request.prompt)
    began = time.perf_counter()
    events = renderer(request, backend, CancelToken(), control)
    samples = np.concatenate([event.samples for event in events if isinstance(event, AudioChunk)])
    took_s = time.perf_counter() - began
    cuts = [(said.start_s - MARGIN_S, said.end_s + MARGIN_S) for said in control.said[: len(lines)]]
    parts = [samples[max(0, round(a * SAMPLE_RATE)) : round(b * SAMPLE_RATE)] for a, b in cuts]
    return ReadTake(parts, seconds, took_s)


def _rate(name: str, counts: Counts) -> dict[str, float]:
    """A word error rate and its interval, sentences drawn anew."""
    table = np.array(counts, dtype=np.float64)
    draws = np.random.default_rng(0).integers(0, len(table), (2000, len(table)))
    rates = table[draws, 0].sum(axis=1) / table[draws, 1].sum(axis=1)
    low, high = np.percentile(rates, (2.5, 97.5))
    return {name: word_error_rate(counts), f"{name}_low": float(low), f"{name}_high": float(high)}


def _share(name: str, hits: Sequence[bool]) -> dict[str, float]:
    """A share and its interval."""
    values = np.array(hits, dtype=np.float64)
    low, high = bootstrap_interval(values)
    return {name: float(values.mean()), f"{name}_low": low, f"{name}_high": high}
