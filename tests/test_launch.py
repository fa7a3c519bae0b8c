"""launch.py's decisions, without network and without making an environment."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
GB = 10**9


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


def test_a_space_listens_to_its_proxy() -> None:
    _, words = launch.parse_words([], {"SPACE_ID": "me/longwave"})
    assert words == ["serve", "--host", "0.0.0.0", "--no-browser"]


@pytest.mark.parametrize("words", [["--torch"], ["--torch", "rocm"], ["--torch="]])
def test_wrong_torch_is_one_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert launch.main(words) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_test_leaves_out_soak_and_gpu() -> None:
    assert launch.command_for("py", ["test", "-q"]) == [
        ["py", "-m", "pytest", "-m", "not soak and not gpu", "-q"]
    ]


def test_other_words_reach_the_command_line() -> None:
    (command,) = launch.command_for("py", ["models", "list"])
    assert command[-2:] == ["models", "list"]


@pytest.mark.parametrize("version", [(2, 7), (3, 7)])
def test_old_python_is_told_what_to_install(version: tuple[int, int]) -> None:
    with pytest.raises(launch.LaunchError, match=r"3\.11 or 3\.12") as caught:
        launch.check_python(version)
    assert caught.value.code == 2


def test_syntax_is_readable_by_python_3_9() -> None:
    import ast

    ast.parse((ROOT / "launch.py").read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize(
    ("version", "requirement", "good"),
    [
        ("2.13.0+cpu", "torch>=2.11,<2.14", True),
        ("2.14.0", "torch>=2.11,<2.14", False),
        ("6.9", "gradio>=6.31,<7", False),
        ("9.2", "pytest==9.2.0", True),
        ("5.0", "anything", True),
    ],
)
def test_bounds(version: str, requirement: str, good: bool) -> None:
    assert launch.satisfies(version, requirement) is good


def test_groups_include_others() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = launch.requirements_of(project, ["dev"])
    assert any(line.startswith("ruff") for line in found)
    assert any(line.startswith("torch") for line in found)


def test_pip_settings_become_uv_settings() -> None:
    text = "\n".join(
        [
            "global.find-links='/wheels /more'",
            "global.extra-index-url='https://a/simple https://b/simple'",
            "global.index-url='https://loses/simple'",
            "install.index-url='https://wins/simple'",
            ":env:.cert='/ca.pem'",
            ":env:.default-timeout='99'",
            "freeze.timeout='1'",
        ]
    )
    environ = launch.uv_environ(launch.parse_pip_config(text), {"HOME": "/home/me"})
    assert environ == {
        "HOME": "/home/me",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_DEFAULT_INDEX": "https://wins/simple",
        "UV_INDEX": "https://a/simple https://b/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "SSL_CERT_FILE": "/ca.pem",
        "UV_HTTP_TIMEOUT": "99",
    }


def test_what_is_set_for_uv_stays() -> None:
    own = {"UV_INDEX_URL": "https://mine/simple", "UV_FIND_LINKS": "/mine", "https_proxy": "http://mine"}
    pip = {"index-url": "https://pip/simple", "find-links": "/pip", "proxy": "http://pip"}
    environ = launch.uv_environ(pip, own)
    assert "UV_DEFAULT_INDEX" not in environ
    assert "HTTPS_PROXY" not in environ
    assert environ["UV_FIND_LINKS"] == "/mine"


def test_pips_variables_count_where_there_is_no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess[str]([], 1, "", "No module named pip")
    monkeypatch.setattr(launch, "run_quietly", lambda *_: failed)
    assert launch.pip_settings({"PIP_INDEX_URL": "https://i", "PATH": "/bin"}) == {"index-url": "https://i"}


def test_a_shim_that_does_not_start_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(command: Sequence[str], *_: object) -> subprocess.CompletedProcess[str]:
        good = list(command[1:3]) == ["-m", "uv"]
        return subprocess.CompletedProcess(list(command), 0 if good else 127, "uv 0.13.8" if good else "", "")

    monkeypatch.setattr(launch.shutil, "which", lambda name: "/shims/" + name)
    monkeypatch.setattr(launch, "run_quietly", answer)
    assert launch.find_uv({}) == [sys.executable, "-m", "uv"]


@pytest.mark.parametrize(("text", "good"), [("uv 0.13.8", True), ("uv 0.4.30", False), ("pyenv: uv", False)])
def test_an_old_uv_is_passed_over(monkeypatch: pytest.MonkeyPatch, text: str, good: bool) -> None:
    monkeypatch.setattr(launch, "run_quietly", lambda *_: subprocess.CompletedProcess([], 0, text, ""))
    assert launch.works(["uv"], {}) is good


@pytest.mark.parametrize(
    ("output", "free", "says"),
    [
        ("failed to write: No space left on device (os error 28)", 50 * GB, "disk is full"),
        ("error: Permission denied (os error 13)", 50 * GB, "permissions"),
        ("invalid peer certificate: UnknownIssuer", 50 * GB, "SSL_CERT_FILE"),
        ("client error (Connect): dns error", 50 * GB, "network"),
        ("No interpreter found for Python >=3.11, <3.13", 50 * GB, "3.11 or 3.12"),
        ("No solution found when resolving dependencies", 50 * GB, "another index"),
        ("", 1 * GB, "room"),
        ("", 50 * GB, "delete the folder .venv"),
    ],
)
def test_failures_say_what_to_do(output: str, free: int, says: str) -> None:
    sentence = launch.explain(output, free, 3 * GB)
    assert says in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_missing_venv_module_says_what_to_install() -> None:
    assert "python3-venv" in launch.explain_venv("ensurepip is not available")


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


@pytest.mark.parametrize("text", ["", "[]", "{broken", json.dumps("words")])
def test_a_damaged_stamp_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(launch, "STAMP", tmp_path / "stamp.json")
    (tmp_path / "stamp.json").write_text(text)
    assert launch.read_stamp() == {}


def test_pins_meet_the_projects_ranges() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", text, re.M))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for requirement in launch.requirements_of(project, []):
        name = re.split(r"[><=]", requirement)[0].replace("_", "-")
        assert launch.satisfies(pins[name], requirement), requirement
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
    assert asked == [("test",), ()]
    assert made == ([] if found else [("test", "audiocraft"), ("audiocraft",)])
