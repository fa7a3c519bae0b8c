"""A table from its rows to its figures: clips made or taken up again, heard, scored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.backends.base import Backend, hears_drafts
from studio.core.errors import InvalidRequestError
from studio.evaluation.embedders.base import Embedder, Samples, reads_text
from studio.evaluation.metrics.summary import Figure
from studio.evaluation.papers import litefocus, scores
from studio.evaluation.papers.clips import Clip, Clips, Report
from studio.evaluation.papers.manifest import Example, Examples
from studio.evaluation.papers.report import Measured
from studio.evaluation.papers.rows import Row
from studio.evaluation.papers.scores import Ears, Statistic, figure
from studio.evaluation.papers.subset import Chosen, choose, keep_list, read_list
from studio.evaluation.sound_files import read_mono

CLIPS, HEARD = "clips", "heard"  # folders of a run


@dataclass(frozen=True)
class Run:
    """Where a paper is run again, and with what."""

    folder: Path
    clips: Clips
    ears: Ears
    report: Report = lambda _: None

    def measure(self, paper: str, number: int, rows: Sequence[Row], chosen: Chosen) -> list[Measured]:
        """The figures of each row that can be made.

        Raises:
            StudioError: a clip can't be made, or heard. What was made before is kept.
        """
        examples = chosen.examples
        texts = self.ears.texts(examples)
        truth = self.ears.listen([(each.identity, each.samples) for each in examples], self.report)
        made: dict[str, tuple[list[Clip], dict[str, Statistic]]] = {}
        out = []
        for row in rows:
            if row.why_not:
                out.append(Measured(row))
                continue
            clips = [] if row.makes == "recordings" else self.clips.make(row, examples, self.report)
            heard = self.hear(clips) if clips else truth
            statistics = self.ears.measures(heard, truth, texts, examples)
            made[row.key] = clips, statistics
            statistics = statistics | _compared(paper, number, row, made)
            figures = {name: figure(each, len(examples)) for name, each in statistics.items()}
            out.append(self._measured(row, figures, clips))
        return out

    def hear(self, clips: Sequence[Clip]) -> scores.Row:
        """Clips through all embedders. Raises `InvalidRequestError` where one can't be read."""
        return self.ears.listen(_sounds(clips), self.report)

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
        read = [(each, reads_text(each)) for each in self.ears.embedders]
        reader = next((each for each, reads in read if reads), None)
        by = [row.model for row in bases if reader is not None]
        what = {"set": examples.title, "size": len(examples), "count": count, "seed": seed, "by": by}
        digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:8]
        path = self.folder / f"captions-{digest}.json"
        chosen = read_list(path, examples.examples)
        if chosen is None:
            scored = None
            if reader is not None and bases and not only_look:
                scored = self._clap(reader, bases, examples.examples)
            chosen = choose(examples.examples, count, seed, scored, left_out)
            if not only_look:
                keep_list(path, chosen, what)
        return chosen

    def _clap(self, reader: Embedder, bases: Sequence[Row], examples: Sequence[Example]) -> dict[str, float]:
        ears = Ears([reader], self.folder / HEARD)
        texts = ears.texts(examples)[reader.name]
        total = [0.0] * len(examples)
        for row in bases:
            heard = ears.listen(_sounds(self.clips.make(row, examples, self.report)), self.report)
            for i, cosine in enumerate(scores.cosines(heard.heard[reader.name], texts)):
                total[i] += float(cosine)
        return {each.name: score for each, score in zip(examples, total, strict=True)}

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


def require_branch(slot: str, backend: Backend) -> None:
    """Whether a DC-LDM is the one that a row of Table 1 names, as `down1+up1:AG`.

    Raises:
        InvalidRequestError: it is another.
    """
    place, _, encoding = slot.partition(":")
    if not encoding or not hears_drafts(backend):
        return
    own = "+".join(backend.branch.blocks), backend.encoding
    if own != (place, encoding):
        raise InvalidRequestError(f"{backend.id} hears {own[1]} in {own[0]}, which is not the row {slot}.")


def _sounds(clips: Sequence[Clip]) -> list[tuple[str, Callable[[int], Samples]]]:
    def reader(path: Path) -> Callable[[int], Samples]:
        return lambda rate: read_mono(path, rate)

    return [(clip.path.stem, reader(clip.path)) for clip in clips]


def _compared(
    paper: str, number: int, row: Row, made: Mapping[str, tuple[list[Clip], dict[str, Statistic]]]
) -> dict[str, Statistic]:
    """LiteFocus' speed against dense inference, and what leaving compensation out changes."""
    against = litefocus.compared_with(number, row.key) if paper == "litefocus" else None
    if against is None or against not in made:
        return {}
    clips, statistics = made[row.key]
    others, theirs = made[against]
    if number == 1:
        return {"speed": scores.ratio([c.took_s for c in clips], [c.took_s for c in others])}
    return {
        f"{metric}_less/{embedder}": scores.difference(each, theirs[name])
        for name, each in statistics.items()
        for metric, _, embedder in [name.partition("/")]
        if metric != "family" and name in theirs
    }
