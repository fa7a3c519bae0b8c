"""A folder of any system's sounds against a folder of real ones: the field's metrics, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.errors import InvalidRequestError, ModelNotFoundError
from studio.evaluation.embedders.base import Embedder, TextEmbedder, knows_classes, reads_text
from studio.evaluation.embedders.hearing import Heard, HearingCache
from studio.evaluation.metrics import pairs, sets
from studio.evaluation.metrics.sets import Clips
from studio.evaluation.metrics.summary import Figure
from studio.evaluation.suites.pairing import Sounds, by_name, captions_of, narrow_files, some

SETS = ("frechet", "frechet_inf", "kad", "recall", "precision")
PAIRS = ("kl", "kl_sigma")
METRICS = (*SETS[:3], *PAIRS, "clap", *SETS[3:])
# Who is asked for each kind where nobody is named: the first that is here.
USUAL: dict[tuple[str, ...], tuple[str, ...]] = {
    SETS: ("panns", "aisfx", "judge"),
    PAIRS: ("panns", "judge"),
    ("clap",): ("clap",),
}
SILENT = 1e-4  # of full scale: −80 dB

Load = Callable[[str], Embedder]
Report = Callable[[str, int, int], None]
"""Told what is done, and (done, in all)."""


@dataclass(frozen=True)
class Measured:
    """A metric: its figure, what the reference has of it by itself, and by whom it was measured."""

    figure: Figure
    floor: float | None
    embedder: str

    def as_json(self) -> dict[str, Any]:
        """As `eval folder --json` prints it."""
        floor = self.floor if self.floor is not None and math.isfinite(self.floor) else None
        return {**self.figure.as_json(), "floor": floor, "embedder": self.embedder}


@dataclass
class FolderReport:
    """What `measure_folder` found: metrics by name, and by embedder; why others are missing; what to know."""

    metrics: dict[str, Measured] = field(default_factory=dict)
    by_embedder: dict[str, dict[str, Measured]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, measured: Measured) -> None:
        """Take a metric in: the first embedder that has it gives the figure of that name."""
        self.metrics.setdefault(name, measured)
        self.by_embedder.setdefault(measured.embedder, {})[name] = measured
        self.left_out.pop(name, None)

    def as_json(self) -> dict[str, Any]:
        """A key for each metric, null where it was left out, and the rest beside them."""
        named = {name: self.metrics[name].as_json() if name in self.metrics else None for name in METRICS}
        each = {
            embedder: {name: measured.as_json() for name, measured in found.items()}
            for embedder, found in self.by_embedder.items()
        }
        return {**named, "by_embedder": each, "left_out": self.left_out, "notes": self.notes, **self.counts}


def measure_folder(
    generated: Path,
    reference: Path,
    load: Load,
    cache: HearingCache,
    captions: Mapping[str, Sequence[str]] | None = None,
    embedders: Sequence[str] = (),
    report: Report = lambda message, done, total: None,
) -> FolderReport:
    """Every metric that the embedders can give.

    Args:
        generated: a folder of sound files of any length and rate.
        reference: a folder of real ones; those of the same name are pairs.
        load: an embedder by its name.
        cache: where what was heard is kept.
        captions: of the generated files, by name, for CLAP's score.
        embedders: who listens; by default those of `USUAL` that are here.
        report: told of progress.

    Raises:
        InvalidRequestError: a folder is empty, silent, or has two files of one name; files lack captions.
        ModelNotFoundError: an embedder that was named is not here.
        WeightsError: its weights are damaged or another network's.
    """
    sounds = Sounds(by_name(generated), by_name(reference))
    texts = None if captions is None else captions_of(sounds.generated, captions)
    found = FolderReport()
    found.counts = {
        "generated": len(sounds.generated), "reference": len(sounds.reference), "pairs": len(sounds.shared)
    }  # fmt: skip
    found.notes += narrow_files("generated", sounds.generated) + narrow_files("reference", sounds.reference)
    opened: dict[str, Embedder] = {name: load(name) for name in embedders}
    kinds = [SETS, *([PAIRS] if sounds.shared else []), *([("clap",)] if texts is not None else [])]
    chosen = [(opened[name], METRICS) for name in embedders] or _usual(load, kinds, found)
    for embedder, wanted in chosen:
        _measure(embedder, wanted, sounds, texts, cache, found, report)
    for name in METRICS:
        if name not in found.metrics:
            found.left_out.setdefault(name, _why_not(name, sounds, texts))
    return found


def _usual(
    load: Load, kinds: Sequence[tuple[str, ...]], found: FolderReport
) -> list[tuple[Embedder, Sequence[str]]]:
    """For each kind of metric the first embedder that is here; what there is none for is noted."""
    wanted: dict[str, list[str]] = {}
    opened: dict[str, Embedder] = {}
    for metrics in kinds:
        missing = ""
        for name in USUAL[metrics]:
            try:
                opened[name] = opened.get(name) or load(name)
            except ModelNotFoundError as error:
                missing = missing or str(error)
                continue
            wanted.setdefault(name, []).extend(metrics)
            break
        else:
            found.left_out |= dict.fromkeys(metrics, missing)
    return [(opened[name], metrics) for name, metrics in wanted.items()]


def _measure(
    embedder: Embedder,
    wanted: Sequence[str],
    sounds: Sounds,
    texts: Mapping[str, Sequence[str]] | None,
    cache: HearingCache,
    found: FolderReport,
    report: Report,
) -> None:
    """What one embedder can give of the wanted metrics."""
    score = texts is not None and "clap" in wanted and reads_text(embedder)
    compare = knows_classes(embedder) and sounds.shared and set(PAIRS) & set(wanted)
    distances = [name for name in SETS if name in wanted]
    if not (score or compare or distances):
        return
    files = [("generated", sounds.generated)]
    if compare or distances:
        files.append(("reference", sounds.reference))
    total, done = sum(len(paths) for _, paths in files), 0
    heard: dict[str, dict[str, Heard]] = {"generated": {}, "reference": {}}
    for kind, paths in files:
        for name, path in paths.items():
            report(f"{embedder.name} hears the {kind} sounds", done, total)
            heard[kind][name] = cache.hear(embedder, path)
            done += 1
        _require_sound(kind, heard[kind], found)
    report(f"{embedder.name}: intervals", total, total)
    given = _pairs(heard, sounds.shared) if compare else {}
    if distances:
        given |= _distances(heard, found)
    if score and texts is not None and reads_text(embedder):
        given["clap"] = _clap(embedder, heard["generated"], texts)
    for name, (figure, floor) in given.items():
        found.add(name, Measured(figure, floor, embedder.name))


Given = dict[str, tuple[Figure, float | None]]


def _distances(heard: Mapping[str, Mapping[str, Heard]], found: FolderReport) -> Given:
    """Metrics of the two sets; each floor is of the reference's halves."""
    a, b = (Clips.of([one.vectors for one in heard[kind].values()]) for kind in ("generated", "reference"))
    halves = b.halves() if len(b) >= 4 else None
    given: Given = {}
    least = min(len(a.rows), len(b.rows))
    if least < 2:
        _leave_out(found, SETS, "Distances between sets need two sounds or more in each folder: add some.")
        return given
    given["frechet"] = sets.frechet(a, b), _floor(sets.frechet, halves)
    given["frechet_inf"] = sets.frechet_inf(a, b), _floor(sets.frechet_inf, halves)
    if sets.median_distance(b.rows) > 0:
        given["kad"] = sets.kernel_distance(a, b), _floor(sets.kernel_distance, halves)
    else:
        _leave_out(found, ("kad",), "The reference's sounds are all alike: KAD needs others.")
    if least <= sets.NEIGHBOURS:
        more = f"Recall and precision need more than {sets.NEIGHBOURS} sounds in each folder: add some."
        _leave_out(found, ("recall", "precision"), more)
        return given
    covered = sets.recall_and_precision(a, b)
    enough = halves and min(len(half.rows) for half in halves) > sets.NEIGHBOURS
    within = sets.recall_and_precision(*halves) if halves and enough else (None, None)
    for name, figure, floor in zip(("recall", "precision"), covered, within, strict=True):
        given[name] = figure, floor.value if floor else None
    return given


def _floor(metric: Callable[..., Figure], halves: tuple[Clips, Clips] | None) -> float | None:
    with suppress(ValueError):  # a half whose sounds are all alike
        return metric(*halves, rounds=1).value if halves else None
    return None


def _pairs(heard: Mapping[str, Mapping[str, Heard]], shared: Sequence[str]) -> Given:
    """KL of the pairs; each floor is of the two halves of the reference's clips."""
    given: Given = {}
    generated, reference = (
        np.stack([one.logits for name in shared if (one := heard[kind][name]).logits is not None])
        for kind in ("generated", "reference")
    )
    halves = [one.halves for name in shared if (one := heard["reference"][name]).halves is not None]
    for name, divergence in (("kl", pairs.kl_softmax), ("kl_sigma", pairs.kl_sigmoid)):
        figure = pairs.mean_figure(divergence(generated, reference))
        both = np.stack(halves, axis=1) if halves else None
        floor = float(divergence(both[0], both[1]).mean()) if both is not None else None
        given[name] = figure, floor
    return given


def _clap(
    embedder: TextEmbedder, heard: Mapping[str, Heard], texts: Mapping[str, Sequence[str]]
) -> tuple[Figure, float | None]:
    """The mean cosine of sounds and captions; the floor is that with the captions of the next clip."""
    captions = sorted({caption for name in heard for caption in texts[name]})
    vectors = dict(zip(captions, embedder.embed_text(captions), strict=True))
    names = list(heard)

    def score(name: str, of: str) -> float:
        windows = heard[name].vectors
        return float(
            np.mean([
                pairs.cosine(windows, np.broadcast_to(vectors[caption], windows.shape)).mean()
                for caption in texts[of]
            ])
        )  # fmt: skip

    rows = np.array([score(name, name) for name in names])
    others = [score(name, other) for name, other in zip(names, [*names[1:], *names[:1]], strict=True)]
    return pairs.mean_figure(rows), float(np.mean(others)) if len(names) > 1 else None


def _leave_out(found: FolderReport, metrics: Sequence[str], sentence: str) -> None:
    found.left_out |= {name: sentence for name in metrics if name not in found.metrics}


def _why_not(name: str, sounds: Sounds, texts: object) -> str:
    if name in PAIRS:
        if not sounds.shared:
            return "No file of the reference has the name of a generated one: name pairs alike for KL."
        return "KL needs an embedder that knows classes: add --embedder panns, or judge."
    if name == "clap" and texts is None:
        return "CLAP's score needs captions: give --captions."
    return "No embedder that was named measures this: add one that does."


def _require_sound(kind: str, heard: Mapping[str, Heard], found: FolderReport) -> None:
    silent = [name for name, one in heard.items() if one.peak < SILENT]
    if len(silent) == len(heard):
        raise InvalidRequestError(f"All {kind} files are silent: give sounds that can be heard.")
    note = f"{len(silent)} {kind} files are silent ({some(silent)}) and count as they are; take them out if "
    note += "they are not meant."
    if silent and note not in found.notes:
        found.notes.append(note)
