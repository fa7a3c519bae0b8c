"""A WAV file that is whole at every moment, so that a kill leaves something that plays.

libsndfile writes a header's sizes at close, and can't hold a long comment in a WAV. This writer puts the data
down first, then the header, at every write; a file past 4 GiB becomes RF64 (EBU Tech 3306), for which a JUNK
chunk keeps the place.
"""

from __future__ import annotations

import errno
import os
import struct
import time
from io import FileIO
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from studio.core.locks import lock

HEADER_BYTES = 80
SYNC_INTERVAL_S = 1.5
_MAX_RIFF = 0xFFFFFFFF
_BYTES_PER_SAMPLE = 2


class GrowingWav:
    """A new 16-bit WAV file. Raises `FileExistsError` where there is one, `OSError` on a full disk."""

    def __init__(self, path: Path, sample_rate: int, channels: int = 1) -> None:
        file = open(path, "xb", buffering=0)  # noqa: SIM115 - closed by close()
        lock(file)
        try:
            self._take_up(file, path, sample_rate, 0, channels)
        except OSError:
            file.close()
            path.unlink(missing_ok=True)
            raise

    @classmethod
    def reopen(cls, path: Path, frames: int, channels: int = 1) -> GrowingWav:
        """Go on with a file of this writer's after its first `frames` samples; the rest is cut off.

        Raises:
            ValueError: it is no such file, has fewer samples or other channels.
            BlockingIOError: another writer holds it.
        """
        with open(path, "rb") as whole:
            head = whole.read(HEADER_BYTES)
        size = HEADER_BYTES + frames * channels * _BYTES_PER_SAMPLE
        its_own = _is_own(head) and struct.unpack_from("<H", head, 58)[0] == channels
        if not its_own or path.stat().st_size < size:
            raise ValueError(f"{path.name} does not hold {frames} samples")
        file = open(path, "r+b", buffering=0)  # noqa: SIM115 - closed by close()
        if not lock(file):
            file.close()
            raise BlockingIOError(errno.EWOULDBLOCK, "another Longwave writes it", str(path))
        file.truncate(size)
        wav = cls.__new__(cls)
        wav._take_up(file, path, struct.unpack_from("<I", head, 60)[0], frames, channels)
        return wav

    def _take_up(self, file: FileIO, path: Path, sample_rate: int, frames: int, channels: int = 1) -> None:
        self.path = path
        self.sample_rate = sample_rate
        self._file = file
        self._channels = channels
        self._frame_bytes = channels * _BYTES_PER_SAMPLE
        self._data_bytes = frames * self._frame_bytes
        self._tail_bytes = 0
        self._last_sync = time.monotonic()
        self._write_header()

    def __enter__(self) -> GrowingWav:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def frames(self) -> int:
        """Samples that the header vouches for."""
        return self._data_bytes // self._frame_bytes

    def write(self, samples: NDArray[np.int16]) -> None:
        """Append samples [n] or [n, channels].

        Raises:
            OSError: the disk is full, and the samples that still fitted are kept; or the file was taken away.
        """
        self.require_file()
        data = memoryview(samples.astype("<i2", copy=False).tobytes())
        self._file.seek(HEADER_BYTES + self._data_bytes)
        written = 0
        try:
            while written < len(data):
                written += self._file.write(data[written:]) or 0
        finally:
            self._data_bytes += written - written % self._frame_bytes
            self._write_header()
        if time.monotonic() - self._last_sync >= SYNC_INTERVAL_S:
            self.sync()

    def require_file(self) -> None:
        """Raise `FileNotFoundError` where the file was taken away.

        An open file outlives its name, and what is written to it then is for nobody.
        """
        if not self.path.exists():
            raise FileNotFoundError(errno.ENOENT, "deleted or moved while it was made", str(self.path))

    def sync(self) -> None:
        """Put it on the disk itself: a kill needs only the system's cache, a power cut needs this."""
        os.fsync(self._file.fileno())
        self._last_sync = time.monotonic()

    def close(self, comment: str = "") -> None:
        """Finish the file, with a comment tag (ASCII) after the sound. Closing twice is harmless."""
        if self._file.closed:
            return
        try:
            if comment:
                self._write_comment(comment)
            self.sync()
        finally:
            self._file.close()

    def _write_comment(self, comment: str) -> None:
        text = comment.encode("ascii", errors="replace") + b"\0"
        text += b"\0" * (len(text) % 2)
        chunk = b"LIST" + struct.pack("<I", 12 + len(text)) + b"INFO" + b"ICMT" + struct.pack("<I", len(text))
        self._file.seek(HEADER_BYTES + self._data_bytes)
        self._file.write(chunk + text)
        self._tail_bytes = len(chunk) + len(text)
        self._write_header()

    def _write_header(self) -> None:
        riff_bytes = HEADER_BYTES - 8 + self._data_bytes + self._tail_bytes
        rate, width = self.sample_rate, self._frame_bytes
        bits = 8 * _BYTES_PER_SAMPLE
        fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, self._channels, rate, rate * width, width, bits)
        if riff_bytes <= _MAX_RIFF:
            form, size, data_size = b"RIFF", riff_bytes, self._data_bytes
            place = struct.pack("<4sI28x", b"JUNK", 28)
        else:
            form, size, data_size = b"RF64", _MAX_RIFF, _MAX_RIFF
            place = struct.pack("<4sIQQQI", b"ds64", 28, riff_bytes, self._data_bytes, self.frames, 0)
        head = struct.pack("<4sI4s", form, size, b"WAVE") + place + fmt
        self._file.seek(0)
        self._file.write(head + struct.pack("<4sI", b"data", data_size))


def is_growing_wav(path: Path) -> bool:
    """Whether a file begins as those of this writer do."""
    with open(path, "rb") as file:
        return _is_own(file.read(HEADER_BYTES))


def _is_own(head: bytes) -> bool:
    return len(head) == HEADER_BYTES and head[:4] in (b"RIFF", b"RF64") and head[48:52] == b"fmt "
