"""Every kind of file on the list is read by one decoder or the other, and ffmpeg within bounds."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from studio.core.errors import InvalidRequestError
from studio.core.sound_files import SUFFIXES, WITH_FFMPEG, WITHOUT_FFMPEG, readable, readable_in_short
from studio.service.recordings import decoding
from studio.service.recordings.read import read_recording
from tests.service.recordings.recording_fakes import (
    assert_heard,
    encoded,
    sine,
    tone_file,
    wave_bytes,
    without_ffmpeg,
    written,
)

pytestmark = pytest.mark.slow

TONE = [(3.2, 880.0)]
KINDS = {
    ".wav": ("WAV", "PCM_16"), ".wave": ("WAVEX", "PCM_24"), ".bwf": ("WAV", "PCM_24"),
    ".rf64": ("RF64", "PCM_16"), ".bw64": ("RF64", "FLOAT"), ".w64": ("W64", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"), ".aif": ("AIFF", "PCM_16"), ".aiff": ("AIFF", "PCM_24"),
    ".aifc": ("AIFF", "FLOAT"), ".caf": ("CAF", "ALAC_16"), ".au": ("AU", "ULAW"), ".snd": ("AU", "PCM_16"),
    ".mp3": ("MP3", "MPEG_LAYER_III"), ".mpga": ("MP3", "MPEG_LAYER_III"),
    ".ogg": ("OGG", "VORBIS"), ".oga": ("OGG", "VORBIS"), ".opus": ("OGG", "OPUS"),
}  # fmt: skip
# By ffmpeg: how it is to write those that it does not write of itself, or not with what every build has.
WORDS = {
    ".m4b": ["-f", "mp4"], ".3gp": ["-c:a", "aac"], ".3g2": ["-c:a", "aac"], ".mov": ["-c:a", "aac"],
    ".asf": ["-c:a", "wmav2"], ".avi": ["-c:a", "pcm_s16le"], ".mka": ["-c:a", "flac"],
    ".ts": ["-c:a", "mp2"], ".mpg": ["-c:a", "mp2"], ".mpeg": ["-c:a", "mp2"], ".mp2": ["-c:a", "mp2"],
    ".webm": ["-c:a", "libopus", "-ar", "48000"],
}  # fmt: skip
NEVER_WRITTEN = (".amr", ".awb")  # by an ffmpeg without patents' codecs: made by hand below
AMR = b"#!AMR\n" + (b"\x3c" + bytes(31)) * 100, b"#!AMR-WB\n" + (b"\x44" + bytes(60)) * 100


def test_the_list_names_each_kind_once() -> None:
    assert len(set(SUFFIXES)) == len(SUFFIXES)
    assert set(KINDS) | {".mp2"} == set(WITHOUT_FFMPEG)
    for suffix in SUFFIXES:
        assert suffix[1:] in readable()
    assert "M4A and others with ffmpeg" in readable_in_short(with_ffmpeg=False)
    assert "M4A, WMA" in readable_in_short(with_ffmpeg=True)


@pytest.mark.parametrize("suffix", KINDS)
def test_these_are_read_without_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    without_ffmpeg(monkeypatch, tmp_path)
    kind, subtype = KINDS[suffix]
    rate = 48000 if subtype == "OPUS" else 44100
    content = tone_file(3.2, 880.0, rate, format=kind, subtype=subtype)
    if suffix == ".bw64":
        content = b"BW64" + content[4:]
    for name in (f"memo{suffix}", f"MEMO{suffix.upper()}", "memo"):
        recording = read_recording(written(tmp_path / name, content))
        assert_heard(recording, TONE)
        assert recording.notes == ()


@pytest.mark.parametrize(
    "suffix", [".mp2", *(suffix for suffix in WITH_FFMPEG if suffix not in NEVER_WRITTEN)]
)
def test_these_are_read_with_ffmpeg(tmp_path: Path, require_tool: Callable[[str], str], suffix: str) -> None:
    source = written(tmp_path / "a.wav", tone_file(3.2, 880.0, 44100, format="WAV", subtype="PCM_16"))
    target = tmp_path / f"MEMO{suffix.upper()}"
    words = [
        require_tool("ffmpeg"),
        "-v",
        "error",
        "-i",
        source,
        *WORDS.get(suffix, []),
        tmp_path / f"a{suffix}",
    ]
    made = subprocess.run(words, stderr=subprocess.PIPE, check=False)
    if b"ncoder" in made.stderr:  # "Unknown encoder", "no default encoder"
        pytest.skip(f"this ffmpeg writes no {suffix}")
    assert made.returncode == 0, made.stderr
    os.replace(tmp_path / f"a{suffix}", target)
    assert_heard(read_recording(target), TONE, within_s=0.25)


@pytest.mark.parametrize(("name", "content"), list(zip(NEVER_WRITTEN, AMR, strict=True)))
def test_phones_old_formats(
    tmp_path: Path, require_tool: Callable[[str], str], name: str, content: bytes
) -> None:
    require_tool("ffmpeg")
    assert read_recording(written(tmp_path / f"a{name}", content)).source.duration_s == pytest.approx(2.0)


def test_a_format_that_needs_ffmpeg_says_so_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_ffmpeg(monkeypatch, tmp_path)
    with pytest.raises(InvalidRequestError, match="convert it to WAV, FLAC, OGG or MP3, or install ffmpeg"):
        read_recording(written(tmp_path / "a.amr", AMR[0]))


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """An ffmpeg that does this."""
    folder.mkdir()
    program = folder / "ffmpeg"
    code = f"import sys, time\nout = sys.stdout.buffer\n{script}\n"
    python = shlex.quote(sys.executable)  # whose path may hold a space, which no first line of a script can
    program.write_text(f'#!/bin/sh\nexec {python} -c {shlex.quote(code)} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


HEAD = (
    "import struct\n"
    "out.write(b'RIFF' + b'\\xff' * 4 + b'WAVEfmt ')\n"
    "out.write(struct.pack('<IHHIIHH', 16, 3, {channels}, 16000, 0, 0, 32))\n"
    "out.write(b'data' + b'\\xff' * 4)\n"
)
UNKNOWN = b"nothing that libsndfile knows" * 100


@pytest.mark.parametrize(
    "script", ["time.sleep(60)", HEAD.format(channels=1) + "out.flush()\ntime.sleep(60)"]
)
def test_ffmpeg_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    stand_in(tmp_path / "bin", monkeypatch, script)
    monkeypatch.setattr(decoding, "TIMEOUT_S", 0.5)
    with pytest.raises(InvalidRequestError, match="takes too long to read"):
        read_recording(written(tmp_path / "a.bin", UNKNOWN))


@pytest.mark.parametrize("channels", [1, 64])
def test_what_ffmpeg_gives_without_end_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: int
) -> None:
    """Nor what it complains of."""
    endless = "while True:\n    out.write(bytes(1 << 20))\n    sys.stderr.write('wrong' * 1000)"
    stand_in(tmp_path / "bin", monkeypatch, HEAD.format(channels=channels) + endless)
    monkeypatch.setattr("studio.service.recordings.mono.MAX_S", 60.0)
    with pytest.raises(InvalidRequestError, match="too long"):
        read_recording(written(tmp_path / "a.bin", UNKNOWN))


@pytest.mark.parametrize(
    "script",
    ["", "out.write(b'RIFF')", "out.write(b'RIFF' + bytes(8) + b'junk' + b'\\xff' * 4)", "sys.exit(1)"]
    + [HEAD.format(channels=channels) + "out.write(bytes(10**6))" for channels in (0, 60_000)],
)
def test_what_ffmpeg_says_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    stand_in(tmp_path / "bin", monkeypatch, script)
    with pytest.raises(InvalidRequestError, match="is no sound file"):
        read_recording(written(tmp_path / "a.bin", UNKNOWN))


def test_what_ffmpeg_started_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is a script, say, whose child has the pipe still."""
    ended = tmp_path / "ended"
    child = f"import time; time.sleep(6); open({str(ended)!r}, 'w')"
    stand_in(
        tmp_path / "bin",
        monkeypatch,
        f"import subprocess\nsubprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(60)",
    )
    monkeypatch.setattr(decoding, "TIMEOUT_S", 1.0)
    with pytest.raises(InvalidRequestError, match="takes too long to read"):
        read_recording(written(tmp_path / "a.bin", UNKNOWN))
    assert not ended.exists(), "the child was waited for"


@pytest.mark.parametrize("suffix", [".m4a", ".mov", ".3gp", ".wma", ".tta", ".mka", ".aac", ".webm", ".ac3"])
def test_what_ffmpeg_alone_reads_may_be_joined_too(
    tmp_path: Path, require_tool: Callable[[str], str], suffix: str
) -> None:
    tones = [(1.6, 440.0), (3.2, 880.0), (1.6, 660.0)]
    contents = []
    for seconds, hz in tones:
        source = written(tmp_path / "a.wav", tone_file(seconds, hz, 44100, format="WAV"))
        words = ["-y", "-i", source, *WORDS.get(suffix, []), tmp_path / f"a{suffix}"]
        subprocess.run([require_tool("ffmpeg"), "-v", "error", *words], check=True)
        contents.append((tmp_path / f"a{suffix}").read_bytes())
    recording = read_recording(written(tmp_path / f"joined{suffix}", *contents))
    assert_heard(recording, tones, within_s=0.3)
    assert recording.notes == ()


def test_faults_that_ffmpeg_met_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(
        tmp_path / "bin", monkeypatch, HEAD.format(channels=1) + "out.write(bytes(200_000))\nsys.exit(1)"
    )
    (note,) = read_recording(written(tmp_path / "a.bin", UNKNOWN)).notes
    assert note == "Only 3.1 s could be read: the rest is damaged."


def test_a_movie_cut_short_is_told(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    source = written(tmp_path / "a.wav", encoded(sine(44100, 20.0), 44100, format="WAV"))
    words = ["-c:a", "aac", "-movflags", "+faststart", tmp_path / "a.m4a"]
    subprocess.run([require_tool("ffmpeg"), "-v", "error", "-i", source, *words], check=True)
    whole = (tmp_path / "a.m4a").read_bytes()
    recording = read_recording(written(tmp_path / "cut.m4a", whole[: len(whole) // 2]))
    assert 2.0 < recording.source.duration_s < 18.0
    assert recording.notes[0].startswith(f"Only {recording.source.duration_s:.1f} s could be read")


def test_a_playlist_of_any_name_reads_no_other_file(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("ffmpeg")
    written(tmp_path / "secret.wav", tone_file(3.2, 880.0, format="WAV"))
    lists = [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.wav\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile secret.wav\n",
        b"[playlist]\nFile1=secret.wav\nNumberOfEntries=1\n",
        b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period/></MPD>',
    ]
    for suffix in (".wav", ".m3u8"):
        for content in lists:
            with pytest.raises(InvalidRequestError, match="is no sound file"):
                read_recording(written(tmp_path / f"list{suffix}", content))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")
def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    os.symlink("/dev/zero", tmp_path / "device.wav")
    os.symlink(tmp_path / "pipe.wav", tmp_path / "link.wav")
    for path in (
        *(tmp_path / f"{name}.wav" for name in ("pipe", "folder", "device", "link")),
        Path("/"),
        Path(),
    ):
        with pytest.raises(InvalidRequestError, match="is no file: choose a sound file"):
            read_recording(path)
    written(tmp_path / "empty.wav", b"")
    with pytest.raises(InvalidRequestError, match=r"empty\.wav is empty"):
        read_recording(tmp_path / "empty.wav")
    os.symlink("loop.wav", tmp_path / "loop.wav")
    for name in ("loop.wav", "n\0l.wav", "x" * 5000):
        with pytest.raises(InvalidRequestError, match="Can't read"):
            read_recording(tmp_path / name)


def test_a_file_beyond_all_measure_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "huge.wav", "wb") as file:
        file.truncate(5 << 30)
    with pytest.raises(InvalidRequestError, match="larger than 4 GB"):
        read_recording(tmp_path / "huge.wav")


@pytest.mark.parametrize("channels", [2, 200, 1000, 60_000])
def test_channels_without_number(tmp_path: Path, channels: int) -> None:
    """Mixed if they can be; never held at once."""
    path = written(tmp_path / "a.wav", wave_bytes(np.zeros((4000, min(channels, 1000))), 4000))
    if channels > 1000:
        content = path.read_bytes()
        at = content.index(b"fmt ") + 10
        path.write_bytes(content[:at] + channels.to_bytes(2, "little") + content[at + 2 :])
    if channels <= 200:
        assert len(read_recording(path).samples) == 16_000
    else:
        with pytest.raises(InvalidRequestError):
            read_recording(path)
