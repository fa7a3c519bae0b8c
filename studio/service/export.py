"""A take in another format: through soundfile alone, in blocks, with its settings in the comment tag."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import soundfile as sf

from studio.core.errors import InvalidRequestError, OutOfResourcesError, StudioError
from studio.service.wav import GrowingWav, read_wav_comment

BLOCK_FRAMES = 1 << 16
_ENCODINGS = {
    ".flac": ("FLAC", "PCM_16"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".ogg": ("OGG", "VORBIS"),
}
FORMATS = (".wav", *_ENCODINGS)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def checked_suffix(path: Path) -> str:
    """The path's suffix in lower case.

    Raises:
        InvalidRequestError: not a format the studio writes.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InvalidRequestError(
            f"Can't write '{path.name}': end the name in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}."
        )
    return suffix


def disk_error(error: OSError, path: Path) -> StudioError:
    """What the user should read when writing `path` failed."""
    if error.errno in _FULL:
        return OutOfResourcesError(f"The disk of {path.parent} is full: free some space and try again.")
    return InvalidRequestError(f"Can't write {path} ({error.strerror or error}): choose another folder.")


def convert(source: Path, target: Path, comment: str = "") -> Path:
    """Write the sound of `source` to `target` in the format its suffix names, atomically.

    Args:
        source: a file libsndfile reads, mono.
        target: replaced if it exists; untouched unless the whole conversion went well.
        comment: ASCII text for the comment tag, the take's JSON. Empty keeps the source's own.

    Raises:
        InvalidRequestError: unknown suffix, unreadable source, or a folder that can't be written.
        OutOfResourcesError: the disk is full.
    """
    suffix = checked_suffix(target)
    partial = target.with_name(target.name + ".part")
    write = _write_wav if suffix == ".wav" else _write_encoded
    try:
        partial.unlink(missing_ok=True)
        write(source, partial, suffix, comment or read_comment(source))
        _sync(partial)  # or a power cut after the replacement could leave an empty file
        os.replace(partial, target)
    except OSError as error:
        raise disk_error(error, target) from error
    except sf.LibsndfileError as error:
        raise _encode_error(error, source, target) from error
    finally:
        partial.unlink(missing_ok=True)
    return target


def read_comment(path: Path) -> str:
    """The comment tag of a sound file: a take's JSON, if the studio made it; else what is there, or ''."""
    comment = read_wav_comment(path)
    if comment:
        return comment
    with sf.SoundFile(path) as file:
        return str(file.comment)


def _write_encoded(source: Path, partial: Path, suffix: str, comment: str) -> None:
    kind, subtype = _ENCODINGS[suffix]
    with (
        sf.SoundFile(source) as sound,
        sf.SoundFile(partial, "w", sound.samplerate, sound.channels, subtype, format=kind) as out,
    ):
        if comment:
            out.comment = comment
        for block in sound.blocks(BLOCK_FRAMES, dtype="int16"):
            out.write(block)


def _write_wav(source: Path, partial: Path, suffix: str, comment: str) -> None:
    with sf.SoundFile(source) as sound, GrowingWav(partial, sound.samplerate) as out:
        for block in sound.blocks(BLOCK_FRAMES, dtype="int16"):
            out.write(block)
        out.close(comment)


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _encode_error(error: sf.LibsndfileError, source: Path, target: Path) -> StudioError:
    """libsndfile reports a full disk as a short write, without an errno: ask the disk."""
    disk = os.statvfs(target.parent) if hasattr(os, "statvfs") else None
    if disk is not None and disk.f_bavail * disk.f_frsize < BLOCK_FRAMES:
        return disk_error(OSError(errno.ENOSPC, "disk full"), target)
    return InvalidRequestError(f"Can't convert {source.name} ({error.error_string}): check that it plays.")
