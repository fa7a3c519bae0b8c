"""AudioCaps' csv and folder, as people have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.evaluation.papers.manifest import read_audiocaps

HEAD = "audiocap_id,youtube_id,start_time,caption\n"
ROWS = '1,aa,30,"Rain, heavy"\n2,bb,0,A dog\n3,bb,0,Another dog\n4,cc,5,Gone\n5,dd,7,Wind\n6,ee,2,Bees\n'


def put(folder: Path, *stems: str) -> None:
    for stem in stems:
        sf.write(folder / f"{stem}.wav", np.full(2205, 0.5), 22050)


def written(folder: Path, text: str) -> Path:
    path = folder / "test.csv"
    path.write_text(text)
    return path


def test_recordings_are_found_by_any_usual_name(tmp_path: Path) -> None:
    put(tmp_path, "Yaa", "bb_0", "dd_7000_17000", "6", "unheard of")
    found = read_audiocaps(written(tmp_path, HEAD + ROWS), tmp_path)
    names = [(each.name, each.recording.stem) for each in found]  # type: ignore[union-attr]
    assert names == [("1", "Yaa"), ("2", "bb_0"), ("3", "bb_0"), ("5", "dd_7000_17000"), ("6", "6")]
    assert found.missing == 1
    assert [each.number for each in found] == [0, 1, 2, 4, 5], "seeds don't move with what is missing"
    first = found.examples[0]
    assert first.caption == "Rain, heavy"
    assert first.file_in(tmp_path) == first.recording
    assert [each.name for each in found.one_a_recording()] == ["1", "2", "5", "6"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column audiocap_id"),
        ("audiocap_id,youtube_id,caption\n1,aa,x\n", "no column start_time"),
        (HEAD + "1,aa,soon,x\n2,bb,0,y\n", "line 2: start_time"),
        (HEAD + "1,aa\n", "line 2 is cut off"),
        (HEAD + "1,aa,0,x\n1,bb,0,y\n", "line 3: audiocap_id is twice there"),
        (HEAD + "1,aa,0, \n", "line 2: a caption"),
        (HEAD + ROWS, "0 of 6 recordings"),
    ],
)
def test_a_bad_csv_is_told_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said) as caught:
        read_audiocaps(written(tmp_path, text), tmp_path)
    assert str(caught.value).endswith(".")


def test_what_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="no folder"):
        read_audiocaps(written(tmp_path, HEAD + ROWS), tmp_path / "none")
    with pytest.raises(InvalidRequestError, match=r"Can't read none.csv"):
        read_audiocaps(tmp_path / "none.csv", tmp_path)
    (tmp_path / "test.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidRequestError, match=r"Can't read test.csv"):
        read_audiocaps(tmp_path / "test.csv", tmp_path)
