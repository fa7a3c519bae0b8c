"""Files made of chunks (WAV, RF64, Wave64, AIFF, CAF, AU): where the sound truly ends, whatever they say.

A recorder that crashes leaves a length of 0 or −1 behind, one that writes to a pipe can't know it, and a file
cut short promises more than it has.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from studio.dsp.mixdown import OMNIDIRECTIONAL, SPEAKERS, Layout, layout_of_mask
from studio.service.parts import Part, patched
from studio.service.structures import CAF, RIFF, RIFX, W64, Chunk, Dialect, Reader

WAVES = (b"RIFF", b"RIFX", b"RF64", b"BW64")
MAX_RIFF = 0xFFFFFFFF
_ENDLESS = 0x7FFFF000  # from here on a length of 32 bits is a stand-in for one that isn't known
_ENDLESS_64 = 1 << 62
_DS64_BYTES = 28
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
_LABELS = {
    **dict(enumerate(SPEAKERS, 1)),
    33: "BL",
    34: "BR",
    200: OMNIDIRECTIONAL,
    201: "",
    202: "",
    203: "",
}
_DESCRIPTION_BYTES = 20


@dataclass(frozen=True)
class Extent:
    """The sound's place, how many times that its header claims, and whether the header has to be mended."""

    sound: range
    named: float
    mended: bool
    following: int  # where the next chunk is


def _extent(
    reader: Reader, data: Chunk, dialect: Dialect, head_bytes: int = 0, endless: int = _ENDLESS
) -> Extent:
    """Where the sound of a chunk ends; its first `head_bytes` are none. From `endless` on a size is none."""
    room = reader.size - data.body
    unknown = data.size <= head_bytes or (data.size >= endless and data.size > room)
    if 0 <= data.size <= room:
        for place in (data.next(dialect), data.next(dialect, padded=False)):
            if reader.is_chunked(place, dialect) or (not unknown and reader.is_silent(place)):
                sound = range(data.body, data.body + data.size)
                return Extent(sound, 1.0, mended=False, following=place)
    named = 1.0 if unknown else data.size / max(1, room)
    return Extent(range(data.body, reader.size), named, mended=True, following=reader.size)


def riff_parts(reader: Reader, start: int = 0) -> Iterator[Part]:
    """The sounds of WAV or RF64 files, one after the other.

    Raises:
        ValueError, struct.error: it is no such file.
    """
    while start < reader.size:
        head = reader.bytes_at(start, 12)
        if head[:4] not in WAVES or head[8:12] != b"WAVE":
            return
        part, start = _riff_part(reader, start, RIFX if head[:4] == b"RIFX" else RIFF)
        yield part


def _riff_part(reader: Reader, start: int, dialect: Dialect) -> tuple[Part, int]:
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
        size = reader.unpack("<Q", ds64.body + 8)[0]
        data = Chunk(chunk.name, chunk.at, chunk.body, size)
    extent = _extent(reader, data, dialect, endless=_ENDLESS_64 if wide else _ENDLESS)
    mended = extent.mended or (ds64 is not None and ds64.size < _DS64_BYTES)
    following = extent.following
    more = reader.bytes_at(following, 4) in WAVES
    span = range(start, extent.sound.stop if mended else following if more else reader.size)
    patches = _mend_riff(span, data, ds64, len(extent.sound), dialect) if mended else {}
    if not mended and reader.bytes_at(start, 4) == b"BW64":
        patches = {start: b"RF64"}  # the same but for its name, which libsndfile doesn't know
    part = Part(patched(span, patches), layout, named=extent.named, vouched=not mended)
    return part, following if more else reader.size


def _mend_riff(
    span: range, data: Chunk, ds64: Chunk | None, sound_bytes: int, dialect: Dialect
) -> dict[int, bytes]:
    """A plain WAV where the sizes fit one; RF64 where they don't and it was one."""
    riff_bytes = len(span) - 8
    if riff_bytes > MAX_RIFF and ds64 is not None and ds64.size >= _DS64_BYTES:
        return {ds64.body: struct.pack("<QQ", riff_bytes, sound_bytes)}
    patches = {span.start + 4: dialect.pack(riff_bytes), data.at + 4: dialect.pack(sound_bytes)}
    if ds64 is not None:
        patches |= {span.start: b"RIFF" + dialect.pack(riff_bytes), ds64.at: b"JUNK"}
        del patches[span.start + 4]
    return patches


def _wave_layout(reader: Reader, fmt: Chunk) -> Layout | None:
    tag, channels = reader.unpack("<HH", fmt.body)
    if tag != _EXTENSIBLE or fmt.size < 40:
        return None
    mask = reader.unpack("<I", fmt.body + 20)[0]
    if reader.bytes_at(fmt.body + 26, 14) == _B_FORMAT:
        return (OMNIDIRECTIONAL, *[""] * (channels - 1)) if 0 < channels <= 64 else None
    return layout_of_mask(mask, channels)


def w64_parts(reader: Reader) -> Iterator[Part]:
    """The sound of a Wave64 file. Raises as `riff_parts`."""
    layout = None
    for chunk in reader.chunks(40, W64):
        if chunk.name == b"fmt ":
            layout = _wave_layout(reader, chunk)
        elif chunk.name == b"data":
            extent = _extent(reader, chunk, W64, endless=_ENDLESS_64)
            sizes = {16: struct.pack("<Q", extent.sound.stop), chunk.at + 16: W64.pack(len(extent.sound))}
            yield _mended(reader, extent, sizes, layout)
            return
    raise ValueError("no data chunk")


def aiff_parts(reader: Reader) -> Iterator[Part]:
    """The sound of an AIFF or AIFF-C file. Raises as `riff_parts`."""
    common, layout = None, None
    for chunk in reader.chunks(12, RIFX):
        if chunk.name == b"COMM":
            common = chunk
        elif chunk.name == b"CHAN":
            layout = _core_audio_layout(reader, chunk)
        elif chunk.name == b"SSND":
            extent = _extent(reader, chunk, RIFX, head_bytes=8)
            sizes = {4: RIFX.pack(extent.sound.stop - 8), chunk.at + 4: RIFX.pack(len(extent.sound))}
            if common is not None:
                sizes |= _aiff_frames(reader, common, len(extent.sound) - 8)
                if common.body + 2 in sizes:
                    extent = Extent(extent.sound, extent.named, True, extent.following)
            yield _mended(reader, extent, sizes, layout)
            return
    raise ValueError("no sound chunk")


def _aiff_frames(reader: Reader, common: Chunk, sound_bytes: int) -> dict[int, bytes]:
    """The count of frames, where it is another than the sound's and each frame is of so many bytes."""
    channels, frames, bits = reader.unpack(">HIH", common.body)
    packed = common.size >= 22 and reader.bytes_at(common.body + 18, 4).lower() not in (
        b"none", b"sowt", b"twos", b"raw ", b"fl32", b"fl64", b"in24", b"in32", b"ulaw", b"alaw",
    )  # fmt: skip
    if packed or not channels or not bits:
        return {}
    width = channels * ((bits + 7) // 8)
    if common.size >= 22 and reader.bytes_at(common.body + 18, 4).lower() in (b"ulaw", b"alaw"):
        width = channels
    there = sound_bytes // width
    return {common.body + 2: struct.pack(">I", min(there, MAX_RIFF))} if frames != there else {}


def caf_parts(reader: Reader) -> Iterator[Part]:
    """The sound of a Core Audio file. Raises as `riff_parts`."""
    layout = None
    for chunk in reader.chunks(8, CAF):
        if chunk.name == b"chan":
            layout = _core_audio_layout(reader, chunk)
        elif chunk.name == b"data":
            extent = _extent(reader, chunk, CAF, head_bytes=4, endless=_ENDLESS_64)
            yield _mended(reader, extent, {chunk.at + 4: CAF.pack(len(extent.sound))}, layout)
            return
    raise ValueError("no data chunk")


def au_parts(reader: Reader) -> Iterator[Part]:
    """The sound of an AU file, which ends where the file does. Raises as `riff_parts`."""
    order = ">" if reader.bytes_at(0, 4) == b".snd" else "<"
    offset, size = reader.unpack(f"{order}II", 4)
    there = reader.size - offset
    if there < 0:
        raise ValueError("no sound")
    named = 1.0 if size == 0 or size >= _ENDLESS else size / max(1, there)
    patches = {8: struct.pack(f"{order}I", min(there, MAX_RIFF))} if size != there else {}
    yield Part(patched(range(reader.size), patches), named=named, vouched=not patches)


def _mended(reader: Reader, extent: Extent, sizes: dict[int, bytes], layout: Layout | None) -> Part:
    """The whole file, or up to the sound's end with the sizes that are right."""
    if not extent.mended:
        return Part((range(reader.size),), layout, vouched=True)
    return Part(patched(range(extent.sound.stop), sizes), layout, named=extent.named)


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
