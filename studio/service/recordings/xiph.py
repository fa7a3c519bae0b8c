"""FLAC and Ogg: how many sounds a file holds, and how long each one is, by their last frames and pages.

A FLAC that was written to a pipe says nothing of its length, one that was cut or joined something wrong; an
Ogg file may be a chain of streams, of which a decoder takes the first.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice

from studio.dsp.mixdown import OMNIDIRECTIONAL, Layout, layout_of_mask
from studio.service.recordings.parts import Part, patched
from studio.service.recordings.structures import LOOK_BYTES, MAX_PARTS, MAX_RESYNCS, Reader

# Vorbis I, 4.3.9, and RFC 7845, 5.1.1.2: the speakers of so many channels; FLAC has an order of its own.
_VORBIS = {
    1: "FC", 2: "FL FR", 3: "FL FC FR", 4: "FL FR BL BR", 5: "FL FC FR BL BR", 6: "FL FC FR BL BR LFE",
    7: "FL FC FR SL SR BC LFE", 8: "FL FC FR SL SR BL BR LFE",
}  # fmt: skip
_FLAC = {
    1: "FC", 2: "FL FR", 3: "FL FR FC", 4: "FL FR BL BR", 5: "FL FR FC BL BR", 6: "FL FR FC LFE BL BR",
    7: "FL FR FC LFE BC SL SR", 8: "FL FR FC LFE BL BR SL SR",
}  # fmt: skip
_BEGINNING_S = 10.0
_TAGS = (b"TAG", b"APETAGEX", b"ID3")
_FLAC_MASK = re.compile(rb"WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x([0-9a-f]{1,8})", re.IGNORECASE)


@dataclass
class _Link:
    """One sound of a chain of Ogg streams."""

    start: int
    serials: set[int] = field(default_factory=set)
    audio: int | None = None
    rate: int = 0
    layout: Layout | None = None
    skipped: int = 0  # granules before its sound
    first: int = -1
    last: int = -1

    def part(self, stop: int) -> Part:
        counted_s = None
        if self.rate and self.first >= 0:
            # What was cut out of a broadcast goes on counting; anything else counts from its beginning.
            start = self.skipped if self.first < _BEGINNING_S * self.rate else self.first
            counted_s = max(0, self.last - start) / self.rate
        return Part((range(self.start, stop),), self.layout, counted_s)


def ogg_parts(reader: Reader, at: int = 0) -> Iterator[Part]:
    """The sounds of an Ogg file, chained or not. Raises as `flac_parts`."""
    link = _Link(at)
    beginning = True
    for place, head, table in _pages(reader, at):
        _, flags, granule, serial = struct.unpack_from("<BBqI", head, 4)
        begins = bool(flags & 2)
        if begins and not beginning:
            yield link.part(place)
            link = _Link(place)
        beginning = begins
        if begins and link.audio is None:
            packet = reader.bytes_at(place + 27 + len(table), 64)
            rate, layout = _ogg_codec(packet)
            if rate:
                link.audio, link.rate, link.layout = serial, rate, layout
                link.skipped = struct.unpack_from("<H", packet, 10)[0] if packet[:4] == b"Opus" else 0
        elif serial == link.audio and granule > 0:
            link.first, link.last = granule if link.first < 0 else link.first, granule
    yield link.part(reader.size)


def _pages(reader: Reader, at: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Each page's place, its head, and its table of segments."""
    lost = 0
    while at < reader.size and lost < MAX_RESYNCS:
        head = reader.bytes_at(at, 27 + 255)
        if head[:4] == b"OggS" and len(head) >= 27:
            table = head[27 : 27 + head[26]]
            yield at, head[:27], table
            at += 27 + head[26] + sum(table)
            continue
        lost += 1
        block = reader.bytes_at(at + 1, LOOK_BYTES)
        found = block.find(b"OggS")
        at += 1 + (found if found >= 0 else max(1, len(block) - 3))


def _ogg_codec(packet: bytes) -> tuple[int, Layout | None]:
    """What a granule counts, in Hz, and the speakers; 0 for what is no sound, or none that is known."""
    if packet[:7] == b"\x01vorbis" and len(packet) >= 16:
        return struct.unpack_from("<I", packet, 12)[0], _named(_VORBIS, packet[11])
    if packet[:8] == b"OpusHead" and len(packet) >= 19:
        channels, family = packet[9], packet[18]
        if family in (2, 3):
            return 48_000, (OMNIDIRECTIONAL, *[""] * (channels - 1)) if channels else None
        return 48_000, _named(_VORBIS, channels) if family < 2 else None
    if packet[:5] == b"\x7fFLAC" and len(packet) >= 30:
        return int.from_bytes(packet[27:30], "big") >> 4, None
    return 0, None


def _named(orders: dict[int, str], channels: int) -> Layout | None:
    return tuple(orders[channels].split()) if channels in orders else None


def flac_parts(reader: Reader, at: int) -> Iterator[Part]:
    """The sounds of a FLAC file, joined or not, each with the length that its last frame tells.

    Raises:
        ValueError, struct.error: it is no such file.
    """
    starts = [at, *islice(reader.find(at + 4, b"fLaC\0\0\0\x22"), MAX_PARTS)]
    for start, stop in zip(starts, [*starts[1:], reader.size], strict=True):
        yield _flac_part(reader, start, stop)


def _flac_part(reader: Reader, start: int, stop: int) -> Part:
    info = reader.bytes_at(start, 42)
    if info[:4] != b"fLaC" or info[4] & 0x7F or len(info) < 42:
        raise ValueError("no STREAMINFO")
    packed = int.from_bytes(info[18:26], "big")
    rate, channels, claimed = packed >> 44, (packed >> 41 & 7) + 1, packed & (1 << 36) - 1
    layout, sound = _named(_FLAC, channels), start + 4
    for _ in range(MAX_PARTS):
        last, size = reader.bytes_at(sound, 1)[0] >> 7, int.from_bytes(reader.bytes_at(sound + 1, 3), "big")
        if mask := _FLAC_MASK.search(reader.bytes_at(sound + 4, min(size, LOOK_BYTES))):
            layout = layout_of_mask(int(mask[1], 16), channels) or None
        sound += 4 + size
        if last or sound >= stop:
            break
    there, stop = _flac_samples(reader, sound, stop, struct.unpack_from(">H", info, 10)[0], claimed)
    part = Part((range(start, stop),), layout, there / rate if there and rate else None, vouched=True)
    if not there or claimed == there:
        return part
    mended = (packed >> 36 << 36 | min(there, (1 << 36) - 1)).to_bytes(8, "big") + bytes(16)  # no MD5
    pieces = patched(range(start, stop), {start + 18: mended})
    return replace(part, pieces=pieces, vouched=False, named=claimed / there if claimed else 1.0)


def _flac_samples(reader: Reader, sound: int, stop: int, block_size: int, claimed: int) -> tuple[int, int]:
    """The samples up to the end of the last whole frame, and where that is; 0 samples where none is found."""
    first = reader.bytes_at(sound, 4)
    if len(first) < 4 or first[0] != 0xFF or first[1] & 0xFE != 0xF8:
        return 0, stop
    begin = max(sound, stop - LOOK_BYTES)
    tail = reader.bytes_at(begin, stop - begin)
    place = tail.rfind(first[:2])
    while place >= 0:
        frame = _flac_frame(tail[place : place + 16], first, block_size)
        if frame is not None:
            length = _whole_frame(tail[place:])
            if length:
                return frame.stop, begin + place + length
            return (frame.stop, stop) if frame.stop == claimed else (frame.start, begin + place)
        place = tail.rfind(first[:2], 0, place)
    return 0, stop


def _whole_frame(data: bytes) -> int:
    """How long the frame is that begins there, if nothing but a tag or zeros comes after it; else 0."""
    bare = len(data.rstrip(b"\0"))
    ends = [bare, bare + 1, bare + 2, *(data.rfind(tag) for tag in _TAGS)]  # a remainder may end in zeros
    return next((end for end in ends if end > 0 and _crc(data[:end], 16, 0x8005) == 0), 0)


def _flac_frame(head: bytes, first: bytes, block_size: int) -> range | None:
    """Which samples are in the frame with this head; None where it is none of the stream's."""
    if len(head) < 6 or head[3] & 0x0F != first[3] & 0x0F or head[2] & 0x0F != first[2] & 0x0F:
        return None
    number, at = _coded_number(head)
    code = head[2] >> 4
    if number is None or code == 0:
        return None
    if code in (6, 7):
        width = code - 5
        size, at = int.from_bytes(head[at : at + width], "big") + 1, at + width
    else:
        size = 192 if code == 1 else 576 << code - 2 if code < 6 else 256 << code - 8
    at += {12: 1, 13: 2, 14: 2}.get(head[2] & 0x0F, 0)
    if at >= len(head) or _crc(head[:at], 8, 0x07) != head[at]:
        return None
    start = number if head[1] & 1 else number * block_size
    return range(start, start + size)


def _coded_number(head: bytes) -> tuple[int | None, int]:
    """The number after a frame's four bytes, coded as UTF-8 is, and where it ends."""
    lead = head[4]
    more = 0 if lead < 0x80 else 7 - (lead ^ 0xFF).bit_length()
    if more == 0:
        return (lead, 5) if lead < 0x80 else (None, 5)
    rest = head[5 : 5 + more]
    if len(rest) < more or any(byte & 0xC0 != 0x80 for byte in rest):
        return None, 5
    number = lead & (0x3F >> more)
    for byte in rest:
        number = number << 6 | byte & 0x3F
    return number, 5 + more


@lru_cache
def _crc_table(bits: int, polynomial: int) -> list[int]:
    top, mask, table = 1 << bits - 1, (1 << bits) - 1, []
    for byte in range(256):
        rest = byte << bits - 8
        for _ in range(8):
            rest = (rest << 1 ^ polynomial if rest & top else rest << 1) & mask
        table.append(rest)
    return table


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    """The remainder that FLAC puts after its heads and frames; 0 of what has its own at the end."""
    value, mask, table = 0, (1 << bits) - 1, _crc_table(bits, polynomial)
    for byte in data:
        value = (value << 8 ^ table[value >> bits - 8 ^ byte]) & mask
    return value
