"""`longwave render dual` and `bench dual` with the embedded models; AudioGen's own part where it can run."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.backends.acoustic.audiocraft_shim import MISSING, is_installed
from studio.core.preset import load_preset, named_preset
from studio.core.sampling import EndlessSampler
from studio.core.settings import data_dir
from tests.test_cli import longwave, one_sentence

pytestmark = pytest.mark.slow

SHORT = ("--prompt", "rain", "--seconds", 1.28, "--steps", 2, "--seed", 4)
needs_audiocraft = pytest.mark.skipif(not is_installed(), reason=MISSING)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sounds") / "mine.wav"
    sf.write(path, 0.3 * np.sin(np.arange(32000) / 9), 16000)
    return path


def test_own_audio_is_the_draft_and_its_settings_open_again(tmp_path: Path, mine: Path) -> None:
    first, second = tmp_path / "a.wav", tmp_path / "b.wav"
    words = (*SHORT, "--outputs", tmp_path, "--acoustic-scale", 2, "--guidance", 3, "--strength", 0.5)
    result = longwave("render", "dual", *words, "--draft", mine, "--out", first, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["seconds"] == pytest.approx(1.28)
    assert "notes" not in json.loads(result.stdout)
    request = load_preset(first.with_suffix(".json")).request()
    assert (request.mode, request.guidance_scale, request.acoustic_scale) == ("dual", 3, 2)
    assert (request.draft.kind, request.draft.file) == ("recorded", "mine.wav")  # type: ignore[union-attr]
    preset = ("--preset", first.with_suffix(".json"), "--outputs", tmp_path)
    assert longwave("render", "dual", *preset, "--out", second).exit_code == 0
    heard = sf.read(first)[0]
    assert heard.tolist() == sf.read(second)[0].tolist()
    third = tmp_path / "third.wav"
    sf.write(third, 3 * np.sin(np.arange(32000) / 40), 16000, subtype="FLOAT")
    hot = longwave("render", "dual", *preset, "--draft", third, "--out", second, "--json")
    assert hot.exit_code == 0
    (note,) = json.loads(hot.stdout)["notes"]
    assert note == "It was scaled down by 9.5 dB: its peaks lay above full scale."
    assert hot.stderr.splitlines() == [f"third.wav: {note}"]
    replaced = load_preset(second.with_suffix(".json")).request()
    assert (replaced.draft.file, replaced.acoustic_scale) == ("third.wav", 2)  # type: ignore[union-attr]
    other = (
        "--preset", "dual-polished-bell", "--seconds", 1.28, "--steps", 2, "--draft", mine, "--out", second,
    )  # fmt: skip
    assert longwave("render", "dual", *other, "--outputs", tmp_path).exit_code == 0
    polished = load_preset(second.with_suffix(".json")).request().draft
    meant = named_preset("dual-polished-bell", data_dir("presets")).request().draft
    assert polished.kind == "recorded"
    assert meant.kind == "audiogen"
    assert polished.strength == meant.strength < 1
    assert polished.acoustic_scale == meant.acoustic_scale
    text = longwave("render", "dual", *SHORT, "--draft", "none", "--outputs", tmp_path, "--out", second)
    assert text.exit_code == 0, text.output
    assert np.abs(heard - sf.read(second)[0]).max() > 100 / 32768


def test_own_audio_is_the_draft_of_an_endless_take(tmp_path: Path, mine: Path) -> None:
    words = ("--prompt", "rain", "--seed", 4, "--model", "pocket/dcldm", "--outputs", tmp_path, "--steps", 6)
    words += ("--group-size", 4, "--buffer", 4, "--seconds", 1.28, "--json")
    heard = []
    for draft in (mine, "none"):
        out = tmp_path / "endless.wav"
        result = longwave(
            "render", "infinite", *words, "--draft", draft, "--out", out,
            *(("--acoustic-scale", 3) if draft is mine else ()),
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["seconds"] == pytest.approx(1.28)
        heard.append(sf.read(out)[0])
        request = load_preset(out.with_suffix(".json")).request()
        assert request.draft.kind == ("recorded" if draft is mine else "none")
        assert request.acoustic_scale == (3 if draft is mine else request.guidance_scale)
    assert np.abs(heard[0] - heard[1]).max() > 100 / 32768


@needs_audiocraft
def test_audiogen_drafts_a_clip(tmp_path: Path) -> None:
    made = []
    for seed in (1, 2, 1):
        words = (*SHORT, "--draft-seed", seed, "--top-k", 50, "--outputs", tmp_path)
        result = longwave("render", "dual", *words, "--out", tmp_path / "a.wav")
        assert result.exit_code == 0, result.output
        made.append(sf.read(tmp_path / "a.wav")[0].tolist())
    assert made[0] == made[2]
    assert made[0] != made[1]


@pytest.mark.skipif(is_installed(), reason="audiocraft is here")
def test_without_audiocraft_it_says_how_to_get_it(tmp_path: Path) -> None:
    said = one_sentence(longwave("render", "dual", *SHORT, "--outputs", tmp_path))
    assert "--group audiocraft" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--prompt", "x", "--acoustic-scale", "nan"), "--acoustic-scale"),
        (("--prompt", "x", "--acoustic-scale", "1e6"), "--acoustic-scale"),
        (("--prompt", "x", "--guidance", "1e6"), "--guidance"),
        (("--prompt", "x", "--strength", "0"), "--strength"),
        (("--prompt", "x", "--temperature", "0"), "--temperature"),
        (("--prompt", "x", "--draft", "gone.wav"), "gone.wav"),
        (("--prompt", "x", "--model", "tone"), "hears no draft"),
        (("--prompt", "x", "--model", "pocket/audiogen"), "makes drafts, not takes"),
        (("--preset", "night-train"), "is for infinite takes"),
        ((), "prompt is empty"),
    ],
)
def test_a_wrong_dual_clip_is_one_sentence(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    result = longwave("render", "dual", *words, "--outputs", tmp_path)
    assert said.lower() in one_sentence(result).lower()
    assert not list(tmp_path.rglob("*.wav"))


@needs_audiocraft
def test_bench_dual(monkeypatch: pytest.MonkeyPatch) -> None:
    brief = partial(EndlessSampler, base_steps=6, group_size=4, buffer_frames=4, warmup_steps=2)
    monkeypatch.setattr("studio.evaluation.benchmarks.dual.EndlessSampler", brief)
    result = longwave("bench", "dual", "--seconds", 1.28, "--steps", 3, "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["steps"] == 3
    assert 0 <= figures["branch_share"] < 1
    assert all(figures[name] > 0 for name in ("draft_s", "refine_s", "rtf", "peak_rss_mb", "step_ms"))
    rows = json.loads(
        longwave("bench", "dual", "--seconds", 1.28, "--steps", 2, "--combinations", "--json").stdout
    )["rows"]
    assert len({(row["sampler"], row["attention"], row["draft"]) for row in rows}) == 8
    assert all(row["seconds"] == 1.28 and row["work_mb"] > 0 for row in rows)
    drafted = [row for row in rows if row["sampler"] == "endless" and row["draft"] != "none"]
    assert all(row["within"] is None for row in drafted), "too short to tell"
    assert all(type(row["within"]) is bool for row in rows if row not in drafted)


@needs_audiocraft
def test_eval_dual_prints_the_rows_of_the_papers_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.recipes.evaluate.HELD_OUT_CLIPS", 8)
    words = ("--clips", 2, "--scenes", 1, "--steps", 1, "--runs", tmp_path, "--device", "cpu")
    result = longwave("eval", "dual", *words, "--system", "audiogen", "--system", "dcldm", "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["steps"] == 1
    assert [row["system"] for row in figures["rows"]] == ["audiogen", "dcldm"]
    for row in figures["rows"]:
        assert (row["clips"], row["scenes"]) == (2, 1)
        assert all(np.isfinite(row[name]) for name in ("family_acc", "scene_acc", "kl", "kl_sigma", "fd"))
