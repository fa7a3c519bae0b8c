"""The latents of a take, beside it: what an edit of it hears to the bit, at 6.4 kB a second.

A safetensors file whose one tensor `latents` is float16 [T, channels of sound, C, F], frames first, so that
it grows at its end. The header has room for any length, and is written again after each growth.
"""

from __future__ import annotations

import json
import logging
import math
import os
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

_TENSOR = "latents"
_LENGTH_BYTES = 8
_HEADER_BYTES = 248  # a safetensors header may end in spaces
_DATA = _LENGTH_BYTES + _HEADER_BYTES
_MAX_SIZES = (8, 64, 1024)  # of channels of sound, C, F


class GrowingLatents:
    """Keeps frames that follow each other. Never raises: a take is whole without them.

    What leaves a gap, is no number in float16, or can't be written, ends it, and the file goes.
    """

    def __init__(self, path: Path) -> None:
        """A new file at `path`, begun with the first frames; one that is there is replaced."""
        self._path = path
        self._file: FileIO | None = None
        self._frames = 0
        self._sizes: tuple[int, ...] = ()
        self._over = False

    @classmethod
    def reopen(cls, path: Path, frames: int) -> GrowingLatents:
        """Go on with a file of this writer's after its first `frames`; with none where there is none."""
        kept = cls(path)
        try:
            there = StoredLatents(path)
            if there.frames < frames:
                raise ValueError("fewer frames than the take has")
            kept._file = open(path, "r+b", buffering=0)  # noqa: SIM115 - closed by close()
            kept._sizes, kept._frames = there.sizes, frames
            kept._file.truncate(_DATA + frames * kept._frame_bytes)
            kept._write_header()
        except (OSError, ValueError):
            kept.discard()
        return kept

    @property
    def _frame_bytes(self) -> int:
        return 2 * math.prod(self._sizes)

    def append(self, latents: Tensor, start_frame: int) -> None:
        """Latents [channels of sound, C, t, F], or [1, C, t, F] of a mono take, from `start_frame` on."""
        if self._over:
            return
        frames = latents.detach().cpu().half().movedim(2, 0).contiguous().numpy()
        sizes = frames.shape[1:]
        follows = start_frame == self._frames and self._sizes in ((), sizes)
        if not follows or not np.isfinite(frames).all():
            self.discard()
            return
        try:
            if self._file is None:
                self._path.unlink(missing_ok=True)
                self._file = open(self._path, "xb", buffering=0)  # noqa: SIM115 - closed by close()
                self._sizes = sizes
            self._file.seek(_DATA + self._frames * self._frame_bytes)
            data = memoryview(frames.astype("<f2", copy=False).tobytes())
            while data:
                data = data[self._file.write(data) or 0 :]
            self._frames += len(frames)
            self._write_header()
        except OSError:
            log.warning("The latents of %s are not kept: the disk refuses", self._path.name, exc_info=True)
            self.discard()

    def _write_header(self) -> None:
        assert self._file is not None
        about = {
            "dtype": "F16",
            "shape": [self._frames, *self._sizes],
            "data_offsets": [0, self._frames * self._frame_bytes],
        }
        header = json.dumps({_TENSOR: about}, separators=(",", ":")).encode().ljust(_HEADER_BYTES)
        self._file.seek(0)
        self._file.write(_HEADER_BYTES.to_bytes(_LENGTH_BYTES, "little") + header)

    def close(self) -> None:
        """Keep what there is. Closing twice is harmless."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    def discard(self) -> None:
        """Keep nothing, now and later."""
        self._over = True
        self.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


class StoredLatents:
    """A file of latents, read in parts."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError`, or `ValueError` where it is none, or not whole."""
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if not 0 < length <= min(size, 1 << 16):
                raise ValueError("no safetensors")
            header = file.read(length)
        self._path, self._data = path, _LENGTH_BYTES + length
        shape = _shape_of(header)
        self.frames, self.sizes = shape[0], shape[1:]
        if size < self._data + 2 * math.prod(shape):
            raise ValueError("the latents are cut off")

    def read(self, start: int, frames: int) -> Tensor:
        """Latents [channels of sound, C, frames, F], float32. Raises `OSError`, `ValueError` past the end."""
        import torch

        if not 0 <= start <= start + frames <= self.frames:
            raise ValueError(f"frames {start} to {start + frames} of {self.frames}")
        width = math.prod(self.sizes)
        flat = np.fromfile(self._path, "<f2", frames * width, offset=self._data + 2 * start * width)
        if len(flat) < frames * width:
            raise ValueError("the latents are cut off")
        return torch.from_numpy(flat.reshape(frames, *self.sizes).astype(np.float32)).movedim(0, 2)


def _shape_of(header: bytes) -> tuple[int, int, int, int]:
    """[T, channels, C, F] of the one tensor. Raises `ValueError` for any other header."""
    try:
        about: dict[str, Any] = json.loads(header)[_TENSOR]
        kind, shape = about["dtype"], about["shape"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError("no latents of a take") from error
    whole = isinstance(shape, list) and len(shape) == 4 and all(type(size) is int for size in shape)
    if kind != "F16" or not whole or not 0 <= shape[0] <= 1 << 32:
        raise ValueError("no latents of a take")
    if not all(0 < size <= most for size, most in zip(shape[1:], _MAX_SIZES, strict=True)):
        raise ValueError("latents of no model")
    return shape[0], shape[1], shape[2], shape[3]
