"""This repository is a Hugging Face Space: its settings and its requirements are what one takes.

`python -m tests.space` does all that a Space does, by hand; here is what can be told without.
"""

from __future__ import annotations

import re
from importlib.metadata import requires
from pathlib import Path

from studio.core.install.trial import satisfies
from tests.space import ADDED, Figure, front_matter

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


def test_the_requirements_agree_with_the_parts_of_gradio_that_only_a_space_installs() -> None:
    extras = re.findall(r"\w+", re.findall(r"\[(.*?)\]", ADDED[0])[0])
    assert extras == ["oauth", "mcp"]
    held = {name.replace("_", "-").lower(): version for name, version in pins("requirements.txt").items()}
    asked = [one.split(";") for one in requires("gradio") or [] if "extra ==" in one]
    checked = 0
    for requirement, marker in asked:
        name = re.split(r"[<>=~! ]", requirement)[0]
        if name in held and any(f'"{extra}"' in marker.replace("'", '"') for extra in extras):
            checked += 1
            assert satisfies(held[name], requirement.strip()), requirement
    assert checked, "it is pydantic that gradio[mcp] is particular about"


def test_a_figure_is_kept_up_to_its_bound() -> None:
    assert Figure("page", 30.0, 30.0).kept
    assert not Figure("page", 30.1, 30.0).kept
