"""What one asks of a kit: a loop for a game or a programme, with all that belongs to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from studio.core.errors import InvalidRequestError
from studio.core.messages import first_error
from studio.core.preset import MAX_PRESET_BYTES, Preset
from studio.core.text import Line, one_line, read_text
from studio.core.values import Frozen
from studio.core.vocabulary import stem

PRESETS = "kits"  # their folder among the presets
MAX_VARIATIONS, MAX_SHOTS = 8, 32
LEAST_LOOP_S, MAX_LOOP_S = 2.5, 120.0
_StatePrompt = Annotated[Line, Field(max_length=2000)]


class KitPlan(Frozen):
    """What a kit holds beside its bed.

    `distance` is how far its variations lie apart at least (`service.kit.apart`); where that can't be had in
    `tries` more attempts, the farthest of them are kept. Its `states`, light and heavy, are made by "words":
    by the prompts `light` and `heavy`, or where these are empty by those of `states_of`; or by "layers": of
    heavy there are more on top of each other. "auto" takes layers where a model makes the same of both words.
    Of the events that are heard at most `shots` are cut out. The bed is brought to `lufs`, and all else by
    the same gain; `rate` in Hz is what the files have, None the model's own.
    """

    variations: int = Field(4, ge=0, le=MAX_VARIATIONS)
    distance: float = Field(0.5, ge=0, le=1)
    tries: int = Field(8, ge=0, le=32)
    states: Literal["auto", "words", "layers", "none"] = "auto"
    light: _StatePrompt = ""
    heavy: _StatePrompt = ""
    shots: int = Field(8, ge=0, le=MAX_SHOTS)
    lufs: float | None = Field(None, ge=-70, le=0)
    rate: Literal[16000, 44100, 48000] | None = None


def parse_kit(**values: Any) -> KitPlan:
    """A plan of these values.

    Raises:
        FieldError: names the first value at fault, and what it may be.
    """
    try:
        return KitPlan(**values)
    except ValidationError as error:
        raise first_error(error, KitPlan) from error


class KitPreset(Frozen):
    """A kit to begin from: settings of its request, without the prompt where that is to be said, and its
    plan.
    """

    schema_version: Literal[1] = 1
    name: Annotated[Line, Field(min_length=1, max_length=200)]
    description: Line = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    plan: dict[str, Any] = Field(default_factory=dict)

    @property
    def request(self) -> Preset:
        """What of it is of the request."""
        settings = {"mode": "sparse", **self.settings}
        return Preset(name=self.name, description=self.description, settings=settings)


def kit_presets(folder: Path) -> dict[str, KitPreset]:
    """Those that ship, by their files' stems; `folder` is that of all presets. Raises as `kit_preset`."""
    return {path.stem: _read_preset(path) for path in sorted((folder / PRESETS).glob("*.json"))}


def kit_preset(name: str, folder: Path) -> KitPreset:
    """One that ships, by its file's stem or its name; or a file, by its path.

    Raises:
        InvalidRequestError: there is none, or it can't be read.
    """
    return (
        _read_preset(Path(name)) if Path(name).suffix.lower() == ".json" else named_kit_preset(name, folder)
    )


def named_kit_preset(name: str, folder: Path) -> KitPreset:
    """One that ships, never a file elsewhere. Raises `InvalidRequestError` where there is none."""
    presets = kit_presets(folder)
    found = [preset for stem, preset in presets.items() if name in (stem, preset.name)]
    if not found:
        raise InvalidRequestError(
            f"There is no preset of kits '{one_line(name)[:60]}': choose one of {', '.join(presets)}."
        )
    return found[0]


def _read_preset(path: Path) -> KitPreset:
    shown = one_line(path.name)
    try:
        preset = KitPreset.model_validate_json(read_text(path, MAX_PRESET_BYTES))
        parse_kit(**preset.plan)
    except ValidationError as error:
        raise InvalidRequestError(f"{shown} is no preset of a kit: choose another file.") from error
    except (OSError, ValueError) as error:
        what = (error.strerror if isinstance(error, OSError) else "") or "no file has such a name"
        raise InvalidRequestError(f"Can't read the preset {shown}: {what.lower()}.") from error
    return preset


class _Scale(Frozen):
    """How little and how much of a sound is said, and the sounds that it is said of, by their stems."""

    light: str
    heavy: str
    sounds: frozenset[str]


def _scale(light: str, heavy: str, *sounds: str) -> _Scale:
    return _Scale(light=light, heavy=heavy, sounds=frozenset(map(stem, sounds)))


_SCALES = (
    _scale("light", "heavy", "rain", "drizzle", "downpour", "hail", "snow", "shower", "traffic", "machinery"),
    _scale("gentle", "strong", "wind", "breeze", "gust", "gale"),
    _scale("gentle", "crashing", "waves", "surf", "ocean", "sea", "shore"),
    _scale("trickling", "rushing", "stream", "brook", "creek", "river", "water", "waterfall"),
    _scale("small", "roaring", "fire", "campfire", "fireplace"),
    _scale("a few", "many", "birds", "crickets", "frogs", "bees", "insects", "cicadas", "gulls", "people"),
    _scale("idling", "revving", "engine", "motor"),
    _scale("slow", "running", "footsteps", "steps"),
    _scale("scattered", "massive", "applause", "clapping", "cheering"),
    _scale("small", "large", "crowd", "murmur", "chatter"),
    _scale("distant", "nearby", "thunder", "helicopter", "siren", "plane", "explosion", "dog", "bell"),
    _scale(
        "slow", "fast", "dripping", "typing", "train", "clock", "fan", "alarm", "drums", "bass", "arpeggio",
        "ticking", "knocking",
    ),
)  # fmt: skip
_ELSE = _scale("light", "heavy")
# What already says how much there is, and gives way; longer ones first.
_AMOUNTS = (
    "a few", "a lot of", "lots of", "light", "heavy", "gentle", "strong", "soft", "loud", "quiet", "calm",
    "rough", "small", "large", "big", "huge", "little", "tiny", "slow", "fast", "rapid", "steady", "moderate",
    "hard", "weak", "mild", "violent", "massive", "scattered", "sparse", "dense", "many", "few", "several",
    "distant", "nearby", "trickling", "rushing", "roaring", "crashing", "howling", "idling", "revving",
    "running", "pouring", "torrential", "thunderous",
)  # fmt: skip
_LEAD = re.compile(
    rf"(?P<article>(?:an?|the)\s+)?(?P<amounts>(?:(?:{'|'.join(_AMOUNTS)})\s+)*)$", re.IGNORECASE
)
_WORD = re.compile(r"[^\W\d_]+")
_VOWEL = re.compile(r"[aeio]", re.IGNORECASE)


def states_of(prompt: str) -> tuple[str, str]:
    """A prompt with little of its sound, and with much of it.

    The first of its words that names a sound of `_SCALES` gets that scale's words, in the place of those that
    say how much there is already: "heavy rain on a roof" is "light rain on a roof" and "heavy rain on a
    roof". Where no word does, "light" and "heavy" are said before the prompt's first noun phrase.
    """
    for word in _WORD.finditer(prompt):
        for scale in _SCALES:
            if stem(word.group().lower()) in scale.sounds:
                return _said(prompt, word.start(), scale.light), _said(prompt, word.start(), scale.heavy)
    start = _first_noun(prompt)
    return _said(prompt, start, _ELSE.light), _said(prompt, start, _ELSE.heavy)


def _first_noun(prompt: str) -> int:
    """Where the prompt goes on after its article and the words for how much there is."""
    lead = re.match(rf"(?:(?:an?|the)\s+)?(?:(?:{'|'.join(_AMOUNTS)})\s+)*", prompt, re.IGNORECASE)
    return lead.end() if lead is not None else 0


def _said(prompt: str, at: int, amount: str) -> str:
    """The prompt with `amount` right before the place `at`, instead of what says so there."""
    lead = _LEAD.search(prompt[:at])
    assert lead is not None, "all of it may be empty"
    before, article = prompt[: lead.start()], (lead["article"] or "").lower()
    if amount.startswith("a ") or amount == "many":
        article = ""
    elif article.strip() in ("a", "an"):
        article = "an " if _VOWEL.match(amount) else "a "
    return f"{before}{article}{amount} {prompt[at:]}"
