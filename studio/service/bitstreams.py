"""Files made of frames or pages (MP3, FLAC, Ogg): how many sounds they hold, and how long each one is.

Their headers, where there are any, speak of the first sound alone if several were joined, of a length that
nobody knew yet, or of what was there before the file was cut. So the frames themselves are counted.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from studio.dsp.mixdown import OMNIDIRECTIONAL, Layout, layout_of_mask
from studio.service.containers import Reader
from studio.service.parts import Part, patched

MAX_PARTS = 512
MAX_SCANNED_S = 4 * 3600.0
MAX_RESYNCS = 20_000
_BLOCK_BYTES = 1 << 20

# Vorbis I, 4.3.9, and RFC 7845, 5.1.1.2: the speakers of so many channels; FLAC has an order of its own.
_VORBIS = {
    1: "FC", 2: "FL FR", 3: "FL FC FR", 4: "FL FR BL BR", 5: "FL FC FR BL BR", 6: "FL FC FR BL BR LFE",
    7: "FL FC FR SL SR BC LFE", 8: "FL FC FR SL SR BL BR LFE",
}  # fmt: skip
_FLAC = {
    1: "FC", 2: "FL FR", 3: "FL FR FC", 4: "FL FR BL BR", 5: "FL FR FC BL BR", 6: "FL FR FC LFE BL BR",
    7: "FL FR FC LFE BC SL SR", 8: "FL FR FC LFE BL BR SL SR",
}  # fmt: skip
_FLAC_MASK = re.compile(rb"WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x([0-9a-f]{1,8})", re.IGNORECASE)
_BITRATES_K = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_BITRATES_K[2, 3] = _BITRATES_K[2, 2]
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_PRIMING = 3  # frames at most that an encoder's delay and padding fill
_ROOMY = 9  # a bitrate's place in the table whose frames have room for a Xing header


@dataclass(frozen=True)
class MpegFrame:
    """The head of a frame of MPEG audio."""

    head: bytes
    kind: tuple[int, int, int, int]  # version, layer, rate, channels: who decodes one can't take another
    length: int
    samples: int

    @property
    def rate(self) -> int:
        return self.kind[2]

    @property
    def side_bytes(self) -> int:
        """The side information of layer III."""
        stereo = self.kind[3] == 2
        return (32 if stereo else 17) if self.kind[0] == 3 else (17 if stereo else 9)


def mpeg_frame(head: bytes) -> MpegFrame | None:
    """The frame that begins with these four bytes; None of free format too."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    bits = 1000 * _BITRATES_K[1 if version == 3 else 2, layer][bitrate]
    hz, padding = _RATES[version][rate], head[2] >> 1 & 1
    channels = 1 if head[3] >> 6 == 3 else 2
    samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    length = (12 * bits // hz + padding) * 4 if layer == 1 else samples // 8 * bits // hz + padding
    return MpegFrame(head[:4], (version, layer, hz, channels), length, samples)


@dataclass
class _Run:
    """Frames of one kind one after the other, without a break."""

    start: int
    first: MpegFrame
    stop: int
    frames: int = 0
    tagged: range | None = None  # a Xing or VBRI header's frame, which is no sound
    claimed: int | None = None  # the frames that it names

    def part(self) -> Part:
        """What libsndfile reads right: without the count of a Xing header it guesses from the first frame."""
        counted_s = max(0, self.frames - _PRIMING) * self.first.samples / self.first.rate
        named = 1.0 if not self.claimed else self.claimed / max(1, self.frames)
        if self.claimed == self.frames or self.first.kind[1] != 3:
            return Part((range(self.start, self.stop),), None, counted_s, vouched=True)
        sound = range(self.tagged.stop if self.tagged else self.start, self.stop)
        return Part((_xing(self.first, self.frames), sound), None, counted_s, named if named > 1 else 1.0)


def _xing(like: MpegFrame, frames: int) -> bytes:
    """A frame that says how many follow."""
    head = bytes([0xFF, like.head[1] | 1, _ROOMY << 4 | like.head[2] & 0x0C, like.head[3]])
    frame = mpeg_frame(head)
    assert frame is not None
    body = head + bytes(frame.side_bytes) + struct.pack(">4sII", b"Xing", 1, frames)
    return body.ljust(frame.length, b"\0")


def _tag_bytes(reader: Reader, at: int) -> int:
    """How long the tag there is; 0 where none is."""
    head = reader.bytes_at(at, 32)
    if head[:3] == b"ID3" and len(head) >= 10:
        size = 0
        for byte in head[6:10]:
            size = size << 7 | byte & 0x7F
        return 10 + size + 10 * (head[5] >> 4 & 1)
    if head[:3] == b"TAG":
        return 128
    if head[:8] == b"APETAGEX" and len(head) == 32:
        size, _, flags = struct.unpack_from("<III", head, 12)
        return int(size) + (32 if flags >> 31 & 1 and flags >> 29 & 1 else 0)
    return 0


def skip_tags(reader: Reader, at: int = 0) -> int:
    """Where the tags end that are there."""
    for _ in range(MAX_PARTS):
        size = _tag_bytes(reader, at)
        if not size:
            break
        at += size
    return min(at, reader.size)


def mpeg_parts(reader: Reader, at: int) -> Iterator[Part]:
    """The sounds of an MP3 file, joined or not, from a frame on."""
    run: _Run | None = None
    seconds, resyncs = 0.0, 0
    while at < reader.size and seconds < MAX_SCANNED_S:
        frame = mpeg_frame(reader.bytes_at(at, 4))
        if frame is None or at + frame.length > reader.size:
            if run is not None:
                yield run.part()
            run, found = None, _resync(reader, at)
            resyncs += 1
            if found is None or resyncs > MAX_RESYNCS:
                return
            at = found
            continue
        claim = _claimed(reader, at, frame)
        if run is not None and (run.first.kind != frame.kind or claim is not None):
            yield run.part()
            run = None
        if run is None:
            run = _Run(at, frame, at)
        if claim is not None:
            run.tagged, run.claimed = range(at, at + frame.length), claim
        else:
            run.frames += 1
            seconds += frame.samples / frame.rate
        at = run.stop = at + frame.length
    if run is not None:
        yield run.part()


def _claimed(reader: Reader, at: int, frame: MpegFrame) -> int | None:
    """How many frames follow, by the Xing, Info or VBRI header that it is; None of a frame of sound."""
    if frame.kind[1] != 3:
        return None
    body = reader.bytes_at(at, min(frame.length, 4 + 32 + 24))
    place = 4 + frame.side_bytes
    if body[place : place + 4] in (b"Xing", b"Info") and len(body) >= place + 12:
        flags, frames = struct.unpack_from(">II", body, place + 4)
        return int(frames) if flags & 1 else 0
    if body[36:40] == b"VBRI" and len(body) >= 54:
        return int(struct.unpack_from(">I", body, 50)[0])
    return None


def _resync(reader: Reader, at: int) -> int | None:
    """The next place where two frames of one kind follow each other, tags left out."""
    at = max(skip_tags(reader, at), at)
    tries = 0
    while at < reader.size and tries < MAX_RESYNCS:
        block = reader.bytes_at(at, _BLOCK_BYTES)
        place = block.find(b"\xff")
        while place >= 0 and tries < MAX_RESYNCS:
            tries += 1
            if _is_frame(reader, at + place):
                return at + place
            place = block.find(b"\xff", place + 1)
        at += len(block)
    return None


def _is_frame(reader: Reader, at: int) -> bool:
    frame = mpeg_frame(reader.bytes_at(at, 4))
    if frame is None:
        return False
    end = at + frame.length
    following = mpeg_frame(reader.bytes_at(end, 4))
    return end == reader.size or (following is not None and following.kind[:3] == frame.kind[:3])


def is_mpeg(reader: Reader, at: int) -> bool:
    """Whether MPEG audio begins there."""
    return _is_frame(reader, at)


@dataclass
class _Link:
    """One sound of a chain of Ogg streams."""

    start: int
    serials: set[int] = field(default_factory=set)
    audio: int | None = None
    rate: int = 0
    layout: Layout | None = None
    first: int = -1
    last: int = -1

    def part(self, stop: int) -> Part:
        counted_s = (self.last - self.first) / self.rate if self.rate and self.first >= 0 else None
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
            rate, layout = _ogg_codec(reader.bytes_at(place + 27 + len(table), 64))
            if rate:
                link.audio, link.rate, link.layout = serial, rate, layout
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
        block = reader.bytes_at(at + 1, _BLOCK_BYTES)
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
    starts = [at, *_found(reader, at + 4, b"fLaC\0\0\0\x22")][:MAX_PARTS]
    for start, stop in zip(starts, [*starts[1:], reader.size], strict=True):
        yield _flac_part(reader, start, stop)


def _found(reader: Reader, at: int, mark: bytes) -> Iterator[int]:
    while len(block := reader.bytes_at(at, _BLOCK_BYTES)) >= len(mark):
        place = block.find(mark)
        while place >= 0:
            yield at + place
            place = block.find(mark, place + 1)
        at += len(block) - len(mark) + 1


def _flac_part(reader: Reader, start: int, stop: int) -> Part:
    info = reader.bytes_at(start, 42)
    if info[:4] != b"fLaC" or info[4] & 0x7F or len(info) < 42:
        raise ValueError("no STREAMINFO")
    packed = int.from_bytes(info[18:26], "big")
    rate, channels, claimed = packed >> 44, (packed >> 41 & 7) + 1, packed & (1 << 36) - 1
    layout, sound = _named(_FLAC, channels), start + 4
    for _ in range(MAX_PARTS):
        last, size = reader.bytes_at(sound, 1)[0] >> 7, int.from_bytes(reader.bytes_at(sound + 1, 3), "big")
        if mask := _FLAC_MASK.search(reader.bytes_at(sound + 4, min(size, _BLOCK_BYTES))):
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
    begin = max(sound, stop - _BLOCK_BYTES)
    tail = reader.bytes_at(begin, stop - begin)
    place = tail.rfind(first[:2])
    while place >= 0:
        frame = _flac_frame(tail[place : place + 16], first, block_size)
        if frame is not None:
            is_whole = frame.stop == claimed or _crc(tail[place:], 16, 0x8005) == 0
            return (frame.stop, stop) if is_whole else (frame.start, begin + place)
        place = tail.rfind(first[:2], 0, place)
    return 0, stop


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
