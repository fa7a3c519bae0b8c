"""A recording of the user's that a take goes on from: read whatever it is, bounded in length and time."""

from __future__ import annotations

import hashlib
import math
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.core.audio import format_time
from studio.core.errors import InvalidRequestError
from studio.core.preset import Source
from studio.core.request import GenerationRequest
from studio.service.stream import SAMPLE_RATE

RATES_HZ = range(4000, 192_001)
MAX_FRAMES = 96_000 * 600  # read at once: a quarter of a gigabyte
MIN_S, MAX_S = 1.0, 600.0
HEARD_S = 4.0
BLOCK_FRAMES = 1 << 16
TIMEOUT_S = 60.0
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".m4a", ".mp4", ".opus", ".webm", ".mkv")
# No playlists and no scripts: a file of those would make ffmpeg read others.
_CONTAINERS = "aac,ac3,amr,asf,caf,matroska,mov,mp4,m4a,mpeg,mpegts,ogg,w64,wav,webm"


@dataclass(frozen=True)
class Recording:
    """Mono float32 `samples` [n] at 16 kHz, and which file they were."""

    samples: NDArray[np.float32]
    source: Source

    @property
    def silent_samples(self) -> int:
        """How much of it goes to the take unheard: a listener is to hear the join, not all of it again."""
        return max(0, len(self.samples) - round(HEARD_S * SAMPLE_RATE))


Origin = Mapping[str, Any] | Recording | None  # what a take goes on from: a save point's state, or sound


def read_recording(path: Path) -> Recording:
    """Read any rate, any channels, any format that libsndfile reads, or ffmpeg where it is installed.

    Raises:
        InvalidRequestError: no sound, none of a length that can be gone on from, or a format that needs
            ffmpeg.
    """
    try:
        samples = _read_with_libsndfile(path)
    except (sf.LibsndfileError, TypeError):  # the latter for a name like *.raw
        samples = _read_with_ffmpeg(path)
    except OSError as error:
        raise InvalidRequestError(f"Can't read {path.name}: check that the file exists.") from error
    if len(samples) < MIN_S * SAMPLE_RATE:
        raise InvalidRequestError(f"{path.name} is shorter than {MIN_S:g} s: choose a longer recording.")
    if not np.isfinite(samples).all():
        raise InvalidRequestError(f"{path.name} holds numbers that are no sound: export it anew.")
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    source = Source(file=path.name, sha256=digest, duration_s=len(samples) / SAMPLE_RATE)
    return Recording(np.clip(samples, -1.0, 1.0), source)


def check_continuation(request: GenerationRequest, recording: Recording) -> None:
    """Raises `InvalidRequestError` where the request can't be a continuation of the recording."""
    if request.sampler.kind != "endless":
        raise InvalidRequestError("Only an endless take can go on from a recording: choose that sampler.")
    length_s = recording.source.duration_s
    if request.duration_s is not None and request.duration_s <= length_s:
        raise InvalidRequestError(
            f"The recording is {length_s:.1f} s long and the take begins with it: ask for more seconds."
        )


def _read_with_libsndfile(path: Path) -> NDArray[np.float32]:
    with open(path, "rb") as file, sf.SoundFile(file) as sound:
        if sound.samplerate not in RATES_HZ:
            raise InvalidRequestError(
                f"{path.name} claims {sound.samplerate} Hz: export it at 44100 or 48000."
            )
        if sound.frames > MAX_S * sound.samplerate:
            raise _too_long(path, sound.frames / sound.samplerate)
        if sound.frames > MAX_FRAMES:
            raise InvalidRequestError(
                f"{path.name} is too large at {sound.samplerate} Hz: export it at 48000."
            )
        # Mixed down block by block: all channels at once would take gigabytes.
        mono, end = np.empty(sound.frames, np.float32), 0
        for block in sound.blocks(BLOCK_FRAMES, dtype="float32", always_2d=True):
            mono[end : end + len(block)] = block.mean(axis=1)
            end += len(block)
        return resample(mono[:end], sound.samplerate)


def _read_with_ffmpeg(path: Path) -> NDArray[np.float32]:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise InvalidRequestError(
            f"Can't read {path.name}: convert it to WAV, FLAC, OGG or MP3, or install ffmpeg."
        )
    command = [
        ffmpeg, "-v", "error", "-nostdin", "-protocol_whitelist", "file", "-format_whitelist", _CONTAINERS,
        "-i", f"file:{path}", "-vn", "-t", f"{MAX_S + 1:g}",
        "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "f32le", "pipe:1",
    ]  # fmt: skip
    try:
        run = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=TIMEOUT_S, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidRequestError(
            f"{path.name} takes too long to read: convert it to WAV, FLAC, OGG or MP3."
        ) from error
    except (subprocess.CalledProcessError, OSError) as error:
        raise InvalidRequestError(f"{path.name} is no sound file: choose another recording.") from error
    samples = np.frombuffer(run.stdout, np.float32)
    if len(samples) > MAX_S * SAMPLE_RATE:
        raise _too_long(path)
    return samples


def _too_long(path: Path, duration_s: float | None = None) -> InvalidRequestError:
    length = f"{format_time(duration_s)} long" if duration_s else "too long"
    return InvalidRequestError(
        f"{path.name} is {length}: cut it to the {format_time(MAX_S)} or less that matter."
    )


def resample(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Samples [n] at `sample_rate` → at 16 kHz, band-limited (polyphase)."""
    if sample_rate == SAMPLE_RATE or not len(samples):
        return samples
    from scipy.signal import resample_poly  # takes longer to import than the page has

    common = math.gcd(sample_rate, SAMPLE_RATE)
    return resample_poly(samples, SAMPLE_RATE // common, sample_rate // common).astype(np.float32)
