"""What an export says of itself, as programs of others read it: wavinfo, mutagen, ffprobe, soundfile."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest
import soundfile as sf
from mutagen.id3 import ID3
from wavinfo import WavInfoReader

from studio.service.takes.export import FORMATS, export
from studio.service.takes.export_range import ExportRange
from studio.service.takes.files.coding import Coding
from studio.service.takes.library import settings_of
from studio.service.takes.writer import TakeWriter
from tests.service.service_fakes import request
from tests.service.takes.files.file_fakes import record, write_source

Probe = Callable[[Path], dict[str, Any]]
LABELS = ["light rain", "The storm is near.", "thunder & wind", "雨の音"]
AT_S = [0.0, 1.0, 1.5, 3.0]
EVERY = [
    (".wav", Coding(16, 16000)), (".wav", Coding(24, 48000)), (".wav", Coding(32, 44100)), (".wav", Coding()),
    (".flac", Coding(16, 44100)), (".flac", Coding(24, 48000)),
    (".ogg", Coding(None, 44100)), (".mp3", Coding(None, 48000)), (".mp3", Coding()),
    (".opus", Coding(None, 48000)), (".opus", Coding()),
]  # fmt: skip


@pytest.fixture
def probe(require_tool: Callable[[str], str]) -> Probe:
    """What ffprobe says of a file's format, streams and chapters; nothing else may be on its lips."""
    words = ["-v", "warning", "-of", "json", "-show_format", "-show_streams", "-show_chapters"]

    def look(path: Path) -> dict[str, Any]:
        done = subprocess.run(
            [require_tool("ffprobe"), *words, str(path)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stderr == ""
        return dict(json.loads(done.stdout))

    return look


def chunks_of(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every chunk of a WAV file, which must come to its end exactly."""
    at = 12
    while at < len(raw):
        name, size = struct.unpack_from("<4sI", raw, at)
        yield name, raw[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    assert at == len(raw) == struct.unpack_from("<I", raw, 4)[0] + 8


@pytest.mark.parametrize(("suffix", "coding"), EVERY, ids=str)
def test_every_depth_and_rate_is_what_others_find(
    tmp_path: Path, probe: Probe, suffix: str, coding: Coding
) -> None:
    source = write_source(tmp_path)
    made = export(source, tmp_path / f"a{suffix}", coding=coding).path
    rate, about = coding.rate or 16000, sf.info(made)
    assert (about.samplerate, about.channels) == (rate, 1)
    (stream,) = probe(made)["streams"]
    assert stream["channels"] == 1
    assert float(stream["duration"]) == pytest.approx(4, abs=0.15)
    if suffix in (".wav", ".flac"):
        assert about.frames == 4 * rate
        assert int(stream["sample_rate"]) == rate
        bits = coding.bits or 16
        assert about.subtype == ("FLOAT" if bits == 32 else f"PCM_{bits}")
        assert int(stream.get("bits_per_raw_sample") or stream["bits_per_sample"]) == bits
    assert settings_of(made).request() == record().request()


@pytest.mark.parametrize("coding", [Coding(16), Coding(24, 48000), Coding(32, 44100)], ids=str)
def test_a_wav_is_a_broadcast_wave_with_markers_and_a_loop(
    tmp_path: Path, probe: Probe, coding: Coding
) -> None:
    made = export(write_source(tmp_path), tmp_path / "a.wav", coding=coding).path
    rate = coding.rate or 16000
    read = WavInfoReader(str(made), info_encoding="utf-8")
    assert read.bext is not None
    assert (read.bext.description, read.bext.originator, read.bext.version) == ("light rain", "Longwave", 2)
    assert (read.bext.originator_date, read.bext.originator_time) == ("2026-01-31", "14:02:11")
    assert read.bext.time_reference == 0
    assert read.ixml is not None
    assert (read.ixml.project, read.ixml.scene, read.ixml.take) == ("Longwave", "light rain", "2")
    assert [track.name for track in read.ixml.track_list] == ["Mono"]
    assert read.cues is not None
    assert [round(cue.position / rate, 3) for cue in read.cues.cues] == AT_S
    assert [read.cues.label_and_note(cue.name)[0] for cue in read.cues.cues] == LABELS
    (said,) = [one for one in read.cues.ranges if one.length]
    assert (said.name, said.length) == (2, round(0.75 * rate))
    assert read.smpl is not None
    (loop,) = read.smpl.sample_loops
    assert (loop.start, loop.end, loop.repetition_count) == (rate // 2, 7 * rate // 2 - 1, 0)
    assert read.info is not None
    assert (read.info.title, read.info.created_date) == ("light rain", "2026-01-31")
    tags = probe(made)["format"]["tags"]
    assert (tags["originator_reference"], tags["date"]) == ("Longwave_20260131140211_7", "2026-01-31")
    names = [name for name, _ in chunks_of(made.read_bytes())]
    assert names[:2] == [b"JUNK", b"fmt "]
    assert names.index(b"bext") < names.index(b"data")


def test_a_take_that_stays_a_wav_says_where_it_changes(tmp_path: Path, probe: Probe) -> None:
    wanted = request(prompt="rain", lane=[{"at_s": 0.5, "prompt": "wind"}])
    take = TakeWriter.begin(wanted, 16000, tmp_path, out=tmp_path / "a.wav")
    take.write(np.zeros(16000, np.float32))
    made = take.finish("finished", {})
    assert made is not None
    read = WavInfoReader(str(made))
    assert read.cues is not None
    assert [cue.position for cue in read.cues.cues] == [0, 8000]
    assert read.ixml is not None
    assert read.ixml.scene == "rain"
    assert settings_of(made).request() == wanted
    assert probe(made)["streams"][0]["duration_ts"] == 16000


def test_loudness_in_the_file_is_that_of_the_file(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    made = export(
        write_source(tmp_path), tmp_path / "a.wav", cut=ExportRange(lufs=-20.0), coding=Coding(24)
    ).path
    bext = WavInfoReader(str(made)).bext
    assert bext is not None
    command = [
        require_tool("ffmpeg"),
        "-nostdin",
        "-i",
        str(made),
        "-af",
        "ebur128=peak=true",
        "-f",
        "null",
        "-",
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr
    summary = told[told.rindex("Summary:") :].split()
    assert bext.loudness_value == pytest.approx(float(summary[summary.index("I:") + 1]), abs=0.11)
    assert bext.loudness_range == pytest.approx(float(summary[summary.index("LRA:") + 1]), abs=0.21)
    assert bext.max_true_peak == pytest.approx(float(summary[summary.index("Peak:") + 1]), abs=0.15)
    assert bext.max_momentary_loudness == pytest.approx(-20, abs=0.5)
    assert bext.max_shortterm_loudness == pytest.approx(-20, abs=0.2)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
def test_a_span_tells_its_own_times(tmp_path: Path, suffix: str) -> None:
    made = export(
        write_source(tmp_path), tmp_path / f"a{suffix}", cut=ExportRange(0.5, 3.5), coding=Coding(rate=48000)
    ).path
    take = settings_of(made).take
    assert take is not None
    assert [(cue.at_s, cue.prompt) for cue in take.cues] == [
        (0.0, "light rain"),
        (1.0, "thunder & wind"),
        (2.5, "雨の音"),
    ]
    assert [(one.start_s, one.end_s) for one in take.said] == [(0.5, 1.25)]
    assert (take.loop, take.sample_rate, take.duration_s) == ((0, 144000), 48000, 3.0)
    if suffix == ".wav":
        read = WavInfoReader(str(made))
        assert read.bext is not None
        assert read.bext.time_reference == 24000
        assert read.cues is not None
        assert [cue.position for cue in read.cues.cues] == [0, 24000, 48000, 120000]
        assert read.smpl is not None
        assert [(loop.start, loop.end) for loop in read.smpl.sample_loops] == [(0, 143999)]
    elif suffix == ".flac":
        assert mutagen.File(made)["LOOPLENGTH"] == ["144000"]
    else:
        assert [(one.start_time, one.end_time) for one in ID3(made).getall("CHAP")] == [
            (0, 500), (500, 1000), (1000, 2500), (2500, 3000),
        ]  # fmt: skip
    half = export(write_source(tmp_path), tmp_path / f"b{suffix}", cut=ExportRange(0.6, 3.5)).path
    half_take = settings_of(half).take
    assert half_take is not None
    assert half_take.loop is None, "half a loop is none"


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".opus"])
def test_vorbis_comments_say_where_it_loops_and_changes(tmp_path: Path, probe: Probe, suffix: str) -> None:
    made = export(write_source(tmp_path), tmp_path / f"a{suffix}").path
    tags = mutagen.File(made)
    rate = 48000 if suffix == ".opus" else 16000
    assert (tags["LOOPSTART"], tags["LOOPLENGTH"]) == ([f"{rate // 2}"], [f"{3 * rate}"])
    assert (tags["TITLE"], tags["DATE"]) == (["light rain"], ["2026-01-31"])
    assert tags["CHAPTER004"] == ["00:00:03.000"]
    chapters = probe(made)["chapters"]
    assert [one["tags"]["title"] for one in chapters] == LABELS
    assert [float(one["start_time"]) for one in chapters] == AT_S
    assert sf.info(made).frames == 64000


def test_an_mp3_has_its_changes_as_chapters(tmp_path: Path, probe: Probe) -> None:
    made = export(write_source(tmp_path), tmp_path / "a.mp3").path
    tags = ID3(made)
    chapters = tags.getall("CHAP")
    assert [one.start_time for one in chapters] == [1000 * at_s for at_s in AT_S]
    assert [one.sub_frames["TIT2"].text[0] for one in chapters] == LABELS
    (contents,) = tags.getall("CTOC")
    assert contents.child_element_ids == [one.element_id for one in chapters]
    assert (tags["TIT2"].text, str(tags["TDRC"].text[0])) == (["light rain"], "2026-01-31")
    assert [one["tags"]["title"] for one in probe(made)["chapters"]] == LABELS
    assert sf.info(made).frames == 64000


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_sound_that_is_no_take_gets_no_words_of_ours(tmp_path: Path, suffix: str) -> None:
    sf.write(tmp_path / "other.wav", np.zeros(1600), 16000)
    made = export(tmp_path / "other.wav", tmp_path / f"a{suffix}").path
    if suffix == ".wav":
        assert [name for name, _ in chunks_of(made.read_bytes())] == [b"JUNK", b"fmt ", b"data"]
    else:
        assert not {"TITLE", "COMMENT", "TIT2", "COMM"} & {
            str(key).upper() for key in mutagen.File(made).tags or ()
        }


@pytest.mark.parametrize("suffix", FORMATS)
def test_stereo_takes_say_the_same(tmp_path: Path, suffix: str) -> None:
    made = export(write_source(tmp_path, channels=2), tmp_path / f"a{suffix}", coding=Coding(rate=48000)).path
    assert (sf.info(made).channels, sf.info(made).samplerate) == (2, 48000)
    assert settings_of(made).request() == record().request()
