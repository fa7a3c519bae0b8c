"""The papers' figures: what each shows is made on these checkpoints, drawn, and given as numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from studio.backends.base import Backend
from studio.core.errors import InvalidRequestError
from studio.core.events import AttentionMap
from studio.core.request import GenerationRequest
from studio.core.sampling import ConcatSampler, Sampler
from studio.evaluation.papers import dcldm, infiniteaudio, litefocus, plots
from studio.evaluation.papers.job import Job
from studio.evaluation.papers.published import PAPERS
from studio.evaluation.papers.report import named
from studio.evaluation.papers.rows import Row
from studio.evaluation.papers.settings import clip, endless, joined, paper_of
from studio.evaluation.sound_files import read_mono
from studio.modules.patches.probe import region_averages
from studio.pipeline.analysis.self_attention import AttentionStudy
from studio.pipeline.cancel import CancelToken
from studio.pipeline.peak_memory import rise_mb
from studio.pipeline.renderer import Renderer

MAP_S = 4.0  # of an endless take whose attention is looked at
MAP_EVERY = 8  # steps between two looks
MEMORY_STEPS = 2  # of a clip whose peak is wanted: every step holds as much
LOOKED_AT = ((0.3, 0.25), (0.6, 0.75))  # two tokens, by their share of the length and of the bands
NOISE = 0.5  # how noisy the clip is that attention is looked at in


@dataclass(frozen=True)
class Drawn:
    """A figure: its picture, the numbers that it is drawn from, and what was done otherwise."""

    paper: str
    number: int
    path: Path
    data: dict[str, Any]
    differences: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """Everything, as one object."""
        return {
            "paper": self.paper, "figure": self.number, "picture": str(self.path), "data": self.data,
            "differences": list(self.differences),
        }  # fmt: skip

    def __str__(self) -> str:
        lines = [f"{PAPERS[self.paper]}, Figure {self.number}: {self.path}", *_lines(self.data)]
        return "\n".join(
            [*lines, "Otherwise than in the paper:", *(f"- {each}" for each in self.differences)]
        )


def draw(job: Job, number: int) -> Drawn:
    """A figure by its number, drawn to a PNG in the run's folder.

    Raises:
        StudioError: what it shows can't be made.
    """
    made: dict[tuple[str, int], Callable[[Job, Path], dict[str, Any]]] = {
        ("infiniteaudio", 2): attention, ("infiniteaudio", 3): memory, ("infiniteaudio", 4): strategies,
        ("infiniteaudio", 5): lengths, ("litefocus", 1): cost, ("litefocus", 2): patterns,
        ("dcldm", 2): scales,
    }  # fmt: skip
    path = job.run.folder / f"{job.paper.name}-figure{number}.png"
    data = made[job.paper.name, number](job, path)
    return Drawn(job.paper.name, number, path, data, job.differences(job.chosen()))


def attention(job: Job, path: Path) -> dict[str, Any]:
    """InfiniteAudio, Figure 2: where the frames of an equally spaced window look, and by region."""
    specs, out = job.specs, {}
    systems = [system for system in infiniteaudio.SYSTEMS if system in job.models]
    example = job.chosen().examples[0]
    with plots.picture(path, 1, len(systems), (4.5, 4.2)) as axes:
        for place, system in enumerate(systems):
            title = infiniteaudio.SYSTEMS[system]
            job.run.clips.report(f"Attention of {title}", place, len(systems))
            settings = endless(specs[system], job.asked, "equal", MAP_S, attention_interval=MAP_EVERY)
            request = Row(system, title, job.models[system], settings).request(
                example, 0, job.run.clips.device
            )
            maps = _maps(request, job.run.clips.models.backend(job.models[system]))
            weights = np.mean([each.weights for each in maps], axis=0)
            regions = {name: span for name, span in maps[0].regions.items() if name != "buffer"}
            means = region_averages(torch.from_numpy(weights), regions)
            out[system] = {"maps": len(maps), "frames": len(weights), "region_means": means}
            plots.attention_map(axes[0, place], weights, maps[0].regions, title)
    return out


def memory(job: Job, path: Path) -> dict[str, Any]:
    """InfiniteAudio, Figure 3: the memory of one clip and of an endless take, by length."""
    system = "audioldm" if "audioldm" in job.models else "voiceldm"
    spec, model = job.specs[system], job.models[system]
    backend, example = job.run.clips.models.backend(model), job.chosen().examples[0]
    lengths_s = job.asked.lengths(infiniteaudio.FIGURE_LENGTHS_S)
    ways: dict[str, list[float]] = {infiniteaudio.SYSTEMS[system]: [], "InfiniteAudio": []}
    strategy = infiniteaudio.CHOSEN[system]
    for seconds in sorted(lengths_s):
        short = {**clip(spec, job.asked, seconds)}
        short["sampler"] = short["sampler"].model_copy(update={"steps": MEMORY_STEPS})
        for name, settings in zip(ways, (short, endless(spec, job.asked, strategy, seconds)), strict=True):
            job.run.clips.report(f"Memory of {name} at {seconds:g} s", 0, 1)
            request = Row(system, name, model, settings).request(example, 0, job.run.clips.device)
            ways[name].append(round(rise_mb(str(backend.device), partial(_spent, request, backend)), 1))
    with plots.picture(path, 1, 1, (5.0, 3.5)) as axes:
        plots.curves(axes[0, 0], sorted(lengths_s), ways, ("s of sound", "MB above what the model holds"))
    return {"seconds": sorted(lengths_s), "mb": ways}


def strategies(job: Job, path: Path) -> dict[str, Any]:
    """InfiniteAudio, Figure 4: one caption of VoiceLDM's by each strategy, with its score."""
    system = "voiceldm" if "voiceldm" in job.models else "audioldm"
    rows = [row for row in job.rows(1) if row.key.startswith(f"{system}/")]
    return _spectrograms(job, path, rows, len(rows))


def lengths(job: Job, path: Path) -> dict[str, Any]:
    """InfiniteAudio, Figure 5: an endless take beside joined clips, by length; where clips meet is red."""
    system = "audioldm" if "audioldm" in job.models else "voiceldm"
    spec, model = job.specs[system], job.models[system]
    strategy = infiniteaudio.CHOSEN[system]
    rows = []
    for seconds in job.asked.lengths((10.0, 20.0, 40.0)):
        ours = endless(spec, job.asked, strategy, seconds)
        rows.append(Row(f"infinite/{seconds:g}", f"InfiniteAudio, {seconds:g} s", model, ours))
        theirs = joined(spec, job.asked, seconds)
        rows.append(Row(f"joined/{seconds:g}", f"Concatenation, {seconds:g} s", model, theirs))
    return _spectrograms(job, path, rows, 2)


def cost(job: Job, path: Path) -> dict[str, Any]:
    """LiteFocus, Figure 1: seconds that a clip takes, and what takes them, by length."""
    from studio.evaluation.benchmarks.shares import module_shares

    spec, model = job.specs["audioldm2"], job.models["audioldm2"]
    backend, example = job.run.clips.models.backend(model), job.chosen().examples[0]
    lengths_s = sorted(job.asked.lengths(litefocus.LENGTHS_S[1]))
    steps = job.asked.steps or paper_of(spec).steps
    took_s: list[float] = []
    parts: list[dict[str, float]] = []
    for seconds in lengths_s:
        job.run.clips.report(f"A clip of {seconds:g} s", len(took_s), len(lengths_s))
        request = Row("", "", model, clip(spec, job.asked, seconds)).request(example, 0, job.run.clips.device)
        began = time.perf_counter()
        _spent(request, backend)
        took_s.append(round(time.perf_counter() - began, 3))
        parts.append(module_shares(backend, seconds))
    kinds = {name: [round(each[name], 4) for each in parts] for name in parts[0]}
    with plots.picture(path, 1, 2, (5.0, 3.8)) as axes:
        plots.curves(axes[0, 0], lengths_s, {f"{steps} steps": took_s}, ("s of sound", "s that a clip takes"))
        plots.shares(axes[0, 1], lengths_s, kinds)
    return {"seconds": lengths_s, "steps": steps, "clip_s": took_s, "shares": kinds}


def patterns(job: Job, path: Path) -> dict[str, Any]:
    """LiteFocus, Figure 2: two tokens' attention by band, and the pattern of each block."""
    row = Row("", "clip", job.models["audioldm2"], clip(job.specs["audioldm2"], job.asked))
    example = job.chosen().examples[0]
    (made,) = job.run.clips.make(row, [example])
    backend = job.run.clips.models.backend(row.model)

    @contextmanager
    def borrow() -> Iterator[Backend]:
        yield backend

    study = AttentionStudy.of_take(job.run.clips.request(row, example), made.path, borrow)
    views = [
        [study.look(block, NOISE, at * row.seconds, high) for at, high in LOOKED_AT] for block in study.blocks
    ]
    out: dict[str, Any] = {"noise": NOISE, "blocks": {}}
    with plots.picture(path, 3, len(views), (2.8, 2.6)) as axes:
        for place, (block, pair) in enumerate(zip(study.blocks, views, strict=True)):
            for line, view in enumerate(pair):
                title = f"{block}: token at {view.frame * view.frame_s:.1f} s, band {view.band}"
                plots.bands(axes[line, place], view.weights, view.frame_s * len(view.weights), title)
            plots.pattern(axes[2, place], pair[0].pattern, f"{block}: among neighbours")
            own = [float(view.weights[:, view.band].sum()) for view in pair]
            by_chance = 1 / pair[0].weights.shape[1]
            out["blocks"][block] = {
                "same_band": [round(each, 4) for each in own],
                "by_chance": round(by_chance, 4),
            }
    return out


def scales(job: Job, path: Path) -> dict[str, Any]:
    """DC-LDM, Figure 2: each metric by the guidance scale."""
    rows = dcldm.guided(job.models, job.specs, job.asked)
    measured = job.run.measure(job.paper.name, 1, rows, job.chosen())
    x = [float(each.row.key.removeprefix("w=")) for each in measured]
    names = list(measured[0].figures)
    lines = {name: [each.figures[name] for each in measured] for name in names}
    with plots.picture(path, 1, len(names), (3.6, 3.2)) as axes:
        for place, (name, line) in enumerate(lines.items()):
            plots.curves(axes[0, place], x, {named(name): [each.value for each in line]}, ("w", named(name)))
    return {"w": x, "figures": {name: [each.as_json() for each in line] for name, line in lines.items()}}


def _spectrograms(job: Job, path: Path, rows: Sequence[Row], columns: int) -> dict[str, Any]:
    """One caption by each row, its own score above it."""
    example = job.chosen().examples[0]
    truth = job.run.recordings([example])
    out: dict[str, Any] = {"caption": example.caption, "rows": {}}
    lines = -(-len(rows) // columns)
    with plots.picture(path, lines, columns, (4.4, 2.4)) as axes:
        for place, row in enumerate(rows):
            (made,) = job.run.clips.make(row, [example])
            scores = job.run.ears.score([made.path], truth, [example])
            figures = {name: round(float(each[0]), 4) for name, each in scores.rows.items()}
            out["rows"][row.key] = {"label": row.label, "file": made.path.name, "figures": figures}
            score = next((f"{named(name)} {value:.3g}" for name, value in figures.items()), "")
            samples = read_mono(made.path, 16000)
            joins = _joins_s(job.run.clips.request(row, example).sampler, len(samples) / 16000)
            plots.spectrogram(axes.flat[place], samples, f"{row.label}\n{score}", joins)
        for empty in axes.flat[len(rows) :]:
            empty.set_axis_off()
    return out


def _joins_s(sampler: Sampler, seconds: float) -> list[float]:
    """Where joined clips meet; nowhere in any other take."""
    if not isinstance(sampler, ConcatSampler):
        return []
    return [sampler.clip_s * number for number in range(1, int(seconds / sampler.clip_s) + 1)]


def _maps(request: GenerationRequest, backend: Backend) -> list[AttentionMap]:
    events = Renderer()(request, backend, CancelToken())
    maps = [event for event in events if isinstance(event, AttentionMap)]
    if not maps:
        raise InvalidRequestError(f"{backend.id} has no attention to look at: choose another --model.")
    return maps


def _spent(request: GenerationRequest, backend: Backend) -> None:
    """Make a take and let its sound go."""
    for _ in Renderer()(request, backend, CancelToken()):
        pass


def _lines(data: dict[str, Any], indent: str = "  ") -> Iterator[str]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{name}: {value}"
