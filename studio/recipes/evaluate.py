"""`longwave eval`: held-out clips from the corpus, given to the evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from studio.backends.acoustic.base import Drafter
from studio.backends.base import Backend, DualBackend
from studio.backends.checkpoint import component
from studio.core.errors import InvalidRequestError, ModelNotFoundError
from studio.core.request import GenerationRequest
from studio.core.sampling import EndlessSampler
from studio.core.values import Passes
from studio.evaluation.classifier import Classifier
from studio.evaluation.papers.manifest import Example, Examples
from studio.evaluation.recognizer import Recognizer
from studio.evaluation.suites.dual import DualPlan, measure_dual
from studio.evaluation.suites.lengths import LengthPlan, measure_lengths
from studio.evaluation.suites.passes import PassesPlan, measure_passes
from studio.evaluation.suites.pocket import HeldOut, Networks, measure_networks
from studio.evaluation.suites.sound import SoundPlan, measure_sound
from studio.evaluation.suites.voice import HeldSpeech, VoicePlan, measure_voice
from studio.pipeline.cancel import CancelToken
from studio.pipeline.plan import plan_window
from studio.pipeline.renderer import Renderer
from studio.pipeline.speech import speaking_backend
from studio.recipes.data.clips import HELD_OUT_SEED, Corpus, build_corpus
from studio.recipes.speech.grammar import held_out_sentences, training_sentences
from studio.recipes.speech.reading import keep_samples
from studio.recipes.speech.voices import Hibari, Piper

KNOWN_SENTENCES = 60  # of each voice, to know it by
HELD_OUT_CLIPS = 640  # so that Fréchet distances have 480 windows a side


def held_out_set(corpus: Corpus) -> HeldOut:
    """The corpus folder as plain arrays, one caption a clip."""
    return HeldOut(
        np.asarray(corpus.audio, np.float32) / 32767.0,
        [captions[0] for captions in corpus.captions],
        corpus.labels,
    )


def withheld_examples(runs: Path) -> Examples:
    """The withheld clips of one family and their captions, for what is measured against recordings.

    `runs` is where they are rendered, once.
    """
    held = _held_out(runs).only(scenes=False)
    made = [
        Example(f"withheld-{number}", number, caption, samples, tuple(families))
        for number, (samples, caption, families) in enumerate(
            zip(held.samples, held.captions, held.families, strict=True)
        )
    ]
    return Examples(made, "Longwave's own corpus, withheld from training, one family of sound each")


def evaluate_pocket(
    assets: Path,
    runs: Path,
    load_backend: Callable[[], Backend],
    *,
    quick: bool = False,
    networks_only: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, float | str]:
    """Every figure of the model card, on clips and phrasings withheld from training.

    `assets` is `assets/pocket`; `runs` is where the held-out clips are rendered. `quick` generates a tenth of
    the sound: for a look, not for a claim.

    Raises:
        ModelNotFoundError: the pocket model is not in `assets`.
    """
    classifier, held_out = _classifier(assets), _held_out(runs)
    wild = json.loads(resources.files("studio.evaluation").joinpath("wild_prompts.json").read_text())[
        "prompts"
    ]
    networks = Networks.load(assets / "audioldm", assets / "judge")
    figures: dict[str, float | str] = dict(measure_networks(networks, held_out, wild, report))
    if networks_only:
        return figures
    backend = load_backend()
    sampler = EndlessSampler.model_validate({})
    renderer = Renderer()
    plan = SoundPlan.quick() if quick else SoundPlan()
    scale = float(GenerationRequest.model_fields["guidance_scale"].default)
    figures |= measure_sound(backend, classifier, held_out, renderer, sampler, scale, plan, report)
    figures |= {f"plan_{key}": value for key, value in asdict(plan).items()}
    auto = sampler.strategy == "auto"
    strategy = renderer.strategy(backend, sampler, CancelToken()) if auto else sampler.strategy
    fifo = plan_window(sampler, strategy, backend)
    return figures | {
        "strategy": sampler.strategy,
        "measured_strategy": strategy,
        "queue_steps": len(fifo.timesteps),
        "window_frames": fifo.window_frames,
        "guidance_scale": scale,
    }


def evaluate_lengths(
    assets: Path,
    runs: Path,
    load_backend: Callable[[], Backend],
    plan: LengthPlan,
    report: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Right families of long clips, dense and sparse, on withheld phrasings; see `measure_lengths`.

    Raises:
        ModelNotFoundError: there is no judge in `assets`, which is `assets/pocket`.
    """
    return measure_lengths(load_backend(), _classifier(assets), _held_out(runs), plan, report)


def evaluate_passes(
    assets: Path,
    runs: Path,
    load_backend: Callable[[Passes], Backend],
    plan: PassesPlan,
    report: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """A model's takes of one pass against those of two, on withheld phrasings; see `measure_passes`.

    Raises:
        InvalidRequestError: the model has no network with guidance folded in.
        ModelNotFoundError: there is no judge in `assets`, which is `assets/pocket`.
    """
    backends: dict[Passes, Backend] = {passes: load_backend(passes) for passes in ("two", "one")}
    if backends["one"].capabilities.folded is None:
        raise InvalidRequestError("This model has two passes alone: give one with guidance folded in.")
    return measure_passes(backends, _classifier(assets), _held_out(runs), plan, report)


def evaluate_dual(
    assets: Path,
    runs: Path,
    load_backend: Callable[[], DualBackend],
    load_tango: Callable[[], Backend],
    load_drafter: Callable[[], Drafter],
    plan: DualPlan,
    report: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """AudioGen, TANGO and DC-LDM on withheld phrasings; see `measure_dual`.

    Raises:
        ModelNotFoundError: there is no judge in `assets`, which is `assets/pocket`, or no audiocraft.
    """
    held_out, drafter = _held_out(runs), load_drafter()
    tokens = drafter.unconditional
    unconditional = drafter.draft("", plan.seconds, seed=0) if tokens is None else drafter.decode(tokens)
    return measure_dual(
        load_backend(), load_tango(), drafter, unconditional, _classifier(assets), held_out, plan, report
    )


def evaluate_voice(
    assets: Path,
    runs: Path,
    load_backend: Callable[[], Backend],
    load_recognizer: Callable[[], Recognizer],
    plan: VoicePlan,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, float]:
    """Word errors of a model that speaks, on sentences withheld from training; see `measure_voice`.

    The voices that it learned from read them, once, into `runs`. `assets` is `assets/pocket`.

    Raises:
        ModelNotFoundError: there is no judge in `assets`, or a group of packages is not installed.
        InvalidRequestError: the model does not speak.
    """
    _classifier(assets)  # before minutes of what needs it
    recognizer = load_recognizer()
    held = _held_speech(runs / "held_speech", plan.sentences)
    backend = speaking_backend(load_backend())
    vocoder = component(assets / "voiceldm", "vocoder")
    networks = Networks.load(assets / "audioldm", assets / "judge", vocoder)
    scenes = _held_out(runs).only(scenes=False)
    return measure_voice(backend, networks, recognizer, held, scenes, plan, report)


def _held_speech(folder: Path, count: int) -> HeldSpeech:
    """The withheld sentences as the voices read them, and some of what they are trained on."""
    sentences = held_out_sentences()
    wanted = min(count, len(sentences))
    voices = (Hibari(), Piper())
    known = list(islice(training_sentences(), KNOWN_SENTENCES))
    return HeldSpeech(
        sentences,
        [keep_samples(folder / "held", voice, sentences[:wanted]) for voice in voices],
        [keep_samples(folder / "known", voice, known) for voice in voices],
    )


def _classifier(assets: Path) -> Classifier:
    if not (assets / "judge" / "judge.json").exists():
        raise ModelNotFoundError(f"No judge in {assets}: run `longwave train judge` first.")
    return Classifier.load(assets / "judge")


def _held_out(runs: Path) -> HeldOut:
    corpus = build_corpus(runs / "held", HELD_OUT_CLIPS, first_seed=HELD_OUT_SEED, split="held_out")
    return held_out_set(corpus)
