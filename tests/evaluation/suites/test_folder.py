"""A folder against another: which figures there are, by whom, and the sentence where there are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.core.errors import InvalidRequestError, ModelNotFoundError
from studio.evaluation.embedders.base import Embedder
from studio.evaluation.embedders.hearing import HearingCache
from studio.evaluation.suites.folder import METRICS, SETS, FolderReport, measure_folder
from tests.evaluation.embedders.test_hearing import Critic, Ear, write


def load(name: str) -> Embedder:
    if name == "clap":
        raise ModelNotFoundError("CLAP's weights are elsewhere: get them.")
    return {"panns": Critic(), "ear": Ear()}[name]


def measure(tmp_path: Path, **options: object) -> FolderReport:
    cache = HearingCache(tmp_path / "kept")
    return measure_folder(tmp_path / "made", tmp_path / "real", load, cache, **options)  # type: ignore[arg-type]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for i in range(6):
        write(tmp_path / "made" / f"{i}.wav", 1.0 + i / 3, 0.1, i, rate=(16000, 44100)[i % 2])
        write(tmp_path / "real" / f"{i}.flac", 2.0, 0.12, 100 + i)
    return tmp_path


def test_every_metric_has_its_figure_interval_and_floor(folders: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    captions = {str(i): ["rain" * i, "wind"] for i in range(6)}
    found = measure(folders, captions=captions, embedders=["panns"], report=lambda *step: steps.append(step))
    said = json.loads(json.dumps(found.as_json()))
    for name in METRICS:
        assert said[name]["low"] <= said[name]["value"] <= said[name]["high"]
        assert said[name]["n"] == 6
        assert isinstance(said[name]["floor"], float)
        assert said[name]["embedder"] == "critic"
    assert said["left_out"] == {}
    assert (said["generated"], said["reference"], said["pairs"]) == (6, 6, 6)
    assert steps[0] == ("critic hears the generated sounds", 0, 12)
    assert steps[-1][1:] == (12, 12)


def test_a_folder_against_itself_has_no_distance(folders: Path) -> None:
    cache = HearingCache(folders / "kept")
    found = measure_folder(folders / "real", folders / "real", load, cache, embedders=["panns"])
    assert found.metrics["frechet"].figure.value == pytest.approx(0, abs=1e-9)
    assert found.metrics["kl"].figure.value == pytest.approx(0, abs=1e-4)
    assert found.metrics["precision"].figure.value == found.metrics["recall"].figure.value == 1.0
    assert "captions" in found.left_out["clap"]


def test_by_default_whoever_is_here_listens_and_others_are_told(folders: Path) -> None:
    captions = {str(i): ["rain"] for i in range(6)}
    found = measure(folders, captions=captions)
    assert set(found.metrics) == {*SETS, "kl", "kl_sigma"}
    assert found.left_out == {"clap": "CLAP's weights are elsewhere: get them."}
    with pytest.raises(ModelNotFoundError):
        measure(folders, embedders=["clap"])


def test_several_embedders_each_have_their_figures(folders: Path) -> None:
    found = measure(folders, embedders=["ear", "panns"])
    assert found.metrics["frechet"].embedder == "ear"  # the first that was named
    assert found.metrics["kl"].embedder == "critic"
    assert set(found.by_embedder["ear"]) == set(SETS)
    assert set(found.by_embedder["critic"]) == {*SETS, "kl", "kl_sigma"}


def test_pairs_are_those_of_one_name(folders: Path) -> None:
    for i in (0, 1):
        (folders / "real" / f"{i}.flac").rename(folders / "real" / f"other-{i}.flac")
    found = measure(folders, embedders=["panns"])
    assert found.counts["pairs"] == found.metrics["kl"].figure.n == 4
    for path in (folders / "real").iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    assert "name pairs alike" in measure(folders, embedders=["panns"]).left_out["kl"]


def test_what_was_heard_is_gone_on_from(folders: Path) -> None:
    ear = Ear()

    def stopping(message: str, done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    cache = HearingCache(folders / "kept")
    with pytest.raises(KeyboardInterrupt):
        measure_folder(folders / "made", folders / "real", lambda _: ear, cache, None, ["ear"], stopping)
    assert ear.heard == 5
    measure_folder(folders / "made", folders / "real", lambda _: ear, cache, None, ["ear"])
    assert ear.heard == 12


def test_a_few_sounds_give_what_they_can(folders: Path) -> None:
    for i in range(1, 6):
        (folders / "made" / f"{i}.wav").unlink()
    write(folders / "made" / "0.wav", 0.5)
    found = measure(folders, embedders=["panns"])
    assert set(found.metrics) == {"kl", "kl_sigma"}
    assert "two sounds or more" in found.left_out["frechet"]
    write(folders / "made" / "1.wav", 0.5)
    assert "more than 3 sounds" in measure(folders, embedders=["panns"]).left_out["recall"]


def test_silence_and_narrow_bands_are_noted(folders: Path) -> None:
    write(folders / "made" / "0.wav", level=0.0)
    write(folders / "made" / "1.wav", rate=8000)
    notes = measure(folders, embedders=["ear"]).notes
    assert notes[0].startswith("1 generated files are below 16 kHz (1.wav)")
    assert notes[1].startswith("1 generated files are silent (0)")
    for i in range(6):
        write(folders / "made" / f"{i}.wav", level=0.0)
    with pytest.raises(InvalidRequestError, match="All generated files are silent"):
        measure(folders, embedders=["ear"])


def test_what_cannot_be_compared_is_one_sentence(folders: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"1 of 6 generated files have no caption \(3\)"):
        measure(folders, embedders=["panns"], captions={str(i): ["x"] for i in (0, 1, 2, 4, 5)})
    write(folders / "made" / "0.flac")
    with pytest.raises(InvalidRequestError, match="have one name"):
        measure(folders, embedders=["ear"])
    (folders / "empty").mkdir()
    with pytest.raises(InvalidRequestError, match="holds no sound files"):
        measure_folder(folders / "empty", folders / "real", load, HearingCache(folders))
