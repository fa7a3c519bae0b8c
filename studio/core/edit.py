"""What one asks of a take: a span made anew, more on either side, a loop, or nearly the same again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from studio.core.errors import InvalidRequestError
from studio.core.messages import first_error
from studio.core.text import Line
from studio.core.times import seconds_of
from studio.core.values import MAX_SEED, Frozen, drawn_seed

MAX_MADE_S = 600.0  # of new sound in one edit
BEATS_A_BAR = 4
LEAST_KEPT_S = 1.0  # of a loop, beside its bridge
_Seconds = Annotated[float, Field(ge=0, le=86_400.0)]
_Span = Annotated[float, Field(ge=0.2, le=MAX_MADE_S)]


class _Made(Frozen):
    """What all edits share that bridge: the `prompt` (empty: what the take says there), seed and steps."""

    prompt: Annotated[Line, Field(max_length=2000)] = ""
    seed: int = Field(default=None, ge=0, le=MAX_SEED, validate_default=True)
    steps: int = Field(30, ge=1, le=1000)

    @field_validator("seed", mode="before")
    @classmethod
    def _draw_seed(cls, seed: Any) -> Any:
        return drawn_seed(seed)


class Repaint(_Made):
    """The span from `start_s` to `end_s` made anew; at `strength` below 1 from a noised form of what it was,
    at 0 it stays as it is.
    """

    kind: Literal["repaint"] = "repaint"
    start_s: _Seconds
    end_s: _Seconds
    strength: float = Field(1.0, ge=0, le=1)

    @model_validator(mode="after")
    def _in_order(self) -> Repaint:
        if self.end_s <= self.start_s:
            raise ValueError("ends before it begins: choose a later end")
        return self


class Extend(_Made):
    """So many seconds more before the take's beginning, and after its end."""

    kind: Literal["extend"] = "extend"
    left_s: float = Field(0.0, ge=0, le=MAX_MADE_S)
    right_s: float = Field(0.0, ge=0, le=MAX_MADE_S)

    @model_validator(mode="after")
    def _any(self) -> Extend:
        if not self.left_s + self.right_s:
            raise ValueError("adds nothing: give seconds for the left or the right")
        return self


class Splice(_Made):
    """This take up to `leave_s` (None: its end), a bridge, and another take from `enter_s` on."""

    kind: Literal["splice"] = "splice"
    bridge_s: _Span = 1.28
    leave_s: _Seconds | None = None
    enter_s: _Seconds = 0.0


class Loop(_Made):
    """The span from `start_s` to `end_s` (None: the take's end) as a loop: its last `bridge_s` are made anew,
    so that they lead to its beginning.

    With `bpm` and `bars` it lasts exactly so many bars of four beats, whatever its end.
    """

    kind: Literal["loop"] = "loop"
    start_s: _Seconds = 0.0
    end_s: _Seconds | None = None
    bridge_s: _Span = 1.28
    bpm: float | None = Field(None, ge=20, le=400)
    bars: int | None = Field(None, ge=1, le=1000)

    @model_validator(mode="after")
    def _in_time(self) -> Loop:
        if (self.bpm is None) != (self.bars is None):
            raise ValueError("needs both a tempo and a number of bars: give bpm and bars")
        if self.bpm is not None and self.end_s is not None:
            raise ValueError("has its length by its bars: give an end, or bpm and bars")
        if self.end_s is not None and self.end_s <= self.start_s:
            raise ValueError("ends before it begins: choose a later end")
        return self

    @property
    def beat_s(self) -> float | None:
        """Seconds of the bars, of four beats each; None where no tempo is asked for."""
        if self.bpm is None or self.bars is None:
            return None
        return self.bars * BEATS_A_BAR * 60 / self.bpm

    def beat_samples(self, sample_rate: int) -> int | None:
        """Samples of the bars, to the nearest; None where no tempo is asked for."""
        return None if self.beat_s is None else round(self.beat_s * sample_rate)


class Vary(Frozen):
    """The take again with a `share` of its noise redrawn by `seed`: 0 is the same, 1 another."""

    kind: Literal["vary"] = "vary"
    share: float = Field(0.3, ge=0, le=1)
    seed: int = Field(default=None, ge=0, le=MAX_SEED, validate_default=True)

    @field_validator("seed", mode="before")
    @classmethod
    def _draw_seed(cls, seed: Any) -> Any:
        return drawn_seed(seed)


BridgeEdit = Repaint | Extend | Splice | Loop
AnyEdit = Repaint | Extend | Splice | Loop | Vary
Edit = Annotated[AnyEdit, Field(discriminator="kind")]
EDITS: dict[str, type[AnyEdit]] = {
    "repaint": Repaint, "extend": Extend, "splice": Splice, "loop": Loop, "vary": Vary,
}  # fmt: skip


class EditRecord(Frozen):
    """Of which take, by which edit, a take was made.

    `of` are the files of the takes that it was made of, `made` the spans of samples that are new in it, and
    `encoded` says that what was known had to be made of the sound again, as no latents were kept.
    """

    of: tuple[Line, ...]
    settings: Edit
    made: tuple[tuple[int, int], ...] = ()
    encoded: bool = False


def parse_edit(kind: str, **values: Any) -> AnyEdit:
    """An edit of these values.

    Raises:
        InvalidRequestError: there is no such edit, or names the first field at fault and what it may be.
    """
    if kind not in EDITS:
        raise InvalidRequestError(f"There is no edit '{kind[:60]}': choose of {', '.join(EDITS)}.")
    try:
        return EDITS[kind](**values)
    except ValidationError as error:
        raise first_error(error, EDITS[kind]) from error


# What faces call the fields whose own names carry a unit; the first four are times, as m:ss or seconds.
WORDS = {
    "start": "start_s", "end": "end_s", "leave": "leave_s", "enter": "enter_s",
    "left": "left_s", "right": "right_s", "bridge": "bridge_s",
}  # fmt: skip
_TIMES = ("start", "end", "leave", "enter")


def edit_of_words(kind: str, said: Mapping[str, str]) -> AnyEdit:
    """An edit of what a face was told, each value a text; an empty one is the edit's own.

    Raises:
        InvalidRequestError: as `parse_edit`, or a time is none, or a value is of another edit.
    """
    values: dict[str, Any] = {}
    for word, text in said.items():
        if not text.strip():
            continue
        name = WORDS.get(word, word)
        if kind in EDITS and name not in EDITS[kind].model_fields:
            raise InvalidRequestError(f"'{kind}' has no '{word[:60]}': leave it empty.")
        values[name] = seconds_of(text) if word in _TIMES else text
    return parse_edit(kind, **values)
