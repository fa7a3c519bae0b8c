"""Which packages are tried, and what counts as one that doesn't load."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from studio.core.install import trial
from studio.core.install.trial import (
    asked_for,
    closure,
    fault_of,
    group_requirements,
    installed,
    modules_of,
    read_project,
    requirements_of,
    satisfies,
)


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
    assert satisfies(version, requirement) is good


def test_groups_include_others() -> None:
    found = requirements_of(read_project(), ["dev"])
    assert any(line.startswith("ruff") for line in found)
    assert any(line.startswith("torch") for line in found)
    nested = {"dependency-groups": {"a": [{"include-group": "b"}], "b": [{"include-group": "c"}], "c": ["x"]}}
    assert group_requirements(nested, "a") == ["x"]


def test_what_is_required_is_here_or_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"torch", "soundfile", "huggingface-hub"} <= set(installed([]))
    for lacking in ("no-such-package-anywhere", "numpy>=99"):
        project = {"project": {"dependencies": ["numpy", lacking]}}
        monkeypatch.setattr(trial, "read_project", lambda project=project: project)
        assert installed([]) == {}


def test_every_compiled_package_is_tried_after_those_it_requires() -> None:
    packages = closure(requirements_of(read_project(), []), {})
    tried = [name for name in packages if list(modules_of(packages[name], deep=True))]
    known = {
        "torch", "numpy", "scipy", "soundfile", "cffi", "tokenizers", "safetensors", "pydantic-core",
        "matplotlib", "psutil", "pillow", "pandas", "orjson", "pyyaml", "regex",
    }  # fmt: skip
    assert known <= set(tried)
    assert tried.index("numpy") < tried.index("scipy")
    assert tried.index("cffi") < tried.index("soundfile")


def test_what_a_package_need_not_bring_is_not_tried() -> None:
    project = read_project()
    assert asked_for(project)["aisfx"] == []  # its own words name a numpy of 2022
    assert set(closure(["aisfx"], asked_for(project))) <= {"aisfx"}
    assert "numpy" in closure(["scipy"], {})
    assert "numpy" not in closure(["scipy"], {"scipy": []})


def test_this_environment_loads() -> None:
    done = subprocess.run(
        [sys.executable, "-P", trial.__file__, "--groups", "test", "--only", "numpy", "soundfile", "orjson"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(entry["trying"] for entry in entries) == ["numpy", "orjson", "soundfile"]


# --- packages made for the test --------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that packages are imported from."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def package(place: Path, name: str, files: dict[str, str], requires: str = "") -> Distribution:
    """Install a package of these files."""
    info = place / f"{name}-1.0.dist-info"
    info.mkdir()
    lines = [f"Requires-Dist: {line}" for line in requires.split()]
    info.joinpath("METADATA").write_text(
        "\n".join(["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *lines])
    )
    for path, text in files.items():
        file = place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    info.joinpath("RECORD").write_text("".join(f"{path},,\n" for path in files))
    return Distribution.at(info)


TAG = EXTENSION_SUFFIXES[0]
BROKEN = "no library at all"


def test_an_extension_that_the_linker_refuses_is_a_fault(place: Path) -> None:
    one = package(place, "lwone", {"lwone/__init__.py": "", f"lwone/_fast{TAG}": BROKEN})
    fault = fault_of("lwone", {"lwone": one}, needed=True)
    assert fault is not None
    assert (fault.name, fault.version, fault.borrows, fault.needed) == ("lwone", "1.0", False, True)


def test_what_a_needed_package_hides_is_of_no_matter_in_one_that_is_not(place: Path) -> None:
    one = package(place, "lwone", {"lwone/__init__.py": "", f"lwone/_fast{TAG}": BROKEN})
    assert fault_of("lwone", {"lwone": one}, needed=False) is None


def test_an_import_that_fails_is_a_fault_whatever_the_reason(place: Path) -> None:
    files = {
        "lwtwo/__init__.py": "raise RuntimeError('made for\\nanother machine')",
        f"lwtwo/_fast{TAG}": BROKEN,
    }
    fault = fault_of("lwtwo", {"lwtwo": package(place, "lwtwo", files)}, needed=False)
    assert fault is not None
    assert (fault.why, fault.needed) == ("another machine", False)


def test_the_package_that_gave_up_is_named_not_the_one_that_uses_it(place: Path) -> None:
    base = package(
        place, "lwbase", {"lwbase/__init__.py": "from lwbase import _fast", f"lwbase/_fast{TAG}": BROKEN}
    )
    user = package(place, "lwuser", {"lwuser/__init__.py": "import lwbase", f"lwuser/_fast{TAG}": BROKEN})
    fault = fault_of("lwuser", {"lwuser": user, "lwbase": base}, needed=True)
    assert fault is not None
    assert fault.name == "lwbase"


def test_a_package_without_compiled_parts_is_not_imported(place: Path) -> None:
    pure = package(place, "lwpure", {"lwpure/__init__.py": "raise RuntimeError"})
    assert fault_of("lwpure", {"lwpure": pure}, needed=True) is None


def test_a_namespace_is_passed_over_for_what_is_in_it(place: Path) -> None:
    files = {
        f"lwspace/_part/_fast{TAG}": BROKEN,
        "lwspace/_part/__init__.py": "",
        f"lwspace/tests/_no{TAG}": BROKEN,
    }
    assert list(modules_of(package(place, "lwspace", files), deep=False)) == [("lwspace._part._fast", True)]


def sound(place: Path, files: dict[str, str]) -> Distribution:
    return package(place, "soundfile", {"lwsound.py": "", **files})


def test_sound_with_a_library_of_the_systems_is_borrowed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works, and is a fault all the same: elsewhere there may be no such library."""
    fault = fault_of("soundfile", {"soundfile": sound(place, {})}, needed=True)
    assert fault is not None
    assert fault.borrows


def test_sound_whose_own_library_is_damaged_is_borrowed_too(place: Path) -> None:
    files = {"_lwsound/libsndfile.so": BROKEN}
    fault = fault_of("soundfile", {"soundfile": sound(place, files)}, needed=True)
    assert fault is not None
    assert fault.borrows


def test_sound_that_lacks_a_format_does_not_work(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_FORMATS", {"WAV": "PCM_16", "MP3": "NOT_IN_AN_OLD_LIBRARY"})
    fault = fault_of("soundfile", {"soundfile": sound(place, {})}, needed=True)
    assert fault is not None
    assert not fault.borrows
