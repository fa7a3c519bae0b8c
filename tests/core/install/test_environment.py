"""How the environment is made, tried and mended, with a uv that only answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.core.install import environment
from studio.core.install.environment import Installer, make_venv, try_packages
from studio.core.install.sentences import LaunchError

FIRST, SECOND = {"UV_DEFAULT_INDEX": "first"}, {"UV_DEFAULT_INDEX": "second"}
Answer = Callable[[list[str], Mapping[str, str]], tuple[int, str, str]]


def done(code: int = 0, out: str = "", err: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], code, out, err)


@pytest.fixture
def uv(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], list[tuple[list[str], Mapping[str, str]]]]:
    """Let a function answer for uv; the calls are listed."""
    calls: list[tuple[list[str], Mapping[str, str]]] = []

    def install(answer: Answer) -> list[tuple[list[str], Mapping[str, str]]]:
        def run(
            command: Sequence[str], environ: Mapping[str, str], cwd: str | None = None
        ) -> subprocess.CompletedProcess[str]:
            calls.append((list(command), dict(environ)))
            return done(*answer(list(command), environ))

        def call(command: Sequence[str], env: Mapping[str, str], **_: Any) -> int:
            return run(command, env).returncode

        monkeypatch.setattr(environment, "run_quietly", run)
        monkeypatch.setattr(environment.subprocess, "call", call)
        return calls

    return install


def installer(**more: Any) -> Installer:
    indexes = SimpleNamespace(orders=[FIRST, SECOND], alone=[FIRST, SECOND], **more)
    return Installer(["uv"], "python", indexes)  # type: ignore[arg-type]


# --- where packages come from ----------------------------------------------------------------------------


def test_the_first_order_that_has_everything_is_taken(uv: Any) -> None:
    uv(lambda _, environ: (0 if environ == SECOND else 1, "", "No solution found"))
    assert installer().resolve(["x"], [FIRST, SECOND], "/") == (SECOND, "")
    assert installer().resolve(["x"], [FIRST], "/") == (None, "No solution found")


def test_what_can_not_be_built_is_asked_for_as_a_wheel(uv: Any) -> None:
    def answer(_: list[str], environ: Mapping[str, str]) -> tuple[int, str, str]:
        if "b" in environ.get("UV_NO_BUILD_PACKAGE", "").split():
            return 0, "", ""
        name = "b" if "a" in environ.get("UV_NO_BUILD_PACKAGE", "") else "a"
        return 1, "", f"error: Failed to build `{name}==1.0`"

    calls = uv(answer)
    chosen, _ = installer().resolve(["x"], [FIRST], "/")
    assert chosen == {**FIRST, "UV_NO_BUILD_PACKAGE": "a b"}
    assert len(calls) == 3


def test_a_failure_is_told_by_what_uv_says(uv: Any) -> None:
    uv(lambda *_: (1, "", "dns error"))
    with pytest.raises(LaunchError, match="network"):
        installer().install_all(["test"], [])


def test_requirements_are_named_without_the_projects_folder(uv: Any) -> None:
    """Its name may hold a colon, at which uv would split a group's."""
    calls = uv(lambda *_: (0, "", ""))
    installer().install_all(["test", "lint"], [])
    words = calls[-1][0]
    assert words[words.index("--requirements") + 1] == "requirements.txt"
    assert [words[at + 1] for at, word in enumerate(words) if word == "--group"] == ["test", "lint"]


# --- torch's build ---------------------------------------------------------------------------------------


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.sys, "platform", "linux")
    monkeypatch.setattr(environment.os.path, "exists", lambda path: False)


@pytest.mark.usefixtures("linux")
def test_the_build_that_was_found_is_the_one_installed(uv: Any) -> None:
    """An extra index has it; the rest, asked of the default one first, would bring CUDA's."""
    calls = uv(lambda _, environ: (0 if environ["UV_DEFAULT_INDEX"] == "second" else 1, "", ""))
    assert installer().install_cpu_torch("auto")
    command, environ = calls[-1]
    assert command[-1].endswith("+cpu")
    assert "--dry-run" not in command
    assert environ == SECOND


@pytest.mark.usefixtures("linux")
def test_pytorchs_own_index_is_asked_last(uv: Any) -> None:
    calls = uv(lambda _, environ: (0 if environ.get("UV_TORCH_BACKEND") == "cpu" else 1, "", ""))
    assert installer().install_cpu_torch("auto")
    assert calls[-1][1] == {**FIRST, "UV_TORCH_BACKEND": "cpu"}


@pytest.mark.usefixtures("linux")
def test_no_cpu_build_is_an_error_only_if_it_was_asked_for(uv: Any) -> None:
    uv(lambda *_: (1, "", "No solution found"))
    assert not installer().install_cpu_torch("auto")
    with pytest.raises(LaunchError, match="CPU build"):
        installer().install_cpu_torch("cpu")


@pytest.mark.usefixtures("linux")
def test_a_backend_set_for_uv_stays(uv: Any) -> None:
    calls = uv(lambda *_: (0, "", ""))
    mine = installer()
    mine.indexes.orders[0] = {**FIRST, "UV_TORCH_BACKEND": "cu130"}
    assert not mine.install_cpu_torch("auto")
    assert not calls


def test_a_driver_is_a_reason_for_cuda(uv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.sys, "platform", "linux")
    monkeypatch.setattr(environment.os.path, "exists", lambda path: path == "/proc/driver/nvidia")
    calls = uv(lambda *_: (0, "", ""))
    assert not installer().install_cpu_torch("auto")
    assert not calls
    assert installer().install_cpu_torch("cpu")


# --- trying and mending ----------------------------------------------------------------------------------

GOOD = {"name": "soundfile", "version": "0.14.0", "why": "missing", "borrows": False, "needed": True}


class World:
    """What each package would be tried as, given from which index it was last installed."""

    def __init__(self, faults: dict[str, dict[str, Any]]) -> None:
        self.faults = faults  # index → fault of soundfile, none there if it works; "" before any
        self.last = ""
        self.installed: list[str] = []

    def __call__(self, command: list[str], environ: Mapping[str, str]) -> tuple[int, str, str]:
        if "--reinstall-package" in command:
            self.last = environ["UV_DEFAULT_INDEX"]
            self.installed.append(self.last)
            return 0, "", ""
        lines = [{"trying": "soundfile", "version": "0.14.0", "needed": True}]
        lines += [self.faults[self.last]] if self.last in self.faults else []
        return 0, "\n".join(map(json.dumps, lines)), ""


BORROWS = {**GOOD, "borrows": True}


def test_what_loads_is_left_alone(uv: Any) -> None:
    world = World({})
    uv(world)
    installer().mend([])
    assert world.installed == []


@pytest.mark.parametrize("fault", [GOOD, BORROWS])
def test_what_does_not_load_is_taken_from_another_index(uv: Any, fault: dict[str, Any]) -> None:
    world = World({"": fault, "first": fault})
    calls = uv(world)
    installer().mend([])
    assert world.installed == ["first", "second"]
    command = next(command for command, _ in calls if "--reinstall-package" in command)
    assert command[-1] == "soundfile==0.14.0"
    assert "--no-cache" in command  # which may hold the damaged file


def test_what_no_index_has_is_told_in_one_sentence(uv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "is_debian", lambda: True)
    fault = {**GOOD, "why": "libgomp.so.1: cannot open shared object file"}
    world = World({"": fault, "first": fault, "second": fault})
    uv(world)
    with pytest.raises(LaunchError, match=r"soundfile .*sudo apt install libgomp1") as caught:
        installer().mend([])
    assert "\n" not in str(caught.value)
    assert world.installed == ["first", "second"]


def test_the_systems_library_will_do_where_no_index_has_one(uv: Any) -> None:
    """The last index's build doesn't work at all; the one before it is put back."""
    world = World({"": BORROWS, "first": BORROWS, "second": GOOD})
    uv(world)
    installer().mend([])
    assert world.installed == ["first", "second", "first"]


def test_what_only_drafts_need_is_no_reason_to_stop(uv: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fault = {**GOOD, "needed": False}
    uv(World({"": fault, "first": fault, "second": fault}))
    installer().mend([])
    assert "Dual tab" in capsys.readouterr().err


def test_a_package_that_ends_the_process_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash = (
        'import os; print(\'{"trying": "numpy", "version": "2", "needed": true}\', flush=True); os._exit(7)'
    )
    file = tmp_path / "trial.py"
    file.write_text(crash)
    monkeypatch.setattr(environment, "TRIAL", file)
    (fault,) = try_packages(sys.executable, [], {})
    assert (fault["name"], fault["version"], fault["needed"]) == ("numpy", "2", True)
    file.write_text("raise SystemExit('no such Python')")
    (fault,) = try_packages(sys.executable, [], {})
    assert fault["why"] == "no such Python"


# --- which Python ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (3, 13), (3, 14)])
def test_another_python_lets_uv_find_a_fitting_one(
    version: tuple[int, int], uv: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment.sys, "version_info", (*version, 0))
    calls = uv(lambda *_: (0, "", ""))
    make_venv(["uv"], {})
    (command, _) = calls[-1]
    assert command[command.index("--python") + 1] == ">=3.11,<3.13"


@pytest.mark.parametrize("version", [(3, 11), (3, 12)])
def test_a_fitting_python_is_used_itself(
    version: tuple[int, int], uv: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment.sys, "version_info", (*version, 0))
    calls = uv(lambda *_: (0, "", ""))
    make_venv(["uv"], {})
    assert sys.executable in calls[-1][0]


@pytest.mark.parametrize("version", [(3, 9), (3, 14)])
@pytest.mark.parametrize("said", ["No interpreter found", "Failed to download cpython-3.12: dns error"])
def test_where_none_can_be_had_one_sentence_says_so(
    version: tuple[int, int], said: str, uv: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment.sys, "version_info", (*version, 0))
    monkeypatch.setattr(environment, "room", lambda: 50 * 10**9)
    uv(lambda *_: (2, "", said))
    with pytest.raises(LaunchError, match=r"needs Python 3\.11 or 3\.12: install one"):
        make_venv(["uv"], {})
