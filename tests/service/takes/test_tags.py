"""Settings are found in takes that other programs re-tagged, cut and converted."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.core.errors import InvalidRequestError
from studio.core.preset import Preset
from studio.service.takes.export import FORMATS, convert
from studio.service.takes.library import settings_of
from studio.service.takes.tags import MAX_TAG_BYTES, read_comment, settings_texts
from tests.service.service_fakes import RATE, request

WANTED = request(prompt="Überraschung 🌊", seed=2**53 + 1)
JSON = json.dumps(Preset(name="x", settings=WANTED.model_dump(mode="json")).model_dump(mode="json"))
OTHERS = ("An evening at the sea", '{"no": "preset"}', "{", "[1]", '{"name": 3}')


def take(folder: Path, suffix: str, comment: str = JSON) -> Path:
    sf.write(folder / "own.flac", 0.1 * np.sin(np.arange(RATE) / 9), RATE)
    return convert(folder / "own.flac", folder / f"take{suffix}", comment)


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def info(name: bytes, text: str) -> bytes:
    return chunk(b"LIST", b"INFO" + chunk(name, text.encode() + b"\0"))


def wav(*chunks: bytes, form: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return form + struct.pack("<I", 0xFFFFFFFF if form == b"RF64" else len(body)) + body


def id3(*frames: tuple[bytes, bytes], version: int = 3) -> bytes:
    packed = synchsafe if version == 4 else struct.Struct(">I").pack
    sized = b"".join(name + packed(len(content)) + b"\0\0" + content for name, content in frames)
    return b"ID3" + bytes([version, 0, 0]) + synchsafe(len(sized) + 20) + sized + bytes(20)


def synchsafe(size: int) -> bytes:
    return bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))


def vorbis(*comments: str) -> bytes:
    packed = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in comments)
    return struct.pack("<I", 3) + b"me!" + struct.pack("<I", len(comments)) + packed


def flac(*comments: str, padding: bytes = b"") -> bytes:
    blocks = [(0, bytes(34)), (4, vorbis(*comments)), (0x81, padding)]
    return b"fLaC" + b"".join(bytes([kind]) + len(block).to_bytes(3, "big") + block for kind, block in blocks)


def pages(*packets: bytes) -> bytes:
    """Packets of an Ogg stream, each page with at most 255 pieces, as large ones need several."""
    out = b""
    for packet in packets:
        pieces = [255] * (len(packet) // 255) + [len(packet) % 255]
        for start in range(0, len(pieces), 255):
            some = pieces[start : start + 255]
            out += b"OggS" + bytes(10) + b"\1\0\0\0" + bytes(8) + bytes([len(some), *some])
            out += packet[start * 255 : start * 255 + sum(some)]
    return out


def element(kind: str, content: bytes) -> bytes:
    return bytes.fromhex(kind) + (len(content) | 1 << 56).to_bytes(8, "big") + content


FMT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))
CUE = chunk(b"cue ", struct.pack("<I", 0))
DATA = chunk(b"data", bytes(101))
COMM, TXXX = b"\0eng\0" + JSON.encode(), b"\1" + "My notes\0".encode("utf-16") + JSON.encode("utf-16")
MADE = {
    "the second of two lists": (".wav", wav(FMT, info(b"ISFT", "Editor"), DATA, info(b"ICMT", JSON))),
    "a list of cues before it": (".wav", wav(FMT, DATA, CUE, chunk(b"LIST", b"adtl"), info(b"ICMT", JSON))),
    "a list before the sound": (".wav", wav(FMT, info(b"ICMT", JSON), DATA)),
    "under another name": (".wav", wav(FMT, DATA, info(b"ISBJ", JSON))),
    "after another's comment": (".wav", wav(FMT, info(b"ICMT", OTHERS[0]), DATA, info(b"ICMT", JSON))),
    "after another's JSON": (".wav", wav(FMT, info(b"ICMT", OTHERS[1]), DATA, info(b"ICMT", JSON))),
    "an ID3 chunk": (".wav", wav(FMT, DATA, CUE, chunk(b"id3 ", id3((b"COMM", COMM))))),
    "a WAV past 4 GiB in form": (
        ".wav",
        wav(
            chunk(b"ds64", struct.pack("<QQQI", 0, 101, 50, 0)), FMT,
            b"data" + b"\xff" * 4 + bytes(102), info(b"ICMT", JSON), form=b"RF64",
        ),
    ),
    "ID3 2.3": (".mp3", id3((b"TIT2", b"\0Rain"), (b"COMM", COMM)) + b"\xff\xfb\x90\0" + bytes(400)),
    "ID3 2.4": (".mp3", id3((b"COMM", COMM), version=4) + b"\xff\xfb\x90\0" + bytes(400)),
    "a field of the user's": (".mp3", id3((b"TXXX", TXXX)) + b"\xff\xfb\x90\0" + bytes(400)),
    "a comment with a description": (
        ".mp3", id3((b"COMM", b"\0engmine\0" + JSON.encode())) + b"\xff\xfb\x90\0" + bytes(400),
    ),
    "DESCRIPTION": (".flac", flac(f"DESCRIPTION={JSON}")),
    "description": (".flac", flac("title=Rain", f"description={JSON}")),
    "both": (".flac", flac(f"COMMENT={OTHERS[0]}", f"DESCRIPTION={JSON}")),
    "two joined in one": (".flac", flac(f"comment={JSON};{JSON}")),
    "a FLAC after an ID3 tag": (".flac", id3((b"TIT2", b"\0Rain")) + flac(f"Comment={JSON}")),
    "Vorbis": (".ogg", pages(b"\1vorbis" + bytes(23), b"\3vorbis" + vorbis(f"Description={JSON}"))),
    "Opus, over pages": (
        ".opus", pages(b"OpusHead" + bytes(11), b"OpusTags" + vorbis(90_000 * "x", f"COMMENT={JSON}")),
    ),
    "Matroska, behind its sound": (
        ".mka",
        element("1a45dfa3", b"") + bytes.fromhex("1853806701") + b"\xff" * 7 + element("1f43b675", bytes(999))
        + element("1254c367", element("7373", element("67c8", element("45a3", b"COMMENT")
        + element("4487", JSON.encode())))),
    ),
    "FLAC in Ogg": (".oga", pages(b"\x7fFLAC" + bytes(47), b"\x84\0\0\0" + vorbis(f"COMMENT={JSON}"))),
}  # fmt: skip


@pytest.mark.parametrize("place", MADE)
def test_settings_are_found_wherever_they_were_put(tmp_path: Path, place: str) -> None:
    suffix, raw = MADE[place]
    (tmp_path / f"x{suffix}").write_bytes(raw)
    assert settings_of(tmp_path / f"x{suffix}").request() == WANTED


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("other", [".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".mka"])
def test_settings_outlive_another_program(
    tmp_path: Path, require_tool: Callable[[str], str], suffix: str, other: str
) -> None:
    """Copied where the sound fits the new container, else encoded anew."""
    source, target = take(tmp_path, suffix), tmp_path / f"copy{other}"
    how = ("-c", "copy") if suffix == other else ("-ar", "48000")
    if suffix in (
        ".ogg",
        ".opus",
    ):  # whose tags are a stream's, which ffmpeg hands on to other containers only if told
        how = (*how, "-map_metadata", "0:s:0")
    command = [require_tool("ffmpeg"), "-v", "error", "-nostdin", "-i", str(source), *how, str(target)]
    subprocess.run(command, check=True, timeout=60)
    assert settings_of(target).request() == WANTED


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("comment", ["", *OTHERS])
def test_a_sound_without_settings_is_told(tmp_path: Path, suffix: str, comment: str) -> None:
    path = take(tmp_path, suffix, comment)
    with pytest.raises(InvalidRequestError, match=r"holds no settings|can't be used"):
        settings_of(path)
    assert read_comment(path) == comment


@given(st.binary(max_size=300), st.sampled_from([b"", *(raw for _, raw in MADE.values())]), st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_are_settings_or_a_sentence(
    tmp_path: Path, tail: bytes, whole: bytes, data: st.DataObject
) -> None:
    broken = bytearray(whole)
    for _ in range(3 if whole else 0):
        broken[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for raw in (bytes(broken), whole[:cut], whole[:cut] + tail):
        (tmp_path / "x.wav").write_bytes(raw)
        assert all(isinstance(json.loads(text), dict) for text in settings_texts(tmp_path / "x.wav"))
        try:
            settings_of(tmp_path / "x.wav")
        except InvalidRequestError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017 - either answer is right


def test_what_a_file_claims_is_not_taken_at_its_word(tmp_path: Path) -> None:
    """Sizes beyond the file, tags larger than any take's, and nothing but empty parts."""
    huge = struct.pack("<I", 0xFFFFFFF0)
    for raw in (
        wav(FMT, b"LIST" + huge + b"INFOICMT" + huge),
        wav(FMT, b"junk" * 400_000),
        wav(chunk(b"ds64", b"\xff" * 28), FMT, b"data" + b"\xff" * 4, form=b"RF64"),
        wav(*[chunk(b"LIST", b"INFO")] * 50_000),
        flac(f"x={MAX_TAG_BYTES * 'x'}"),
        b"fLaC" + b"\x04" + bytes(3) + bytes(400_000),
        element("1a45dfa3", b"") + bytes.fromhex("4487") + b"\x01" + b"\xff" * 7,
        element("1a45dfa3", b"") + element("ec", b"") * 200_000,
        pages(b"OpusHead", b"OpusTags" + struct.pack("<I", 0) + huge),
        id3(*[(b"TXXX", b"\0a\0b")] * 100_000),
        b"ID3\3\0\0" + b"\x7f" * 4 + b"COMM" + b"\x7f" * 6,
        b"\0\0\0\x18ftypM4A " + bytes(12) + b"\0\0\0\1moov" + b"\x7f" * 8,
    ):
        (tmp_path / "x.wav").write_bytes(raw)
        assert settings_texts(tmp_path / "x.wav") == []
