"""`longwave edit` and `render --loop`: a file beside the old one, one line, one sentence for a mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile as sf

from studio.core.preset import load_preset
from tests.test_cli import QUICK, TONE, longwave, one_sentence


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a take of six seconds in it."""
    folder = tmp_path_factory.mktemp("outputs")
    made = longwave("render", "infinite", *TONE, *QUICK, "--seconds", 6, "--seed", 1, "--outputs", folder)
    assert made.exit_code == 0, made.output
    return folder


def _take(outputs: Path) -> str:
    lines = longwave("library", "list", "--outputs", outputs, "--json").stdout.splitlines()
    return str(min((json.loads(line)["id"] for line in lines), key=len))


def _said(*words: object) -> dict[str, Any]:
    result = longwave(*words, "--json")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    return dict(json.loads(result.stdout))


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        (("repaint", "--from", "0:01", "--to", 2, "--prompt", "a dog", "--seed", 0), 6),
        (("extend", "--left", 1, "--right", 0.5), 7.52),
        (("loop", "--bpm", 120, "--bars", 2), 4),
        (("vary", "--share", 0.2), 6),
    ],
    ids=lambda words: words[0] if isinstance(words, tuple) else "",
)
def test_an_edit_makes_a_take_of_its_own(outputs: Path, words: tuple[Any, ...], seconds: float) -> None:
    steps = () if words[0] == "vary" else ("--steps", 2)
    said = _said("edit", words[0], _take(outputs), *words[1:], *steps, "--outputs", outputs)
    assert said["seconds"] == pytest.approx(seconds)
    assert said["edit"]["kind"] == words[0]
    path = Path(said["file"])
    assert ".v" in path.stem
    assert sf.info(path).duration == pytest.approx(seconds)
    record = load_preset(path.with_suffix(".json")).take
    assert record is not None
    assert record.edit is not None
    assert record.loop == ((0, 64000) if words[0] == "loop" else None)


def test_candidates_are_made_one_after_the_other(outputs: Path, tmp_path: Path) -> None:
    result = longwave(
        "edit", "repaint", _take(outputs), "--from", 1, "--to", 2, "--steps", 2, "--seed", 4,
        "--candidates", 2, "--outputs", outputs, "--out", tmp_path / "a.wav",
    )  # fmt: skip
    assert result.stdout == f"{tmp_path / 'a.wav'}\n{tmp_path / 'a_2.wav'}\n", result.output
    presets = [load_preset(tmp_path / name) for name in ("a.json", "a_2.json")]
    records = [one.take for one in presets]
    assert [record.edit.settings.seed for record in records if record and record.edit] == [4, 5]
    first, second = (one.name for one in presets)
    assert first.endswith(" · candidate 1 of 2")
    assert second == first.replace("1 of 2", "2 of 2")
    words = ("edit", "extend", tmp_path / "a.wav", "--right", 1, "--steps", 2, "--outputs", outputs)
    assert longwave(*words, "--out", tmp_path / "longer.wav").exit_code == 0
    assert load_preset(tmp_path / "longer.json").name == first.removesuffix(" · candidate 1 of 2")


def test_two_takes_are_spliced(outputs: Path, tmp_path: Path) -> None:
    take, out = _take(outputs), tmp_path / "both.wav"
    words = ("--bridge", 1, "--leave", "0:02", "--enter", 3, "--steps", 2)
    said = _said("edit", "splice", take, take, *words, "--outputs", outputs, "--out", out)
    assert (said["file"], said["seconds"]) == (str(out), 6)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("repaint", "TAKE", "--from", 5, "--to", 7), "The span ends beyond the take's end, which is 0:06"),
        (("repaint", "TAKE", "--from", 3, "--to", 2), "Ends before it begins"),
        (("repaint", "TAKE", "--from", "nan", "--to", 2), "'nan' is no time"),
        (("repaint", "TAKE", "--from", 1, "--to", 2, "--strength", "nan"), "Strength must be a number"),
        (("repaint", "none", "--from", 1, "--to", 2), "not in the library"),
        (("extend", "TAKE"), "Adds nothing"),
        (("extend", "TAKE", "--left", "inf"), "Seconds on the left must be a number"),
        (("loop", "TAKE", "--from", 1, "--to", 2.5), "too short for a bridge"),
        (("loop", "TAKE", "--bpm", 120), "Needs both a tempo and a number of bars"),
        (("loop", "TAKE", "--bpm", 20, "--bars", 2), "take fewer bars"),
        (("loop", "TAKE", "--bpm", "nan", "--bars", 2), "The tempo in BPM must be a number"),
        (("splice", "TAKE", "none"), "not in the library"),
        (("vary", "TAKE", "--share", 1.5), "The share of the noise must be a number from 0 to 1"),
    ],
    ids=str,
)
def test_a_mistake_ends_in_one_sentence(outputs: Path, words: tuple[Any, ...], says: str) -> None:
    there = sorted(outputs.glob("*/*"))
    take = _take(outputs)
    result = longwave("edit", *(take if word == "TAKE" else word for word in words), "--outputs", outputs)
    assert says in one_sentence(result)
    assert sorted(outputs.glob("*/*")) == there


@pytest.mark.parametrize(("mode", "stereo"), [("infinite", "mono"), ("sparse", "twin")])
def test_a_take_is_rendered_as_a_loop_of_exact_length(tmp_path: Path, mode: str, stereo: str) -> None:
    quick = QUICK if mode == "infinite" else ("--attention", "dense", "--steps", 2)
    beats = ("--loop", "--bpm", 93, "--bars", 2, "--stereo", stereo)
    said = _said("render", mode, *TONE, *quick, *beats, "--outputs", tmp_path)
    samples = round(2 * 240 / 93 * 16000)
    assert sf.info(said["file"]).frames == samples
    assert sf.info(said["file"]).channels == (1 if stereo == "mono" else 2)
    record = load_preset(Path(said["file"]).with_suffix(".json")).take
    assert record is not None
    assert record.loop == (0, samples)
    assert len(list(tmp_path.glob("*/*.flac"))) == 1  # the take that was closed is gone


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--bpm", 120, "--bars", 2), "give --loop too"),
        (("--loop", "--bpm", 120), "Needs both a tempo"),
        (("--loop", "--bpm", 120, "--bars", 2, "--seconds", 3), "Give --bars or --seconds, not both"),
        (("--loop", "--endless"), "An endless take is no loop"),
        (("--loop", "--seconds", 2), "A loop lasts 2.5 s at least"),
    ],
    ids=str,
)
def test_a_loop_that_is_none_ends_in_one_sentence(tmp_path: Path, words: tuple[Any, ...], says: str) -> None:
    result = longwave("render", "infinite", *TONE, *QUICK, *words, "--outputs", tmp_path)
    assert says in one_sentence(result)
