"""How good is what the extension puts above 8 kHz? Against real full-band sound, and a baseline's.

The baseline mirrors the band below about 8 kHz, at the one gain that serves all clips best.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
MEASURED_BINS = slice(0, KNOWN_BINS)  # of those above: 8 to 16 kHz
FLOOR = 1e-6  # power below which a bin is silent


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
    parts = []
    for number, sound in enumerate(sounds, start=1):
        parts.append(_Part.of(extension, through, sound))
        report(f"{number} of {len(sounds)} extended")
    gain = {kind: _shelf([part.versions[kind] for part in parts]) for kind in ("known", "decoded")}
    figures: dict[str, Any] = {
        "mel_l1_16k": _mean([part.mel_l1[0] for part in parts]).as_json(),
        "mel_l1_48k": _mean([part.mel_l1[1] for part in parts]).as_json(),
    }
    for kind in ("known", "decoded"):
        made = np.array([_distance(part.versions[kind].made, part.versions[kind].real) for part in parts])
        mirror = np.array(
            [_distance(part.versions[kind].image + gain[kind], part.versions[kind].real) for part in parts]
        )
        figures[kind] = {
            "lsd": _mean(made).as_json(),
            "lsd_mirror": _mean(mirror).as_json(),
            "lsd_share": bootstrap(
                lambda rows: float(rows[:, 0].mean() / rows[:, 1].mean()), np.stack([made, mirror], axis=1)
            ).as_json(),
        }
        if embedder is not None:
            real = _embedded(embedder, list(sounds))
            ours = _embedded(embedder, [part.sounds[kind] for part in parts])
            theirs = _embedded(embedder, [part.mirrored(kind, gain[kind]) for part in parts])
            figures[kind]["auc"] = told_apart(real, ours, (groups, groups)).as_json()
            figures[kind]["auc_mirror"] = told_apart(real, theirs, (groups, groups)).as_json()
            report(f"{kind}: told apart")
    return figures


class _Version:
    """Log-powers [160, frames] between 8 and 16 kHz: the real ones, those made, the mirrored band's."""

    def __init__(self, real: Tensor, made: Tensor, known: Tensor) -> None:
        self.real, self.made, self.image = _logs(spectrum_above(real)), _logs(spectrum_above(made)), None
        image = spectrum_above(_stuffed(known))
        self.image = _logs(image)


class _Part:
    """One sound and all that is made of it."""

    def __init__(self) -> None:
        self.versions: dict[str, _Version] = {}
        self.sounds: dict[str, Samples] = {}
        self.narrow: dict[str, Tensor] = {}
        self.mel_l1 = (0.0, 0.0)

    @classmethod
    @torch.inference_mode()
    def of(cls, extension: BandExtension, through: Through, sound: Samples) -> _Part:
        part = cls()
        whole = len(sound) // (FACTOR * HOP_SAMPLES) * HOP_SAMPLES
        real = torch.from_numpy(sound[: FACTOR * whole])[None]
        known = torch.from_numpy(resample(sound, SAMPLE_RATE, KNOWN_RATE)[:whole])[None]
        mel = log_mel(known)
        blurred, decoded = through(mel)
        part.narrow = {"known": known, "decoded": decoded[:, :whole]}
        for kind, heard, seen in (("known", known, mel), ("decoded", decoded, blurred)):
            made = extension(seen, heard)
            part.versions[kind] = _Version(real, made, heard[:, :whole])
            part.sounds[kind] = made[0].numpy()
        back = torch.from_numpy(resample(part.sounds["decoded"], SAMPLE_RATE, KNOWN_RATE)[:whole])[None]
        part.mel_l1 = (
            float((log_mel(decoded[:, :whole]) - mel).abs().mean()),
            float((log_mel(back) - mel).abs().mean()),
        )
        return part

    @torch.inference_mode()
    def mirrored(self, kind: str, gain: float) -> Samples:
        """The baseline's sound at 48 kHz."""
        known = self.narrow[kind]
        image = spectrum_above(_stuffed(known)) * float(np.exp(gain / 2))
        image[:, KNOWN_BINS:] = 0
        low = analyse(known)[:, :KNOWN_BINS]
        return synthesise(torch.cat([low, image], dim=1), FACTOR * known.shape[1])[0].numpy()


def _stuffed(known: Tensor) -> Tensor:
    """Sound [1, n] at 16 kHz → [1, 3·n]: itself, mirrored above 8 kHz and repeated above 16."""
    out = known.new_zeros(known.shape[0], known.shape[1], FACTOR)
    out[..., 0] = FACTOR * known
    return out.flatten(1)


def _logs(above: Tensor) -> NDArray[np.float64]:
    power = above[0, MEASURED_BINS].abs().square().double().numpy()
    return np.log(power + FLOOR)


def _shelf(versions: Sequence[_Version]) -> float:
    """The gain in nepers of power that brings the mirrored band nearest to the real one, all clips together."""
    return float(np.median(np.concatenate([(v.real - v.image).mean(axis=0) for v in versions])))


def _distance(made: NDArray[np.float64], real: NDArray[np.float64]) -> float:
    """Log-spectral distance in dB: the mean over frames of the root mean square over bins."""
    decibels = 10 / np.log(10) * (made - real)
    return float(np.sqrt(np.square(decibels).mean(axis=0)).mean())


def _mean(values: Sequence[float] | NDArray[np.float64]) -> Figure:
    return bootstrap(lambda rows: float(rows.mean()), np.asarray(values, dtype=float))


def _embedded(embedder: Embedder, sounds: Sequence[Samples]) -> NDArray[np.float32]:
    """Each sound's mean vector [n, D]."""
    return np.stack(
        [embedder.embed(resample(sound, SAMPLE_RATE, embedder.sample_rate)).mean(axis=0) for sound in sounds]
    )
