"""A table from its rows to its figures: clips made or taken up again, heard, scored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.backends.base import Backend, hears_drafts
from studio.backends.registry import LDM_AG
from studio.evaluation.metrics.summary import Figure
from studio.evaluation.papers import litefocus
from studio.evaluation.papers.clips import Clip, Clips
from studio.evaluation.papers.manifest import Example, Examples
from studio.evaluation.papers.report import Measured
from studio.evaluation.papers.rows import Row
from studio.evaluation.papers.scores import Ears, Scores, speed
from studio.evaluation.papers.subset import Chosen, choose, keep_list, read_list

CLIPS, RECORDINGS = "clips", "recordings"  # folders of a run


@dataclass(frozen=True)
class Run:
    """Where a paper is run again, and with what."""

    folder: Path
    clips: Clips
    ears: Ears

    def measure(self, paper: str, number: int, rows: Sequence[Row], chosen: Chosen) -> list[Measured]:
        """The figures of each row that can be made.

        Raises:
            StudioError: a clip can't be made, or heard. What was made before is kept.
        """
        truth = self.recordings(chosen.examples)
        made: dict[str, tuple[list[Clip], Scores]] = {}
        out = []
        for row in rows:
            if row.why_not:
                out.append(Measured(row))
                continue
            clips = [] if row.makes == "recordings" else self.clips.make(row, chosen.examples)
            paths = [each.path for each in clips] or truth
            scores = self.ears.score(paths, truth, chosen.examples)
            made[row.key] = clips, scores
            out.append(self._measured(row, scores.figures() | _compared(paper, number, row, made), clips))
        return out

    def recordings(self, examples: Sequence[Example]) -> list[Path]:
        """The captions' recordings as files; those that are held in memory are written, once.

        Raises:
            StudioError: one can't be written.
        """
        return [each.file_in(self.folder / RECORDINGS) for each in examples]

    def choose(
        self,
        examples: Examples,
        count: int,
        seed: int,
        bases: Sequence[Row],
        left_out: float = 0.0,
        *,
        only_look: bool = False,
    ) -> Chosen:
        """The captions of a table, as they were chosen before or else now.

        Args:
            bases: by whose clips' CLAP scores, the mean of all, the lowest share `left_out` is left out. That
                needs an embedder that reads texts; of no rows nothing is left out.
            only_look: nothing is made or written: where nothing was chosen before, nothing is left out.
        """
        judged = list(bases) if self.ears.read else []
        path, what = self._list(examples, count, seed, judged)
        chosen = read_list(path, examples.examples)
        if chosen is None:
            scores = None if only_look or not judged else self._clap(judged, examples.examples)
            chosen = choose(examples.examples, count, seed, scores, left_out)
            if not only_look:
                keep_list(path, chosen, what)
        return chosen

    def to_choose(self, examples: Examples, count: int, seed: int, bases: Sequence[Row]) -> list[Row]:
        """The rows of which `choose` would make a clip of every caption; none where it chose before."""
        judged = list(bases) if self.ears.read else []
        path, _ = self._list(examples, count, seed, judged)
        return [] if read_list(path, examples.examples) is not None else judged

    def _list(
        self, examples: Examples, count: int, seed: int, judged: Sequence[Row]
    ) -> tuple[Path, dict[str, object]]:
        """Where the captions of a choice are kept, and what they are chosen from and by."""
        by = [row.model for row in judged]
        what: dict[str, object] = {
            "set": examples.title, "size": len(examples), "count": count, "seed": seed, "by": by,
        }  # fmt: skip
        digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:8]
        return self.folder / f"captions-{digest}.json", what

    def _clap(self, bases: Sequence[Row], examples: Sequence[Example]) -> dict[str, float]:
        """The sum of each caption's scores by all bases."""
        each = [
            self.ears.cosines([clip.path for clip in self.clips.make(row, examples)], examples)
            for row in bases
        ]
        total = np.sum(each, axis=0)
        return {example.name: float(score) for example, score in zip(examples, total, strict=True)}

    def _measured(self, row: Row, figures: dict[str, Figure], clips: Sequence[Clip]) -> Measured:
        took_s = sum(each.took_s for each in clips) / len(clips) if clips else None
        size = parameters_m(self.clips.models.backend(row.model)) if row.makes == "takes" else None
        files = tuple(each.path.name for each in clips)
        return Measured(row, figures, files, None if took_s is None else round(took_s, 3), size)


def parameters_m(backend: Backend) -> float | None:
    """Millions of parameters that training a system trains: its U-Net's, and its branch's."""
    if backend.unet is None:
        return None
    parts: Iterable[object] = [backend.unet, *([backend.branch] if hears_drafts(backend) else [])]
    total = sum(p.numel() for part in parts for p in part.parameters())  # type: ignore[attr-defined]
    return round(total / 1e6, 2)


def slot_of(backend: Backend, system: str) -> str | None:
    """The row of DC-LDM's Table 1 that a model makes, as `down1+up1:AG` or `ag`; None of one without."""
    if not hears_drafts(backend):
        return None
    if system == LDM_AG.name:
        return {"AG": "ag", "AG_VAE": "ag_vae"}[backend.encoding]
    return f"{'+'.join(backend.branch.blocks)}:{backend.encoding}"


def _compared(
    paper: str, number: int, row: Row, made: Mapping[str, tuple[list[Clip], Scores]]
) -> dict[str, Figure]:
    """LiteFocus' speed against dense inference, and what leaving compensation out changes."""
    against = litefocus.compared_with(number, row.key) if paper == "litefocus" else None
    if against is None or against not in made:
        return {}
    clips, scores = made[row.key]
    others, theirs = made[against]
    if number == 1:
        return {"speed": speed([each.took_s for each in clips], [each.took_s for each in others])}
    return scores.less(theirs)
