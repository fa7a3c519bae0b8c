"""Answers against what was planted in them: means, who is dropped, what is refused."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.core.errors import InvalidRequestError
from studio.evaluation.listening.answers import Key, KeyTrial, read_answers, read_key
from studio.evaluation.listening.score import score_answers
from tests.listening import Said, answers_of, small_test, write_answers

QUALITY = {"poor": 2, "fair": 3, "good": 4}


def careful(key: Key, rng: np.random.Generator) -> Said:
    """Says the system's planted quality, now and then one more; REL always 5."""

    def said(place: int, trial: KeyTrial) -> dict[str, Any]:
        _, system = key.place(trial.sounds[0])
        return {"scores": {"OVL": QUALITY[key.systems[system]] + int(rng.random() < 0.25), "REL": 5}}

    return said


def careless(key: Key, rng: np.random.Generator) -> Said:
    """Says 1 and 5 in turns, so that no repeat is as before."""
    before: dict[str, int] = {}

    def said(place: int, trial: KeyTrial) -> dict[str, Any]:
        sound = trial.sounds[0]
        before[sound] = 6 - before.get(sound, int(rng.choice([1, 5])))
        return {"scores": {"OVL": before[sound], "REL": 3}}

    return said


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Key, list[Path]]:
    """A test of three systems and the answers of eight raters, of whom the third does not listen."""
    folder, rng = tmp_path_factory.mktemp("rated"), np.random.default_rng(0)
    made, key = small_test(folder, "ovl-rel", *QUALITY, raters=8)
    files = []
    for rater in range(1, 9):
        rater_says = careless(key, rng) if rater == 3 else careful(key, rng)
        files.append(write_answers(folder, f"answers-{rater}", answers_of(key, rater, rater_says)))
    return made.key, key, files


def test_planted_means_and_differences_come_out(rated: tuple[Path, Key, list[Path]]) -> None:
    told = score_answers(rated[2], rated[0]).as_json()
    assert (told["kind"], told["raters"], told["kept"], told["items"]) == ("ovl-rel", 8, 7, 4)
    for row in told["systems"]:
        figure = row["OVL"]
        assert figure["n"] == 7 * 4
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert QUALITY[row["system"]] + 0.25 == pytest.approx(figure["value"], abs=0.2)
        assert row["REL"] == {"value": 5.0, "low": None, "high": None, "n": 28}
    steps = {(row["system"], row["other"]): row["OVL"] for row in told["differences"]}
    assert set(steps) == {("poor", "fair"), ("poor", "good"), ("fair", "good")}
    assert steps["poor", "good"]["value"] == pytest.approx(-2, abs=0.2)
    assert steps["poor", "good"]["high"] < -1.5
    assert told["agreement"]["OVL"]["alpha"] > 0.7
    assert told["agreement"]["OVL"]["icc_of_means"] > 0.9
    assert told["agreement"]["REL"] == {"alpha": None, "icc_of_means": None}


def test_who_fails_the_repeats_is_dropped_and_named(rated: tuple[Path, Key, list[Path]]) -> None:
    told = score_answers(rated[2], rated[0]).as_json()
    assert told["dropped"] == [
        {
            "rater": "3",
            "file": "answers-3.json",
            "why": "rated 5 of 5 repeated sounds otherwise than before",
        }
    ]


def test_a_repeat_is_a_check_and_no_rating(tmp_path: Path) -> None:
    """Half of the repeats may differ; the first rating counts."""
    made, key = small_test(tmp_path, raters=1, repeats=4)

    def said(place: int, trial: KeyTrial) -> dict[str, Any]:
        later = [one for one, other in enumerate(key.orders[0]) if other.repeat]
        return {"scores": {"OVL": 5 if trial.repeat and place in later[:2] else 1, "REL": 2}}

    score = score_answers([write_answers(tmp_path, "a", answers_of(key, 1, said))], made.key)
    assert (score.raters[0].checks, score.raters[0].failed, score.raters[0].why_dropped) == (4, 2, "")
    assert [row["OVL"].value for row in score.systems] == [1, 1]


def test_the_key_may_be_among_the_files_or_be_named(
    rated: tuple[Path, Key, list[Path]], tmp_path: Path
) -> None:
    key_path, _, files = rated
    assert (
        score_answers([files[0], key_path, files[1]]).as_json()
        == score_answers(files[:2], key_path).as_json()
    )
    with pytest.raises(InvalidRequestError, match="No key is among the files"):
        score_answers(files)
    other, _ = small_test(tmp_path)
    with pytest.raises(InvalidRequestError, match="More than one key"):
        score_answers([key_path, other.key, files[0]])


def test_answers_of_another_test_are_refused_and_the_others_scored(
    rated: tuple[Path, Key, list[Path]], tmp_path: Path
) -> None:
    _, other = small_test(tmp_path)
    foreign = answers_of(other, 1, lambda place, trial: {"scores": {"OVL": 3, "REL": 3}})
    file = write_answers(tmp_path, "foreign", foreign)
    told = score_answers([*rated[2], file], rated[0]).as_json()
    assert told["raters"] == 8
    assert [one["file"] for one in told["refused"]] == ["foreign.json"]
    assert "belongs to another test" in told["refused"][0]["why"]
    with pytest.raises(InvalidRequestError, match="belongs to another test"):
        score_answers([file], rated[0])


def damaged(answers: dict[str, Any], change: str) -> Any:
    """Answers that the page can't have sent."""
    wrong = copy.deepcopy(answers)
    first = wrong["answers"][0]
    if change == "score":
        first["scores"]["OVL"] = 6
    elif change == "text":
        first["scores"]["OVL"] = "4"
    elif change == "scale":
        del first["scores"]["REL"]
    elif change == "choice":
        first["choice"] = "A"
    elif change == "twice":
        wrong["answers"].append(first)
    elif change == "order":
        first["sounds"], wrong["answers"][1]["sounds"] = wrong["answers"][1]["sounds"], first["sounds"]
    elif change == "rater":
        wrong["rater"] = 99
    elif change == "version":
        wrong["version"] = 2
    elif change == "more":
        wrong["more"] = 1
    elif change == "list":
        return [wrong]
    elif change == "mark":
        wrong["longwave"] = "listening-key"
    return wrong


CHANGES = (
    "score", "text", "scale", "choice", "twice", "order", "rater", "version", "more", "list", "mark",
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_page_can_not_have_sent_is_refused_in_a_sentence(
    rated: tuple[Path, Key, list[Path]], tmp_path: Path, change: str
) -> None:
    _, key, files = rated
    answers = json.loads(files[0].read_text())
    assert read_answers(write_answers(tmp_path, "whole", answers), key).rater == 1
    path = write_answers(tmp_path, "answers", damaged(answers, change))
    with pytest.raises(InvalidRequestError) as caught:
        read_answers(path, key)
    sentence = str(caught.value)
    assert sentence.startswith("answers.json ")
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    "content", [b"", b"no json", b"[" * 100_000, b'{"a": 1', b"\xff\xfe{\x00}\x00", b"null", b"NaN", b"{}"]
)
def test_foreign_files_are_refused_in_a_sentence(
    rated: tuple[Path, Key, list[Path]], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "answers.json"
    path.write_bytes(content)
    for read in (lambda: read_answers(path, rated[1]), lambda: read_key(path)):
        with pytest.raises(InvalidRequestError, match=r"^answers\.json .*\.$"):
            read()


def test_no_more_is_read_than_answers_can_be(
    rated: tuple[Path, Key, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.evaluation.listening.answers.MAX_ANSWERS_BYTES", 100)
    with pytest.raises(InvalidRequestError, match="larger than"):
        read_answers(rated[2][0], rated[1])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_anywhere_is_read_or_refused(
    rated: tuple[Path, Key, list[Path]], tmp_path: Path, data: st.DataObject
) -> None:
    answers: Any = json.loads(rated[2][0].read_text())
    place: Any = answers
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not (isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans())):
            break
        place = place[key]
    place[key] = data.draw(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.just([])
        | st.just({})
    )
    path = write_answers(tmp_path, "any", answers)
    with suppress(InvalidRequestError):  # anything else that is raised fails the test
        read_answers(path, rated[1])


def test_a_session_that_was_sent_twice_counts_once_and_two_people_of_one_number_both(tmp_path: Path) -> None:
    made, key = small_test(tmp_path, raters=2)
    whole = answers_of(key, 1, lambda place, trial: {"scores": {"OVL": 4, "REL": 3 + place % 2}})
    part = {**whole, "finished": None, "answers": whole["answers"][:7]}
    other = {**whole, "session": "f" * 16}
    files = [write_answers(tmp_path, name, sent) for name, sent in (("a", part), ("b", whole), ("c", other))]
    score = score_answers([files[1], files[0], files[2]], made.key)
    assert [(rater.label, rater.file) for rater in score.raters] == [("1a", "b.json"), ("1b", "c.json")]
    assert "a.json and b.json are of one rater: the fuller one counts." in score.notes
    assert "Two people or devices answered as rater 1: both count." in score.notes
    assert score_answers(files[:2], made.key).raters[0].file == "b.json"
    alone = score_answers(files[:1], made.key)
    assert alone.raters[0].label == "1"
    assert any("Rater 1 answered 7 of 12" in note for note in alone.notes)
    assert "Rater 1a gave every sound the same OVL." in score.notes


def test_sounds_that_did_not_play_are_named_and_not_counted(tmp_path: Path) -> None:
    made, key = small_test(tmp_path, raters=2)
    broken = key.orders[0][0].sounds[0]

    def said(place: int, trial: KeyTrial) -> dict[str, Any]:
        return {"unplayable": True} if broken in trial.sounds else {"scores": {"OVL": 4, "REL": 4}}

    files = [write_answers(tmp_path, f"a{rater}", answers_of(key, rater, said)) for rater in (1, 2)]
    told = score_answers(files, made.key).as_json()
    item, system = key.place(broken)
    (missing,) = told["not_heard"]
    assert (missing["item"], missing["system"]) == (key.items[item].name, key.systems[system])
    assert missing["raters"] == 2
    assert [row["OVL"]["n"] for row in told["systems"]] == [8 - 2 * (place == system) for place in (0, 1)]


def test_where_all_are_dropped_that_is_said(tmp_path: Path) -> None:
    made, key = small_test(tmp_path, raters=1, repeats=4)
    said = careless(key, np.random.default_rng(0))
    file = write_answers(tmp_path, "a", answers_of(key, 1, said))
    with pytest.raises(InvalidRequestError, match="No rater is left: rater 1 rated 4 of 4 repeated"):
        score_answers([file], made.key)


def test_too_few_repeats_drop_nobody(tmp_path: Path) -> None:
    made, key = small_test(tmp_path, raters=1, repeats=2)
    said = careless(key, np.random.default_rng(0))
    score = score_answers([write_answers(tmp_path, "a", answers_of(key, 1, said))], made.key)
    assert score.kept == score.raters
    assert any("too few repeats" in note for note in score.notes)


def hears(key: Key, *, seam: bool) -> Said:
    """Tells X every time, or always says A where it is no catch."""

    def said(place: int, trial: KeyTrial) -> dict[str, Any]:
        right = "B" if trial.x_is_b else "A"
        return {"choice": right if seam or trial.catch else "A"}

    return said


def test_comparisons_are_held_against_chance(tmp_path: Path) -> None:
    made, key = small_test(tmp_path, "abx", "seam", "whole", raters=4)
    files = [
        write_answers(tmp_path, f"a{rater}", answers_of(key, rater, hears(key, seam=rater < 3)))
        for rater in (1, 2, 3, 4)
    ]
    told = score_answers(files, made.key).as_json()
    (pair,) = told["pairs"]
    # Two raters are right 4 times each; who says A always is right in the two of four where X is A.
    assert (pair["system"], pair["other"], pair["chance"]) == ("seam", "whole", 0.5)
    assert (pair["right"]["value"], pair["right"]["n"]) == (12 / 16, 16)
    tail = sum([1820, 560, 120, 16, 1])  # of 16 even tosses, 12 and more heads
    assert pair["p"] == pytest.approx(tail / 2**16)
    assert pair["right"]["low"] == pytest.approx(0.4762, abs=1e-3)  # Clopper–Pearson
    assert pair["right"]["high"] == pytest.approx(0.9273, abs=1e-3)
    assert [item["right"]["n"] for item in pair["items"]] == [4] * 4
    assert told["chance"] == 0.5
    assert told["kept"] == 4


def test_who_misses_two_different_sounds_is_dropped(tmp_path: Path) -> None:
    made, key = small_test(tmp_path, "abx", raters=2)
    files = [
        write_answers(tmp_path, "a1", answers_of(key, 1, hears(key, seam=True))),
        write_answers(
            tmp_path, "a2", answers_of(key, 2, lambda place, trial: {"choice": "A" if trial.x_is_b else "B"})
        ),
    ]
    told = score_answers(files, made.key).as_json()
    assert [one["why"] for one in told["dropped"]] == ["missed 4 of 4 comparisons of two different sounds"]
    assert told["pairs"][0]["right"] == {
        "value": 1.0,
        "low": pytest.approx(0.3976, abs=1e-3),
        "high": 1.0,
        "n": 4,
    }


def test_a_damaged_key_is_refused_in_a_sentence(rated: tuple[Path, Key, list[Path]], tmp_path: Path) -> None:
    key = json.loads(rated[0].read_text())
    name = next(iter(key["sounds"]))
    for change in (
        {"systems": key["systems"][:1]},
        {"reference": 7},
        {"sounds": {name: key["sounds"][name]}},
        {"orders": "none"},
        {"kind": "mushra"},
    ):
        path = write_answers(tmp_path, "key", {**key, **change})
        with pytest.raises(InvalidRequestError, match=r"^key\.json is damaged: .*\.$"):
            read_key(path)
