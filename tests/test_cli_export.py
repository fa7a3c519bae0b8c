"""`longwave library export`: a span at a loudness, its level in the name and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tests.service.takes.test_files import write_take
from tests.test_cli import longwave, one_sentence


@pytest.fixture
def sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "take.flac"
    sf.write(path, np.random.default_rng(0).normal(0, 0.05, 4 * 16000), 16000)
    monkeypatch.chdir(tmp_path)
    return path


def test_an_export_says_what_it_reached(sound: Path) -> None:
    words = ("--from", "0:01", "--to", "3.5", "--lufs", -20, "--ceiling", -2, "--out", ".mp3", "--json")
    said = json.loads(longwave("library", "export", sound, *words).stdout)
    assert said["file"] == f"take__1-3.5s__{said['lufs']:.1f}LUFS.mp3"
    assert said["lufs"] == pytest.approx(-20, abs=0.2)
    assert said["true_peak_dbtp"] <= -2
    assert (said["asked_lufs"], said["ceiling_dbtp"]) == (-20, -2)
    assert sf.info(sound.parent / said["file"]).duration == pytest.approx(2.5, abs=0.1)


def test_without_a_loudness_the_samples_stay(sound: Path) -> None:
    result = longwave("library", "export", sound, "--out", "whole.wav")
    assert (result.stdout, result.stderr) == ("whole.wav\n", "")
    np.testing.assert_array_equal(sf.read("whole.wav", dtype="int16")[0], sf.read(sound, dtype="int16")[0])
    result = longwave("library", "export", sound, "--out", "loud.wav", "--lufs", "-23")
    assert result.stdout == "loud.wav\n"
    assert "−23.0 LUFS" in result.stderr


def test_a_take_of_the_library_is_found_by_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_take(tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)
    name = path.relative_to(tmp_path / "outputs").with_suffix("").as_posix()
    said = longwave("library", "list", "--outputs", tmp_path / "outputs", "--json").stdout
    result = longwave("library", "export", json.loads(said)["id"], "--outputs", tmp_path / "outputs")
    assert result.stdout == f"{Path(name).name}.wav\n", result.output


def test_depth_rate_and_name_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_take(tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)
    words = (path, "--bits", 24, "--rate", 48, "--name", "{category}_{prompt}_{seed}_{variation}_{format}")
    for number in ("", "_2"):
        result = longwave("library", "export", *words)
        assert result.stdout == f"weather_rain_on_tin_42_1_48kHz_24bit{number}.wav\n", (
            "nothing is overwritten"
        )
        about = sf.info(tmp_path / result.stdout.strip())
        assert (about.samplerate, about.subtype) == (48000, "PCM_24")
    result = longwave("library", "export", path, "--out", ".opus", "--rate", "48000")
    assert result.stdout == f"{path.stem}__48kHz.opus\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--bits", "12"), "--bits: WAV has 16, 24 or 32 bits (float): choose one of them."),
        (("--out", "a.flac", "--bits", "32"), "--bits: FLAC has 16 or 24 bits"),
        (("--rate", "96"), "--rate: Choose a sample rate of 16, 44.1 or 48 kHz."),
        (("--out", ".opus", "--rate", "44.1"), "--rate: Opus has no 44.1 kHz"),
        (("--name", "{mood}"), "--name: No name has a field {mood}: choose from {date}, {time}, {prompt}"),
        (("--name", "{prompt"), "--name: A brace in the name"),
        (("--name", "x", "--out", "a.wav"), "--name: Give an ending alone with it"),
        (("--from", "3", "--to", "2"), "--to: The end lies before the beginning"),
        (("--from", "2", "--to", "2"), "--to: Nothing lies between"),
        (("--to", "0:05"), "--to: The take is 0:04 long"),
        (("--from", "nan"), "--from: Write the time as m:ss"),
        (("--from=-1",), "--from: Write the time as m:ss"),
        (("--lufs", "loud"), "--lufs: Choose a number from −60 to 0 LUFS"),
        (("--lufs", "-14", "--ceiling", "1"), "--ceiling: Choose a number from −20 to 0 dBTP"),
        (("--ceiling", "-1"), "--ceiling: Give a loudness with it"),
        (("--out", "a.xyz"), "end the name in"),
        (("--out", "take.flac"), "is the take itself"),
        (("--out", "nowhere/a.wav"), "There is no folder nowhere"),
    ],
    ids=str,
)
def test_what_can_t_be_exported_ends_in_one_sentence(sound: Path, words: tuple[str, ...], says: str) -> None:
    before = sound.read_bytes()
    assert says in one_sentence(longwave("library", "export", sound, *words))
    assert [path.name for path in sound.parent.iterdir()] == ["take.flac"]
    assert sound.read_bytes() == before


def test_no_such_take_is_told(sound: Path) -> None:
    assert "not in the library" in one_sentence(longwave("library", "export", "none", "--outputs", "."))
