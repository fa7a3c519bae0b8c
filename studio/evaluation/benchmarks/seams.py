"""`longwave eval seams`: can it be heard where a take was edited, or where a loop begins?

Takes of prompts of all families, their edits, and joins that anybody would hear, as windows around the place
where two sounds meet. A take has three thirds, of which a repaint makes the middle one anew.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.backends.base import Backend
from studio.core.audio import SAMPLE_RATE, to_int16
from studio.core.edit import BridgeEdit, Loop, Repaint
from studio.core.events import AudioChunk
from studio.core.files import replacing
from studio.core.preset import PromptChange
from studio.core.request import GenerationRequest, parse_request
from studio.core.sampling import ClipSampler
from studio.core.speech import Said
from studio.dsp.resample import resample
from studio.evaluation.embedders.base import Samples
from studio.evaluation.metrics.joins import around, around_end, crossfaded, cut
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import KeptLatents
from studio.pipeline.edits.make import RESAMPLES
from studio.pipeline.renderer import Renderer
from studio.pipeline.start import FRESH, AsRing, FromEdit, Start

if TYPE_CHECKING:
    from torch import Tensor

THIRD_S = 2.08  # whole frames, and as much as the classifier of families hears
CROSSFADE_S = 0.5
BRIDGE_S = 1.28
FOLDS = 5
MATES = 2  # other prompts' takes that each is joined with
_FULL_SCALE = 32767.0
_VERSION = 1  # of what is kept
Report = Callable[[str], None]


@dataclass(frozen=True)
class SeamsPlan:
    """How many prompts, and how their takes and edits are made."""

    prompts: int = 84
    steps: int = 25
    edit_steps: int = 30


@dataclass(frozen=True)
class Prompt:
    """The `number` gives its fold and its seeds."""

    number: int
    text: str
    family: str

    @property
    def fold(self) -> int:
        return self.number % FOLDS


@dataclass(frozen=True)
class Sounds:
    """What is made of a prompt, float32 [n] at 16 kHz: two takes, the first one edited, and a ring."""

    first: Samples
    second: Samples
    repaint: Samples
    loop: Samples
    ring: Samples


@dataclass(frozen=True)
class Window:
    """Two seconds [32000] around a place of a kind, of a prompt."""

    prompt: Prompt
    kind: str
    samples: Samples


def chosen_prompts(count: int) -> list[Prompt]:
    """The first prompts in other people's words, going round the families; all where there are fewer."""
    held = json.loads(resources.files("studio.evaluation").joinpath("wild_prompts.json").read_text())
    by_family: dict[str, list[str]] = {}
    for row in held["prompts"]:
        by_family.setdefault(row["family"], []).append(row["prompt"])
    rounds = range(max(map(len, by_family.values())))
    found = [
        (texts[place], family)
        for place in rounds
        for family, texts in sorted(by_family.items())
        if place < len(texts)
    ]
    return [Prompt(number, text, family) for number, (text, family) in enumerate(found[:count])]


def made(
    runs: Path, load_backend: Callable[[], Backend], weights: str, plan: SeamsPlan, report: Report
) -> list[tuple[Prompt, Sounds]]:
    """The sounds of each prompt; those that are in `runs` already, by `weights`, are not made again.

    Raises:
        InvalidRequestError: the model makes no clips, or no mono ones of text alone.
    """
    folder = runs / "seams" / _named(weights, plan)
    folder.mkdir(parents=True, exist_ok=True)
    prompts = chosen_prompts(plan.prompts)
    lacking = [prompt for prompt in prompts if not _place(folder, prompt).is_file()]
    backend = load_backend() if lacking else None
    for done, prompt in enumerate(lacking):
        report(f"Takes and edits: {done} of {len(lacking)}, {prompt.text}")
        assert backend is not None
        sounds = _sounds(prompt, plan, backend)
        with replacing(_place(folder, prompt)) as file:
            np.savez(file, allow_pickle=False, **{name: to_int16(one) for name, one in sounds.items()})
    return [(prompt, _read(_place(folder, prompt))) for prompt in prompts]


def windows(made: Sequence[tuple[Prompt, Sounds]]) -> Iterator[Window]:
    """All that is listened to. Takes are joined with those of their own fold: no two folds share a sound."""
    third = round(THIRD_S * SAMPLE_RATE)
    for prompt, own in made:
        middle = len(own.first) // 2
        for at in (third, middle, 2 * third):
            yield Window(prompt, "whole", around(own.first, at))
        yield Window(prompt, "whole", around(own.second, middle))
        for mate in _mates(prompt, made):
            yield Window(prompt, "hard", around(cut(own.first, mate.first, middle), middle))
            yield Window(prompt, "crossfade", around(_faded(own.first, mate.first), middle))
        yield Window(prompt, "hard same", around(cut(own.first, own.second, middle), middle))
        yield Window(prompt, "crossfade same", around(_faded(own.first, own.second), middle))
        yield Window(prompt, "played round", around_end(own.first))
        yield Window(prompt, "ring", around_end(own.ring))
        yield Window(prompt, "repaint into", around(own.repaint, third))
        yield Window(prompt, "repaint out of", around(own.repaint, 2 * third))
        into = len(own.loop) - round(BRIDGE_S * SAMPLE_RATE)
        half = len(own.loop) // 2
        yield Window(prompt, "loop into", around(np.roll(own.loop, -half), into - half))
        yield Window(prompt, "loop out of", around_end(own.loop))


def thirds(sounds: Sounds) -> NDArray[np.float32]:
    """A repainted take's beginning, bridge and end [3, n]."""
    third = round(THIRD_S * SAMPLE_RATE)
    return sounds.repaint[: 3 * third].reshape(3, third)


def _faded(first: Samples, second: Samples) -> Samples:
    return crossfaded(first, second, len(first) // 2, CROSSFADE_S)


def _mates(prompt: Prompt, made: Sequence[tuple[Prompt, Sounds]]) -> list[Sounds]:
    """The next ones of a prompt's fold that are of other families, round to the first."""
    fold = [(other, sounds) for other, sounds in made if other.fold == prompt.fold]
    place = next(i for i, (other, _) in enumerate(fold) if other == prompt)
    around_it = fold[place + 1 :] + fold[:place]
    return [sounds for other, sounds in around_it if other.family != prompt.family][:MATES]


def _sounds(prompt: Prompt, plan: SeamsPlan, backend: Backend) -> Mapping[str, Samples]:
    """What is made of a prompt, each with a seed of its own that no other prompt has."""
    seed = 10 * prompt.number
    rate = backend.geometry.sample_rate
    first, latents = _rendered(_request(prompt, plan, seed), backend)
    take = HeldTake(_request(prompt, plan, seed), first, rate, latents)
    repaint = Repaint(start_s=THIRD_S, end_s=2 * THIRD_S, seed=seed + 2, steps=plan.edit_steps)
    loop = Loop(bridge_s=BRIDGE_S, seed=seed + 3, steps=plan.edit_steps)
    found = {
        "first": first,
        "second": _rendered(_request(prompt, plan, seed + 1), backend)[0],
        "repaint": _edited(repaint, take, backend),
        "loop": _edited(loop, take, backend),
        "ring": _rendered(_request(prompt, plan, seed + 4), backend, AsRing())[0],
    }
    return {name: resample(samples, rate, SAMPLE_RATE) for name, samples in found.items()}


def _request(prompt: Prompt, plan: SeamsPlan, seed: int) -> GenerationRequest:
    return parse_request(
        prompt=prompt.text,
        seed=seed,
        duration_s=3 * THIRD_S,
        sampler=ClipSampler(steps=plan.steps),
        bandwidth="16k",
    )


def _edited(edit: BridgeEdit, take: HeldTake, backend: Backend) -> Samples:
    return _rendered(take.request, backend, FromEdit(edit, (take,)))[0]


def _rendered(
    request: GenerationRequest, backend: Backend, start: Start = FRESH
) -> tuple[Samples, Tensor | None]:
    """The samples [n] of a take, and its latents where all of them were told at once."""
    events = list(Renderer()(request, backend, CancelToken(), None, start))
    latents = [event.latents for event in events if isinstance(event, KeptLatents)]
    samples = [event.samples for event in events if isinstance(event, AudioChunk)]
    return np.concatenate(samples), latents[0] if len(latents) == 1 else None


class HeldTake:
    """A `pipeline.edits.known.KnownTake` that was just made, in memory."""

    def __init__(
        self, request: GenerationRequest, samples: Samples, sample_rate: int, latents: Tensor | None
    ) -> None:
        self.name, self.request = "the take", request
        self.samples, self.sample_rate, self.channels = len(samples), sample_rate, 1
        self.cues: tuple[PromptChange, ...] = (PromptChange(at_s=0.0, prompt=request.prompt),)
        self.loop: tuple[int, int] | None = None
        self.said: tuple[Said, ...] = ()
        self._sound, self._latents = samples, latents

    def read(self, start: int, count: int) -> Samples:
        """Samples [count] from `start` on."""
        return self._sound[start : start + count]

    def latents(self, start_frame: int, frames: int) -> Tensor | None:
        """The latents [1, C, frames, F] that it was decoded from."""
        if self._latents is None:
            return None
        return self._latents[:, :, start_frame : start_frame + frames]


def _place(folder: Path, prompt: Prompt) -> Path:
    return folder / f"{prompt.number:03d}.npz"


def _read(path: Path) -> Sounds:
    with np.load(path, allow_pickle=False) as held:
        kept = {name: held[name].astype(np.float32) / np.float32(_FULL_SCALE) for name in held.files}
    return Sounds(**kept)


def _named(weights: str, plan: SeamsPlan) -> str:
    """A folder's name for what is made by these weights in this way."""
    about = {"weights": weights, **asdict(plan), "prompts": None, "again": RESAMPLES, "version": _VERSION}
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', weights.partition(' ')[0])[:40]}-{digest}"
