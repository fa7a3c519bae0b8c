"""What is known of one thing that may be said of a take, for each of the faces that take it.

What a value may be is not written here: it is read off the request's models by the field's path (`schema`),
as is what holds where nobody says anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Widget = Literal["text", "number", "slider", "list", "radio", "checkbox", "seed", "digits", "model", "file"]
# How a value of the page differs from the request's: text for several, or another value for none.
Codec = Literal["", "lane", "words", "text", "own_scale", "guidance", "both_scales"]
# How far down a field of the form lies: what one hears, how it is made, what the papers call it.
Depth = Literal["sound", "engine", "expert"]
# What a model has to be able to do for a field to mean anything to it.
Needs = Literal["", "speech", "folding"]
SCHEMA: Any = ...  # the form opens on what the request's models say


@dataclass(frozen=True)
class OnPage:
    """How the form shows a field. `part` follows the tab in its component's id.

    `start` is what the form opens on, and what it shows of None; `empty` is what a field left empty means.
    Where it `stays`, a preset that doesn't mention the field leaves what was typed. It is shown, and counts,
    for models that can do what it `needs`; `beside_words` is its label for one that speaks.
    """

    part: str
    widget: Widget | None = None  # by the type of the value where None
    label: str = ""  # the field's own where empty
    info: str = ""
    placeholder: str = ""
    choices: tuple[tuple[str, str], ...] = ()  # all that the value may be where empty
    span: tuple[float, float] = (0, 0)  # of a slider, which may be less than the request allows
    step: float | None = None
    start: Any = SCHEMA
    empty: Any = None
    codec: Codec = ""
    stays: bool = False
    depth: Depth = "sound"
    needs: Needs = ""
    beside_words: str = ""


@dataclass(frozen=True)
class Option:
    """How the command line takes a field: as `--name`, or as it is `spelled`, with its help.

    `shown` is the default that the help tells, with {} for the schema's; None tells none. `also` is another
    name that it goes by.
    """

    help: str
    name: str = ""  # the field's own where empty
    spelled: str = ""
    shown: str | None = "{}"
    kind: type | None = None  # by the type of the value where None
    default: Any = None
    also: str = ""


@dataclass(frozen=True)
class Parameter:
    """How a function of the API takes a field: by `name`, after those of a lower `place`.

    A client fills in `empty` where its caller gives nothing: of what may be left to a preset that is an empty
    text, 0, or -1 and with it any negative number. One that is `late` came when programs were there that call
    without a client: their lists may end before it.
    """

    place: int
    label: str
    name: str = ""  # the field's own where empty
    widget: Literal["text", "digits", "number", "file"] = "text"
    empty: Any = ""
    late: bool = False

    def is_given(self, value: Any) -> bool:
        """Whether the caller gave it. NaN was given: it is refused with whatever else is out of bounds."""
        if value is None or value == "":
            return False
        return self.widget != "number" or not (value < 0 if self.empty == -1 else value == self.empty == 0)


@dataclass(frozen=True)
class Field:
    """One thing that may be said of a take in these modes, of every take where none is named; None for a face
    that does not take it.

    `path` is its place in a request, with the kind between where it is of one of a group's kinds alone, as in
    "attention.token_merging.ratio"; empty for what is no part of a request.
    """

    name: str
    path: str
    label: str
    modes: tuple[str, ...]
    page: OnPage | None = None
    option: Option | None = None
    call: Parameter | None = None
    unit: str = ""

    @property
    def title(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def place(self) -> str:
        """The path without the kind: "name" or "group.name"."""
        group, _, rest = self.path.partition(".")
        return f"{group}.{rest.rpartition('.')[-1]}" if rest else group

    @property
    def kind(self) -> str:
        """The kind of its group that it is of; empty where every kind that has such a field is meant."""
        return self.path.split(".")[1] if self.path.count(".") == 2 else ""

    @property
    def option_name(self) -> str:
        """The name of its option, as Python spells it."""
        return (self.option.name if self.option else "") or self.name

    @property
    def spelled(self) -> str:
        """Its option as one types it."""
        own = self.option.spelled.partition("/")[0] if self.option else ""
        return own or f"--{self.option_name.replace('_', '-')}"

    @property
    def call_name(self) -> str:
        """The name of its parameter."""
        return (self.call.name if self.call else "") or self.name
