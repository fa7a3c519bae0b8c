"""The chunks that a WAV file of ours has beside its sound: what editors, engines and archives read of it.

`bext` is EBU Tech 3285 v2 (with loudness), `iXML` its open companion; `cue ` and `LIST`/`adtl` are of
Microsoft's and IBM's multimedia interface 1.0, `smpl` a later addition, whose end is the last sample played.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape

from studio import __version__
from studio.service.takes.files.marks import About, Mark
from studio.service.takes.level import Measured

BEXT_BYTES = 602  # but for the coding history
_LOUDNESS_AT = 412
_UNKNOWN = 0x7FFF  # of a loudness value of `bext`
_MAX_SAMPLE = 0xFFFFFFFF
_MIDDLE_C = 60
_INT16 = (-0x8000, _UNKNOWN - 1)


def chunk(name: bytes, body: bytes) -> bytes:
    """A RIFF chunk: its length is even, of an odd body by a zero that its size doesn't count."""
    return struct.pack("<4sI", name, len(body)) + body + b"\0" * (len(body) % 2)


def bext(about: About, sample_rate: int, bits: int, channels: int) -> bytes:
    """The broadcast extension, whose loudness is not known yet (`write_loudness`)."""
    created = about.created
    reference = f"Longwave_{created:%Y%m%d%H%M%S}_{about.seed}" if created else "Longwave"
    mode = {1: "mono", 2: "stereo"}.get(channels, "multitrack")
    history = f"A=PCM,F={sample_rate},W={bits},M={mode},T=Longwave {__version__}\r\n"
    body = struct.pack(
        "<256s32s32s10s8sQH64s5h180s",
        _ascii(about.description, 256),
        b"Longwave",
        _ascii(reference, 32),
        f"{created:%Y-%m-%d}".encode() if created else b"",
        f"{created:%H:%M:%S}".encode() if created else b"",
        about.time_reference,
        2,
        b"",
        *[_UNKNOWN] * 5,
        b"",
    )
    return chunk(b"bext", body + history.encode())


def write_loudness(path: Path, measured: Measured) -> None:
    """Put what was measured of a WAV file into its `bext`. Nothing where it has none. Raises `OSError`."""
    values = (
        measured.lufs,
        measured.range_lu,
        measured.true_peak_dbtp,
        measured.momentary_lufs,
        measured.short_term_lufs,
    )
    hundredths = [_UNKNOWN if value is None else round(100 * value) for value in values]
    within = [value if value == _UNKNOWN else min(max(value, _INT16[0]), _INT16[1]) for value in hundredths]
    with open(path, "rb+") as file:
        if _find_bext(file):
            file.seek(_LOUDNESS_AT, 1)
            file.write(struct.pack("<5h", *within))


def _find_bext(file: BinaryIO) -> bool:
    """Go to the body of a `bext` before the sound."""
    file.seek(12)
    while len(head := file.read(8)) == 8 and head[:4] != b"data":
        (size,) = struct.unpack("<I", head[4:])
        if head[:4] == b"bext":
            return True
        file.seek(size + size % 2, 1)
    return False


def ixml(about: About, sample_rate: int, bits: int, channels: int) -> bytes:
    """The same for those who read XML, in any script, with the whole prompt."""
    created = about.created
    values = {
        "PROJECT": "Longwave",
        "SCENE": about.title,
        "TAKE": str(about.variation),
        "TAPE": f"{created:%Y-%m-%d}" if created else "",
        "NOTE": about.description,
    }
    lines = [f"<{name}>{_xml(value)}</{name}>" for name, value in values.items()]
    high, low = divmod(about.time_reference, 1 << 32)
    speed = {
        "FILE_SAMPLE_RATE": sample_rate,
        "AUDIO_BIT_DEPTH": bits,
        "DIGITIZER_SAMPLE_RATE": sample_rate,
        "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI": high,
        "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO": low,
        "TIMESTAMP_SAMPLE_RATE": sample_rate,
    }
    lines.append(
        "<SPEED>" + "".join(f"<{name}>{value}</{name}>" for name, value in speed.items()) + "</SPEED>"
    )
    names = {1: ("Mono",), 2: ("Left", "Right")}.get(channels, [f"{n + 1}" for n in range(channels)])
    tracks = "".join(
        f"<TRACK><CHANNEL_INDEX>{n}</CHANNEL_INDEX><INTERLEAVE_INDEX>{n}</INTERLEAVE_INDEX>"
        f"<NAME>{name}</NAME></TRACK>"
        for n, name in enumerate(names, 1)
    )
    lines.append(f"<TRACK_LIST><TRACK_COUNT>{channels}</TRACK_COUNT>{tracks}</TRACK_LIST>")
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<BWFXML>\n<IXML_VERSION>2.10</IXML_VERSION>\n'
    return chunk(b"iXML", (head + "\n".join(lines) + "\n</BWFXML>\n").encode())


def tail(about: About, sample_rate: int, bits: int, channels: int) -> tuple[bytes, bytes]:
    """What lies behind the sound: tags for its list of information, and chunks."""
    chunks = ixml(about, sample_rate, bits, channels) + cues(about.marks) + sampler(about.loop, sample_rate)
    return info(about), chunks


def cues(marks: tuple[Mark, ...]) -> bytes:
    """Marks as `cue ` points, and what they are called in `LIST`/`adtl`: a stretch's length in `ltxt`.

    One further than 32 bits count has none.
    """
    kept = [(number, mark) for number, mark in enumerate(marks, 1) if mark.at <= _MAX_SAMPLE]
    if not kept:
        return b""
    points = [struct.pack("<II4sIII", number, mark.at, b"data", 0, 0, mark.at) for number, mark in kept]
    labels = b""
    for number, mark in kept:
        text = mark.label.encode() + b"\0"
        labels += chunk(b"labl", struct.pack("<I", number) + text)
        if mark.length:
            length = min(mark.length, _MAX_SAMPLE)
            labels += chunk(b"ltxt", struct.pack("<II4sHHHH", number, length, b"rgn ", 0, 0, 0, 0))
    return chunk(b"cue ", struct.pack("<I", len(kept)) + b"".join(points)) + chunk(b"LIST", b"adtl" + labels)


def sampler(loop: tuple[int, int] | None, sample_rate: int) -> bytes:
    """A loop that is played for ever, as `smpl`; nothing where there is none."""
    if loop is None or loop[1] - 1 > _MAX_SAMPLE:
        return b""
    period_ns = round(1e9 / sample_rate)
    head = struct.pack("<9I", 0, 0, period_ns, _MIDDLE_C, 0, 0, 0, 1, 0)
    return chunk(b"smpl", head + struct.pack("<6I", 1, 0, loop[0], loop[1] - 1, 0, 0))


def info(about: About) -> bytes:
    """Title, date and program for `LIST`/`INFO`; the comment stands in a list of its own."""
    tags = {b"INAM": about.title, b"ISFT": f"Longwave {__version__}"}
    tags |= {b"ICRD": f"{about.created:%Y-%m-%d}"} if about.created else {}
    return b"".join(chunk(name, text.encode() + b"\0") for name, text in tags.items() if text)


def _ascii(text: str, size: int) -> bytes:
    return text.encode("ascii", errors="replace")[:size]


def _xml(text: str) -> str:
    return escape("".join(ch for ch in text if ch >= " " and ch not in "\ufffe\uffff"))
