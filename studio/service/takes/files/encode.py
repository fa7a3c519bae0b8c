"""Samples into a file of any format the studio writes, with its tags and chunks."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.service.takes.files import id3, vorbis, wav_chunks
from studio.service.takes.files.coding import AS_IT_IS, KINDS, OPUS_COMMENT_BYTES, OPUS_LEVEL, Coding
from studio.service.takes.files.marks import NOTHING, About, Span, without_word_times
from studio.service.takes.files.marks import about as about_take
from studio.service.takes.files.samples import Samples
from studio.service.takes.wav import GrowingWav


def encode(
    path: Path,
    suffix: str,
    sample_rate: int,
    channels: int,
    samples: Iterable[Samples],
    comment: str,
    *,
    coding: Coding = AS_IT_IS,
    about: About = NOTHING,
) -> None:
    """A new file `path` of samples [n] or [n, channels] in the format that `suffix` names.

    Args:
        samples: of `coding.depth` bits; to a lossy format 16 bits or floats.
        comment: for the comment tag. Of a long one in Opus the words' times are left out.
        about: what else its tags say.

    Raises:
        InvalidRequestError: a comment that Opus has no room for.
        OSError: what the disk says.
        soundfile.LibsndfileError: libsndfile, which says no more of a full disk (`disk_is_full`).
    """
    if suffix == ".opus" and len(comment) > OPUS_COMMENT_BYTES // 2:
        comment = without_word_times(comment)
    if suffix == ".wav":
        _encode_wav(path, sample_rate, channels, samples, comment, coding.depth, about)
    elif suffix == ".mp3" and about is not NOTHING:
        tag = id3.frames(about, comment, sample_rate, about.frames)
        _by_libsndfile(path, suffix, sample_rate, channels, samples, id3.room_for(comment, tag), coding)
        id3.put(path, tag)
    elif wanted := [] if suffix == ".mp3" else _comments(comment, about, sample_rate, suffix):
        room = vorbis.room_for(comment, wanted)
        _by_libsndfile(path, suffix, sample_rate, channels, samples, room, coding)
        vorbis.put(path, comment, wanted)
    else:
        _by_libsndfile(path, suffix, sample_rate, channels, samples, comment, coding)


def _comments(comment: str, about: About, sample_rate: int, suffix: str) -> list[vorbis.Comment]:
    """What is said beside the settings; in Opus without the chapters that libsndfile has no room for."""
    wanted = vorbis.comments(about, sample_rate, suffix)
    if suffix != ".opus":
        return wanted
    if len(vorbis.room_for(comment, wanted).encode()) > OPUS_COMMENT_BYTES:
        wanted = vorbis.comments(replace(about, marks=()), sample_rate, suffix)
    if len(vorbis.room_for(comment, wanted).encode()) > OPUS_COMMENT_BYTES:
        raise InvalidRequestError("This take's settings are too long for Opus: choose another format.")
    return wanted


def _by_libsndfile(
    path: Path,
    suffix: str,
    sample_rate: int,
    channels: int,
    samples: Iterable[Samples],
    comment: str,
    coding: Coding,
) -> None:
    kind, subtype = KINDS[suffix], coding.subtype(suffix)
    level = OPUS_LEVEL if suffix == ".opus" else None
    with sf.SoundFile(path, "w", sample_rate, channels, subtype, format=kind, compression_level=level) as out:
        if comment:
            out.comment = comment
        for block in samples:
            out.write(block)


def _encode_wav(
    path: Path,
    sample_rate: int,
    channels: int,
    samples: Iterable[Samples],
    comment: str,
    bits: int,
    about: About,
) -> None:
    lead = tags = chunks = b""
    if about is not NOTHING:
        lead = wav_chunks.bext(about, sample_rate, bits, channels)
        tags, chunks = wav_chunks.tail(about, sample_rate, bits, channels)
    with GrowingWav(path, sample_rate, channels, bits=bits, lead=lead) as wav:
        for block in samples:
            wav.write(block)
        if bits == 32:  # how long it is, which only whole numbers need not say
            chunks += wav_chunks.chunk(b"fact", struct.pack("<I", min(wav.frames, 0xFFFFFFFF)))
        wav.close(comment, tags, chunks)


def close_take(wav: GrowingWav, comment: str) -> None:
    """Finish a take that stays the 16-bit WAV it grew as: it says what an export of it says, but for `bext`,
    whose place would be before the sound. Raises `OSError`.
    """
    told = about_take(comment, Span(0, wav.frames, wav.sample_rate, wav.sample_rate, wav.frames))
    if told is NOTHING:
        wav.close(comment)
    else:
        wav.close(comment, *wav_chunks.tail(told, wav.sample_rate, 16, wav.channels))
