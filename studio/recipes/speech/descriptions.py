"""Descriptions of scenes in which somebody speaks: who it is, and what else is heard.

Forms with a `{who}` say whose voice it is; `{scene}` is a caption of the corpus.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

WHO = {
    0: ("a woman", "a lady", "she", "a female voice", "a woman's voice", "a girl", "a female speaker"),
    1: ("a man", "a gentleman", "he", "a male voice", "a man's voice", "a guy", "a male speaker"),
    None: ("somebody", "a voice", "a person", "someone", "a speaker", "a narrator", "an announcer"),
}
SAYS = (
    "says",
    "speaks",
    "is speaking",
    "talks",
    "is talking",
    "reads",
    "announces",
    "is heard",
    "tells a story",
)
ALONE = (
    "{who} {says}",
    "{who}",
    "{who} {says} in a quiet room",
    "clear speech, {who} {says}",
    "only {who} {says}",
)
TOGETHER = (
    "{scene}, {who} {says}", "{who} {says}, {scene}", "{who} {says} in {scene}", "{scene} while {who} {says}",
    "{who} {says} over {scene}", "{scene} and {who} {says}", "{who} {says} with {scene}", "{who}, {scene}",
    "{scene}. {who} {says}.", "{who}. {scene}", "{scene}, {who}", "{who} {says} near {scene}",
)  # fmt: skip
QUIET = "", "clean speech", "a quiet room", "silence", "no background sound", "a quiet studio"
"""What is said of speech alone by whoever does not say whose it is."""
WITHHELD = "{scene}, and {who} {says} to us", "we hear {who} who {says} amid {scene}"
UNSAID_SHARE = 0.12  # of descriptions that don't tell that anybody speaks: a script is enough


@dataclass(frozen=True)
class Told:
    """A description, whose voice it names (None: nobody's), and whether it says that somebody speaks."""

    text: str
    voice: int | None
    speaks: bool


def describe_speech(rng: random.Random, voice: int, scene: str | None, *, anyone: float = 0.06) -> Told:
    """A description of `voice` in a scene, or of it alone."""
    if rng.random() < UNSAID_SHARE:
        return Told(rng.choice(QUIET) if scene is None else scene, None, False)
    named = None if rng.random() < anyone else voice
    who, says = rng.choice(WHO[named]), rng.choice(SAYS)
    if rng.random() < 0.5:
        who = rng.choice(WHO[named][:2])
    form = rng.choice(ALONE if scene is None else TOGETHER)
    return Told(form.format(who=who, says=says, scene=scene), named, True)


def withheld_descriptions(scenes: Sequence[str]) -> list[Told]:
    """Each scene with each voice, in forms that nothing was trained on."""
    return [
        Told(WITHHELD[i % 2].format(who=WHO[voice][0], says="says", scene=scene), voice, True)
        for i, scene in enumerate(scenes)
        for voice in (0, 1)
    ]
