"""An export for a loudness reaches it below its ceiling, or says in name and JSON what it reached."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.core.preset import parse_preset
from studio.service.takes.export import FORMATS, convert, export
from studio.service.takes.export_cache import KEPT, ExportCache
from studio.service.takes.export_range import ExportRange, ExportRangeError, read_export_range
from studio.service.takes.level import MAX_REDUCTION_DB, measure
from studio.service.takes.tags import read_comment
from tests.service.service_fakes import request
from tests.service.takes.test_files import write_take

RATE = 16000


def noise(seconds: float = 8, level: float = 0.05, rate: int = RATE, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).normal(0, level, (round(seconds * rate), channels))


def lively() -> np.ndarray:
    """Bursts 12 dB above the rest, which gain alone can't bring to −14 LUFS."""
    return noise(8, 0.03) * np.repeat([1.0, 1.0, 4.0, 1.0, 1.0, 1.0, 4.0, 1.0], RATE)[:, None]


def drums() -> np.ndarray:
    """Ten milliseconds of noise twice a second: all peak, no body."""
    sound = noise(4, 0.001)
    for start in range(0, len(sound), RATE // 2):
        decay = np.exp(-np.arange(160) / 40)[:, None]
        sound[start : start + 160] += noise(0.01, 0.2) * decay
    return sound


def written(path: Path, sound: np.ndarray, rate: int = RATE) -> Path:
    sf.write(path, np.clip(sound, -1, 1), rate, subtype="PCM_16")
    return path


def level_of(path: Path) -> tuple[float, float]:
    samples, rate = sf.read(path, always_2d=True)
    found = measure([samples], rate, samples.shape[1])
    assert found.lufs is not None
    assert found.true_peak_dbtp is not None
    return found.lufs, found.true_peak_dbtp


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("lufs", [-14.0, -23.0])
def test_a_loudness_is_reached_below_the_ceiling(tmp_path: Path, suffix: str, lufs: float) -> None:
    source = written(tmp_path / "a.wav", lively())
    made = export(source, tmp_path / f"b{suffix}", cut=ExportRange(lufs=lufs), labelled=True)
    got, peak = level_of(made.path)
    assert got == pytest.approx(lufs, abs=0.3)
    assert peak <= -1.0
    assert made.path.name == f"b__{got:.1f}LUFS{suffix}"
    assert made.level is not None
    assert made.level.report["lufs"] == pytest.approx(got, abs=0.051)
    assert made.level.report["true_peak_dbtp"] == pytest.approx(peak, abs=0.051)
    assert f"−{-got:.1f} LUFS" in made.level.sentence
    assert not list(tmp_path.glob("*.part"))


def test_what_gain_can_t_do_the_limiter_does_and_says_so(tmp_path: Path) -> None:
    source = written(tmp_path / "a.wav", lively())
    level = export(source, tmp_path / "b.wav", cut=ExportRange(lufs=-14)).level
    assert level is not None
    assert 0.5 < level.reduction_db <= MAX_REDUCTION_DB
    assert "turned down by up to" in level.sentence


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (8000, 1), (22050, 2)])
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_any_rate_mono_and_stereo(tmp_path: Path, rate: int, channels: int, suffix: str) -> None:
    source = written(tmp_path / "a.wav", noise(3, 0.02, rate, channels), rate)
    made = export(source, tmp_path / f"b{suffix}", cut=ExportRange(lufs=-18)).path
    assert (sf.info(made).samplerate, sf.info(made).channels) == (rate, channels)
    assert sf.info(made).frames == 3 * rate
    assert level_of(made)[0] == pytest.approx(-18, abs=0.1)


@pytest.mark.parametrize("asked", [-14.0, -9.0])
@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
def test_what_can_t_be_reached_is_told_everywhere(tmp_path: Path, asked: float, suffix: str) -> None:
    source = written(tmp_path / "a.wav", drums())
    made = export(source, tmp_path / f"b{suffix}", cut=ExportRange(lufs=asked), labelled=True)
    got, peak = level_of(made.path)
    assert got < asked - 3
    assert peak <= -0.95
    assert made.path.name == f"b__{got:.1f}LUFS{suffix}", "the name says what is there, not what was wished"
    assert made.level is not None
    assert f"not the −{-asked:.1f} asked for" in made.level.sentence
    assert made.level.report["asked_lufs"] == asked
    assert made.level.report["lufs"] == pytest.approx(got, abs=0.051)


@pytest.mark.parametrize("ceiling", [-3.0, -0.5, 0.0])
def test_the_ceiling_can_be_chosen(tmp_path: Path, ceiling: float) -> None:
    source = written(tmp_path / "a.wav", lively())
    made = export(source, tmp_path / "b.flac", cut=ExportRange(lufs=-12, ceiling_dbtp=ceiling)).path
    assert ceiling - 0.3 < level_of(made)[1] <= ceiling


@pytest.mark.parametrize(
    ("sound", "says"),
    [
        (noise(0.3), "no loudness to measure"),
        (noise(2, 1e-5), "no loudness to measure"),
        (np.zeros((2 * RATE, 1)), "silence"),
    ],
    ids=["too short", "too quiet", "silence"],
)
def test_what_has_no_loudness_keeps_its_level(tmp_path: Path, sound: np.ndarray, says: str) -> None:
    source = written(tmp_path / "a.wav", sound)
    made = export(source, tmp_path / "b.wav", cut=ExportRange(lufs=-14), labelled=True)
    assert made.path.name == "b__level-kept.wav"
    assert made.level is not None
    assert says in made.level.sentence
    assert made.level.report["lufs"] is None
    np.testing.assert_array_equal(sf.read(made.path, dtype="int16")[0], sf.read(source, dtype="int16")[0])


def test_what_is_too_short_is_still_kept_below_the_ceiling(tmp_path: Path) -> None:
    source = written(tmp_path / "a.wav", np.tile([[0.99], [0.99], [-0.99], [-0.99]], (1000, 1)))
    made = export(source, tmp_path / "b.wav", cut=ExportRange(lufs=-14))
    samples, rate = sf.read(made.path, always_2d=True)
    peak = measure([samples], rate, 1).true_peak_dbtp
    assert peak == pytest.approx(-1.05, abs=0.05)
    assert made.level is not None
    assert "for its peaks" in made.level.sentence


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_an_untouched_take_stays_bit_by_bit(tmp_path: Path, suffix: str) -> None:
    source = written(tmp_path / "a.wav", noise(2, 0.4, channels=2))
    made = export(source, tmp_path / f"b{suffix}", cut=ExportRange(0.5, 1.5), labelled=True)
    assert made.level is None
    assert made.path.name == f"b{suffix}"
    whole = sf.read(source, dtype="int16")[0]
    np.testing.assert_array_equal(sf.read(made.path, dtype="int16")[0], whole[RATE // 2 : 3 * RATE // 2])


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_settings_in_the_file_say_its_level(tmp_path: Path, suffix: str) -> None:
    source = write_take(tmp_path, wanted=request(prompt="é"))
    made = export(source, tmp_path / f"copy{suffix}", cut=ExportRange(lufs=-20))
    record = parse_preset(read_comment(made.path))
    assert record.request() == request(prompt="é")
    assert record.take is not None
    assert made.level is not None
    assert made.level.figures.items() <= record.take.figures.items()
    assert record.take.figures["lufs"] == pytest.approx(level_of(made.path)[0], abs=0.06)


def test_a_comment_of_somebody_else_stays_as_it_is(tmp_path: Path) -> None:
    source = written(tmp_path / "a.wav", noise())
    for comment in ("field recording", '{"take": 3}', "[1]", '{"take": {"figures": 4}}'):
        made = convert(source, tmp_path / "b.wav", comment, ExportRange(lufs=-20))
        assert read_comment(made) == comment


def test_the_take_itself_is_never_replaced(tmp_path: Path) -> None:
    source = written(tmp_path / "a.wav", noise())
    before = source.read_bytes()
    with pytest.raises(InvalidRequestError, match="the take itself"):
        export(source, source, cut=ExportRange(0, 1))
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("cut", "field"),
    [
        (ExportRange(3, 2), "end"),
        (ExportRange(2, 2), "end"),
        (ExportRange(0, 9), "end"),
        (ExportRange(8), "start"),
        (ExportRange(-1), "start"),
        (ExportRange(float("nan")), "start"),
        (ExportRange(0, float("nan")), "end"),
        (ExportRange(1, -3), "end"),
    ],
)
def test_a_span_that_is_none_is_refused(tmp_path: Path, cut: ExportRange, field: str) -> None:
    source = written(tmp_path / "a.wav", noise(8))
    with pytest.raises(ExportRangeError) as caught:
        export(source, tmp_path / "b.wav", cut=cut)
    assert caught.value.field == field
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize(
    ("words", "cut"),
    [
        ({}, ExportRange()),
        ({"start": "", "end": " ", "lufs": None}, ExportRange()),
        ({"start": "1:30.5", "end": "1:00:00"}, ExportRange(90.5, 3600)),
        ({"start": "90", "end": " 91.25 "}, ExportRange(90, 91.25)),
        ({"lufs": "-14", "ceiling": "−2.5"}, ExportRange(lufs=-14, ceiling_dbtp=-2.5)),
        ({"lufs": "0", "ceiling": "-0"}, ExportRange(lufs=0, ceiling_dbtp=0)),
    ],
)
def test_a_cut_is_read_from_text(words: dict[str, str | None], cut: ExportRange) -> None:
    assert read_export_range(words) == cut


@pytest.mark.parametrize("field", ["start", "end"])
@pytest.mark.parametrize(
    "text", ["x", "nan", "inf", "-1", "1:60", "1:61:00", "1e3", "٣", "1:2:3:4", "0x10", ":"]
)
def test_what_is_no_time_is_told_of_its_field(field: str, text: str) -> None:
    with pytest.raises(ExportRangeError, match=r"m:ss.*\.$") as caught:
        read_export_range({field: text})
    assert caught.value.field == field


@pytest.mark.parametrize("field", ["lufs", "ceiling"])
@pytest.mark.parametrize("text", ["x", "nan", "9", "-71", "--3", "inf", "1e-1"])
def test_what_is_no_level_is_told_of_its_field(field: str, text: str) -> None:
    with pytest.raises(ExportRangeError, match="Choose a number from −") as caught:
        read_export_range({field: text})
    assert caught.value.field == field


def test_exports_are_made_once_and_the_latest_are_kept(tmp_path: Path) -> None:
    source = written(tmp_path / "a.wav", noise(2))
    exports = ExportCache(tmp_path / "scratch")
    first = exports.make(source, ".wav", ExportRange(end_s=1))
    assert exports.make(source, ".wav", ExportRange(end_s=1)).path == first.path
    assert exports.make(source, ".wav", ExportRange()).path == source, "what is there already is not copied"
    for number in range(KEPT):
        exports.make(source, ".wav", ExportRange(end_s=1 + number / 10 + 0.05))
    assert not first.path.exists()
    assert len(list((tmp_path / "scratch").iterdir())) == KEPT
    with pytest.raises(ExportRangeError):
        exports.make(source, ".wav", ExportRange(5))
    assert len(list((tmp_path / "scratch").iterdir())) == KEPT
    long = written(tmp_path / f"{'é' * 120}.wav", noise(2))
    assert len(exports.make(long, ".flac", ExportRange(0.5, 1.5, -20)).path.name.encode()) < 255


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("kind", [lively, drums])
def test_another_meter_reads_what_is_said(tmp_path: Path, kind: object) -> None:
    assert callable(kind)
    made = export(written(tmp_path / "a.wav", kind()), tmp_path / "b.wav", cut=ExportRange(lufs=-14))
    said = subprocess.run(
        ["ffmpeg", "-nostats", "-i", made.path, "-af", "ebur128=peak=true", "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert made.level is not None
    assert made.level.report["lufs"] == pytest.approx(
        float(re.findall(r"I:\s+(\S+) LUFS", said)[-1]), abs=0.2
    )
    peak = float(re.findall(r"Peak:\s+(\S+) dBFS", said)[-1])
    assert made.level.report["true_peak_dbtp"] == pytest.approx(peak, abs=0.2)
    assert peak <= -0.9
    json.dumps(made.level.report)
