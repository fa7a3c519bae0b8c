"""`longwave eval paper` from the command line: tables and figures, going on, and wrong words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from matplotlib.image import imread

from tests.test_cli import longwave, one_sentence

EARS = ("--embedder", "judge", "--device", "cpu")
SHORT = ("--count", 2, "--steps", 1, "--base-steps", 6, "--group-size", 4, "--seconds", 1.28)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "test.csv"
    path.write_text("audiocap_id,youtube_id,start_time,caption\n1,aa,0,Rain\n2,bb,30,A dog\n3,cc,0,Gone\n")
    for video in ("aa", "bb"):
        sf.write(tmp_path / f"Y{video}.wav", 0.1 * rng.normal(size=160_000), 16000)
    return path


@pytest.mark.slow
def test_a_table_on_a_manifest_with_the_papers_numbers_beside_it(tmp_path: Path, manifest: Path) -> None:
    words = ("eval", "paper", "infiniteaudio", "--model", "tone", "--manifest", manifest, *SHORT, *EARS)
    words += ("--runs", tmp_path / "runs", "--table", 1)
    plan = json.loads(longwave(*words, "--dry-run", "--json").stdout)["results"][0]
    assert plan["captions"] == 2
    assert sum(row["clips"] for row in plan["rows"]) == 10
    assert not (tmp_path / "runs").exists(), "nothing is made"
    said = longwave(*words)
    assert said.exit_code == 0, said.output
    assert "paper CLAP" in said.stdout
    assert "Not run: VoiceLDM: no model was given" in said.stdout
    assert "1 rows of the manifest have no recording." in said.stdout
    kept = tmp_path / "runs" / "papers"
    made = json.loads((kept / "infiniteaudio-table1.json").read_text())
    last = next(row for row in made["rows"] if row["key"] == "audioldm/last")
    assert last["paper"]["clap"] == 0.4559
    assert all((kept / "clips" / name).is_file() for name in last["files"])
    times = {path.name: path.stat().st_mtime_ns for path in (kept / "clips").iterdir()}
    again = json.loads(longwave(*words, "--json").stdout)["results"][0]
    assert again == made
    assert {path.name: path.stat().st_mtime_ns for path in (kept / "clips").iterdir()} == times


@pytest.mark.slow
def test_figures_are_drawn_on_the_pocket_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.recipes.evaluate.HELD_OUT_CLIPS", 8)
    words = (*SHORT, *EARS, "--runs", tmp_path, "--json")
    wanted = {"infiniteaudio": (2, 3, 4, 5), "litefocus": (1, 2)}
    for paper, numbers in wanted.items():
        each = [word for number in numbers for word in ("--figure", number)]
        if paper == "infiniteaudio":
            each += ["--model", "pocket/audioldm"]  # the other half takes as long again
        result = longwave("eval", "paper", paper, *each, *words, "--seconds", 2.56)
        assert result.exit_code == 0, result.output
        results = {made["figure"]: made for made in json.loads(result.stdout)["results"]}
        assert set(results) == set(numbers)
        for made in results.values():
            picture = imread(made["picture"])
            assert picture[..., :3].std() > 0.05, "something is drawn"
        if paper == "infiniteaudio":
            means = results[2]["data"]["audioldm"]["region_means"]
            assert set(means) == {"initial", "middle", "final"}
            assert len(results[3]["data"]["mb"]["InfiniteAudio"]) == 2
            assert len(results[4]["data"]["rows"]) == 5
            assert set(results[5]["data"]["rows"]) == {
                f"{way}/{seconds}" for way in ("infinite", "joined") for seconds in (1.28, 2.56)
            }
        else:
            shares = results[1]["data"]["shares"]
            assert sum(part[0] for part in shares.values()) == pytest.approx(1, abs=1e-3)
            assert all(0 < each["by_chance"] < 1 for each in results[2]["data"]["blocks"].values())


@pytest.mark.parametrize(
    "words",
    [
        ("luck", "--table", "1"),
        ("litefocus",),
        ("litefocus", "--table", "4"),
        ("dcldm", "--figure", "1"),
        ("litefocus", "--table", "1", "--seconds", "0"),
        ("dcldm", "--figure", "2", "--w", "nan"),
        ("dcldm", "--table", "1", "--guidance", "-1"),
        ("dcldm", "--table", "1", "--with", "tango"),
        ("litefocus", "--table", "1", "--manifest", "no such file"),
        ("litefocus", "--table", "1", "--manifest", __file__),
    ],
)
def test_wrong_words_are_told_in_a_sentence(words: tuple[str, ...], tmp_path: Path) -> None:
    one_sentence(longwave("eval", "paper", *words, "--runs", tmp_path, "--embedder", "judge"))


def test_help_is_there() -> None:
    assert "--dry-run" in longwave("eval", "paper", "--help").stdout
