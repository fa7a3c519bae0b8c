"""The formats the studio writes: what each is to libsndfile, and which bit depths and sample rates it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studio.service.takes.export_range import ExportRangeError

FORMATS = (".wav", ".flac", ".mp3", ".ogg", ".opus")
LOSSLESS = (".wav", ".flac")
KINDS = {".flac": "FLAC", ".mp3": "MP3", ".ogg": "OGG", ".opus": "OGG"}
_LOSSY = {".mp3": "MPEG_LAYER_III", ".ogg": "VORBIS", ".opus": "OPUS"}
_BITS = {".wav": (16, 24, 32), ".flac": (16, 24)}
RATES_HZ = (16000, 44100, 48000)
OPUS_RATES_HZ = (8000, 12000, 16000, 24000, 48000)
OPUS_COMMENT_BYTES = 50_000  # longer ones libsndfile writes over pages that no reader joins
OPUS_LEVEL = 0.64  # of compression: some 96 kbit/s a channel; its own is 25 at 16 kHz, which is heard
_RATE_WORDS = {word: rate for rate in RATES_HZ for word in (str(rate), f"{rate / 1000:g}")}


@dataclass(frozen=True)
class Coding:
    """How samples are written: `bits` 16, 24 or 32 (float; None: 16), `rate` in Hz (None: the take's own)."""

    bits: int | None = None
    rate: int | None = None

    def check(self, suffix: str) -> None:
        """Raise `ExportRangeError` where the format has no such depth or rate."""
        name = suffix[1:].upper()
        if self.bits is not None and suffix not in _BITS:
            raise ExportRangeError("bits", f"{name} has no bit depth: leave it out, or choose WAV or FLAC.")
        if self.bits is not None and self.bits not in _BITS[suffix]:
            raise ExportRangeError("bits", f"{name} has {_depths(suffix)}: choose one of them.")
        if self.rate is not None and self.rate not in RATES_HZ:
            raise ExportRangeError("rate", "Choose a sample rate of 16, 44.1 or 48 kHz.")
        if suffix == ".opus" and self.rate is not None and self.rate not in OPUS_RATES_HZ:
            raise ExportRangeError("rate", f"Opus has no {self.rate / 1000:g} kHz: choose 16 or 48 kHz.")

    def rate_of(self, suffix: str, sample_rate: int) -> int:
        """The rate that a sound of `sample_rate` gets: Opus has but a few."""
        if self.rate is not None:
            return self.rate
        return 48000 if suffix == ".opus" and sample_rate not in OPUS_RATES_HZ else sample_rate

    @property
    def depth(self) -> int:
        """Bits of a sample in a lossless format."""
        return self.bits or 16

    def subtype(self, suffix: str) -> str:
        """What libsndfile calls it."""
        return _LOSSY.get(suffix) or ("FLOAT" if self.depth == 32 else f"PCM_{self.depth}")

    @property
    def name(self) -> str:
        """It as a part of a file's name, "__48kHz_24bit"; empty where nothing is asked for."""
        words = [f"{self.rate / 1000:g}kHz"] if self.rate else []
        words += [f"{self.bits}bit"] if self.bits else []
        return f"__{'_'.join(words)}" if words else ""


AS_IT_IS = Coding()


def read_coding(words: Mapping[str, str | None], suffix: str) -> Coding:
    """The coding that these texts ask for: `bits`, and `rate` in kHz or Hz; missing or empty ones are None.

    Raises:
        ExportRangeError: a value is none that the format has.
    """
    bits, rate = ((words.get(name) or "").strip().lower() for name in ("bits", "rate"))
    depth = {"16": 16, "24": 24, "32": 32, "32f": 32, "float": 32}.get(bits, -1) if bits else None
    number = rate.removesuffix("khz").removesuffix("hz").strip()
    coding = Coding(depth, _RATE_WORDS.get(number, -1) if rate else None)
    coding.check(suffix)
    return coding


def _depths(suffix: str) -> str:
    *most, last = [f"{bits}" for bits in _BITS[suffix]]
    return f"{', '.join(most)} or {last} bits{' (float)' if last == '32' else ''}"
