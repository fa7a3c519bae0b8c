"""Decoders of sound files, block after block: libsndfile, and ffmpeg where it is installed."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.dsp.mixdown import Layout, layout_of_mask
from studio.service.recordings.parts import Part, PiecedFile

BLOCK_FRAMES = 1 << 12
BLOCK_VALUES = 1 << 17  # of all channels: a header may claim a thousand of them
MAX_CHANNELS = 256
TIMEOUT_S = 60.0
MAX_HEAD_BYTES = 1 << 16
# No playlists and no scripts: a file of those would make ffmpeg read others.
CONTAINERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,asf,au,avi,caf,eac3,flac,matroska,mov,mp4,m4a,mp3,mpeg,mpegts,ogg,tta,w64,wav,"
    "webm,wv"
)
_EXTENSIBLE = 0xFFFE
_HAS_GROUPS = hasattr(os, "killpg")


class UnreadableError(Exception):
    """There is no sound in it that this decoder knows."""


class SlowError(Exception):
    """It takes longer than anybody would wait."""


@dataclass
class Sound:
    """An open sound: its `blocks` [n, channels] are float32, decoded as they are asked for.

    Once the blocks have ended, `damaged` says that the decoder met more than it could read, and `left_over`
    how many times as long the sound is if the bytes that it left were sound too.
    """

    rate: int
    channels: int
    layout: Layout | None
    frames: int  # as the header says
    blocks: Iterator[NDArray[np.float32]]
    damaged: bool = False
    left_over: float = 1.0


class _Forward(sf.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """Read from beginning to end: soundfile else seeks after every read, and mpg123 loses its place."""

    def seekable(self) -> bool:
        return False


@contextmanager
def open_part(file: BinaryIO, part: Part) -> Iterator[Sound]:
    """A part of a file, by libsndfile.

    Raises:
        UnreadableError: it knows no such format.
    """
    pieced = PiecedFile(file, part.pieces)
    try:
        opened = _Forward(pieced)
    except (sf.LibsndfileError, TypeError) as error:
        raise UnreadableError(str(error)) from error
    with opened as source:
        if source.channels > MAX_CHANNELS:
            raise UnreadableError("too many channels")
        layout = part.layout if part.layout and len(part.layout) == source.channels else None
        sound = Sound(source.samplerate, source.channels, layout, source.frames, iter(()))
        sound.blocks = _blocks(source, sound, None if part.vouched else pieced)
        yield sound


def _blocks(source: sf.SoundFile, sound: Sound, pieced: PiecedFile | None) -> Iterator[NDArray[np.float32]]:
    """Block after block; then what was left over of `pieced`, where nothing else says that all was read."""
    frames = max(1, min(BLOCK_FRAMES, BLOCK_VALUES // sound.channels))
    while True:
        try:
            block = source.read(frames, dtype="float32", always_2d=True)
        except (sf.LibsndfileError, sf.SoundFileRuntimeError):
            sound.damaged = True
            return
        if not len(block):
            break
        yield block
    if pieced is not None:
        sound.left_over = len(pieced) / max(1, pieced.tell())


def find_ffmpeg() -> str | None:
    """Where ffmpeg is, if it is installed."""
    return shutil.which("ffmpeg")


@contextmanager
def open_with_ffmpeg(
    ffmpeg: str, path: Path, max_s: float, span: range | None = None, deadline: float | None = None
) -> Iterator[Sound]:
    """The first sound of a file, or of a span of its bytes, up to `max_s`, with its own rate and channels.

    `deadline` is when it is given up, on the monotonic clock; else after `TIMEOUT_S`.

    Raises:
        UnreadableError: ffmpeg knows no such format, or there is no sound in it.
        SlowError: it does not come to an end, from `blocks` too.
    """
    within = f"subfile,,start,{span.start},end,{span.stop},,:" if span is not None else ""
    protocols = "file,subfile" if within else "file"
    command = [
        ffmpeg, "-v", "error", "-nostdin", "-protocol_whitelist", protocols, "-format_whitelist", CONTAINERS,
        "-guess_layout_max", "2", "-i", f"{within}file:{path}", "-map", "0:a:0", "-t", f"{max_s:g}",
        "-c:a", "pcm_f32le", "-fflags", "+bitexact", "-map_metadata", "-1", "-f", "wav", "pipe:1",
    ]  # fmt: skip
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=_HAS_GROUPS
        )
    except OSError as error:
        raise UnreadableError(str(error)) from error
    with process:
        run = _Run(process, TIMEOUT_S if deadline is None else max(0.0, deadline - time.monotonic()))
        try:
            yield run.sound()
        finally:
            run.end()


class _Run:
    """A run of ffmpeg: its output is a WAV, read as it comes."""

    def __init__(self, process: subprocess.Popen[bytes], timeout_s: float) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process, self._output, self._errors = process, process.stdout, process.stderr
        self._late = threading.Event()
        self._complained = threading.Event()
        self._watchdog = threading.Timer(timeout_s, self._give_up)
        self._listener = threading.Thread(target=self._listen, name="ffmpeg", daemon=True)
        self._watchdog.daemon = True
        self._watchdog.start()
        self._listener.start()

    def sound(self) -> Sound:
        """What comes out of it, once its head is there. Raises as `open_with_ffmpeg`."""
        try:
            rate, channels, layout = _wave_head(self._output)
        except (ValueError, struct.error) as error:
            raise SlowError if self._late.is_set() else UnreadableError(str(error)) from error
        sound = Sound(rate, channels, layout, 0, iter(()))
        sound.blocks = self._blocks(sound)
        return sound

    def _blocks(self, sound: Sound) -> Iterator[NDArray[np.float32]]:
        frame_bytes = sound.channels * np.dtype(np.float32).itemsize
        frames = max(1, min(BLOCK_FRAMES, BLOCK_VALUES // sound.channels))
        while data := self._output.read(frames * frame_bytes):
            whole = len(data) - len(data) % frame_bytes
            yield np.frombuffer(data[:whole], "<f4").reshape(-1, sound.channels)
        self._listener.join()
        status = self._process.wait()
        if self._late.is_set():
            raise SlowError
        sound.damaged = status != 0 or self._complained.is_set()

    def end(self) -> None:
        """Let go of it, however far it is."""
        self._watchdog.cancel()
        self._kill()
        self._process.wait()
        self._listener.join()

    def _give_up(self) -> None:
        self._late.set()
        self._kill()

    def _kill(self) -> None:
        """It and whatever it started: an ffmpeg may be a script that starts another, which has our pipes."""
        if not _HAS_GROUPS:
            self._process.kill()
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _listen(self) -> None:
        """Take what it complains of, which may be without end, and keep none of it."""
        while self._errors.read(BLOCK_FRAMES):
            self._complained.set()


def _wave_head(file: IO[bytes]) -> tuple[int, int, Layout | None]:
    """Rate, channels and speakers by a WAV's head, read up to its sound.

    Raises:
        ValueError, struct.error: it is none.
    """
    if len(file.read(12)) < 12:
        raise ValueError("no head")
    rate, channels, layout = 0, 0, None
    while (head := file.read(8))[:4] != b"data":
        size = struct.unpack("<4sI", head)[1]
        body = file.read(min(size + size % 2, MAX_HEAD_BYTES))
        if head[:4] == b"fmt ":
            tag, channels, rate = struct.unpack_from("<HHI", body)
            if tag == _EXTENSIBLE and len(body) >= 24:
                layout = layout_of_mask(struct.unpack_from("<I", body, 20)[0], channels)
    if not rate or not 0 < channels <= MAX_CHANNELS:
        raise ValueError("no sound that can be mixed")
    return rate, channels, layout
