"""A WAV file that is whole at every moment, so that a kill leaves something that plays.

libsndfile writes a header's sizes at close, and can't hold a long comment in a WAV. This writer puts the data
down first, then the header, at every write; a file past 4 GiB becomes RF64 (EBU Tech 3306), for which a JUNK
chunk keeps the place. A take that grows is of 16 bits; what is exported may have 24, or floats of 32.
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
_WHOLE_NUMBERS, _FLOATS = 1, 3  # of WAVE's format tags


class GrowingWav:
    """A new WAV file. Raises `FileExistsError` where there is one, `OSError` on a full disk."""

    def __init__(
        self, path: Path, sample_rate: int, channels: int = 1, *, bits: int = 16, lead: bytes = b""
    ) -> None:
        """`bits` are 16, 24, or 32 for floats; `lead` are whole chunks that lie before the sound."""
        file = open(path, "xb", buffering=0)  # noqa: SIM115 - closed by close()
        lock(file)
        try:
            self._take_up(file, path, sample_rate, 0, channels, bits, lead)
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

    def _take_up(
        self,
        file: FileIO,
        path: Path,
        sample_rate: int,
        frames: int,
        channels: int = 1,
        bits: int = 16,
        lead: bytes = b"",
    ) -> None:
        self.path = path
        self.sample_rate = sample_rate
        self._file = file
        self._channels = channels
        self._bits = bits
        self._lead = lead
        self._head_bytes = HEADER_BYTES + len(lead)
        self._frame_bytes = channels * bits // 8
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
    def channels(self) -> int:
        return self._channels

    @property
    def frames(self) -> int:
        """Samples that the header vouches for."""
        return self._data_bytes // self._frame_bytes

    def write(self, samples: NDArray[np.int16] | NDArray[np.int32] | NDArray[np.float32]) -> None:
        """Append samples [n] or [n, channels]: of 16 bits, the upper 24 of 32, or floats with full scale 1.

        Raises:
            OSError: the disk is full, and the samples that still fitted are kept; or the file was taken away.
        """
        self.require_file()
        data = memoryview(_raw(samples, self._bits))
        self._file.seek(self._head_bytes + self._data_bytes)
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

    def close(self, comment: str = "", tags: bytes = b"", chunks: bytes = b"") -> None:
        """Finish the file, with what lies after the sound: a comment (ASCII) and other `tags`, as they stand
        in a list of information, and whole `chunks`. Closing twice is harmless.
        """
        if self._file.closed:
            return
        try:
            if comment or tags or chunks or self._data_bytes % 2:
                self._write_tail(comment, tags, chunks)
            self.sync()
        finally:
            self._file.close()

    def _write_tail(self, comment: str, tags: bytes, chunks: bytes) -> None:
        if comment:
            text = comment.encode("ascii", errors="replace") + b"\0"
            text += b"\0" * (len(text) % 2)
            tags = b"ICMT" + struct.pack("<I", len(text)) + text + tags
        listed = b"LIST" + struct.pack("<I", 4 + len(tags)) + b"INFO" + tags if tags else b""
        tail = b"\0" * (self._data_bytes % 2) + listed + chunks
        self._file.seek(self._head_bytes + self._data_bytes)
        self._file.write(tail)
        self._tail_bytes = len(tail)
        self._write_header()

    def _write_header(self) -> None:
        riff_bytes = self._head_bytes - 8 + self._data_bytes + self._tail_bytes
        rate, width, bits = self.sample_rate, self._frame_bytes, self._bits
        tag = _FLOATS if bits == 32 else _WHOLE_NUMBERS
        fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, self._channels, rate, rate * width, width, bits)
        if riff_bytes <= _MAX_RIFF:
            form, size, data_size = b"RIFF", riff_bytes, self._data_bytes
            place = struct.pack("<4sI28x", b"JUNK", 28)
        else:
            form, size, data_size = b"RF64", _MAX_RIFF, _MAX_RIFF
            place = struct.pack("<4sIQQQI", b"ds64", 28, riff_bytes, self._data_bytes, self.frames, 0)
        head = struct.pack("<4sI4s", form, size, b"WAVE") + place + fmt
        self._file.seek(0)
        self._file.write(head + self._lead + struct.pack("<4sI", b"data", data_size))


def _raw(samples: NDArray[np.int16] | NDArray[np.int32] | NDArray[np.float32], bits: int) -> bytes:
    """Samples as they lie in the file."""
    if bits == 24:
        four = np.ascontiguousarray(samples.astype("<i4", copy=False)).view(np.uint8)
        return four.reshape(-1, 4)[:, 1:].tobytes()
    return samples.astype("<i2" if bits == 16 else "<f4", copy=False).tobytes()


def is_growing_wav(path: Path) -> bool:
    """Whether a file begins as those of this writer do."""
    with open(path, "rb") as file:
        return _is_own(file.read(HEADER_BYTES))


def _is_own(head: bytes) -> bool:
    return len(head) == HEADER_BYTES and head[:4] in (b"RIFF", b"RF64") and head[48:52] == b"fmt "
