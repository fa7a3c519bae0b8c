"""A table as it was measured here, the paper's own numbers beside it, and what was done otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.evaluation.metrics.summary import Figure
from studio.evaluation.papers.published import COLUMNS, PAPERS, Published
from studio.evaluation.papers.rows import Row

METRICS = {
    "clap": "CLAP", "frechet": "FD", "kad": "KAD", "kl": "KL", "kl_sigma": "KL_σ", "family": "right family",
    "speed": "speed", "parameters": "M",
}  # fmt: skip
DIFFERENCE = "−"


@dataclass(frozen=True)
class Measured:
    """A row that was made: its figures by `metric/embedder`, its files in the order of the captions, and the
    mean seconds that a clip took. `parameters_m` are those that are trained, in millions.
    """

    row: Row
    figures: dict[str, Figure] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    clip_s: float | None = None
    parameters_m: float | None = None


@dataclass(frozen=True)
class Table:
    """A table run again."""

    paper: str
    number: int
    published: Published
    rows: Sequence[Measured]
    captions: int
    differences: Sequence[str]

    @property
    def title(self) -> str:
        return f"{PAPERS[self.paper]}, Table {self.number}: {self.published.title}"

    def as_json(self) -> dict[str, Any]:
        """Everything, as one object."""
        rows = []
        for each in self.rows:
            why = {"not_run": each.row.why_not} if each.row.why_not else {}
            rows.append(
                {
                    "key": each.row.key,
                    "label": each.row.label,
                    "model": each.row.model or None,
                    **why,
                    "figures": {name: value.as_json() for name, value in each.figures.items()},
                    "clip_s": each.clip_s,
                    "parameters_m": each.parameters_m,
                    "paper": self.published.of(each.row.key),
                    "files": list(each.files),
                }
            )
        return {
            "paper": self.paper,
            "table": self.number,
            "title": self.published.title,
            "captions": self.captions,
            "differences": list(self.differences),
            "rows": rows,
        }

    def __str__(self) -> str:
        """The table in columns, the paper's own on the right, and under it what differs."""
        names = list(dict.fromkeys(name for each in self.rows for name in each.figures))
        sized = "parameters" in self.published.columns
        head = [
            "",
            *(["M"] if sized else []),
            *map(named, names),
            *(f"paper {COLUMNS[column]}" for column in self.published.columns),
        ]
        body = []
        for each in self.rows:
            paper = self.published.of(each.row.key)
            ours = [_cell(each.figures.get(name)) for name in names]
            if each.row.why_not and names:
                ours = ["not run", *[""] * (len(names) - 1)]
            theirs = [f"{paper[column]:g}" if column in paper else "–" for column in self.published.columns]
            size = ["–" if each.parameters_m is None else f"{each.parameters_m:g}"] if sized else []
            body.append([each.row.label, *size, *ours, *theirs])
        lines = [self.title, f"{self.captions} captions; each figure with its 95 % interval.", ""]
        lines += _columns([head, *body])
        lines += ["", *(f"Not run: {e.row.label}: {e.row.why_not}." for e in self.rows if e.row.why_not)]
        return "\n".join(
            [*lines, "Otherwise than in the paper:", *(f"- {each}" for each in self.differences)]
        )


def named(measure: str) -> str:
    """A measure as a column's head: FD (judge)."""
    metric, _, embedder = measure.partition("/")
    less = metric.endswith("_less")
    name = METRICS[metric.removesuffix("_less")] + (f" {DIFFERENCE}" if less else "")
    return f"{name} ({embedder})" if embedder else name


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    return f"{figure.value:.3g} [{figure.low:.3g}, {figure.high:.3g}]"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells, each column as wide as its widest."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
