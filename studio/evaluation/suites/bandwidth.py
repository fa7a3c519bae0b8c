"""How good is what the extension puts above 8 kHz? Against real full-band sound, and a baseline's.

The baseline mirrors the band below about 8 kHz, at the one gain that serves all clips best.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.core.audio import SAMPLE_RATE as KNOWN_RATE
from studio.dsp.mel import HOP_SAMPLES, log_mel
from studio.dsp.resample import resample
from studio.evaluation.embedders.base import Embedder
from studio.evaluation.metrics.summary import Figure, bootstrap
from studio.evaluation.metrics.told_apart import told_apart
from studio.modules.band_extension import (
    FACTOR,
    KNOWN_BINS,
    SAMPLE_RATE,
    BandExtension,
    analyse,
    spectrum_above,
    synthesise,
)

Samples = NDArray[np.float32]
Through = Callable[[Tensor], tuple[Tensor, Tensor]]
_MULTIPLE = FACTOR * HOP_SAMPLES
MEASURED_BINS = slice(0, KNOWN_BINS)  # of those above: 8 to 16 kHz
FLOOR = 1e-6  # power below which a bin is silent


@dataclass(frozen=True)
class Known:
    """What is known of a sound: log-mel [1, m, 64] and sound [1, 160·m] at 16 kHz, of one kind."""

    mel: Tensor
    sound: Tensor


def measure_bandwidth(
    extension: BandExtension,
    through: Through,
    sounds: Sequence[Samples],
    groups: Sequence[str],
    embedder: Embedder | None,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Figures of `sounds` [n] at 48 kHz, each of its group (such as its family), and of what is made of them.

    `through` gives a log-mel and its sound at 16 kHz as VAE and vocoder make them: `decoded` figures are of
    those, `known` ones of the sounds' own lower band. Without an embedder nothing is told apart.

    - `mel_l1_16k`, `mel_l1_48k`: log-mel L1 below 8 kHz, of the vocoder's sound, and of that extended.
    - `lsd`, `lsd_mirror`: log-spectral distance between 8 and 16 kHz in dB; `lsd_share`: their ratio.
    - `auc`, `auc_mirror`: how well each is told from the real sounds (0.5: not at all).
    """
    real = [sound[: len(sound) // _MULTIPLE * _MULTIPLE] for sound in sounds]
    known = [known_of(sound) for sound in real]
    decoded = [_decoded(through, one) for one in known]
    figures: dict[str, Any] = {}
    for kind, given in (("known", known), ("decoded", decoded)):
        made = [extended(extension, one) for one in given]
        shelf = best_shelf(real, given)
        mirror = [mirrored(one.sound, shelf) for one in given]
        report(f"{kind}: extended")
        figures[kind] = _distances(real, made, mirror)
        if embedder is not None:
            heard = [_embedded(embedder, kept) for kept in (real, made, mirror)]
            figures[kind]["auc"] = told_apart(heard[0], heard[1], (groups, groups)).as_json()
            figures[kind]["auc_mirror"] = told_apart(heard[0], heard[2], (groups, groups)).as_json()
            report(f"{kind}: told apart")
    brought_down = [known_of(sound).mel for sound in made]
    return {
        "mel_l1_16k": _mel_l1(known, [log_mel(one.sound) for one in decoded]).as_json(),
        "mel_l1_48k": _mel_l1(known, brought_down).as_json(),
        **figures,
    }


def known_of(sound: Samples) -> Known:
    """What is below 8 kHz of a sound [n] at 48 kHz, n a multiple of 480."""
    narrow = torch.from_numpy(resample(sound, SAMPLE_RATE, KNOWN_RATE))[None]
    return Known(log_mel(narrow), narrow)


@torch.inference_mode()
def extended(extension: BandExtension, known: Known) -> Samples:
    """The extension's sound [3·n] of what is known [n]."""
    made: Samples = extension(known.mel, known.sound)[0].numpy()
    return made


@torch.inference_mode()
def mirrored(known: Tensor, shelf: float) -> Samples:
    """The baseline's sound [3·n] at 48 kHz of sound [1, n]: 0 to 8 kHz mirrored upwards, `shelf` louder.

    `shelf` is in nepers of power.
    """
    image = spectrum_above(_stuffed(known)) * math.exp(shelf / 2)
    image[:, KNOWN_BINS:] = 0
    whole = torch.cat([analyse(known)[:, :KNOWN_BINS], image], dim=1)
    made: Samples = synthesise(whole, FACTOR * known.shape[1])[0].numpy()
    return made


def best_shelf(real: Sequence[Samples], known: Sequence[Known]) -> float:
    """The shelf of `mirrored` that brings it nearest to the real sounds, all clips together."""
    return float(
        np.median(
            np.concatenate(
                [
                    (log_powers(torch.from_numpy(sound)[None]) - log_powers(_stuffed(one.sound))).mean(axis=0)
                    for sound, one in zip(real, known, strict=True)
                ]
            )
        )
    )


@torch.inference_mode()
def log_powers(sound: Tensor) -> NDArray[np.float64]:
    """Of the bins between 8 and 16 kHz of sound [1, n] at 48 kHz [160, frames]."""
    power = spectrum_above(sound)[0, MEASURED_BINS].abs().square().double()
    powers: NDArray[np.float64] = (power + FLOOR).log().numpy()
    return powers


def spectral_distance(made: Samples, real: Samples) -> float:
    """Log-spectral distance in dB between 8 and 16 kHz: the mean over frames of the rms over bins."""
    apart = log_powers(torch.from_numpy(made)[None]) - log_powers(torch.from_numpy(real)[None])
    return float(np.sqrt(np.square(10 / np.log(10) * apart).mean(axis=0)).mean())


def _distances(real: Sequence[Samples], made: Sequence[Samples], mirror: Sequence[Samples]) -> dict[str, Any]:
    rows = np.array(
        [
            [spectral_distance(m, r), spectral_distance(b, r)]
            for r, m, b in zip(real, made, mirror, strict=True)
        ]
    )
    return {
        "lsd": _mean(rows[:, 0]).as_json(),
        "lsd_mirror": _mean(rows[:, 1]).as_json(),
        "lsd_share": bootstrap(lambda drawn: float(drawn[:, 0].mean() / drawn[:, 1].mean()), rows).as_json(),
    }


def _decoded(through: Through, known: Known) -> Known:
    mel, sound = through(known.mel)
    return Known(mel, sound[:, : known.sound.shape[1]].clone())


def _mel_l1(known: Sequence[Known], mels: Sequence[Tensor]) -> Figure:
    return _mean([float((mel - one.mel).abs().mean()) for mel, one in zip(mels, known, strict=True)])


def _stuffed(known: Tensor) -> Tensor:
    """Sound [1, n] at 16 kHz → [1, 3·n]: itself, mirrored above 8 kHz and repeated above 16."""
    out = known.new_zeros(known.shape[0], known.shape[1], FACTOR)
    out[..., 0] = FACTOR * known
    return out.flatten(1)


def _mean(values: Sequence[float] | NDArray[np.float64]) -> Figure:
    return bootstrap(lambda rows: float(rows.mean()), np.asarray(values, dtype=float))


def _embedded(embedder: Embedder, sounds: Sequence[Samples]) -> NDArray[np.float32]:
    """Each sound's mean vector [n, D]."""
    return np.stack(
        [embedder.embed(resample(sound, SAMPLE_RATE, embedder.sample_rate)).mean(axis=0) for sound in sounds]
    )
