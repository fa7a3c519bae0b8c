"""Every table at a tiny size: its rows, its settings, its figures beside the paper's, and going on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.core.sampling import ConcatSampler, EndlessSampler
from studio.evaluation.papers import clips, cost, published
from studio.evaluation.papers.figures import draw
from studio.evaluation.papers.job import Job
from studio.evaluation.papers.papers import PAPERS, models_of
from studio.evaluation.papers.settings import Asked
from studio.pipeline.estimate import Calibration
from studio.testing import FakeBackend
from tests.evaluation.papers.paper_fakes import SHORT_S, DeafEar, DualFake, job
from tests.pipeline.test_attention import Unet

TINY = Asked(count=2, steps=1, base_steps=6, lengths_s=(SHORT_S, 2 * SHORT_S))
INFINITE = {"audioldm": "audioldm", "voiceldm": "voiceldm"}
DUAL = {"dcldm": "dcldm", "tango": "tango", "audiogen": "audiogen", "audioldm": "audioldm"}


def infinite(folder: Path, asked: Asked = TINY, **more: Any) -> Job:
    return job("infiniteaudio", folder, INFINITE, asked, **more)


def dual(folder: Path, asked: Asked = TINY, models: dict[str, str] = DUAL) -> Job:
    return job(
        "dcldm",
        folder,
        models,
        asked,
        lambda name: DualFake() if name[:3] in ("dcl", "ldm") else FakeBackend(),
    )


def test_infiniteaudios_settings_are_the_papers_own(tmp_path: Path) -> None:
    made = infinite(tmp_path, Asked())
    rows = {row.key: row for row in made.rows(1)}
    assert list(rows) == list(published.tables("infiniteaudio")[1].rows)
    for system, guidance, steps in (("audioldm", 2.5, 200), ("voiceldm", 9.0, 50)):
        base = rows[f"{system}/base"].settings
        assert base["guidance_scale"] == guidance
        assert (base["sampler"].steps, base["sampler"].method) == (steps, "ddim")
        for strategy in ("equal", "middle", "last", "initial"):
            sampler = rows[f"{system}/{strategy}"].settings["sampler"]
            assert isinstance(sampler, EndlessSampler)
            assert (sampler.strategy, sampler.group_size, sampler.steps) == (strategy, 1, 67)
            assert sampler.steps < 150
            assert sampler.window_frames * 0.04 == pytest.approx(3.0)
    counts = {row.key: row.settings["sampler"] for row in made.rows(2)}
    assert counts["voiceldm/equal-200"].steps == 200
    assert counts["voiceldm/equal-250"].steps == 250
    assert counts["voiceldm/initial"].steps == 67
    fix, various, joined = made.rows(3)
    assert (fix.seconds, various.lengths_s) == (10.0, (10.0, 20.0))
    lengths = {various.request(each, 0).duration_s for each in made._examples}
    assert len(lengths) == 3
    assert all(10 <= float(length or 0) <= 20 for length in lengths)
    assert isinstance(joined.settings["sampler"], ConcatSampler)
    assert joined.settings["sampler"].clip_s == SHORT_S, "the model's own"
    assert joined.settings["sampler"].steps == 200
    assert PAPERS["infiniteaudio"].count == 500


def test_litefocus_settings_are_the_papers_own(tmp_path: Path) -> None:
    made = job("litefocus", tmp_path, {"audioldm2": "audioldm2"}, Asked())
    assert [row.key for row in made.rows(1)] == list(published.tables("litefocus")[1].rows)
    rows = {row.key: row.settings for number in (1, 2, 3) for row in made.rows(number)}
    assert set(published.tables("litefocus")[2].rows) <= set(rows)
    assert set(published.tables("litefocus")[3].rows) <= set(rows)
    for seconds in (10, 20, 40, 80):
        lite = rows[f"{seconds}/lite"]
        assert (lite["sampler"].steps, lite["guidance_scale"]) == (200, 3.5)
        attention = lite["attention"]
        assert (attention.ratio, attention.sampling) == (0.1, "uniform")
        assert (attention.focus, attention.compensation) == (True, True)
    alone = rows["40/r=0.4"]["attention"]
    assert (alone.ratio, alone.focus, alone.compensation) == (0.4, False, True)
    assert rows["40/r=1"] == rows["40/dense"]
    merged = rows["40/tome"]["attention"]
    assert (merged.ratio, merged.matching) == (0.5, "block"), "as tomesd does by default"
    assert (rows["80/focus"]["attention"].focus, rows["80/focus"]["attention"].compensation) == (True, False)


def test_dcldms_settings_are_the_papers_own(tmp_path: Path) -> None:
    made = dual(tmp_path, Asked())
    rows = {row.key: row for row in made.rows(1)}
    assert list(rows) == list(published.tables("dcldm")[1].rows)
    assert rows["down1+up1:AG"].model == "dcldm", "the row of its own branch"
    sampler = rows["down1+up1:AG"].settings["sampler"]
    assert (sampler.steps, sampler.method) == (200, "ddpm")
    assert rows["down1+up1:AG"].settings["guidance_scale"] == 4.0
    assert rows["down1+up1:AG"].settings["draft"].kind == "audiogen"
    assert rows["t5"].settings["guidance_scale"] == 3.0
    assert "train dcldm" in rows["mid:AG"].why_not
    beside = {row.key: row for row in made.rows(2)}
    assert list(beside) == list(published.tables("dcldm")[2].rows)
    assert "eval folder" in beside["magnet"].why_not
    assert beside["audioldm2"].why_not, "none was given"
    assert beside["audiogen"].makes == "drafts"
    with pytest.raises(InvalidRequestError, match=r"down1\+up1:AG, not mid:AG"):
        dual(tmp_path, models={**DUAL, "mid:AG": "dcldm/other"}).rows(1)
    alone = {row.key: row for row in dual(tmp_path, Asked(), {**DUAL, "dcldm": "ldm_ag"}).rows(1)}
    assert (alone["ag"].model, alone["ag"].why_not) == ("ldm_ag", "")
    assert "--placement context" in alone["ag_vae"].why_not


def test_models_fill_the_slots_of_their_systems() -> None:
    paper = PAPERS["infiniteaudio"]
    assert set(models_of(paper, None, {}, str)) == {"audioldm", "voiceldm"}
    assert models_of(paper, "mine", {}, lambda _: "voiceldm") == {"voiceldm": "mine"}
    assert models_of(paper, "mine", {"voiceldm": "v"}, lambda _: "tango") == {
        "audioldm": "mine",
        "voiceldm": "v",
    }
    with pytest.raises(InvalidRequestError, match="--with tango"):
        models_of(paper, None, {"tango": "x"}, str)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_infiniteaudios_tables_are_made(tmp_path: Path, number: int) -> None:
    asked = Asked(count=2, steps=1, base_steps=6, group_size=8, lengths_s=(SHORT_S, 2 * SHORT_S))
    made = infinite(tmp_path, asked)
    rows = [row.key for row in made.rows(number) if "equal-2" not in row.key]  # whose windows are long
    table = made.table(number, rows)
    json = table.as_json()
    assert [row["key"] for row in json["rows"]] == rows
    for row in json["rows"]:
        wanted = (
            {"clap/ear"} if row["key"] == "truth" else {"frechet/ear", "kl/ear", "kl_sigma/ear", "clap/ear"}
        )
        assert wanted <= set(row["figures"])
        assert all(np.isfinite(each["value"]) and each["n"] == 2 for each in row["figures"].values())
        assert row["paper"] == published.tables("infiniteaudio")[number].of(row["key"])
        assert len(row["files"]) == (0 if row["key"] == "truth" else 2)
    assert len({row["figures"].get("frechet/ear", {}).get("value") for row in json["rows"]}) == len(rows)
    said = str(table)
    assert all(each.row.label in said for each in table.rows)
    assert "paper CLAP" in said
    assert any("of AudioCaps" in each for each in table.differences)
    assert any("steps" in each for each in table.differences)


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2, 3])
def test_litefocus_tables_are_made(tmp_path: Path, number: int) -> None:
    made = job("litefocus", tmp_path, {"audioldm2": "audioldm2"}, TINY, lambda _: Unet())
    json = made.table(number).as_json()
    assert len(json["rows"]) == 2 * {1: 3, 2: 5, 3: 2}[number]
    by_key = {row["key"]: row["figures"] for row in json["rows"]}
    if number == 1:
        assert by_key["0.64/dense"]["speed"]["value"] == 1.0
        assert by_key["0.64/tome"]["speed"]["value"] > 0
    if number == 3:
        focus, lite = by_key["0.64/focus"], by_key["0.64/lite"]
        less = focus["frechet/ear"]["value"] - lite["frechet/ear"]["value"]
        assert focus["frechet_less/ear"]["value"] == pytest.approx(less)
        assert "frechet_less/ear" not in lite
    assert all(row["parameters_m"] > 0 for row in json["rows"])


@pytest.mark.parametrize("number", [1, 2])
def test_dcldms_tables_are_made_as_far_as_there_are_models(tmp_path: Path, number: int) -> None:
    table = dual(tmp_path).table(number)
    ran = {each.row.key: each for each in table.rows if not each.row.why_not}
    assert (
        set(ran) == ({"t5", "down1+up1:AG"}, {"truth", "audioldm", "audiogen", "tango", "dcldm"})[number - 1]
    )
    values = {key: each.figures.get("kl/ear") for key, each in ran.items() if key != "truth"}
    assert len({value.value for value in values.values() if value}) == len(values), "no two sound alike"
    assert str(table).count("Not run: ") == len(table.rows) - len(ran) > 0
    assert ran["dcldm" if number == 2 else "down1+up1:AG"].parameters_m is None, "the fake has no U-Net"


def test_a_second_run_makes_nothing_and_a_broken_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ended: list[bool] = []
    ears = (DeafEar(),)  # with which no others are made, to choose
    render = clips.render_samples

    def counted(renderer: Any, request: Any, backend: Any) -> Any:
        if len(asked) == 3 and not ended:
            ended.append(True)
            raise KeyboardInterrupt
        asked.append(request.prompt)
        return render(renderer, request, backend)

    monkeypatch.setattr(clips, "render_samples", counted)
    rows = ["audioldm/base", "audioldm/last"]
    with pytest.raises(KeyboardInterrupt):
        infinite(tmp_path, ears=ears).table(1, rows)
    before = infinite(tmp_path, ears=ears).dry_run(1, rows)
    assert [(row["clips"], row["made"]) for row in before["rows"]] == [(2, 2), (2, 1)]
    asked.clear()
    first = infinite(tmp_path, ears=ears).table(1, rows)
    assert len(asked) == 1, "only what lacked"
    again = infinite(tmp_path, ears=ears).table(1, rows).as_json()
    assert len(asked) == 1
    assert again == first.as_json()
    clip = next((tmp_path / "clips").glob("*.flac"))
    clip.write_bytes(b"half")
    infinite(tmp_path, ears=ears).table(1, rows)
    assert len(asked) == 2, "what is damaged is made anew"
    infinite(tmp_path, Asked(count=2, steps=2, base_steps=6), ears=ears).table(1, ["audioldm/base"])
    assert len(asked) == 4, "other settings, other clips"


def test_a_dry_run_counts_steps_over_the_frames_that_they_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step of a second costs 0.1 s, decoding one 0.02 s."""
    looked = Calibration((0.25, 1.0), (1.0, 1.0), 0.05, 1.0)
    monkeypatch.setattr(cost, "calibrate", lambda *_: looked)
    asked = Asked(count=2, steps=10, base_steps=6, group_size=4, lengths_s=(1.6, 3.2))
    made = infinite(tmp_path, asked, ears=(DeafEar(),)).dry_run(1, ["audioldm/base", "audioldm/equal"])
    assert made["choice"] == []
    base_s, equal_s = (row["left_s"] for row in made["rows"])
    decoded_s = 0.02 * 1.6
    assert base_s == pytest.approx(2 * (10 * 0.1 * 1.6 + decoded_s), abs=0.06)
    window_s = (4 * 4 + 8) * 0.04  # four steps, k = 4, a buffer of 8
    forwards = 4 + 10  # the first window's, and 40 frames by fours
    assert equal_s == pytest.approx(2 * (forwards * 0.1 * window_s + decoded_s), abs=0.06)
    assert made["left_s"] == pytest.approx(base_s + equal_s, abs=0.11)
    joined = infinite(tmp_path, asked, ears=(DeafEar(),)).dry_run(3, ["audioldm/joined"])["rows"][0]
    assert joined["seconds"] == pytest.approx(2.4)
    assert joined["left_s"] == pytest.approx(2 * (4 * 10 * 0.1 * SHORT_S + 0.02 * 2.4), abs=0.06)


def test_a_dry_run_counts_what_captions_are_chosen_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "calibrate", lambda *_: Calibration((0.25, 1.0), (1.0, 1.0), 0.05, 1.0))
    rows = ["audioldm/base", "audioldm/equal"]
    before = infinite(tmp_path).dry_run(1, rows)
    assert [(each["key"], each["clips"]) for each in before["choice"]] == [
        ("audioldm/base", 3), ("voiceldm/base", 3),
    ]  # fmt: skip
    base, equal = before["rows"]
    assert (base["clips"], base["left_s"]) == (2, 0.0), "the choice makes them"
    left_s = sum(each["left_s"] for each in before["choice"])
    assert left_s > 0.3
    assert before["left_s"] == pytest.approx(left_s + equal["left_s"], abs=0.11)
    infinite(tmp_path).chosen()
    assert infinite(tmp_path).dry_run(1, rows)["choice"] == [], "chosen already"


def test_the_lowest_captions_are_left_out_by_the_base_systems(tmp_path: Path) -> None:
    made = infinite(tmp_path, Asked(count=20, steps=1, base_steps=6), count=5)
    chosen = made.chosen()
    assert (chosen.dropped, len(chosen.examples)) == (1, 4)
    assert len(list((tmp_path / "clips").glob("*.flac"))) == 10, "all captions by both systems"
    assert made.chosen() == chosen
    assert len(list(tmp_path.glob("captions-*.json"))) == 1
    assert infinite(tmp_path, Asked(count=20), ears=(DeafEar(),), count=5).chosen().dropped == 0


def test_the_figure_over_guidance_has_a_point_for_each_scale(tmp_path: Path) -> None:
    asked = Asked(count=2, steps=2, lengths_s=(SHORT_S,), scales=(1.0, 6.0))
    drawn = draw(dual(tmp_path, asked), 2)
    assert drawn.data["w"] == [1.0, 6.0]
    first, second = (each["value"] for each in drawn.data["figures"]["frechet/ear"])
    assert first != second, "each at its own scale"
    assert drawn.path.read_bytes().startswith(b"\x89PNG")
    assert str(drawn.path) in str(drawn)


def test_an_unknown_row_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="--row luck"):
        infinite(tmp_path).rows(1, ["luck"])


def test_clips_side_by_side_are_those_made_alone(tmp_path: Path) -> None:
    alone, beside = infinite(tmp_path / "a"), infinite(tmp_path / "b")
    beside.run.clips._batch = 4
    files = [made.table(1, ["audioldm/base"]).rows[0].files for made in (alone, beside)]
    assert files[0] == files[1], "a clip's name does not tell what stood beside it"
    for name in files[0]:
        one, other = (sf.read(tmp_path / place / "clips" / name)[0] for place in "ab")
        np.testing.assert_allclose(one, other, atol=2e-3)
