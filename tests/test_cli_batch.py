"""`longwave batch`: from a manifest to its files, on the model without weights."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import soundfile as sf
from typer.testing import CliRunner, Result

from studio.app import build_maker, build_studio
from studio.cli import Factories, build_cli
from studio.core.preset import load_preset
from studio.pipeline.cancel import CancelToken
from studio.service.batch import local
from studio.service.batch.example import example
from studio.service.batch.folder import SetFolder
from studio.service.batch.units import Unit
from studio.service.batch.work import Maker, Tally, Tell, work
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = """mode,prompt,seconds,count,model,attention
sparse,{light|heavy} rain,0.5,2,tone,dense
infinite,wind,1,1,tone,
"""
FAULTY = "sparse,nothing to look at,0.5,1,tone,lite_focus\n"


def longwave(*words: object) -> Result:
    factories = Factories(serve=lambda _: None, studio=build_studio, maker=build_maker)
    return CliRunner().invoke(build_cli(factories), [str(word) for word in words])


def figures(result: Result) -> dict[str, Any]:
    """The JSON of a run's stdout."""
    said: dict[str, Any] = json.loads(result.stdout)
    return said


def sounds(folder: Path) -> set[str]:
    """The rows that are done, each with its record."""
    found = {path.stem for path in folder.glob("??/*.flac")}
    assert found == {path.stem for path in folder.glob("??/*.json") if not path.name.endswith(".error.json")}
    return found


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows are made in this process, without the start of others; how many units each run was given."""
    given: list[int] = []

    def run(
        folder: SetFolder,
        units: Sequence[Unit],
        make_maker: Callable[[], Maker],
        *,
        workers: int,
        cards: Sequence[str],
        tell: Tell,
        cancel: CancelToken,
        retry_errors: bool,
    ) -> Tally:
        given.append(len(units))
        return work(folder, units, make_maker(), cancel=cancel, tell=tell, retry_errors=retry_errors)

    monkeypatch.setattr(local, "run_local", run)
    return given


def test_a_manifest_is_made_once_and_a_changed_row_anew(tmp_path: Path, at_once: list[int]) -> None:
    manifest, out = tmp_path / "takes.csv", tmp_path / "set"
    manifest.write_text(MANIFEST)
    first = longwave("batch", manifest, "--out", out, "--batch", 2, "--json")
    assert first.exit_code == 0, first.output
    told = figures(first)
    assert (told["rows"], told["made"], told["failed"], told["left"]) == (5, 5, 0, 0)
    assert told["seconds_of_sound"] == 3
    before = {path: path.stat().st_mtime_ns for path in out.glob("??/*")}
    assert len(sounds(out)) == 5
    take = load_preset(next(out.glob("??/*.json")))
    assert take.take is not None
    assert sf.info(next(out.glob("??/*.flac"))).samplerate == take.take.sample_rate

    again = longwave("batch", manifest, "--out", out)
    assert again.exit_code == 0
    assert "5 rows: 0 made (0:00 of sound), 5 there already." in again.stdout
    assert {path: path.stat().st_mtime_ns for path in out.glob("??/*")} == before

    manifest.write_text(MANIFEST.replace("wind,1", "wind,0.6"))
    changed = figures(longwave("batch", manifest, "--out", out, "--json"))
    assert (changed["made"], changed["there"]) == (1, 4)
    assert len(sounds(out)) == 6


def test_a_row_that_fails_is_told_with_its_line_and_tried_again_when_asked(
    tmp_path: Path, at_once: list[int]
) -> None:
    manifest, out = tmp_path / "takes.csv", tmp_path / "set"
    manifest.write_text(MANIFEST + FAULTY)
    result = longwave("batch", manifest, "--out", out, "--json")
    assert result.exit_code == 3
    assert figures(result)["failed"] == 1
    assert "Line 4: This model has no attention to make sparse: choose dense." in result.stderr
    (error,) = out.glob("??/*.error.json")
    assert json.loads(error.read_text())["line"] == 4
    written = error.stat().st_mtime_ns
    assert longwave("batch", manifest, "--out", out).exit_code == 3
    assert error.stat().st_mtime_ns == written
    assert longwave("batch", manifest, "--out", out, "--retry-errors").exit_code == 3
    assert error.stat().st_mtime_ns != written


def test_shards_are_parts_of_one_set_with_the_units_that_were_agreed_on(
    tmp_path: Path, at_once: list[int]
) -> None:
    manifest, out = tmp_path / "takes.csv", tmp_path / "set"
    manifest.write_text(MANIFEST)
    first = figures(longwave("batch", manifest, "--out", out, "--shard", "1/2", "--batch", 2, "--json"))
    assert (first["rows"], first["made"]) == (3, 3)  # units of two, two and one: the first and the last
    second = figures(longwave("batch", manifest, "--out", out, "--shard", "2/2", "--json"))
    assert (second["rows"], second["made"]) == (2, 2)
    assert len(sounds(out)) == 5
    assert at_once == [2, 1]
    other = longwave("batch", manifest, "--out", out, "--batch", 3)
    assert other.exit_code == 2
    assert "are made 2 at a time" in other.stderr


def test_a_dry_run_tells_what_it_would_take_and_touches_nothing(tmp_path: Path, at_once: list[int]) -> None:
    manifest, out = tmp_path / "takes.csv", tmp_path / "set"
    manifest.write_text(MANIFEST + FAULTY)
    told = figures(longwave("batch", manifest, "--out", out, "--dry-run", "--json"))
    assert not out.exists()
    assert (told["rows"], told["done"], told["left"], told["seconds"]) == (6, 0, 6, 3.5)
    assert told["disk_bytes"] == 3.5 * 16000 * 2
    assert told["untimed"] == 1
    assert told["time_s"] > 0
    longwave("batch", manifest, "--out", out)
    after = longwave("batch", manifest, "--out", out, "--dry-run")
    assert "Rows:  6; 5 done, 1 failed before, 0 to be made" in after.stdout
    assert "by 5 takes that are there" in after.stdout
    assert len(at_once) == 1


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_the_example_is_printed_as_it_is(kind: Literal["csv", "jsonl"]) -> None:
    assert longwave("batch", "example", "--format", kind).stdout == example(kind)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shard", "3/2"], "--shard: must be"),
        (["--batch", "0"], "--batch: must be auto, or a whole number from 1 to 64"),
        (["--workers", "many"], "--workers: must be auto"),
        (["--ray-env", "nix.json"], "--ray-env"),
    ],
)
def test_wrong_words_are_one_sentence(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "takes.csv").write_text(MANIFEST)
    result = longwave("batch", tmp_path / "takes.csv", "--out", tmp_path / "set", *words)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr


def test_a_manifest_with_faults_is_a_line_on_stderr_for_each(tmp_path: Path) -> None:
    (tmp_path / "takes.csv").write_text("prompt,model,seconds\nrain,nix,5\nrain,tone,x\n")
    result = longwave("batch", tmp_path / "takes.csv", "--out", tmp_path / "set")
    assert result.exit_code == 2
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == ["Line 2", "Line 3"]
    assert not (tmp_path / "set").exists()


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_cleanly_and_the_same_command_goes_on(tmp_path: Path) -> None:
    manifest, out = tmp_path / "takes.csv", tmp_path / "set"
    manifest.write_text("prompt,seconds,count,model\nwind,30,10,tone\n")
    command = [
        sys.executable,
        "-m",
        "studio.app",
        "batch",
        str(manifest),
        "--out",
        str(out),
        "--workers",
        "2",
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        until(lambda: any(out.glob("??/*.json")), timeout_s=300)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "still to be made" in said
    assert not list((out / ".claims").iterdir())
    assert not list(out.rglob("*.part"))
    made = len(sounds(out))
    assert 0 < made < 10
    done = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert (told["made"], told["there"], told["left"]) == (10 - made, made, 0)
    assert len(sounds(out)) == 10
