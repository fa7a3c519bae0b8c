"""Whole sounds in the formats that a well-known service has names for: codec, rate in Hz, kbit/s."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.service.takes.files.samples import Samples, Source, rounded

WIRE_NAMES = (
    "mp3_22050_32", "mp3_24000_48", "mp3_44100_32", "mp3_44100_64", "mp3_44100_96", "mp3_44100_128",
    "mp3_44100_192", "pcm_8000", "pcm_16000", "pcm_22050", "pcm_24000", "pcm_32000", "pcm_44100", "pcm_48000",
    "wav_8000", "wav_16000", "wav_22050", "wav_24000", "wav_32000", "wav_44100", "wav_48000", "ulaw_8000",
    "alaw_8000", "opus_48000_32", "opus_48000_64", "opus_48000_96", "opus_48000_128", "opus_48000_192",
)  # fmt: skip
USUAL_WIRE = "mp3_44100_128"
_MEDIA = {
    "mp3": "audio/mpeg", "wav": "audio/wav", "opus": "audio/ogg",
    "pcm": "audio/pcm", "ulaw": "audio/basic", "alaw": "audio/x-alaw-basic",
}  # fmt: skip
_KINDS = {
    "mp3": ("MP3", "MPEG_LAYER_III"), "wav": ("WAV", "PCM_16"), "opus": ("OGG", "OPUS"),
    "pcm": ("RAW", "PCM_16"), "ulaw": ("RAW", "ULAW"), "alaw": ("RAW", "ALAW"),
}  # fmt: skip
_NEARLY_ALL = 0.9999  # of compression: libsndfile refuses 1


@dataclass(frozen=True)
class Wire:
    """One of the formats; `kbps` is 0 where the codec leaves no choice."""

    codec: str
    rate: int
    kbps: int = 0

    @property
    def media_type(self) -> str:
        return _MEDIA[self.codec]

    def level(self, channels: int) -> float | None:
        """What libsndfile calls compression, at which its encoder comes to the kbit/s; None for no choice.

        MP3 lies between 320 and 32 kbit/s, below 32 kHz between 160 and 8; Opus between 256 and 6 a channel.
        """
        if self.codec == "mp3":
            most, least = (320, 32) if self.rate >= 32000 else (160, 8)
            return min((most - self.kbps) / (most - least), _NEARLY_ALL)
        return max(0.0, 1 - (self.kbps / channels - 6) / 250) if self.codec == "opus" else None


def wire_of(name: str) -> Wire:
    """The format of that name. Raises `InvalidRequestError` for one that there is not."""
    if name not in WIRE_NAMES:
        shown = re.sub(r"[^\w.-]", "?", name[:40])
        raise InvalidRequestError(
            f"'{shown}' is no output format: take {USUAL_WIRE}, pcm_16000, wav_48000 or opus_48000_64, say."
        )
    codec, rate, *kbps = name.split("_")
    return Wire(codec, int(rate), int(kbps[0]) if kbps else 0)


def on_the_wire(path: Path, wire: Wire, *, goes_round: bool = False) -> bytes:
    """A take's sound in a format, little-endian where it is raw; without tags. A loop `goes_round`.

    Raises:
        InvalidRequestError: the take can't be read any more.
    """
    kind, subtype = _KINDS[wire.codec]
    file = io.BytesIO()
    constant = {"bitrate_mode": "CONSTANT"} if wire.codec == "mp3" else {}
    endian = {"endian": "LITTLE"} if wire.codec == "pcm" else {}
    try:
        with sf.SoundFile(path) as sound:
            source = Source(sound, 0, sound.frames, wire.rate, goes_round=goes_round)
            level = wire.level(source.channels)
            with sf.SoundFile(
                file, "w", wire.rate, source.channels, subtype, format=kind, compression_level=level,
                **constant, **endian,
            ) as out:  # fmt: skip
                for block in _samples(source):
                    out.write(block)
    except (OSError, sf.LibsndfileError) as error:
        raise InvalidRequestError("The file of this take can't be read any more: make it again.") from error
    return file.getvalue()


def _samples(source: Source) -> Iterator[Samples]:
    """As they are where nothing has to be rounded, else dithered to 16 bits."""
    return source.samples() if source.fits(16) else rounded(source.floats(), 16, dither=True)
