"""The kinds of sound file that the studio reads: one list for page, command line and API."""

from __future__ import annotations

WITHOUT_FFMPEG = (
    ".wav", ".wave", ".bwf", ".rf64", ".bw64", ".w64", ".flac", ".aif", ".aiff", ".aifc", ".caf", ".au",
    ".snd", ".mp3", ".mp2", ".mpga", ".ogg", ".oga", ".opus",
)  # fmt: skip
WITH_FFMPEG = (
    ".m4a", ".m4b", ".mp4", ".mov", ".3gp", ".3g2", ".aac", ".ac3", ".eac3", ".amr", ".awb", ".wma", ".asf",
    ".webm", ".mka", ".mkv", ".spx", ".wv", ".tta", ".avi", ".mpg", ".mpeg", ".ts",
)  # fmt: skip
SUFFIXES = WITHOUT_FFMPEG + WITH_FFMPEG
USUAL = "WAV, FLAC, OGG or MP3"  # what to convert anything else to


def readable() -> str:
    """Which kinds are read, all of them, in a sentence."""
    return f"Any of {_list(WITHOUT_FFMPEG)}; where ffmpeg is installed also {_list(WITH_FFMPEG)}."


def readable_in_short(*, with_ffmpeg: bool) -> str:
    """The usual of them, in a sentence; `with_ffmpeg` where it is installed."""
    kinds = "WAV, FLAC, AIFF, CAF, AU, MP3, OGG, OPUS"
    return f"{kinds}, M4A, WMA, WebM and others." if with_ffmpeg else f"{kinds}; M4A and others with ffmpeg."


def _list(suffixes: tuple[str, ...]) -> str:
    return ", ".join(suffix[1:] for suffix in suffixes)
