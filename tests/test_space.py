"""This repository is a Hugging Face Space: its settings and its requirements are what one takes.

`python -m tests.space` does all that a Space does, by hand; here is what can be told without.
"""

from __future__ import annotations

import re
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.space import ADDED, ZERO_TORCH, Figure, front_matter

ROOT = Path(__file__).resolve().parents[1]
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w-]+)==(\S+)$", text, re.MULTILINE))


def test_the_settings_of_the_space_are_what_one_takes() -> None:
    settings = front_matter((ROOT / "README.md").read_text(encoding="utf-8"))
    assert settings["sdk"] == "gradio"
    assert (ROOT / settings["app_file"]).is_file()
    assert 0 < len(settings["short_description"]) <= 60
    assert {settings["colorFrom"], settings["colorTo"]} <= COLOURS
    assert re.fullmatch(r"3\.1[12]", settings["python_version"])
    assert settings["license"] == "apache-2.0"
    assert front_matter("# No Space") == {}


def test_a_space_installs_the_gradio_that_the_requirements_name() -> None:
    """It installs it by `sdk_version`, in one command with them: two versions could not be had."""
    settings = front_matter((ROOT / "README.md").read_text(encoding="utf-8"))
    assert pins("requirements.txt")["gradio"] == settings["sdk_version"]
    assert pins("requirements.txt")["torch"] in ZERO_TORCH, "or ZeroGPU wants requirements of its own"


def test_the_requirements_agree_with_the_parts_of_gradio_that_only_a_space_installs() -> None:
    added = Requirement(ADDED[0].format(sdk_version="0"))
    assert added.extras == {"oauth", "mcp"}
    held = {canonicalize_name(name): version for name, version in pins("requirements.txt").items()}
    checked = 0
    for asked in map(Requirement, requires("gradio") or []):
        here = any(asked.marker is None or asked.marker.evaluate({"extra": one}) for one in added.extras)
        if here and (name := canonicalize_name(asked.name)) in held:
            checked += 1
            assert asked.specifier.contains(held[name]), asked
    assert checked > 4


def test_a_figure_is_kept_up_to_its_bound() -> None:
    assert Figure("page", 30.0, 30.0).kept
    assert not Figure("page", 30.1, 30.0).kept
