"""One channel → two whose mean it is, and two channels' bass to the middle: causal, in pieces of any length.

Both are mid and side, left = mid + side and right = mid − side: whatever the side is, the channels' mean is
the mid. The side of one channel is its sound through sparse random pulses ("velvet noise", Alary, Politis and
Välimäki 2017), which smear it over 25 ms without colouring it much.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

Samples = NDArray[np.float32]

BASS_HZ = 120.0  # below it nobody hears where a sound is, and a loudspeaker needs both channels to agree
SIDE_AT_FULL_WIDTH = 0.6  # of the middle's level: of both channels 0.7 dB is lost in their mean at width 0.7
_ORDER = 4
# Of 20 000 drawn, a pulse in each millisecond, those that colour bands of a third of an octave least and turn
# them least to one channel. In seconds · 16 000.
_DELAYS = (
    27, 43, 45, 63, 77, 96, 111, 139, 151, 164, 186, 198,
    215, 221, 242, 266, 283, 299, 304, 320, 346, 365, 376, 393,
)  # fmt: skip
_SIGNS = "------+-+---+++-++----+-"
_DECAY_DB_PER_S = 583.0  # a hit's side is gone with it


class Spread(Protocol):
    """What brings a sound to two channels as it comes. The sound does not depend on how it was cut."""

    def push(self, samples: Samples) -> Samples:
        """The next samples → as many samples [n, 2]."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that a later one needs to go on: plain tensors."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`'s value. Raises `ValueError` where it is none."""
        ...


class Doubled:
    """The same sound in both channels: [n] → [n, 2]."""

    def push(self, samples: Samples) -> Samples:
        return np.stack([samples, samples], axis=1)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


class Widened:
    """One channel [n] → two [n, 2] whose mean it is, as wide as `width` says, its bass in the middle.

    Both begin with what is heard in the middle: a hit has no echo before it. Where the side would lead beyond
    full scale it is held there, so that the mean stays what it was.
    """

    def __init__(self, sample_rate: int, width: float) -> None:
        """`width` from 0, which is the same sound in both channels, to 1."""
        seconds = np.array(_DELAYS) / 16000
        self._delays = np.round(seconds * sample_rate).astype(int)
        signs = np.array([1.0 if sign == "+" else -1.0 for sign in _SIGNS])
        gains = signs * 10 ** (-_DECAY_DB_PER_S * seconds / 20)
        self._gains = SIDE_AT_FULL_WIDTH * width * gains / np.sqrt(np.square(gains).sum())
        self._past = np.zeros(int(self._delays.max()), np.float32)
        self._bass = _WithoutBass(sample_rate)

    def push(self, samples: Samples) -> Samples:
        """The next samples [n] → as many [n, 2]."""
        sound, reach = np.concatenate([self._past, samples]), len(self._past)
        side = np.zeros(len(samples))
        for delay, gain in zip(self._delays, self._gains, strict=True):
            side += gain * sound[reach - delay : len(sound) - delay]
        self._past = sound[len(sound) - reach :]
        side = self._bass.push(side)
        room = np.maximum(0.0, 1.0 - np.abs(samples.astype(np.float64)))
        return _channels(samples, np.clip(side, -room, room))

    def state_dict(self) -> dict[str, Any]:
        return {"past": torch.from_numpy(self._past.copy()), "bass": self._bass.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        past = _array(state, "past", self._past)
        self._bass.state = state["bass"]
        self._past = past


class BassInTheMiddle:
    """Two channels [n, 2] → the same above 120 Hz, and below it their mean in both."""

    def __init__(self, sample_rate: int) -> None:
        self._bass = _WithoutBass(sample_rate)

    def push(self, samples: Samples) -> Samples:
        left, right = samples.astype(np.float64).T
        return _channels((left + right) / 2, self._bass.push((left - right) / 2))

    def state_dict(self) -> dict[str, Any]:
        return {"bass": self._bass.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._bass.state = state["bass"]


class _WithoutBass:
    """A high-pass of the side, sample by sample."""

    def __init__(self, sample_rate: int) -> None:
        self._sections = butter(_ORDER, BASS_HZ, "highpass", fs=sample_rate, output="sos")
        self._state = np.zeros((len(self._sections), 2))

    def push(self, side: NDArray[np.float64]) -> NDArray[np.float64]:
        if not len(side):
            return side
        filtered: NDArray[np.float64]
        filtered, self._state = sosfilt(self._sections, side, zi=self._state)
        return filtered

    @property
    def state(self) -> torch.Tensor:
        return torch.from_numpy(self._state.copy())

    @state.setter
    def state(self, value: torch.Tensor) -> None:
        self._state = _array({"bass": value}, "bass", self._state)


def _array(state: Mapping[str, Any], name: str, like: NDArray[Any]) -> NDArray[Any]:
    value = state[name]
    if not isinstance(value, torch.Tensor) or tuple(value.shape) != like.shape:
        raise ValueError(f"no {name} of such a spread")
    whole: NDArray[Any] = value.cpu().numpy().astype(like.dtype)
    return whole


def _channels(middle: NDArray[np.floating], side: NDArray[np.float64]) -> Samples:
    return np.stack([middle + side, middle - side], axis=1).astype(np.float32)
