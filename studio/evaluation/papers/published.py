"""The papers' own numbers, as they are printed (`published.json`), and what their columns are called."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

PAPERS = {"infiniteaudio": "InfiniteAudio", "litefocus": "LiteFocus", "dcldm": "DC-LDM"}
FIGURES = {"infiniteaudio": (2, 3, 4, 5), "litefocus": (1, 2), "dcldm": (2,)}
BY_EAR = {"ovl", "rel", "ogl", "aq"}  # what listeners say: `longwave listen`
COLUMNS = {
    "clap": "CLAP", "fd": "FD", "fad": "FAD", "kl": "KL", "kl_sigma": "KL_σ", "speed": "Speed",
    "fad_diff": "FAD −", "kl_diff": "KL −", "clap_diff": "CLAP −", "parameters": "M", "ovl": "OVL",
    "rel": "REL", "ogl": "OGL", "aq": "AQ",
}  # fmt: skip


@dataclass(frozen=True)
class Published:
    """One table as its paper prints it: figures by row and column."""

    title: str
    columns: tuple[str, ...]
    rows: dict[str, dict[str, float]]

    def of(self, key: str) -> dict[str, float]:
        """A row's numbers; none where the paper has no such row."""
        return self.rows.get(key, {})


def tables(paper: str) -> dict[int, Published]:
    """The tables of a paper of `PAPERS`, by number."""
    found: dict[str, Any] = _all()[paper]
    return {
        int(number): Published(each["title"], tuple(each["columns"]), each["rows"])
        for number, each in found.items()
    }


@cache
def _all() -> dict[str, Any]:
    return json.loads(resources.files("studio.evaluation.papers").joinpath("published.json").read_text())
