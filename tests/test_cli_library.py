"""The Library on the command line: its list, its trash, texts and seeds as they come out of it again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.preset import load_preset
from tests.test_cli import QUICK, TONE, longwave, one_sentence


def test_a_take_is_deleted_put_back_and_deleted_for_good(tmp_path: Path) -> None:
    outputs, out = ("--outputs", tmp_path / "outputs"), tmp_path / "outputs/sea/a.flac"
    made = longwave("render", "infinite", *TONE, *QUICK, "--seconds", 0.5, "--out", out)
    assert made.exit_code == 0, made.output
    assert "sea/a" in longwave("library", "delete", "sea/a", *outputs).stdout
    assert longwave("library", "list", *outputs).stdout == ""
    listed = longwave("library", "trash", *outputs, "--json").stdout
    assert json.loads(listed) == {"id": "sea/a", "name": "rain"}
    assert "sea/a  rain" in longwave("library", "trash", *outputs).stdout
    assert longwave("library", "restore", "sea/a", *outputs).stdout == "sea/a\n"
    assert "sea/a" in longwave("library", "list", *outputs).stdout
    longwave("library", "delete", "sea/a", *outputs)
    assert "1 takes" in one_sentence(longwave("library", "empty", *outputs))
    assert "MB freed" in longwave("library", "empty", "--yes", *outputs).stdout
    assert "not in the trash" in one_sentence(longwave("library", "restore", "sea/a", *outputs))
    gone = longwave("library", "delete", "sea/a", "--for-good", *outputs)
    assert "not in the library" in one_sentence(gone)


def test_what_can_t_be_read_is_listed_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "sea").mkdir()
    for name in ("sea/a.flac", "sea/b.flac", "sea/c.flac"):
        made = longwave("render", "infinite", *TONE, *QUICK, "--seconds", 0.5, "--out", tmp_path / name)
        assert made.exit_code == 0, made.output
    (tmp_path / "sea/b.json").write_bytes((tmp_path / "sea/b.json").read_text().encode("utf-16"))
    record = (tmp_path / "sea/c.json").read_text()
    (tmp_path / "sea/c.json").write_text(record.replace('"c.flac"', f'"{"x" * 5000}"'))
    listed = longwave("library", "list", "--outputs", tmp_path)
    assert listed.exit_code == 0, listed.output
    whole, utf_16, long_name = listed.stdout.splitlines()
    assert whole.startswith("  sea/a  ")
    assert utf_16 == "! sea/b  can't be read: b.json is saved as UTF-16: save it as UTF-8."
    assert long_name.startswith("! sea/c  can't be read: Its record can't be used: ")
    as_json = longwave("library", "list", "--outputs", tmp_path, "--json")
    _, *others = map(json.loads, as_json.stdout.splitlines())
    assert [(other["id"], other["status"]) for other in others] == [
        ("sea/b", "unreadable"), ("sea/c", "unreadable"),
    ]  # fmt: skip
    assert "UTF-16" in one_sentence(longwave("library", "show", "sea/b", "--outputs", tmp_path))


def test_a_prompt_on_two_lines_is_one_of_words(tmp_path: Path) -> None:
    for text in ("steady rain\non a tin roof", "steady\u2028rain\u00a0on a\r\n\ttin roof\u202e"):
        out = tmp_path / "a.flac"
        made = longwave(
            "render", "infinite", "--model", "tone", "--prompt", text, *QUICK, "--seconds", 0.5, "--out", out
        )
        assert made.exit_code == 0, made.output
        record = load_preset(out.with_suffix(".json"))
        assert record.name == record.settings["prompt"] == "steady rain on a tin roof"


@pytest.mark.parametrize("seed", [2**53 + 1, 2**63 - 1])
def test_a_large_seed_makes_the_same_take_from_its_sidecar(tmp_path: Path, seed: int) -> None:
    first, again = tmp_path / "a.flac", tmp_path / "b.flac"
    longwave("render", "infinite", *TONE, *QUICK, "--seconds", 0.5, "--seed", seed, "--out", first)
    for preset in (first.with_suffix(".json"), first):
        made = longwave("render", "infinite", "--preset", preset, "--seconds", 0.5, "--out", again)
        assert made.exit_code == 0, made.output
        settings, meant = (load_preset(path.with_suffix(".json")).settings for path in (again, first))
        assert settings == meant
        assert settings["seed"] == seed
        np.testing.assert_array_equal(sf.read(first)[0], sf.read(again)[0])
