"""What a wheel carries, and what its commands say where they ask for what it leaves out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from studio.cli.train import RECIPES

ROOT = Path(__file__).resolve().parents[1]
ASK = """
import json, sys
from typer.testing import CliRunner
from studio.app import build_studio
from studio.cli import Factories, build_cli
runner, cli = CliRunner(), build_cli(Factories(serve=print, studio=build_studio))
results = [runner.invoke(cli, words) for words in json.loads(sys.argv[1])]
print(json.dumps([[result.exit_code, result.stdout, result.stderr] for result in results]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a wheel would install: of hatchling's making, or as its settings tell."""
    folder = tmp_path_factory.mktemp("wheel")
    if find_spec("hatchling"):
        from hatchling.builders.wheel import WheelBuilder

        (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(folder / "dist"), versions=["standard"])
        with zipfile.ZipFile(wheel) as file:
            file.extractall(folder / "site")
        return folder / "site"
    target = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    for package in target["packages"]:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for left_out in target["exclude"]:
        shutil.rmtree(folder / left_out.lstrip("/"))
    for source, place in target["force-include"].items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).symlink_to(ROOT / source)
    return folder


def ask(installed: Path, commands: list[list[str]]) -> list[tuple[int, str, str]]:
    """Exit status, stdout and stderr of commands of the installed package, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(commands)],
        check=True, capture_output=True, text=True, timeout=300, cwd=installed,
        env={**os.environ, "PYTHONPATH": str(installed)},
    )  # fmt: skip
    return json.loads(done.stdout)


def test_it_carries_the_package_its_types_and_what_ships_but_no_recipes(installed: Path) -> None:
    assert not (installed / "studio" / "recipes").exists()
    for file in (
        "studio/py.typed",
        "studio/app.py",
        "studio/training/run.py",
        "studio/evaluation/wild_prompts.json",
        "studio/evaluation/listening/page/index.html",
        "studio/evaluation/listening/page/page.js",
        "studio/_data/assets/pocket/audioldm/model_index.json",
        "studio/_data/assets/page/page.js",
    ):
        assert (installed / file).is_file(), file
    assert any((installed / "studio" / "_data" / "presets").glob("**/*.json"))


def test_the_source_distribution_keeps_the_recipes() -> None:
    sdist = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["sdist"]
    assert "/studio" in sdist["include"]
    assert not sdist.get("exclude")


@pytest.mark.slow
def test_commands_that_need_the_recipes_say_where_they_are(installed: Path) -> None:
    commands = [["train", "corpus", "--preview", "x"], *(["train", name] for name in RECIPES)]
    commands += [["eval", name] for name in ("pocket", "sparse", "dual")]
    for command, (status, out, error) in zip(commands, ask(installed, commands), strict=True):
        assert (status, out, error.count("\n")) == (2, "", 1), (command, error)
        assert error.startswith(f"`longwave {' '.join(command[:2])}` needs the recipes")
        assert error.endswith("run it in a checkout of Longwave's source.\n")


@pytest.mark.slow
def test_other_commands_miss_nothing(installed: Path) -> None:
    missing = ["train", "dcldm", "--manifest", "none.jsonl"]
    helped, refused = ask(installed, [["train", "vae", "--help"], missing])
    assert helped[0] == 0
    assert refused[0] == 2
    assert "Can't read the manifest" in refused[2]
