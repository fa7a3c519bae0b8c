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
from typing import Any

import pytest

import studio
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


def files_of(builder: Any) -> dict[str, int]:
    """What a distribution would hold, and how many bytes before they are packed."""
    with builder.config.set_build_data({"artifacts": [], "force_include": {}}):
        found = {file.distribution_path: Path(file.path) for file in builder.recurse_included_files()}
    for source, place in builder.config.get_force_include().items():
        path = Path(source)
        inside = [one for one in path.rglob("*") if one.is_file()]
        names = {f"{place}/{one.relative_to(path).as_posix()}": one for one in inside}
        found |= names or {place: path}
    return {name: path.stat().st_size for name, path in found.items()}


def test_each_distribution_stays_below_100_megabytes() -> None:
    """A source has one model's weights; the wheel of it and `longwave-pocket` together have a checkout's."""
    pytest.importorskip("hatchling")
    from hatchling.builders.sdist import SdistBuilder
    from hatchling.builders.wheel import WheelBuilder

    source = files_of(SdistBuilder(str(ROOT)))
    pocket = files_of(WheelBuilder(str(ROOT / "packaging" / "pocket")))
    assert "studio/recipes/pocket/stages.py" in source
    assert "assets/pocket/audioldm/unet/diffusion_pytorch_model.safetensors" in source
    assert sum(source.values()) < 60e6
    assert sum(pocket.values()) < 95e6
    carried = {f"studio/_data/{name}" for name in source if name.startswith("assets/")}
    assert not carried & set(pocket)
    assets = [path for path in (ROOT / "assets").rglob("*") if path.is_file()]
    whole = {f"studio/_data/{path.relative_to(ROOT).as_posix()}" for path in assets}
    assert whole - carried == set(pocket) - {"studio/_data/assets/pocket/LICENSE"}


@pytest.mark.parametrize("whole", [True, False])
def test_a_wheel_asks_for_the_weights_that_its_source_lacks(whole: bool, tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    from hatchling.metadata.core import ProjectMetadata

    from hatch_build import ELSEWHERE, PocketHook

    if whole:
        (tmp_path / ELSEWHERE).mkdir(parents=True)
    metadata = ProjectMetadata(str(ROOT), None)
    hook = PocketHook(str(tmp_path), {}, None, metadata, "", "wheel")  # type: ignore[arg-type]
    data: dict[str, Any] = {"dependencies": []}
    hook.initialize("standard", data)
    assert data["dependencies"] == ([] if whole else [f"longwave-pocket=={studio.__version__}"])
    pocket = tomllib.loads((ROOT / "packaging" / "pocket" / "pyproject.toml").read_text())["project"]
    assert pocket["version"] == studio.__version__ == metadata.version


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
