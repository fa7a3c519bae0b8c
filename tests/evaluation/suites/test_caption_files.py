"""Captions in the forms that people have them in."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.core.errors import InvalidRequestError
from studio.evaluation.suites.captions import read_captions, stem


def read(tmp_path: Path, name: str, text: str) -> dict[str, list[str]]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_captions(path)


def test_csv_and_jsonl_say_the_same(tmp_path: Path) -> None:
    wanted = {"rain/a": ["rain, and wind"], "b.1": ["a dog"]}
    assert read(tmp_path, "c.csv", 'file,caption\nrain/a.wav,"rain, and wind"\nb.1,a dog\n') == wanted
    lines = '{"name": "rain/a.flac", "text": "rain, and wind"}\n\n{"id": "b.1", "prompt": "a dog"}\n'
    assert read(tmp_path, "c.jsonl", lines) == wanted


def test_audiocaps_own_csv(tmp_path: Path) -> None:
    text = "audiocap_id,youtube_id,start_time,caption\n103549,7fmOlUlwoNg,20,Constant rattling\n"
    text += "103549,7fmOlUlwoNg,20,A rattle\n"
    assert read(tmp_path, "test.csv", "\ufeff" + text) == {"103549": ["Constant rattling", "A rattle"]}


def test_only_the_suffix_of_a_sound_is_taken_off() -> None:
    names = ("a.wav", "a.FLAC", "b\\a.ogg", "dog.bark", "12.5")
    assert [stem(name) for name in names] == ["a", "a", "b/a", "dog.bark", "12.5"]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("c.csv", "", "holds no captions"),
        ("c.csv", "file,words\na.wav,rain\n", "holds no captions"),
        ("c.csv", "file,caption\na.wav\n", "holds no captions"),
        ("c.jsonl", "[1]\n", "can't be read as captions"),
        ("c.jsonl", "file: a\n", "can't be read as captions"),
        ("c.jsonl", "[" * 100_000, "can't be read as captions"),
    ],
)
def test_what_is_no_captions_is_one_sentence(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        read(tmp_path, name, text)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="give a file of captions"):
        read_captions(tmp_path / "none.csv")
