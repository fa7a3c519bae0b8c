"""How live sound is sent: raw, or as a row of small files that any browser decodes, FLAC or Ogg Opus.

A browser that is in no secure context, as with a studio on one's own network, decodes whole files alone. So
each block is a file of its own behind a head of four numbers (`HEAD`, little-endian): its bytes, samples to
pass over at its beginning, samples that count, samples of use beyond them. Opus needs the first to come to
itself, and the last to blend into the next block; FLAC is exact and needs neither.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

HEAD = struct.Struct("<4I")
BLOCK_S = 2.0  # a clip comes in one piece, and is to be heard before all of it is here


class Encoder(Protocol):
    """Of one listener's stream: what `push` and `flush` give is sent in turn."""

    def push(self, samples: NDArray[np.int16]) -> bytes:
        """The next samples [n] or [n, channels], which are sent interleaved."""

    def flush(self) -> bytes:
        """What is held back, at the stream's end."""


@dataclass(frozen=True)
class _Codec:
    """A format of soundfile's, and the seconds on either side of a block."""

    kind: str
    subtype: str
    lead_s: float = 0.0
    tail_s: float = 0.0
    spare_s: float = 0.0  # after the tail: what a file ends with is weaker than it ought to be
    level: float | None = None


_FRAMED = {
    "flac": _Codec("FLAC", "PCM_16"),
    "opus": _Codec("OGG", "OPUS", lead_s=0.08, tail_s=0.02, spare_s=0.02, level=0.85),
}
CODECS = ("raw", *_FRAMED)


def encoder(codec: str, sample_rate: int, channels: int = 1) -> Encoder:
    """An encoder of one of `CODECS`. Raises `KeyError` for another."""
    return _Raw() if codec == "raw" else _Framed(_FRAMED[codec], sample_rate, channels)


class _Raw:
    """Little-endian 16-bit samples as they are."""

    def push(self, samples: NDArray[np.int16]) -> bytes:
        return samples.tobytes()

    def flush(self) -> bytes:
        return b""


class _Framed:
    def __init__(self, codec: _Codec, sample_rate: int, channels: int) -> None:
        self._codec = codec
        self._rate = sample_rate
        self._lead, self._tail = round(codec.lead_s * sample_rate), round(codec.tail_s * sample_rate)
        self._beyond = self._tail + round(codec.spare_s * sample_rate)
        self._nothing = np.zeros(0 if channels == 1 else (0, channels), np.int16)
        self._before = self._nothing  # what the next block begins with, to come to itself
        self._held = self._nothing

    def push(self, samples: NDArray[np.int16]) -> bytes:
        self._held = np.concatenate([self._held, samples])
        frames = b""
        while (ready := len(self._held) - self._beyond) > 0:
            frames += self._block(min(ready, round(BLOCK_S * self._rate)))
        return frames

    def flush(self) -> bytes:
        return self._block(len(self._held)) if len(self._held) else b""

    def _block(self, count: int) -> bytes:
        """The first `count` of what is held, as a file."""
        beyond = min(self._beyond, len(self._held) - count)
        sound = np.concatenate([self._before, self._held[: count + beyond]])
        file, codec = io.BytesIO(), self._codec
        level = {} if codec.level is None else {"compression_level": codec.level}
        sf.write(file, sound, self._rate, subtype=codec.subtype, format=codec.kind, **level)
        head = HEAD.pack(len(file.getvalue()), len(self._before), count, min(beyond, self._tail))
        so_far = len(self._before) + count
        self._before = sound[max(0, so_far - self._lead) : so_far] if self._lead else self._nothing
        self._held = self._held[count:]
        return head + file.getvalue()
