"""`longwave eval realism`: a model's clips and withheld ones of the corpus, ranked by real recordings."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studio.backends.base import Backend
from studio.core.audio import to_int16
from studio.core.errors import InvalidRequestError
from studio.core.files import replacing
from studio.core.request import GenerationRequest, parse_request
from studio.core.sampling import ClipSampler
from studio.evaluation.embedders.base import Embedder, Samples
from studio.evaluation.suites.pocket import WINDOW_S, HeldOut
from studio.evaluation.suites.realism import measure_realism, read_references
from studio.pipeline.batch import render_clips
from studio.recipes.corpus.families import FAMILIES
from studio.recipes.data.clips import HELD_OUT_SEED, build_corpus
from studio.recipes.evaluate import HELD_OUT_CLIPS, held_out_set

REFERENCES = "references"  # the folder in runs
_BATCH = 4
_FULL_SCALE = 32767.0


@dataclass(frozen=True)
class RealismPlan:
    """How many clips of each family are made, and how."""

    clips: int = 8
    steps: int = 50
    guidance_scale: float = float(GenerationRequest.model_fields["guidance_scale"].default)


def evaluate_realism(
    runs: Path,
    references: Path | None,
    load_backend: Callable[[], Backend],
    load_embedder: Callable[[], Embedder],
    weights: str,
    plan: RealismPlan,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """How real recordings rank the families, of a model and of the corpus; see `measure_realism`.

    Clips are kept in `runs` by `weights`, which tells the model's apart, and gone on with.

    Raises:
        InvalidRequestError: there are no recordings, or their folders are no families'.
        ModelNotFoundError: the embedder is not here.
    """
    folder = references or runs / REFERENCES
    if not folder.is_dir():
        raise InvalidRequestError(
            f"There are no recordings in {folder}: `python -m studio.recipes.references {folder}` lays some "
            "out, or give a folder with a folder of recordings for each family by --references."
        )
    recordings = read_references(folder, tuple(FAMILIES))
    embedder = load_embedder()
    held_out = held_out_set(
        build_corpus(runs / "held", HELD_OUT_CLIPS, first_seed=HELD_OUT_SEED, split="held_out")
    ).only(scenes=False)
    chosen = _of_each_family(held_out, plan.clips)
    made = _made(runs / "realism" / _named(weights, plan), held_out, chosen, load_backend, plan, report)
    samples = held_out.windows()
    corpus = {family: [samples[i] for i in numbers] for family, numbers in chosen.items()}
    clips = {"model": made, "corpus": corpus}
    return {"recordings": len(recordings), **measure_realism(embedder, recordings, clips, report)}


def _of_each_family(held_out: HeldOut, count: int) -> dict[str, list[int]]:
    """The first clips of each family, by number."""
    found: dict[str, list[int]] = {}
    for i, families in enumerate(held_out.families):
        found.setdefault(families[0], []).append(i)
    return {family: found[family][:count] for family in sorted(found)}


def _made(
    folder: Path,
    held_out: HeldOut,
    chosen: Mapping[str, Sequence[int]],
    load_backend: Callable[[], Backend],
    plan: RealismPlan,
    report: Callable[[str], None],
) -> dict[str, list[Samples]]:
    """A clip of the model's for each caption; those that are there already are not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    places = {i: folder / f"{i}.npy" for numbers in chosen.values() for i in numbers}
    lacking = [i for i, place in places.items() if not place.is_file()]
    backend = load_backend() if lacking else None
    for start in range(0, len(lacking), _BATCH):
        report(f"Clips: {start} of {len(lacking)}")
        some = lacking[start : start + _BATCH]
        requests = [
            parse_request(
                prompt=held_out.captions[i],
                seed=i,
                duration_s=WINDOW_S,
                guidance_scale=plan.guidance_scale,
                sampler=ClipSampler(steps=plan.steps),
            )
            for i in some
        ]
        assert backend is not None
        for i, samples in zip(some, render_clips(requests, backend), strict=True):
            with replacing(places[i]) as file:
                np.save(file, to_int16(samples), allow_pickle=False)
    return {
        family: [
            np.load(places[i], allow_pickle=False).astype(np.float32) / np.float32(_FULL_SCALE)
            for i in numbers
        ]
        for family, numbers in chosen.items()
    }


def _named(weights: str, plan: RealismPlan) -> str:
    """A folder's name for what is made by these weights in this way."""
    about = {"weights": weights, **asdict(plan), "clips": None}
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', weights.partition(' ')[0])[:40]}-{digest}"
