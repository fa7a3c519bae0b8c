from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import InvalidRequestError
from studio.core.prompt_schedule import format_lane, opening_prompt, parse_lane, read_lane
from studio.core.request import MAX_LANE_POINTS, PromptPoint
from studio.core.text import one_line


def test_times_and_prompts_are_read() -> None:
    text = "\ufeff0:00 | rain\r\n\n# the storm\n1:30.25|heavy rain | thunder\n 90 | wind\n1:02:03 | birds"
    assert [(point.at_s, point.prompt) for point in parse_lane(text)] == [
        (0.0, "rain"),
        (90.0, "wind"),
        (90.25, "heavy rain | thunder"),
        (3723.0, "birds"),
    ]
    assert parse_lane(" \n") == ()


@given(
    st.lists(
        st.tuples(
            st.integers(0, 24 * 3600 * 1000),
            st.text(min_size=1, max_size=40).map(one_line).filter(bool),
        ),
        max_size=12,
        unique_by=lambda row: row[0],
    )
)
def test_a_lane_survives_its_text(rows: list[tuple[int, str]]) -> None:
    points = tuple(PromptPoint(at_s=at_ms / 1000, prompt=prompt) for at_ms, prompt in sorted(rows))
    assert parse_lane(format_lane(points)) == points


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x85", "\u2028", "\u2029"])
def test_lines_end_as_on_any_system(end: str) -> None:
    points = parse_lane(f"{end}0:00 | rain{end}# a storm{end}{end}0:10 | wind{end}")
    assert [point.prompt for point in points] == ["rain", "wind"]
    with pytest.raises(InvalidRequestError, match="Line 2 "):
        parse_lane(f"0:00 | rain{end}wind")


@given(st.text(max_size=200))
def test_any_text_is_a_lane_or_a_sentence(text: str) -> None:
    with suppress(InvalidRequestError):
        assert all(point.prompt for point in parse_lane(text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0:00 | rain\nwind", "Line 2.*mm:ss"),
        ("0:75 | rain", "below 60"),
        ("1:60:00 | rain", "below 60"),
        ("1" * 5000 + ":00 | rain", "mm:ss"),
        ("-1:00 | rain", "mm:ss"),
        ("nan | rain", "mm:ss"),
        ("0:10 |", "empty"),
        ("0:10 | \0", "empty"),
        ("99:00:00 | rain", "86,400"),
        ("0:10 | " + 10_000 * "x", "2,000"),
        ("0:10 | rain\n10.0 | wind", "Line 2.*already"),
        ("\n".join(f"{i} | rain" for i in range(MAX_LANE_POINTS + 1)), "at most 500"),
    ],
)
def test_a_bad_line_says_which_and_what(text: str, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says) as caught:
        parse_lane(text)
    assert "\n" not in str(caught.value)


def test_only_a_lane_from_the_start_opens_a_take() -> None:
    assert opening_prompt(parse_lane("0:00 | rain\n0:10 | wind")) == "rain"
    assert opening_prompt(parse_lane("0:01 | rain")) is None
    assert opening_prompt(()) is None


def test_a_file_that_is_no_lane_gets_a_sentence(tmp_path: Path) -> None:
    good, binary = tmp_path / "lane.txt", tmp_path / "take.wav"
    good.write_text("0:00 | été\n", encoding="utf-8")
    assert read_lane(good)[0].prompt == "été"
    binary.write_bytes(b"RIFF\xff\xfe\x00")
    for path, says in ((binary, "UTF-8"), (tmp_path, "Can't read"), (tmp_path / "none.txt", "Can't read")):
        with pytest.raises(InvalidRequestError, match=says):
            read_lane(path)
