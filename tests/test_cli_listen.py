"""`longwave listen`: a test is made, its answers are scored, and mistakes end in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.evaluation.listening.answers import read_key
from tests.listening import answers_of, write_answers, write_systems
from tests.test_cli import longwave, one_sentence


def test_make_and_score(tmp_path: Path) -> None:
    one, two = write_systems(tmp_path, "one", "two")
    words = (
        "--captions",
        tmp_path / "captions.csv",
        "--raters",
        4,
        "--repeats",
        4,
        "--out",
        tmp_path / "test",
    )
    result = longwave("listen", "make", one, two, "--kind", "ogl-rel-aq", *words, "--json")
    made = json.loads(result.stdout)
    assert (made["trials"], made["notes"]) == (12, [])
    key = read_key(Path(made["key"]))
    for rater in (1, 2):
        answers = answers_of(
            key,
            rater,
            lambda place, trial: {"scores": dict.fromkeys(("OGL", "REL", "AQ"), 50 + 10 * len(trial.sounds))},
        )
        write_answers(tmp_path, f"answers-{rater}", answers)
    (tmp_path / "answers-9.json").write_text("{}")
    files = sorted(tmp_path.glob("*.json"))  # as the shell would: the key among them
    scored = longwave("listen", "score", *files, "--json")
    told = json.loads(scored.stdout)
    assert [row["AQ"]["value"] for row in told["systems"]] == [60, 60]
    assert told["refused"] == [{"file": "answers-9.json", "why": scored.stderr.strip()}]
    shown = longwave("listen", "score", *files)
    assert shown.stdout.startswith("ogl-rel-aq: 2 of 2 raters, 4 sounds, 2 systems\n")
    assert "one − two: OGL 0.00 (– to –)" in shown.stdout
    assert "agreement AQ: Krippendorff's α –, ICC(2,k) –" in shown.stdout
    assert "With fewer than 5 raters" in shown.stderr


def test_abx_names_chance_and_make_says_what_to_send(tmp_path: Path) -> None:
    one, two = write_systems(tmp_path, "one", "two", items=2)
    result = longwave("listen", "make", one, two, "--kind", "abx", "--raters", 2, "--out", tmp_path / "t")
    assert result.stdout == f"{tmp_path / 't' / 'index.html'}\n{tmp_path / 't-key.json'}\n"
    assert f"Send the folder {tmp_path / 't'}, not the key" in result.stderr.replace("\n", " ")
    key = read_key(tmp_path / "t-key.json")
    answers = answers_of(key, 1, lambda place, trial: {"choice": "B" if trial.x_is_b else "A"})
    file = write_answers(tmp_path, "a", answers)
    shown = longwave("listen", "score", file, "--key", tmp_path / "t-key.json").stdout
    assert "one and two: told apart in 100.0 % of 2 (15.8 to 100.0 %); chance is 50 %, p = 0.25" in shown
    assert "  clip0: 100 % of 1, p = 0.5" in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("make", "none", "--out", "t", "--kind", "mushra"),
            "--kind mushra: choose of ovl-rel, ogl-rel-aq, abx.",
        ),
        (("make", "none", "--out", "t"), "There is no folder none"),
        (("make", "one", "--out", "t"), "“clip0” has none: give --captions"),
        (("make", "one", "--out", "t", "--captions", "none.csv"), "Can't read none.csv"),
        (("make", "one"), "--out"),
        (("score", "none.json"), "No key is among the files"),
        (("score", "none.json", "--key", "none-key.json"), "Can't read none-key.json"),
    ],
)
def test_a_mistake_ends_in_a_sentence(
    words: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_systems(tmp_path, "one", items=1)
    monkeypatch.chdir(tmp_path)
    assert says in one_sentence(longwave("listen", *words))
    assert not (tmp_path / "t").exists()
