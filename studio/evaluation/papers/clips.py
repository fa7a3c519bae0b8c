"""The clips of rows: rendered once, and kept by what they were made of, so that a second run goes on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile as sf

from studio.backends.acoustic.base import Sampling
from studio.backends.base import Backend
from studio.backends.registry import SystemSpec
from studio.core.audio import to_int16
from studio.core.errors import InvalidRequestError
from studio.core.files import disk_error, replace_file, replacing_path, sweep_parts
from studio.core.request import GenerationRequest
from studio.core.sampling import ClipSampler
from studio.evaluation.embedders.base import Samples
from studio.evaluation.papers.manifest import Example
from studio.evaluation.papers.rows import Row
from studio.pipeline.batch import render_clips
from studio.pipeline.collect import render_samples
from studio.pipeline.drafts import Drafts, GeneratedDraft
from studio.pipeline.renderer import Renderer

FORMAT = 1  # of what is hashed: another, where what a request means has changed
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Clip:
    """A clip that was made: its file, and the seconds that making it took."""

    path: Path
    took_s: float


@dataclass(frozen=True)
class Models:
    """What makes sound, by a model's id: a loaded backend, its system, what tells its weights from others';
    and drafts.
    """

    backend: Callable[[str], Backend]
    spec: Callable[[str], SystemSpec]
    fingerprint: Callable[[str], str] = str
    clip_s: Callable[[str], float | None] = lambda _: None  # the length that a model's own clips have
    drafts: Drafts | None = None


class Clips:
    """A folder of clips. Whatever ends a run, those that are whole are kept."""

    def __init__(
        self,
        folder: Path,
        models: Models,
        *,
        seed: int = 0,
        device: str = "auto",
        batch: int = 1,
        report: Report = lambda *_: None,
    ) -> None:
        """`seed` is the first of the set's; `batch` clips in one piece are denoised side by side. `report` is
        told what is made, and (made, in all).
        """
        self.folder, self.models = folder, models
        self._seed, self.device, self._batch = seed, device, batch
        self._renderer, self.report = Renderer(models.drafts), report

    def kept(self, row: Row, example: Example) -> Clip | None:
        """The clip of a row and a caption where it is there and whole."""
        path = self._path(row, example)
        try:
            about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            return Clip(path, float(about["took_s"])) if sf.info(path).frames else None
        except (OSError, ValueError, KeyError, TypeError, sf.LibsndfileError):
            return None

    def lacking(self, row: Row, examples: Sequence[Example]) -> list[Example]:
        """The captions whose clips are still to be made."""
        return [each for each in examples if self.kept(row, each) is None]

    def make(self, row: Row, examples: Sequence[Example]) -> list[Clip]:
        """A clip of each caption, those that are kept as they are.

        Raises:
            StudioError: a clip can't be made or written; KeyboardInterrupt ends it. What is whole is kept.
        """
        lacking = self.lacking(row, examples)
        if lacking:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise disk_error(error, self.folder) from error
            sweep_parts(self.folder)
        side_by_side = row.makes == "takes" and row.lengths_s is None and _is_clip(row)
        step = self._batch if side_by_side else 1
        for start in range(0, len(lacking), step):
            self.report(row.label, start, len(lacking))
            some = lacking[start : start + step]
            began = time.perf_counter()
            made, rate = self._render(row, some)
            took_s = (time.perf_counter() - began) / len(some)
            for example, samples in zip(some, made, strict=True):
                self._keep(row, example, samples, rate, took_s)
        return [self._held(row, each) for each in examples]

    def request(self, row: Row, example: Example) -> GenerationRequest:
        """What a row asks of a caption."""
        return row.request(example, self._seed, self.device)

    def _render(self, row: Row, examples: Sequence[Example]) -> tuple[list[Samples], int]:
        requests = [self.request(row, each) for each in examples]
        if row.makes == "drafts":
            return self._draft(row, requests)
        backend = self.models.backend(row.model)
        rate = backend.geometry.sample_rate
        if len(requests) > 1:
            return render_clips(requests, backend, drafts=self.models.drafts), rate
        return [render_samples(self._renderer, requests[0], backend)], rate

    def _draft(self, row: Row, requests: Sequence[GenerationRequest]) -> tuple[list[Samples], int]:
        """AudioGen alone: its draft's own sound."""
        drafts = self.models.drafts
        if drafts is None:
            raise InvalidRequestError("There is nothing here that makes drafts: leave this row out.")
        made = []
        for request in requests:
            wanted = GeneratedDraft(row.model, request.seed, Sampling())
            made.append(drafts.from_text(wanted, request.prompt, row.seconds, self.device).samples)
        return made, drafts.models.opener(row.model, self.device).sample_rate

    def _held(self, row: Row, example: Example) -> Clip:
        clip = self.kept(row, example)
        if clip is None:
            raise InvalidRequestError(f"A clip of '{row.label}' is gone from {self.folder}: run this again.")
        return clip

    def _keep(self, row: Row, example: Example, samples: Samples, rate: int, took_s: float) -> None:
        path = self._path(row, example)
        about = {"row": row.label, "caption": example.caption, "took_s": took_s, **self._of(row, example)}
        whole = to_int16(samples)
        try:
            with replacing_path(path) as partial:
                sf.write(partial, whole, rate, format="FLAC", subtype="PCM_16")
            text = json.dumps(about, ensure_ascii=False)
            replace_file(path.with_suffix(".json"), text.encode())
        except (OSError, sf.LibsndfileError) as error:
            found = error if isinstance(error, OSError) else OSError(str(error))
            raise disk_error(found, path) from error

    def _path(self, row: Row, example: Example) -> Path:
        text = json.dumps(self._of(row, example), sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.flac"

    def _of(self, row: Row, example: Example) -> dict[str, object]:
        """All that a clip is made of: its request, and whose weights answer it."""
        request = self.request(row, example)
        heard = getattr(request.draft, "model", "")
        return {
            "format": FORMAT,
            "makes": row.makes,
            "request": request.model_dump(mode="json"),
            "weights": [self.models.fingerprint(name) for name in (row.model, heard) if name],
        }


def _is_clip(row: Row) -> bool:
    sampler = row.settings.get("sampler")
    return isinstance(sampler, ClipSampler)
