"""Live sound as any player takes it: one file without an end, WAV, MP3, Ogg Vorbis or Ogg Opus."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.core.errors import InvalidRequestError
from studio.service.live.codecs import Encoder
from studio.service.takes.files.coding import OPUS_LEVEL
from studio.service.takes.wire import Wire

_ENDLESS = 0xFFFFFFFF  # of a WAV whose length nobody knows: players read on until it ends


@dataclass(frozen=True)
class Container:
    """How players call it, and what it is to libsndfile: its format, subtype and options."""

    media_type: str
    kind: str = ""
    subtype: str = ""
    level: float | None = None


CONTAINERS = {
    "mp3": Container("audio/mpeg", "MP3", "MPEG_LAYER_III"),
    "opus": Container("audio/ogg", "OGG", "OPUS", OPUS_LEVEL),
    "ogg": Container("audio/ogg", "OGG", "VORBIS"),
    "wav": Container("audio/wav"),
}


def container_of(name: str) -> Container:
    """The container of that name. Raises `InvalidRequestError` for another."""
    if name not in CONTAINERS:
        raise InvalidRequestError(f"Choose one of {', '.join(CONTAINERS)} as the format.")
    return CONTAINERS[name]


def endless_file(container: Container, sample_rate: int, channels: int) -> Encoder:
    """An encoder whose bytes, one after the other, are a file that may be played before it ends."""
    if container.kind:
        return _Written(container, sample_rate, channels)
    return _Wav(sample_rate, channels)


class _Wav:
    """16-bit samples behind a head that leaves the length open."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        form = struct.pack("<HHIIHH", 1, channels, sample_rate, sample_rate * channels * 2, channels * 2, 16)
        self._head = (
            b"RIFF" + struct.pack("<I", _ENDLESS) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
            + b"data" + struct.pack("<I", _ENDLESS)
        )  # fmt: skip

    def push(self, samples: NDArray[np.int16]) -> bytes:
        head, self._head = self._head, b""
        return head + samples.astype("<i2", copy=False).tobytes()

    def flush(self) -> bytes:
        return self.push(np.zeros(0, np.int16))


class _Written:
    """What libsndfile writes, as it writes it."""

    def __init__(self, container: Container, sample_rate: int, channels: int) -> None:
        self._outlet = _Outlet()
        level, steady = container.level, {}
        if container.kind == "MP3":  # whose listeners reckon by a bitrate that stays
            level = Wire("mp3", sample_rate, 128 if sample_rate >= 32000 else 64).level(channels)
            steady = {"bitrate_mode": "CONSTANT"}
        self._file = sf.SoundFile(
            self._outlet, "w", sample_rate, channels, container.subtype,
            format=container.kind, compression_level=level, **steady,
        )  # fmt: skip

    def push(self, samples: NDArray[np.int16]) -> bytes:
        self._file.write(samples)
        return self._outlet.taken()

    def flush(self) -> bytes:
        self._file.close()
        return self._outlet.taken()


class _Outlet(io.RawIOBase):
    """A file that is sent as it grows. What would be mended at its beginning has gone, and is left as it was:
    an MP3's count of frames.
    """

    def __init__(self) -> None:
        self._sent = bytearray()
        self._at = 0
        self._end = 0

    def taken(self) -> bytes:
        """What was written since."""
        sent, self._sent = bytes(self._sent), bytearray()
        return sent

    def write(self, data: Any) -> int:
        size = len(data)
        if self._at == self._end:
            self._sent += data
            self._end += size
        self._at += size
        return size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        return 0
