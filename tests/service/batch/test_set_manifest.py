"""A manifest's lines become rows: by any spelling the same ones, and by any fault a sentence."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.core.binding import bind
from studio.core.defaults import ModelDefaults, Scales, usual_defaults
from studio.core.draft import RecordedDraft
from studio.core.errors import InvalidRequestError, ModelNotFoundError
from studio.core.preset import Preset, named_preset
from studio.core.request import ModelChoice
from studio.core.settings import Settings
from studio.service.batch.asked import Reading, no_files
from studio.service.batch.example import example
from studio.service.batch.manifest import ManifestError, parse_manifest, read_manifest
from studio.service.batch.rows import Row

PRESETS = Settings().presets
READING = Reading(
    usual_defaults, lambda choice: choice.id, lambda name: named_preset(name, PRESETS), no_files
)

# Values by columns' names that make a request, as text: any of them may be left out.
_PLAIN = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp"), exclude_characters="{}"),
    min_size=1, max_size=40,
).filter(str.strip)  # fmt: skip
SPARSE = st.fixed_dictionaries(
    {"mode": st.just("sparse"), "prompt": _PLAIN},
    optional={
        "negative_prompt": _PLAIN,
        "seconds": st.integers(1, 600).map(str),
        "seed": st.integers(0, 2**63 - 1).map(str),
        "steps": st.integers(1, 1000).map(str),
        "guidance": st.floats(0, 100).map(lambda value: f"{value:.3f}"),
        "attention": st.sampled_from(("dense", "lite_focus")),
        "model": st.sampled_from(("tone", "pocket/audioldm2")),
        "name": _PLAIN,
        "count": st.integers(1, 3).map(str),
    },
)
INFINITE = st.fixed_dictionaries(
    {"prompt": _PLAIN},
    optional={
        "mode": st.just("infinite"),
        "seconds": st.integers(1, 86400).map(str),
        "base_steps": st.integers(3, 60).map(str),
        "lane": st.just("0:05 | heavy rain\n1:00 | birds"),
        "count": st.integers(1, 3).map(str),
    },
)
LINES = st.lists(SPARSE | INFINITE, min_size=1, max_size=5)
Lines = list[dict[str, str]]


def as_csv(lines: Lines, columns: list[str] | None = None, *, end: str = "\n", between: str = ",") -> str:
    names = columns or list(dict.fromkeys(name for line in lines for name in line))
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, names, lineterminator=end, delimiter=between)
    table.writeheader()
    table.writerows(lines)
    return text.getvalue()


def as_json(lines: Lines) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def rows(text: str, **changes: Any) -> list[Row]:
    return parse_manifest(text, replace(READING, **changes))


def ids(text: str) -> list[str]:
    return [row.id for row in rows(text)]


def faults(text: str, **changes: Any) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        rows(text, **changes)
    assert str(caught.value) == " ".join(caught.value.sentences)
    return caught.value.sentences


@given(LINES)
@settings(max_examples=40)
def test_csv_and_json_of_the_same_lines_are_the_same_rows(lines: Lines) -> None:
    found = rows(as_csv(lines))
    assert [(row.id, row.request, row.name) for row in found] == [
        (row.id, row.request, row.name) for row in rows(as_json(lines))
    ]
    assert [row.id for row in found] == ids(json.dumps(lines, indent=1))
    assert len(found) == sum(int(line.get("count", 1)) for line in lines)


@pytest.mark.parametrize("text", ["rain, then wind; far away", "rain,", '"rain, then wind"'])
def test_a_sheet_of_one_column_has_nothing_between_its_cells(text: str) -> None:
    (row,) = rows(f"prompt\n{text}\n")
    assert row.request.prompt == text.strip('"')


@given(LINES, st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_ids_hang_on_no_order_of_columns_nor_on_white_space_nor_on_the_line(
    lines: Lines, chance: Any
) -> None:
    known = ids(as_csv(lines))
    names = [name for line in lines for name in line]
    shuffled = list(dict.fromkeys(chance.sample(names, len(names))))
    loose = [{name: f"  {value} " for name, value in line.items()} for line in lines]
    assert ids(as_csv(loose, shuffled, end="\r\n")) == known
    assert ids("\ufeff" + as_csv(loose, shuffled).replace("\n", "\n\n", 1)) == known
    assert ids(as_csv(lines, end="\r\n", between=";")) == known
    assert ids(as_csv([{"prompt": "one above"}, *lines]))[1:] == known


@given(SPARSE)
@settings(max_examples=40)
def test_defaults_spelled_out_and_typed_values_are_the_same_row(line: dict[str, str]) -> None:
    own = usual_defaults("").settings("clip")
    spelled = {
        "seconds": "10.0", "guidance": str(own["guidance_scale"]), "steps": str(own["sampler"]["steps"]),
        "attention": "lite_focus", "ratio": "auto", "model": "pocket/audioldm2", "count": "1", "seed": "-1",
        "device": "auto", "focus": "on",
    } | line  # fmt: skip
    if spelled["attention"] == "dense":
        spelled |= {"ratio": "", "focus": ""}
    assert ids(as_csv([spelled])) == ids(as_csv([line]))
    typed: dict[str, Any] = dict(line)
    for name, kind in (("seconds", int), ("seed", int), ("steps", int), ("guidance", float), ("count", int)):
        if name in typed:
            typed[name] = kind(typed[name])
    assert ids(json.dumps(typed | {"negative_prompt": line.get("negative_prompt")})) == ids(as_json([line]))


@given(st.lists(SPARSE | INFINITE, min_size=2, max_size=6))
@settings(max_examples=40)
def test_rows_share_an_id_where_their_requests_are_equal_and_nowhere_else(lines: Lines) -> None:
    found = rows(as_csv(lines))
    by_id = {row.id: row.request for row in found}
    assert all(by_id[row.id] == row.request for row in found)
    assert len(by_id) == len({row.request for row in found})


@given(
    st.lists(
        st.lists(st.sampled_from("abcdef"), min_size=2, max_size=4, unique=True), min_size=1, max_size=3
    ),
    st.integers(1, 3),
)
def test_braces_stand_for_every_combination(choices: list[list[str]], count: int) -> None:
    prompt = " ".join(f"x{place} {{{'|'.join(choice)}}}" for place, choice in enumerate(choices))
    found = rows(as_csv([{"prompt": prompt, "count": str(count)}]))
    prompts = [row.request.prompt for row in found]
    wanted = count
    for choice in choices:
        wanted *= len(choice)
    assert len(found) == wanted == len({row.id for row in found})
    assert len(set(prompts)) == wanted // count
    assert prompts[0] == " ".join(f"x{place} {choice[0]}" for place, choice in enumerate(choices))


def test_a_row_is_what_the_command_line_makes_of_the_same_words() -> None:
    row, *_ = rows("mode,prompt,seconds,guidance,steps,seed\nsparse, rain  on tin,5,2.5,20,7\n")
    values = {"prompt": "rain on tin", "duration_s": 5, "guidance_scale": 2.5, "steps": 20, "seed": 7}
    assert row.request == bind("sparse", values, usual_defaults)
    assert row.line == 2


def test_what_a_model_says_of_itself_holds_in_its_rows() -> None:
    own = ModelDefaults(guidance=Scales(text=2.5))
    row, *_ = rows("prompt\nrain\n", defaults_of=lambda model: own)
    assert row.request.guidance_scale == 2.5


def test_seeds_are_the_rows_own_and_follow_on_from_one_that_is_given() -> None:
    text = "prompt,count,seed\nrain,3,\nrain,3,41\nhail,1,\n"
    seeds = [row.request.seed for row in rows(text)]
    assert seeds[3:6] == [41, 42, 43]
    assert len(set(seeds)) == 7
    assert seeds == [row.request.seed for row in rows(text)]
    other = [row.request.seed for row in rows("prompt,count\nrain,2\n")]
    assert other == seeds[:2]  # more variations leave the first as they were


def test_a_presets_seed_counts_as_given() -> None:
    kept = Preset(name="kept", settings={"prompt": "rain", "seed": 5, "duration_s": 3})
    seeds = [row.request.seed for row in rows("preset,count\nkept,2\n", preset=lambda name: kept)]
    assert seeds == [5, 6]


def test_a_preset_holds_where_the_row_says_nothing() -> None:
    shipped = named_preset("storm-passes", PRESETS)
    row, *_ = rows("preset,seconds,prompt\nstorm-passes,20,hail\n")
    assert row.request.duration_s == 20
    assert row.request.prompt == "hail"
    assert row.request.lane == shipped.request(prompt="x").lane


def test_variations_of_a_name_are_numbered() -> None:
    assert [row.name for row in rows("prompt,name,count\nrain,Wet,2\nrain,Dry,1\n")] == [
        "Wet 1",
        "Wet 2",
        "Dry",
    ]


def test_other_weights_and_another_model_are_other_rows() -> None:
    text = "prompt,seed\nrain,1\n"
    assert rows(text, fingerprint=lambda choice: "other")[0].id != rows(text)[0].id


def test_every_fault_is_told_with_its_line() -> None:
    text = (
        "prompt,seconds,mode,lane,guidance,count\n"  # line 1
        "rain,x\n\n"  # 2, and an empty one
        "rain,,sparse,0:30 | hail\n"  # 4
        '"rain\non tin",3,,,-1\n'  # 5 and 6
        "rain,5,hello\n"  # 7
        ",,sparse\n"  # 8
        "a,b,c,d,e,f,g\n"  # 9
        "rain,,,,,0\n"  # 10
        "rain,,,0:61 | hail\n"  # 11
        '"rain"s,3\n'  # 12, after which nothing can be read
        "rain,y\n"
    )
    told = faults(text)
    assert [one.split(":")[0] for one in told] == [f"Line {n}" for n in (2, 4, 5, 7, 8, 9, 10, 11, 12)]
    for said, expected in zip(
        told,
        ("seconds must be a number", "lane is not for sparse", "guidance must be a number from 0 to 100",
         "mode must be one of infinite, sparse or dual", "prompt is empty", "7 cells", "count must be",
         "Line 1 of the prompt lane", "double quotes"),
        strict=True,
    ):  # fmt: skip
        assert expected in said
        assert said.endswith(".")


def test_json_faults_are_told_with_their_lines() -> None:
    bad = (
        '{"prompt": "rain", "seconds": true}', '{"prompt": "rain",}', "[1]", '{"prompt": 3}',
        '{"prompt": {"a": 1}}', '{"prompt": "a", "prompt": "b"}', '{"prompt": "a", "seconds": NaN}',
        '{"prompt": "a", "seed": 1e300}', '{"prompt": "a", "Seconds": 3, "duration_s": 4}',
        '{"prompt": "a", "seconds": "' + "9" * 5000 + '"}',
    )  # fmt: skip
    told = faults('{"prompt": "first"}\n' + "\n".join(bad))
    assert [one.split(":")[0] for one in told] == [f"Line {n}" for n in range(2, 12)]
    assert all(len(one) < 300 and one.endswith(".") for one in told)


def test_an_array_is_read_object_by_object_with_lines() -> None:
    assert [row.line for row in rows('[{"prompt": "a"},\n\n{"prompt":\n "b"}]')] == [1, 3]
    assert faults('[\n{"prompt": "a"},\n{"prompt": ""},\n{"prompt" "b"}]') == [
        "Line 3: prompt is empty: describe the sound you want, for example 'heavy rain'.",
        "Line 4: it is no JSON (expecting ':' delimiter): the array of rows can't be read on.",
    ]


def test_many_faults_are_counted_and_ten_are_told() -> None:
    told = faults("prompt,seconds\n" + "rain,x\n" * 500)
    assert len(told) == 11
    assert told[-1] == "And so are 490 more."


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        ("promt", "did you mean 'prompt'?"),
        ("secconds", "did you mean 'seconds'?"),
        ("endless", "a row has an end"),
        ("continue_from", "rows go on from no recording"),
        ("script", "as say"),
        ("zzz", "take it out"),
        ("Seconds,seconds", "'seconds' is there twice"),
    ],
)
def test_a_column_that_is_none_is_one_sentence_with_the_nearest(header: str, hint: str) -> None:
    (told,) = faults(f"prompt,{header}\nrain\n" if header != "promt" else "promt\nrain\n")
    assert told.startswith("Line 1: ")
    assert hint in told


def test_a_column_means_what_the_rows_mode_means_by_it_and_says_it_once() -> None:
    clip, endless = rows("mode,prompt,steps,base_steps\nsparse,rain,9,\ninfinite,rain,,30\n")
    assert (clip.request.sampler.steps, endless.request.endless.base_steps) == (9, 30)
    assert "is there twice" in faults("prompt,steps,base_steps\nrain,24,30\n")[0]
    assert faults("mode,prompt,text_scale\ndual,rain,x\n")[0].startswith(
        "Line 2: text_scale must be a number"
    )


@pytest.mark.parametrize("header", ["Prompt,Seconds,Negative-Prompt", "prompt,duration_s,negative prompt"])
def test_columns_go_by_either_name_however_they_are_written(header: str) -> None:
    row, *_ = rows(f"{header}\nrain,4,birds\n")
    assert (row.request.duration_s, row.request.negative_prompt) == (4, "birds")


def test_a_model_or_preset_that_is_not_there_is_looked_for_once_and_told_for_each_line() -> None:
    asked: list[str] = []

    def fingerprint(choice: ModelChoice) -> str:
        asked.append(choice.id)
        raise ModelNotFoundError("There is no model 'nix'; see 'longwave models list'.")

    told = faults("prompt,model\nrain,nix\nhail,nix\n", fingerprint=fingerprint)
    assert told == [f"Line {n}: There is no model 'nix'; see 'longwave models list'." for n in (2, 3)]
    assert asked == ["nix"]


def test_no_more_rows_than_allowed_are_made_however_few_words_ask_for_them() -> None:
    for text in ("prompt,count\nrain,1000001\n", "prompt\n" + "{a|b|c|d}" * 30 + "\n"):
        assert "more than 1,000,000 takes" in faults(text)[0]
    with pytest.raises(ManifestError, match="Line 4: with it the manifest asks for more than 2 takes"):
        parse_manifest("prompt\na\nb\nc\nd\n", READING, most=2)


@pytest.mark.parametrize("text", ["", "\n \n", "prompt,seconds\n", "[]"])
def test_a_manifest_of_nothing_is_told_so(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="asks for nothing"):
        rows(text)


def test_braces_that_choose_nothing_are_ordinary_and_nested_ones_are_refused() -> None:
    assert rows("prompt\nrain {heavy} }{\n")[0].request.prompt == "rain {heavy} }{"
    assert "braces within braces" in faults("prompt\n{a|{b|c}}\n")[0].replace("stand within", "within")


def test_a_preset_without_an_end_wants_seconds() -> None:
    endless = Preset(name="on", settings={"prompt": "rain", "duration_s": None})
    assert "seconds is missing" in faults("preset\non\n", preset=lambda name: endless)[0]
    assert rows("preset,seconds\non,5\n", preset=lambda name: endless)[0].request.duration_s == 5


def test_a_recording_is_a_draft_where_files_are_read_and_refused_where_they_are_not() -> None:
    text = "mode,prompt,draft\ndual,birds,brook.wav\n"
    assert "no recording is read here" in faults(text)[0]
    kept = RecordedDraft(sha256="0" * 64, file="brook.wav")
    row, *_ = rows(text, recorded=lambda file, model: kept)
    assert row.request.draft == kept


def test_a_file_is_read_with_a_mark_and_refused_in_another_encoding_or_too_large(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes("\ufeffprompt\r\nrain à la mer\r\n".encode())
    assert read_manifest(path, READING)[0].request.prompt == "rain à la mer"
    for encoding, said in (("utf-16", "UTF-16"), ("latin-1", "not text in UTF-8")):
        path.write_bytes("prompt\nrain à la mer\n".encode(encoding))
        with pytest.raises(InvalidRequestError, match=said):
            read_manifest(path, READING)
    with pytest.raises(InvalidRequestError, match="no such file"):
        read_manifest(tmp_path / "nix.csv", READING)


def test_the_example_is_a_manifest_and_the_same_in_both_formats() -> None:
    assert ids(example("csv")) == ids(example("jsonl"))
    assert len(ids(example())) == 12


def test_the_manifests_of_the_documentation_are_manifests() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "batches.md").read_text(encoding="utf-8")
    table, lines = re.findall(r"^```(?:csv)?\n([m{].*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert [row.line for row in rows(table)] == [2] * 40 + [3, 4]
    assert [row.line for row in rows(lines)] == [1, 2, 2, 2]
