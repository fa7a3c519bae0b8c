"""Text from people and other programs: one clean line, or a file in UTF-8."""

from __future__ import annotations

import codecs
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import InvalidRequestError
from studio.core.preset import Preset, load_preset
from studio.core.prompt_schedule import read_lane
from studio.core.request import PromptPoint, parse_request
from studio.core.text import decode_text, one_line, read_text

SPACES = "\n\r\t\v\f\x1c\x1d\x1e\x1f\x85\u00a0\u1680\u2000\u2003\u2007\u2009\u2028\u2029\u202f\u205f\u3000"
JSON = '{"name": "été", "settings": {"prompt": "été"}}'


@pytest.mark.parametrize("space", [*SPACES, "\r\n", " \n ", "\n\n\t"])
def test_any_white_space_is_one_space(space: str) -> None:
    assert one_line(f"{space}steady rain{space}on a roof{space}") == "steady rain on a roof"


@pytest.mark.parametrize(
    "text",
    ["می\u200cخواهم", "क्\u200dष", "👩\u200d🚀 in a storm", "🌦️ rain", "e\u0301te\u0301", "雨の音", "🫩"],
)
def test_what_spelling_needs_stays(text: str) -> None:
    assert one_line(text) == text


@pytest.mark.parametrize("unwanted", [*"\x00\x1b\x1b\x9b\u202a\u202e\u2066\u200b\u2060\ufeff\ud800\udcff"])
def test_what_hides_or_steers_goes(unwanted: str) -> None:
    assert one_line(f"{unwanted}ra{unwanted}in{unwanted}") == "rain"


@pytest.mark.parametrize("text", ["", " \u3000", "\u200d", "\u200c \u200d\ufeff", "\ud800"])
def test_what_shows_nothing_is_empty(text: str) -> None:
    assert one_line(text) == ""


@given(st.text(max_size=60))
def test_a_line_is_one_and_stays_so(text: str) -> None:
    line = one_line(text)
    assert one_line(line) == line
    assert not any(ch.isspace() and ch != " " for ch in line)
    line.encode()


def test_every_text_of_a_take_is_one_line() -> None:
    text = "\ufeffrain\u2028on\ud800  a\r\nroof\u202e"
    request = parse_request(prompt=text, negative_prompt=text, lane=[{"at_s": 1, "prompt": text}])
    preset = Preset(name=text, description=text, settings={})
    said = (request.prompt, request.negative_prompt, request.lane[0].prompt, preset.name, preset.description)
    assert said == ("rain on a roof",) * 5
    assert PromptPoint(at_s=0, prompt="a" + " " * 5000 + "b").prompt == "a b", "folded before it is measured"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf_8_is_read_with_a_mark_and_without(tmp_path: Path, encoding: str) -> None:
    preset, lane = tmp_path / "a.json", tmp_path / "a.txt"
    preset.write_text(JSON, encoding=encoding)
    lane.write_text("0:00 | été\n", encoding=encoding)
    assert load_preset(preset).name == read_lane(lane)[0].prompt == "été"


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("utf-32", "UTF-32"),
        ("utf-32-be", "UTF-32"),
        ("cp1252", "not text in UTF-8"),
    ],
)
def test_another_encoding_is_named(tmp_path: Path, encoding: str, said: str) -> None:
    for mark in ("", "\ufeff"):
        if mark and encoding == "cp1252":
            continue
        for name, text, read in (("a.json", JSON, load_preset), ("a.txt", "0:00 | été\n", read_lane)):
            (tmp_path / name).write_bytes((mark + text).encode(encoding))
            with pytest.raises(InvalidRequestError, match=f"{name} is.*{said}.*save it as UTF-8"):
                read(tmp_path / name)


@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_a_sentence(raw: bytes) -> None:
    with suppress(InvalidRequestError):
        assert decode_text(raw, "x").encode() in (raw, raw.removeprefix(codecs.BOM_UTF8))


def test_only_ordinary_files_are_read_and_no_more_than_allowed(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b" " * 11)
    with pytest.raises(InvalidRequestError, match="larger"):
        read_text(tmp_path / "large", 10)
    with pytest.raises(InvalidRequestError, match="Can't read the preset nothing"):
        load_preset(tmp_path / "nothing.json")
    with pytest.raises(InvalidRequestError, match="Can't read the preset"):
        load_preset(tmp_path / "a\0b.json")
    with pytest.raises(InvalidRequestError, match="Can't read the preset"):
        load_preset(tmp_path / ("x" * 5000))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.json")
    with pytest.raises(InvalidRequestError, match="ordinary"):
        load_preset(tmp_path / "x.json")
