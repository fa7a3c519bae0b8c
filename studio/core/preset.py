"""One schema for a preset, the sidecar beside a rendered file, and the JSON inside the file's comment tag."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, TypeAdapter, ValidationError, model_validator

from studio.core.audio import GENERATED_HZ
from studio.core.edit import EditRecord
from studio.core.errors import InvalidRequestError
from studio.core.messages import first_problem
from studio.core.modes import MODES
from studio.core.request import GenerationRequest
from studio.core.scene import Scene
from studio.core.speech import Said
from studio.core.text import Line, one_line, read_text
from studio.core.values import Frozen

SCHEMA_VERSION = 1
_OWN = {"schema_version", "settings"}
UNUSABLE = "This preset can't be used. "
SYNTHETIC = "The voice is synthetic: a model reads the words."  # for whoever finds the file
MAX_MARKERS = 1000  # of a take
MAX_NAME_BYTES = 255  # of a file, on any system
MAX_PRESET_BYTES = 4_000_000  # one whose lane is full has a tenth


def _name(value: Any) -> str:
    """A file's name as the system gave it; one whose bytes are no text holds lone surrogates for them."""
    bare = isinstance(value, str) and value not in ("", ".", "..") and Path(value).name == value
    with suppress(UnicodeEncodeError):  # what no system can have given
        if bare and "\0" not in value and len(os.fsencode(value)) <= MAX_NAME_BYTES:
            return str(value)
    raise ValueError("must be the name of a file in the same folder")


FileName = Annotated[str, PlainValidator(_name)]


class PromptChange(Frozen):
    """The prompt heard from `at_s` on, as it was really played: a cue point of the take."""

    at_s: float
    prompt: Line


class Marker(Frozen):
    """A place of a take that somebody named, in seconds from its beginning."""

    at_s: float = Field(ge=0, le=1e7, allow_inf_nan=False)
    label: Annotated[Line, Field(min_length=1, max_length=200)]

    def moved(self, by_s: float) -> Marker:
        """The same place where the take begins so much later."""
        return Marker(at_s=max(0.0, self.at_s + by_s), label=self.label)


def parse_markers(given: Any) -> tuple[Marker, ...]:
    """Markers of JSON. Raises `InvalidRequestError` for anything else."""
    try:
        return TypeAdapter(tuple[Marker, ...]).validate_python(given)
    except ValidationError as error:
        raise InvalidRequestError(
            "A marker has a time in seconds, 0 or more, and a name of up to 200 characters: mend it."
        ) from error


class Source(Frozen):
    """The recording that a take goes on from, whose sound is the take's beginning."""

    file: Line
    sha256: str
    duration_s: float


class Group(Frozen):
    """The takes that were made together, as one job: those of a comparison, or variations of one request."""

    id: Annotated[str, Field(pattern="^[0-9A-Za-z_-]{1,64}$")]
    position: Annotated[int, Field(ge=1)]
    takes: Annotated[int, Field(ge=1)]


class BatchRow(Frozen):
    """The row of a set that a take was made for: its id, and its line in the manifest, 0 where there is none.

    `unit` are the ids of the rows that were made side by side with it, its own among them; `format` is that
    of the ids.
    """

    row: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    line: Annotated[int, Field(ge=0)] = 0
    unit: tuple[Annotated[str, Field(pattern="^[0-9a-f]{32}$")], ...] = ()
    format: Annotated[int, Field(ge=1)] = 1


class Bands(Frozen):
    """What of a take its model generated, and what was extended from that: from and up to, in Hz."""

    generated_hz: tuple[int, int]
    extended_hz: tuple[int, int]

    @classmethod
    def of(cls, request: GenerationRequest) -> Bands | None:
        """Those of a request's takes; None where all is the model's own."""
        if request.bandwidth == "16k":
            return None
        top = request.sample_rate // 2
        return cls(generated_hz=(0, GENERATED_HZ), extended_hz=(GENERATED_HZ, top))


def _ordered(points: tuple[int, int]) -> tuple[int, int]:
    if points[1] <= points[0]:
        raise ValueError("must end after it begins")
    return points


_Sample = Annotated[int, Field(ge=0)]
LoopPoints = Annotated[tuple[_Sample, _Sample], AfterValidator(_ordered)]


class TakeRecord(Frozen):
    """What came of a request. Absent in a preset. `said` is what is heard of words, and when; `loop` the span
    that plays round for ever, as its first sample and the one after its last, None where the take doesn't.
    `markers` are places that somebody named; `bands` are None where its sound is as its model says it; `mix`
    is the scene that a mix was made of.
    """

    file: FileName
    created: str
    version: str
    duration_s: float
    sample_rate: int
    status: str = Field("finished", pattern="^(running|finished|stopped|interrupted|failed)$")
    cues: tuple[PromptChange, ...] = ()
    said: tuple[Said, ...] = ()
    markers: Annotated[tuple[Marker, ...], Field(max_length=MAX_MARKERS)] = ()
    loop: LoopPoints | None = None
    bands: Bands | None = None
    figures: dict[str, float] = Field(default_factory=dict)
    favourite: bool = False
    source: Source | None = None
    group: Group | None = None
    batch: BatchRow | None = None
    edit: EditRecord | None = None
    mix: Scene | None = None


class Preset(Frozen):
    """Settings one can open again, whether they were shipped, saved, or read back from a take.

    `settings` holds the fields of a `GenerationRequest`; a preset may leave any out (its seed, usually),
    a take's sidecar holds them all.
    """

    schema_version: int = SCHEMA_VERSION
    name: Annotated[Line, Field(min_length=1, max_length=200)]
    description: Line = ""
    settings: dict[str, Any]
    take: TakeRecord | None = None

    @model_validator(mode="after")
    def _as_it_was_made(self) -> Preset:
        """A take from before there were bandwidths is no model's usual one: it has the only one there was."""
        if self.take is not None and self.settings.get("prompt"):
            self.settings.setdefault("bandwidth", "16k")
        return self

    @property
    def mode(self) -> str:
        """The tab that it is for."""
        return str(self.settings.get("mode", "infinite"))

    @property
    def model_id(self) -> str:
        """The model that it names; empty where it names none."""
        model = self.settings.get("model")
        return str(model.get("id") or "") if isinstance(model, dict) else ""

    def require_for(self, mode: str) -> None:
        """Raise `InvalidRequestError` if it is for another tab, or of a sampler that the tab has not."""
        if self.mode != mode:
            raise InvalidRequestError(f"The preset '{self.name}' is for {self.mode} takes: choose another.")
        spec, request = MODES[mode], self.request(prompt=self.settings.get("prompt") or "x")
        if "sampler" in self.settings and request.sampler.kind != spec.sampler:
            raise InvalidRequestError(f"The preset '{self.name}' is not for {spec.takes}: choose another.")

    def to_json(self) -> str:
        """As text that any encoding has: what none can hold, as parts of some file names, is escaped."""
        text = json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=1)
        return text.encode(errors="backslashreplace").decode()

    def request(self, **overrides: Any) -> GenerationRequest:
        """The request these settings make, with `overrides` on top.

        Raises:
            InvalidRequestError: the settings do not make a valid request.
        """
        from studio.core.request import parse_request

        return parse_request(**{**self.settings, **overrides})


def parse_preset(text: str) -> Preset:
    """Read a preset from JSON text.

    Raises:
        InvalidRequestError: no JSON, unknown keys, a newer schema, or settings that make no request.
    """
    try:
        data = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError("This is no preset: its text is not JSON. Choose another file.") from error
    if not isinstance(data, dict):
        raise InvalidRequestError("This is no preset: its JSON is not an object. Choose another file.")
    version = data.get("schema_version", SCHEMA_VERSION)
    if not isinstance(version, int):
        raise InvalidRequestError("This preset's schema is no number: choose another file.")
    if version > SCHEMA_VERSION:
        raise InvalidRequestError(
            f"This preset has a schema newer than {SCHEMA_VERSION}: update Longwave to open it."
        )
    try:
        preset = Preset(**data)
    except ValidationError as error:
        raise InvalidRequestError(UNUSABLE + first_problem(error, Preset)) from error
    if preset.settings.get("prompt"):
        preset.request()
    return preset


def describes_take(text: str) -> bool | None:
    """Whether JSON text, a valid preset or not, is meant as a take's record; None where it is no JSON."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return isinstance(data, dict) and data.get("take") is not None and bool(_OWN & data.keys())


def load_preset(path: Path) -> Preset:
    """Read a preset or a sidecar from an ordinary file in UTF-8.

    Raises:
        InvalidRequestError: there is none, it is too large or in another encoding, or as `parse_preset` does.
    """
    try:
        return parse_preset(read_text(path, MAX_PRESET_BYTES))
    except (OSError, ValueError) as error:
        what = (error.strerror if isinstance(error, OSError) else "") or "no file has such a name"
        raise InvalidRequestError(f"Can't read the preset {one_line(path.name)}: {what.lower()}.") from error


def shipped_presets(folder: Path) -> dict[str, Preset]:
    """The presets of a folder by their files' stems, in order of their names; raises as `load_preset`."""
    found = {path.stem: load_preset(path) for path in folder.glob("*.json")}
    return dict(sorted(found.items(), key=lambda item: item[1].name))


def named_preset(name: str, folder: Path) -> Preset:
    """One that ships, by its file's stem or by its name; never a file elsewhere.

    Raises:
        InvalidRequestError: there is none; names those that are.
    """
    presets = shipped_presets(folder)
    wanted = [preset for stem, preset in presets.items() if name in (stem, preset.name)]
    if not wanted:
        raise InvalidRequestError(f"There is no preset '{name[:60]}': choose one of {', '.join(presets)}.")
    return wanted[0]
