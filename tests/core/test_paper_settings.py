"""The papers' own settings are those that the documentation tells, system by system."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from studio.backends.registry import REGISTRY
from studio.core.attention import LiteFocusAttention
from studio.core.paper import PaperSettings

PAGE = Path(__file__).parents[2] / "docs" / "papers.md"
SECTION = PAGE.read_text("utf-8").split("### The papers' experiments")[1].split("\n## ")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in SECTION.splitlines() if "|" in line]
TOLD = {row[0]: dict(zip(ROWS[0], row, strict=True)) for row in ROWS[2:]}


def told_of(paper: PaperSettings) -> dict[str, str]:
    """The row of the table that the settings make."""
    own = "–"
    if (endless := paper.endless) is not None:
        own = f"{endless.strategy}, N = {endless.base_steps}, P = {endless.skip_factor}"
        own += f", k = {endless.group_size}"
    if isinstance(lite := paper.attention, LiteFocusAttention):
        assert (lite.focus, lite.compensation, lite.blocks) == (True, True, ())
        own = f"{lite.sampling}, r = {lite.ratio} at every length"
    assert paper.duration_s == paper.lengths_s[0]
    return {
        "from": paper.source.split(",")[0],
        "guidance": f"{paper.guidance_scale:g}",
        "steps": str(paper.steps),
        "sampler": paper.sampler,
        "seconds": ", ".join(f"{length:g}" for length in paper.lengths_s),
        "clips": str(paper.count),
        "left out": f"{100 * paper.left_out:g} %" if paper.left_out else "–",
        "its own": own,
    }


def test_every_system_of_a_paper_has_its_settings() -> None:
    assert {spec.title for spec in REGISTRY.systems if spec.paper is not None} == set(TOLD)
    assert REGISTRY.system("tone").paper is None


@pytest.mark.parametrize("system", TOLD)
def test_they_are_those_of_the_page(system: str) -> None:
    spec = next(spec for spec in REGISTRY.systems if spec.title == system)
    assert spec.paper is not None
    assert told_of(spec.paper) == {name: said for name, said in TOLD[system].items() if name != "system"}


@pytest.mark.parametrize("system", TOLD)
def test_takes_of_published_checkpoints_begin_with_the_same_guidance_and_steps(system: str) -> None:
    spec = next(spec for spec in REGISTRY.systems if spec.title == system)
    assert spec.paper is not None
    settings = spec.defaults.settings("clip")
    assert settings["guidance_scale"] == spec.paper.guidance_scale
    assert settings["sampler"]["steps"] == spec.paper.steps
    assert spec.paper.speech_scale == spec.defaults.guidance.speech
    if spec.paper.endless is not None:
        begun = spec.defaults.settings("endless")["sampler"]
        assert spec.paper.endless.model_dump(include=set(begun)) == begun


@pytest.mark.parametrize("system", [title for title, row in TOLD.items() if row["from"] == "InfiniteAudio"])
def test_infinite_audios_takes_fit_what_the_paper_says(system: str) -> None:
    """One frame a step, fewer than 150 steps, a window of about 3 s."""
    paper = next(spec.paper for spec in REGISTRY.systems if spec.title == system)
    assert paper is not None
    assert paper.endless is not None
    assert paper.endless.group_size == 1
    assert paper.endless.steps < 150
    assert re.match(r"3\.0", f"{paper.endless.window_frames * 0.04:.2f}")
