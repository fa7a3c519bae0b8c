"""The sounds of a listening test: which belong together, and copies of them at one loudness."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.core.errors import InvalidRequestError
from studio.core.sound_files import USUAL, WITHOUT_FFMPEG

MAX_SOUND_S = 600.0
MAX_CHANNELS = 2
RATES_HZ = range(4000, 192_001)
CEILING_DBTP = -1.0
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Measured:
    """A sound's integrated loudness (−inf for silence or less than 0.4 s), true peak and length."""

    lufs: float
    true_peak_dbtp: float
    seconds: float


def common_items(folders: Sequence[Path]) -> tuple[list[str], dict[str, list[Path]], list[str]]:
    """The sounds that are in all folders under one name, endings apart.

    Returns:
        Their names in order, the files of each in the order of `folders`, and the names that are missing
        somewhere.

    Raises:
        InvalidRequestError: a folder is missing or empty, holds two sounds of one name, or none is in all.
    """
    found = [_sounds_in(folder) for folder in folders]
    names = sorted(set.intersection(*(set(sounds) for sounds in found)))
    if not names:
        raise InvalidRequestError(
            "No sound is in all of the folders: give the sounds that belong together the same name in each."
        )
    left_out = sorted(set.union(*(set(sounds) for sounds in found)) - set(names))
    return names, {name: [sounds[name] for sounds in found] for name in names}, left_out


def _sounds_in(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InvalidRequestError(f"There is no folder {folder}: give one that holds sound files.")
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in WITHOUT_FFMPEG and not path.name.startswith(".") and path.is_file()
    )
    if not paths:
        raise InvalidRequestError(f"{folder} holds no sound files: put {USUAL} files there.")
    twice = [stem for stem, count in Counter(path.stem for path in paths).items() if count > 1]
    if twice:
        raise InvalidRequestError(f"{folder} holds more than one “{twice[0]}”: keep one of them.")
    return {path.stem: path for path in paths}


def measure(path: Path) -> Measured:
    """Loudness and true peak of a file.

    Raises:
        InvalidRequestError: it can't be read, is empty, too long, of more than two channels, or holds numbers
            that are no sound.
    """
    from studio.dsp.loudness import LoudnessMeter
    from studio.dsp.true_peak import TruePeakMeter

    with _opened(path) as sound:
        rate, channels = sound.samplerate, sound.channels
        loudness, peak, frames = LoudnessMeter(rate, channels), TruePeakMeter(rate, channels), 0
        for block in _blocks(path, sound):
            loudness.push(block)
            peak.push(block)
            frames += len(block)
        if not frames:
            raise InvalidRequestError(f"{path} holds no sound: take it out of the folder.")
        return Measured(loudness.integrated(), 20 * float(np.log10(max(peak.peak(), 1e-9))), frames / rate)


@dataclass(frozen=True)
class Levels:
    """Decibels for each sound by (item, system), each item's loudness, and the sounds that have none."""

    gains_db: dict[tuple[int, int], float]
    lufs: list[float | None]
    silent: list[tuple[int, int]]


def levels(measured: Mapping[tuple[int, int], Measured], items: int, wanted_lufs: float | None) -> Levels:
    """Gains that bring all versions of an item to one loudness: the wanted one or, since a limiter would
    change what is to be judged, the highest below it that no version's true peak stands against. Without a
    wanted one all stay as they are.
    """
    gains = dict.fromkeys(measured, 0.0)
    silent = [cell for cell, one in measured.items() if not np.isfinite(one.lufs)]
    lufs: list[float | None] = [None] * items
    if wanted_lufs is None:
        return Levels(gains, lufs, silent)
    heard = {cell: one for cell, one in measured.items() if np.isfinite(one.lufs)}
    for (item, _), one in heard.items():
        room = one.lufs + CEILING_DBTP - one.true_peak_dbtp
        before = lufs[item]
        lufs[item] = min(wanted_lufs if before is None else before, room)
    for (item, system), one in heard.items():
        gains[item, system] = (lufs[item] or 0.0) - one.lufs
    return Levels(gains, lufs, silent)


def copy(path: Path, target: Path, gain_db: float) -> str:
    """Write the sound as FLAC of 16 bits with a gain, and nothing else that was in the file.

    Returns:
        SHA-256 of what was written.

    Raises:
        InvalidRequestError: as `measure`.
        OSError: what the disk says.
    """
    gain = 10 ** (gain_db / 20)
    with (
        _opened(path) as sound,
        sf.SoundFile(target, "w", sound.samplerate, sound.channels, "PCM_16", format="FLAC") as copied,
    ):
        for block in _blocks(path, sound):
            copied.write(np.clip(block * gain, -1.0, 1.0))
    return hashlib.sha256(target.read_bytes()).hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[sf.SoundFile]:
    try:
        sound = sf.SoundFile(path)
    except (OSError, sf.LibsndfileError) as error:
        raise InvalidRequestError(f"Can't read {path}: convert it to {USUAL}.") from error
    with sound:
        if sound.samplerate not in RATES_HZ:
            raise InvalidRequestError(f"{path} claims {sound.samplerate} Hz: export it at 44100 or 48000.")
        if sound.channels > MAX_CHANNELS:
            raise InvalidRequestError(f"{path} has {sound.channels} channels: mix it down to stereo or mono.")
        yield sound


def _blocks(path: Path, sound: sf.SoundFile) -> Iterator[NDArray[np.float64]]:
    """Blocks [n, channels]; what a header claims is not believed."""
    frames = 0
    while True:
        try:
            block = sound.read(_BLOCK, dtype="float64", always_2d=True)
        except sf.LibsndfileError as error:
            raise InvalidRequestError(f"Can't read {path} to its end: convert it to {USUAL}.") from error
        if not len(block):
            return
        if not np.isfinite(block).all():
            raise InvalidRequestError(f"{path} holds numbers that are no sound: export it anew.")
        frames += len(block)
        if frames > MAX_SOUND_S * sound.samplerate:
            raise InvalidRequestError(
                f"{path} is longer than {MAX_SOUND_S / 60:g} minutes: cut out what raters should hear."
            )
        yield block
