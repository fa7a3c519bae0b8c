"""Many channels → one: by where their speakers stand (ITU-R BS.775), else by the average."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Layout = tuple[str, ...]  # a speaker's name for each channel

# In the order of the bits of a WAVE file's channel mask.
SPEAKERS = (
    "FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR",
    "TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR",
)  # fmt: skip
OMNIDIRECTIONAL = "W"  # the channel of Ambisonics that hears all; its others, "", hear directions
_HALF_POWER = math.sqrt(0.5)
# Into one channel, BS.775 table 2: the centre goes to both sides and surrounds are 3 dB down. The standard
# leaves the LFE out, and has no speakers overhead: they count as surrounds.
_WEIGHTS = {
    **dict.fromkeys(SPEAKERS, 0.5),
    **dict.fromkeys(("FL", "FR", "FLC", "FRC", "BC"), _HALF_POWER),
    "FC": 1.0,
    "LFE": 0.0,
    OMNIDIRECTIONAL: 1.0,
    "": 0.0,
}
OPPOSED = -0.9  # correlation from which two channels leave next to nothing of each other
_AUDIBLE = 0.01  # of the loudest channel's power: one further down cancels nothing


def layout_of_mask(mask: int, channels: int) -> Layout | None:
    """The speakers of a WAVE channel mask; None where it does not name one for each channel."""
    names = tuple(name for bit, name in enumerate(SPEAKERS) if mask >> bit & 1)
    return names if len(names) == channels and mask < 1 << len(SPEAKERS) else None


def mix_weights(layout: Layout | None, channels: int) -> NDArray[np.float32]:
    """What of each channel goes into the mix [channels]: nothing that lies within ±1 can leave it."""
    weights = np.array([_WEIGHTS[name] for name in layout] if layout else [], np.float32)
    if len(weights) != channels or not weights.any():
        weights = np.ones(channels, np.float32)
    return weights / weights.sum()


@dataclass
class Polarity:
    """Whether channels cancel each other in the mix, learnt from block after block."""

    weights: NDArray[np.float32]
    _covariance: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self._covariance = np.zeros((len(self.weights),) * 2)

    def hear(self, block: NDArray[np.float32]) -> None:
        """Take the next samples [n, channels] in. Their mean is no sound: it could hide that they cancel."""
        if len(self.weights) > 1:
            centred = block - block.mean(axis=0, dtype=np.float64)
            self._covariance += centred.T @ centred

    def signs(self) -> NDArray[np.float32]:
        """+1 for a channel to be taken as it is, −1 for one to be turned over so that it survives the mix."""
        power = np.diag(self._covariance)
        heard = np.flatnonzero((power > _AUDIBLE * power.max(initial=0.0)) & (self.weights > 0))
        signs = np.ones(len(self.weights), np.float32)
        for place, channel in enumerate(heard[1:], 1):
            before = heard[:place]
            alike = self._covariance[channel, before] / np.sqrt(power[channel] * power[before])
            nearest = int(np.abs(alike).argmax())
            if abs(alike[nearest]) > -OPPOSED:
                signs[channel] = np.sign(alike[nearest]) * signs[before[nearest]]
        return signs
