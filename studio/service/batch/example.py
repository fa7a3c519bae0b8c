"""A manifest to begin with, in either of the ways that one is written."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, Literal

# As a reader would write them by hand: what is empty in a column is left to what is usual.
_LINES: tuple[dict[str, Any], ...] = (
    {"mode": "sparse", "prompt": "{light|heavy} rain on {leaves|a tin roof}", "seconds": 5, "count": 2},
    {"mode": "sparse", "prompt": "ocean waves, gulls far away", "seconds": 8, "seed": 42, "name": "Shore"},
    {"mode": "infinite", "prompt": "night in a forest", "seconds": 30, "lane": "0:15 | birds at dawn"},
    {"mode": "infinite", "preset": "storm-passes", "seconds": 20, "name": "Storm"},
    {"mode": "infinite", "prompt": "wind over a harbour", "seconds": 10, "model": "pocket/voiceldm",
     "say": "The ferry leaves at noon."},
)  # fmt: skip
_COLUMNS = ("mode", "prompt", "seconds", "count", "seed", "name", "model", "preset", "lane", "say")


def example(kind: Literal["csv", "jsonl"] = "csv") -> str:
    """The text of a manifest that shows what a line may say; the same rows in both."""
    if kind == "jsonl":
        return "".join(json.dumps(line) + "\n" for line in _LINES)
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(_LINES)
    return text.getvalue()
