"""The kinds of take, each of which has a tab, a command, and a function for callers.

A row of the table says what a take of it begins with; what may be said of it is in `fields`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

POCKET, POCKET_CLIPS = "pocket/audioldm", "pocket/audioldm2"  # what ships, and what makes whole clips of it
POCKET_DUAL = "pocket/dcldm"  # what hears a draft
POCKET_TANGO = "pocket/tango"
POCKET_VOICE = "pocket/voiceldm"  # what speaks


@dataclass(frozen=True)
class ModeSpec:
    """One kind of take: what a request of it is made of where nobody says otherwise.

    `base` are settings of a request that differ from the schema's own. `page_s` is the length that the page
    opens on. `command` and `call` are what the command line and callers of the API read of it. Guidance and
    steps are the model's (`core.defaults`).
    """

    name: str
    title: str
    sampler: str  # its kind
    takes: str  # what its takes are, in a sentence
    model: str  # an id of the catalog
    page_s: float
    example: str  # the prompt that the page opens on
    command: str
    call: str
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def base(self) -> dict[str, Any]:
        """The settings that a take of this kind begins with."""
        groups = {name: dict(group) for name, group in self.groups.items()}
        return {"mode": self.name, "sampler": {"kind": self.sampler}, "model": {"id": self.model}, **groups}


MODES: dict[str, ModeSpec] = {
    spec.name: spec
    for spec in (
        ModeSpec(
            "infinite",
            "Infinite",
            sampler="endless",
            takes="endless takes",
            model=POCKET,
            page_s=60.0,
            example="heavy rain with distant thunder",
            command="Sound from a prompt, of any length, by FIFO sampling. Ctrl-C stops the take and keeps "
            "the file.",
            call="Render an endless take's first `seconds`; gives its file and its figures, the seed among"
            " them. `lane` is lines of `mm:ss | prompt`; where there is no prompt, the lane's at 0:00"
            " is it. `preset` is the name of one that ships, or a preset's or a sidecar's JSON: it "
            "holds where another value is empty, or the seed −1. A seed above 2⁵³ is exact where it "
            "is given as text, as a browser's numbers are not. The length is always `seconds`, a "
            "`recording` that the take goes on from counted; what was noticed when that was read is "
            "in the figures' `notes`.",
        ),
        ModeSpec(
            "sparse",
            "Sparse",
            sampler="clip",
            takes="clips in one piece",
            model=POCKET_CLIPS,
            page_s=20.0,
            example="ocean waves, birds far away",
            command="A clip of a set length in one piece, its attention sparse. Ctrl-C ends it and keeps "
            "nothing.",
            call="Render a clip of a set length in one piece; gives its file and its figures, the seed "
            "among them. `attention` is lite_focus (with `ratio` r, or auto), dense, or token_merging"
            " (with `ratio` the share to merge). `preset` is the name of one that ships, or a "
            "preset's or a sidecar's JSON: it holds where another value is empty, or the seed −1. The"
            " length is always `seconds`.",
            groups={"attention": {"kind": "lite_focus"}},
        ),
        ModeSpec(
            "dual",
            "Dual",
            sampler="clip",
            takes="clips in one piece",
            model=POCKET_DUAL,
            page_s=10.0,
            example="birds over a stream",
            command="A clip from a prompt and an acoustic draft of it (DC-LDM). Ctrl-C ends it and keeps "
            "nothing.",
            call="Render a clip by its text and an acoustic draft; gives its file and its figures, with "
            "the seed. `draft` is audiogen or none; a `recording` takes its place. Negative numbers "
            "are left to the preset, or to what is usual; `preset` is the name of one that ships, or "
            "a preset's or a sidecar's JSON. The length is always `seconds`.",
            groups={"draft": {"kind": "audiogen"}},
        ),
    )
}
