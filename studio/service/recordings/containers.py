"""Files made of chunks (WAV, RF64, Wave64, AIFF, CAF, AU): where the sound truly ends, whatever they say.

A recorder that crashes leaves a length of 0 or −1 behind, one that writes to a pipe can't know it, and a file
cut short promises more than it has.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from studio.dsp.mixdown import OMNIDIRECTIONAL, SPEAKERS, Layout, layout_of_mask
from studio.service.recordings.parts import Part, patched
from studio.service.recordings.structures import CAF, RIFF, RIFX, W64, Chunk, Dialect, Reader

_WAVES = (b"RIFF", b"RIFX", b"RF64", b"BW64")
MAX_RIFF = 0xFFFFFFFF
_ENDLESS = 0x7FFFF000  # from here on a length of 32 bits is a stand-in for one that isn't known
_ENDLESS_64 = 1 << 62
_DS64_BYTES = 28
_UNPACKED = (b"none", b"sowt", b"twos", b"raw ", b"fl32", b"fl64", b"in24", b"in32", b"ulaw", b"alaw")
_AIFF_PADDING = 512  # frames that may follow the last one
_LITTLE_BYTES, _LITTLE = 4096, 0.01  # what a program may have left at the end: more is sound
_EXTENSIBLE = 0xFFFE
_B_FORMAT = bytes.fromhex("00002107d3118644c8c1ca000000")  # Ambisonics, as the end of a subformat's GUID

# Core Audio's layouts (CoreAudioBaseTypes.h), by the upper half of their tags.
_CORE_AUDIO = {
    100: "FC", 101: "FL FR", 108: "FL FR BL BR", 113: "FL FR FC", 114: "FC FL FR", 115: "FL FR FC BC",
    116: "FC FL FR BC", 117: "FL FR FC BL BR", 118: "FL FR BL BR FC", 119: "FL FC FR BL BR",
    120: "FC FL FR BL BR", 121: "FL FR FC LFE BL BR", 122: "FL FR BL BR FC LFE", 123: "FL FC FR BL BR LFE",
    124: "FC FL FR BL BR LFE", 125: "FL FR FC LFE BL BR BC", 126: "FL FR FC LFE BL BR FLC FRC",
    127: "FC FLC FRC FL FR BL BR LFE", 128: "FL FR FC LFE SL SR BL BR", 131: "FL FR BC", 132: "FL FR BL BR",
    133: "FL FR LFE", 134: "FL FR BC LFE", 135: "FL FR LFE BL BR", 136: "FL FR FC LFE",
    137: "FL FR FC LFE BC", 138: "FL FR BL BR BC FC", 139: "FL FR FC BL BR BC",
}  # fmt: skip
_LABELS = {**dict(enumerate(SPEAKERS, 1)), 33: "BL", 34: "BR"}
_LABELS |= {200: OMNIDIRECTIONAL, **dict.fromkeys((201, 202, 203), "")}
_DESCRIPTION_BYTES = 20


@dataclass(frozen=True)
class Extent:
    """The sound's place, how many times that its header claims, and whether the header has to be mended."""

    sound: range
    named: float
    mended: bool
    following: int  # where the next file begins, or this one ends


def chunked_parts(reader: Reader, start: int = 0) -> Iterator[Part]:
    """The sounds from there on of files that are made of chunks, one after the other; none of any other file.

    Raises:
        ValueError, struct.error: it is damaged before the sound begins.
    """
    while start < reader.size:
        head = reader.bytes_at(start, 40)
        if head[:4] in _WAVES and head[8:12] == b"WAVE":
            part, start = _wave(reader, start, RIFX if head[:4] == b"RIFX" else RIFF)
        elif head[:4] == b"riff" and head[24:28] == b"wave":
            part, start = _wave64(reader, start)
        elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
            part, start = _aiff(reader, start)
        elif head[:4] == b"caff":
            part, start = _caf(reader, start)
        elif head[:4] in (b".snd", b"dns."):
            part, start = _au(reader, start)
        else:
            return
        yield part


def _extent(
    reader: Reader, data: Chunk, dialect: Dialect, head_bytes: int = 0, endless: int = _ENDLESS
) -> Extent:
    """Where the sound of a chunk ends; its first `head_bytes` are none. From `endless` on a size is none."""
    room = reader.size - data.body
    unknown = data.size <= head_bytes or (data.size >= endless and data.size > room)
    if 0 <= data.size <= room:
        sound = range(data.body, data.body + data.size)
        for place in (data.next(dialect), data.next(dialect, padded=False)):
            following = reader.next_file(place, dialect)
            if following is not None:
                return Extent(sound, 1.0, mended=False, following=following)
        little = reader.size - sound.stop <= max(_LITTLE_BYTES, _LITTLE * data.size)
        if not unknown and (little or reader.is_silent(sound.stop)):
            return Extent(sound, 1.0, mended=False, following=reader.size)
    named = 1.0 if unknown else data.size / max(1, room)
    return Extent(range(data.body, reader.size), named, mended=True, following=reader.size)


def _part(
    start: int, extent: Extent, sizes: dict[int, bytes], layout: Layout | None = None
) -> tuple[Part, int]:
    """A file as it is, or up to its sound's end with sizes that are right; and where the next one begins."""
    if not extent.mended:
        return Part((range(start, extent.following),), layout, vouched=True), extent.following
    pieces = patched(range(start, extent.sound.stop), sizes)
    return Part(pieces, layout, named=extent.named), extent.following


def _wave(reader: Reader, start: int, dialect: Dialect) -> tuple[Part, int]:
    ds64, layout = None, None
    for chunk in reader.chunks(start + 12, dialect):
        if chunk.name == b"ds64":
            ds64 = chunk
        elif chunk.name == b"fmt ":
            layout = _wave_layout(reader, chunk)
        elif chunk.name == b"data":
            break
    else:
        raise ValueError("no data chunk")
    data, wide = chunk, ds64 is not None and ds64.size >= 16 and chunk.size == MAX_RIFF
    if wide and ds64 is not None:
        data = replace(chunk, size=reader.unpack("<Q", ds64.body + 8)[0])
    extent = _extent(reader, data, dialect, endless=_ENDLESS_64 if wide else _ENDLESS)
    if ds64 is not None and ds64.size < _DS64_BYTES:
        extent = replace(extent, mended=True)
    if not extent.mended and reader.bytes_at(start, 4) == b"BW64":
        # The same as RF64 but for its name, which libsndfile doesn't know.
        pieces = patched(range(start, extent.following), {start: b"RF64"})
        return Part(pieces, layout, vouched=True), extent.following
    return _part(start, extent, _mend_riff(start, extent.sound, data, ds64, dialect), layout)


def _mend_riff(
    start: int, sound: range, data: Chunk, ds64: Chunk | None, dialect: Dialect
) -> dict[int, bytes]:
    """The sizes of a plain WAV where they fit one; of an RF64 where they don't and it was one."""
    riff_bytes = sound.stop - start - 8
    if riff_bytes > MAX_RIFF and ds64 is not None and ds64.size >= _DS64_BYTES:
        return {start: b"RF64", ds64.body: struct.pack("<QQ", riff_bytes, len(sound))}
    sizes = {data.at + 4: dialect.pack(len(sound))}
    if ds64 is None:
        return sizes | {start + 4: dialect.pack(riff_bytes)}
    return sizes | {start: b"RIFF" + dialect.pack(riff_bytes), ds64.at: b"JUNK"}


def _wave_layout(reader: Reader, fmt: Chunk) -> Layout | None:
    tag, channels = reader.unpack("<HH", fmt.body)
    if tag != _EXTENSIBLE or fmt.size < 40:
        return None
    mask = reader.unpack("<I", fmt.body + 20)[0]
    if reader.bytes_at(fmt.body + 26, 14) == _B_FORMAT:
        return (OMNIDIRECTIONAL, *[""] * (channels - 1)) if 0 < channels <= 64 else None
    return layout_of_mask(mask, channels)


def _wave64(reader: Reader, start: int) -> tuple[Part, int]:
    layout = None
    for chunk in reader.chunks(start + 40, W64):
        if chunk.name == b"fmt ":
            layout = _wave_layout(reader, chunk)
        elif chunk.name == b"data":
            extent = _extent(reader, chunk, W64, endless=_ENDLESS_64)
            whole = struct.pack("<Q", extent.sound.stop - start)
            return _part(
                start, extent, {start + 16: whole, chunk.at + 16: W64.pack(len(extent.sound))}, layout
            )
    raise ValueError("no data chunk")


def _aiff(reader: Reader, start: int) -> tuple[Part, int]:
    common, layout = None, None
    for chunk in reader.chunks(start + 12, RIFX):
        if chunk.name == b"COMM":
            common = chunk
        elif chunk.name == b"CHAN":
            layout = _core_audio_layout(reader, chunk)
        elif chunk.name == b"SSND":
            extent = _extent(reader, chunk, RIFX, head_bytes=8)
            frames = _aiff_frames(reader, common, extent) if common is not None else {}
            if frames:
                extent = replace(extent, mended=True)
            whole = RIFX.pack(extent.sound.stop - start - 8)
            sizes = {start + 4: whole, chunk.at + 4: RIFX.pack(len(extent.sound))}
            return _part(start, extent, sizes | frames, layout)
    raise ValueError("no sound chunk")


def _aiff_frames(reader: Reader, common: Chunk, extent: Extent) -> dict[int, bytes]:
    """The count of frames, where it can't be the sound's and each frame is of so many bytes."""
    channels, frames, bits = reader.unpack(">HIH", common.body)
    kind = reader.bytes_at(common.body + 18, 4).lower() if common.size >= 22 else b"none"
    if kind not in _UNPACKED or not channels or not bits:
        return {}
    width = channels * (1 if kind in (b"ulaw", b"alaw") else (bits + 7) // 8)
    offset = reader.unpack(">I", extent.sound.start)[0]
    there = (len(extent.sound) - 8 - (offset if offset < len(extent.sound) else 0)) // width
    padding = 0 <= there - frames <= _AIFF_PADDING and not extent.mended
    return {} if padding else {common.body + 2: struct.pack(">I", max(0, min(there, MAX_RIFF)))}


def _caf(reader: Reader, start: int) -> tuple[Part, int]:
    layout = None
    for chunk in reader.chunks(start + 8, CAF):
        if chunk.name == b"chan":
            layout = _core_audio_layout(reader, chunk)
        elif chunk.name == b"data":
            extent = _extent(reader, chunk, CAF, head_bytes=4, endless=_ENDLESS_64)
            return _part(start, extent, {chunk.at + 4: CAF.pack(len(extent.sound))}, layout)
    raise ValueError("no data chunk")


def _au(reader: Reader, start: int) -> tuple[Part, int]:
    """The sound of an AU file, after which nothing else comes."""
    name = reader.bytes_at(start, 4)
    order = ">" if name == b".snd" else "<"
    offset, size = reader.unpack(f"{order}II", start + 4)
    room = reader.size - start - offset
    if room < 0:
        raise ValueError("no sound")
    stop = start + offset + size
    if size == room or (size < room and reader.bytes_at(stop, 4) == name):
        return Part((range(start, stop),), vouched=True), stop
    named = 1.0 if size == 0 or size >= _ENDLESS else size / max(1, room)
    sizes = {start + 8: struct.pack(f"{order}I", min(room, MAX_RIFF))}
    return Part(patched(range(start, reader.size), sizes), named=named), reader.size


def _core_audio_layout(reader: Reader, chan: Chunk) -> Layout | None:
    if chan.size < 12:
        return None
    tag, bitmap, described = reader.unpack(">III", chan.body)
    if tag == 1 << 16:
        return layout_of_mask(bitmap, bitmap.bit_count())
    if tag == 0 and 0 < described <= 64:
        places = range(chan.body + 12, chan.body + 12 + described * _DESCRIPTION_BYTES, _DESCRIPTION_BYTES)
        labels = [reader.unpack(">I", place)[0] for place in places]
        return tuple(_LABELS[label] for label in labels) if set(labels) <= set(_LABELS) else None
    names = tuple(_CORE_AUDIO.get(tag >> 16, "").split())
    return names if names and len(names) == tag & 0xFFFF else None
