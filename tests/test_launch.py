"""launch.py's decisions, without network and without making an environment."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from studio.core.install.trial import installed, requirements_of, satisfies

ROOT = Path(__file__).resolve().parents[1]
OLD_SYNTAX = ["launch.py", *(f"studio/core/install/{name}.py" for name in ("environment", "sentences", "uv"))]
POSIX = pytest.mark.skipif(os.name == "nt", reason="names without a colon, no POSIX signals")


def load_launch() -> ModuleType:
    spec = importlib.util.spec_from_file_location("launch", ROOT / "launch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


launch = load_launch()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], (None, ["serve"])),
        (["--no-browser"], (None, ["serve", "--no-browser"])),
        (["--help"], (None, ["--help"])),
        (["test", "-k", "fifo"], (None, ["test", "-k", "fifo"])),
        (["--torch", "cpu", "render", "infinite"], ("cpu", ["render", "infinite"])),
        (["--torch=auto"], ("auto", ["serve"])),
    ],
)
def test_words(words: list[str], expected: tuple[str | None, list[str]]) -> None:
    assert launch.parse_words(words, {}) == expected


def test_a_space_is_served_to_strangers_through_its_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "STORAGE", str(tmp_path / "none"))
    monkeypatch.setattr(tempfile, "tempdir", "/tmp/of/a/space")
    _, words = launch.parse_words([], {"SPACE_ID": "me/longwave"})
    folder = str(Path("/tmp/of/a/space/longwave-visitors"))
    assert words == ["serve", "--host", "0.0.0.0", "--no-browser", "--visitors", folder]
    monkeypatch.setattr(launch, "STORAGE", str(tmp_path))
    _, words = launch.parse_words(["--port", "1"], {"SPACE_ID": "me/longwave"})
    assert words[-3:] == [str(tmp_path / "longwave-visitors"), "--port", "1"]


def test_a_space_tells_its_visitors_apart_by_what_its_proxy_says() -> None:
    """Uvicorn trusts the addresses of its host's network, and takes a visitor's word for none."""
    from uvicorn.middleware.proxy_headers import _TrustedHosts

    environ = {"HF_HOME": "own"}
    launch.prepare_space(environ)
    assert environ["HF_HOME"] == "own"
    trusted = _TrustedHosts(environ["FORWARDED_ALLOW_IPS"])
    assert "10.20.3.4" in trusted
    assert "93.184.216.34" not in trusted
    assert trusted.get_trusted_client_address("6.6.6.6, 93.184.216.34, 10.1.1.1")[0] == "93.184.216.34"


@pytest.mark.parametrize("words", [["--torch"], ["--torch", "rocm"], ["--torch="]])
def test_wrong_torch_is_one_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert launch.main(words) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_test_leaves_out_soak_and_gpu() -> None:
    (command,) = launch.command_for("py", ["test", "-q"])
    words = ["-n", "auto", "--max-worker-restart=0", "-m", "not soak and not gpu", "-q"]
    assert command[-8:] == [str(ROOT), "pytest", *words]


def test_other_words_reach_the_command_line() -> None:
    (command,) = launch.command_for("py", ["models", "list"])
    assert command[-3:] == ["studio.app", "models", "list"]


def test_the_documentation_is_built_with_its_own_tools() -> None:
    (command,) = launch.command_for("py", ["docs"])
    assert command[-2:] == [str(ROOT), "docs.build"]
    assert launch.GROUPS["docs"] == ("docs",)


@pytest.mark.parametrize("version", [(2, 7), (3, 7)])
def test_old_python_is_told_what_to_install(version: tuple[int, int]) -> None:
    with pytest.raises(launch.LaunchError, match=r"3\.11 or 3\.12") as caught:
        launch.check_python(version)
    assert caught.value.code == 2


@pytest.mark.parametrize("path", OLD_SYNTAX)
def test_syntax_is_readable_by_python_3_8(path: str) -> None:
    """And what it imports before it has looked at Python's version is of the standard library."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"), feature_version=(3, 8))
    for node in tree.body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.partition(".")[0] in sys.stdlib_module_names or name.startswith("studio.core.install")


def test_a_failure_ends_without_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: Sequence[str]) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(launch, "run", full)
    assert launch.main([]) == 1
    assert "disk is full" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "groups", "torch", "current"),
    [
        ({}, [], None, True),
        ({}, ["test"], None, True),
        ({}, ["lint"], None, False),
        ({"fingerprint": "older"}, [], None, False),
        ({}, [], "auto", True),
        ({}, [], "cpu", False),
    ],
)
def test_stamp(change: dict[str, str], groups: list[str], torch: str | None, current: bool) -> None:
    stamp = {"fingerprint": "now", "groups": ["test"], "torch": "auto", **change}
    assert launch.is_current(stamp, "now", groups, torch) is current


@pytest.mark.parametrize("text", ["", "[]", "{broken", json.dumps("words"), None])
def test_a_damaged_stamp_counts_as_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "stamp.json").write_text(text)
    assert launch.read_stamp(tmp_path / "stamp.json") == {}


def test_a_stamp_from_before_packages_were_tried_is_out_of_date() -> None:
    older = hashlib.sha256()
    for name in ("requirements.txt", "pyproject.toml"):
        older.update((ROOT / name).read_bytes())
    assert launch.fingerprint() != older.hexdigest()


def test_pins_meet_the_projects_ranges() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", text, re.M))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for requirement in requirements_of(project, []):
        name = re.split(r"[><=]", requirement)[0].replace("_", "-")
        assert satisfies(pins[name], requirement), requirement
    for override in project["tool"]["uv"]["override-dependencies"]:
        name, _, version = override.partition("==")
        if name in pins:  # uv puts the override in the place of the pin, so they must agree
            assert pins[name] == version
    for line in project["dependency-groups"]["test"]:
        name, _, version = line.replace("_", "-").partition("==")
        assert pins.get(name, version) == version


@pytest.mark.parametrize("found", [True, False])
def test_an_environment_of_its_own_can_draft(found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is found need not: a Space has none of audiocraft, and the page says how to get it."""
    asked: list[tuple[str, ...]] = []
    made: list[tuple[str, ...]] = []
    monkeypatch.setattr(launch, "already_importable", lambda groups: asked.append(tuple(groups)) or found)
    monkeypatch.setattr(launch, "make_environment", lambda groups, _: made.append(tuple(groups)) or "python")
    monkeypatch.setattr(launch, "hand_over", lambda *_: 0)
    assert launch.run(["test"]) == 0
    assert launch.run([]) == 0
    assert launch.run(["serve", "--mcp"]) == 0
    assert asked == [("test", "aisfx", "ray", "mcp"), (), ("mcp",)]
    assert made == ([] if found else [(*groups, "audiocraft") for groups in asked])


# --- the environment -------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's environment in the test's folder; it starts, and making it does nothing."""
    for name, place in {"VENV": ".venv", "STAMP": ".venv/longwave.json", "LOCAL": ".uv"}.items():
        monkeypatch.setattr(launch, name, tmp_path / place)
    monkeypatch.setattr(launch, "TRIED", tmp_path / ".uv" / "tried.json")
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(launch, "run_quietly", lambda *_: subprocess.CompletedProcess([], 0, "", ""))
    monkeypatch.setattr(launch.environment, "build", lambda *_: None)
    return tmp_path


@pytest.mark.usefixtures("own")
def test_it_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []
    monkeypatch.setattr(launch.environment, "build", lambda *words: built.append(words))
    launch.make_environment(["test"], "cpu")
    launch.make_environment(["test"], None)
    launch.make_environment([], None)
    assert built == [(["test"], "cpu", None)]
    launch.make_environment(["lint"], "auto")
    assert built[1:] == [(["lint", "test"], "auto", "cpu")]


@pytest.mark.usefixtures("own")
def test_one_whose_packages_do_not_load_is_not_called_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even if it once was."""
    launch.make_environment([], None)
    assert launch.STAMP.exists()

    def fail(*_: object) -> None:
        raise launch.LaunchError("The package soundfile doesn't load.")

    monkeypatch.setattr(launch.environment, "build", fail)
    with pytest.raises(launch.LaunchError):
        launch.make_environment(["test"], None)
    assert not launch.STAMP.exists()


def fault(**more: bool) -> dict[str, Any]:
    return {"name": "numpy", "version": "2", "why": "missing", "borrows": False, "needed": True, **more}


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("faults", "good"),
    [([], True), ([fault()], False), ([fault(borrows=True)], True), ([fault(needed=False)], True)],
)
def test_an_environment_that_was_found_is_tried_once(
    faults: list[dict[str, Any]], good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    monkeypatch.setattr(launch.environment, "try_packages", lambda *_: tried.append("once") or faults)
    assert launch.already_importable([]) is good
    assert launch.already_importable([]) is good
    assert len(tried) == (1 if good else 2)


@pytest.mark.usefixtures("own")
def test_one_that_lacks_something_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.core.install.trial.installed", lambda groups: {})
    monkeypatch.setattr(launch.environment, "try_packages", lambda *_: pytest.fail("tried"))
    assert not launch.already_importable([])


def test_the_projects_own_is_brought_up_to_date_though_it_is_active(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch.environment, "try_packages", lambda *_: [])
    assert launch.already_importable([])
    monkeypatch.setattr(launch.sys, "prefix", str(own / ".venv"))
    assert not launch.already_importable([])


HOLD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import launch
launch.LOCAL = Path(sys.argv[2])
with launch.alone():
    print("in", flush=True)
    time.sleep(float(sys.argv[3]))
"""


@POSIX
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_second_one_waits_and_a_killed_one_leaves_no_lock(how: int, tmp_path: Path) -> None:
    def start(seconds: int) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", HOLD, str(ROOT), str(tmp_path / "local"), str(seconds)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    first = start(600)
    second = None
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "in\n"
        second = start(0)
        assert second.stderr is not None
        assert "waiting for it" in second.stderr.readline()
        assert second.poll() is None
        first.send_signal(how)
        assert second.communicate(timeout=60)[0] == "in\n"
        assert second.returncode == 0
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.communicate()


# --- the folder's name, and Python's own settings --------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, with the word that this interpreter's packages were tried."""
    folder = tmp_path_factory.mktemp("copy") / "project"
    folder.mkdir()
    for name in ("launch.py", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, folder)
    for name in ("studio", "presets"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    stamp = {"python": sys.executable, "fingerprint": launch.fingerprint(), "versions": installed([])}
    (folder / ".uv").mkdir()
    (folder / ".uv" / "tried.json").write_text(json.dumps(stamp))
    return folder


def start_in(folder: Path, cwd: Path, *words: str, **more: str) -> str:
    """What launch.py of `folder` writes, started from elsewhere without the project on the path."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    program = [sys.executable, str(folder / "launch.py"), *words]
    done = subprocess.run(
        program, cwd=cwd, env={**environ, **more}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@POSIX
@pytest.mark.parametrize("name", ["takes: spring", ":", "two words", "Töne – 音", "it's $HOME;#%", "-m"])
def test_the_projects_folder_has_any_name(name: str, project: Path, tmp_path: Path) -> None:
    folder = project.rename(tmp_path / name)
    (tmp_path / "typer.py").write_text("raise RuntimeError('of the folder that it was started in')")
    try:
        assert "night-train" in start_in(folder, tmp_path, "presets", "list")
        assert "night-train" in start_in(folder, tmp_path, "presets", "list", PYTHONSAFEPATH="1", LC_ALL="C")
    finally:
        folder.rename(project)


def test_docstrings_are_not_stripped(project: Path, tmp_path: Path) -> None:
    """Transformers makes its documentation from them as it is imported."""
    assert "Render a take" in start_in(project, tmp_path, "--help", PYTHONOPTIMIZE="2")
    text = (project / "launch.py").read_text(encoding="utf-8")
    (project / "launch.py").write_text(text.replace('"studio.app"', '"flags"'), encoding="utf-8")
    (project / "flags.py").write_text("import sys; print(sys.flags.optimize, __debug__)")
    assert start_in(project, tmp_path, "words", PYTHONOPTIMIZE="2") == "0 True\n"
