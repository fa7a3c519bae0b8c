"""MP3 and its like: how many sounds a file holds, and how long each one is, by counting its frames.

A Xing header, where there is one, speaks of the first sound alone if several were joined, and of what was
there before the file was cut; where there is none, a decoder guesses by the first frame.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from studio.service.recordings.parts import Part
from studio.service.recordings.structures import LOOK_BYTES, MAX_PARTS, MAX_RESYNCS, Reader

MAX_SCANNED_S = 4 * 3600.0
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
    lost_bytes: int = 0  # before it, which were neither frames nor tags

    def part(self) -> Part:
        """What libsndfile reads right: without the count of a Xing header it guesses from the first frame."""
        frame_s = self.first.samples / self.first.rate
        lost_s = frame_s * self.lost_bytes * self.frames / max(1, self.stop - self.start)
        counted_s = frame_s * max(0, self.frames - _PRIMING) + lost_s
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
    """The sounds of an MP3 file, joined or not, from a frame on.

    Raises:
        ValueError: it is damaged all over.
    """
    run: _Run | None = None
    seconds, lost_bytes, looks = 0.0, 0, iter(range(MAX_RESYNCS))
    while at < reader.size and seconds < MAX_SCANNED_S:
        frame = mpeg_frame(reader.bytes_at(at, 4))
        claim = _claimed(reader, at, frame) if frame is not None else None
        if run is not None and (frame is None or run.first.kind != frame.kind or claim is not None):
            yield run.part()
            run = None
        if frame is None or at + frame.length > reader.size:
            broken = skip_tags(reader, at)
            found = _resync(reader, broken, looks)
            if found is None:
                break
            at, lost_bytes = found, found - broken
            continue
        if run is None:
            run, lost_bytes = _Run(at, frame, at, lost_bytes=lost_bytes), 0
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


def _resync(reader: Reader, at: int, looks: Iterator[int]) -> int | None:
    """The next place where two frames of one kind follow each other.

    Raises:
        ValueError: so many looks found none.
    """
    while at < reader.size:
        block = reader.bytes_at(at, LOOK_BYTES)
        place = block.find(b"\xff")
        while place >= 0:
            if next(looks, None) is None:
                raise ValueError("no two frames together")
            if is_mpeg(reader, at + place):
                return at + place
            place = block.find(b"\xff", place + 1)
        at += len(block)
    return None


def is_mpeg(reader: Reader, at: int) -> bool:
    """Whether MPEG audio begins there: one frame could be chance."""
    frame = mpeg_frame(reader.bytes_at(at, 4))
    if frame is None:
        return False
    end = at + frame.length
    following = mpeg_frame(reader.bytes_at(end, 4))
    return end == reader.size or (following is not None and following.kind[:3] == frame.kind[:3])
