"""What a listening test asks: its scales, their words, and what counts as the same answer given again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

KindName = Literal["ovl-rel", "ogl-rel-aq", "abx"]
KINDS: tuple[KindName, ...] = get_args(KindName)
CHANCE = 0.5  # of finding out by guessing which of two X is


@dataclass(frozen=True)
class Scale:
    """A question that is answered by a number from `low` to `high`.

    `words` name the answers one by one, or the two ends of a long scale. Two answers to the same sound that
    lie no further than `tolerance` apart are the same answer. `of_text` is asked of a sound and its text.
    """

    id: str
    title: str
    question: str
    low: int
    high: int
    words: tuple[str, ...]
    tolerance: int
    of_text: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of test: its scales (none where X is compared with A and B) and what raters are told."""

    name: KindName
    scales: tuple[Scale, ...]
    told: tuple[str, ...]


# InfiniteAudio, section 4: overall quality and relevance to the input text, 1 to 5. The words are those of
# absolute category rating, ITU-T P.800, annex B.
_OVL = Scale(
    "OVL", "Overall quality", "How good is this sound, all in all?",
    1, 5, ("Bad", "Poor", "Fair", "Good", "Excellent"), tolerance=1,
)  # fmt: skip
_REL_5 = Scale(
    "REL", "Fits its text", "How well does the sound match the text?",
    1, 5, ("Not at all", "A little", "Partly", "Mostly", "Fully"), tolerance=1, of_text=True,
)  # fmt: skip
# DC-LDM, section 4.2: overall generation quality (sense and sound together), relevance (all that the text
# names, in its order) and audio quality (clear, intelligible), 1 to 100.
_OGL = Scale(
    "OGL", "Overall", "All in all, how good is this as a sound for the text?",
    1, 100, ("Very bad", "Excellent"), tolerance=20, of_text=True,
)  # fmt: skip
_REL_100 = Scale(
    "REL", "Fits its text", "Is everything there that the text names, and in the same order?",
    1, 100, ("Nothing of it", "All of it"), tolerance=20, of_text=True,
)  # fmt: skip
_AQ = Scale(
    "AQ", "Audio quality", "How clear and clean is the sound itself, whatever it is of?",
    1, 100, ("Very bad", "Excellent"), tolerance=20,
)  # fmt: skip

_HOW = (
    "Use headphones if you have them, in a quiet place. Set the volume with the examples, then leave it.",
    "Some sounds come more than once. Don’t try to remember what you said: rate what you hear.",
    "You can stop at any time and go on later, on this device and in this browser.",
)
_RATE = "You will hear short sounds, one after the other. Listen to each to its end, then rate it."
_SPEC = (
    Kind("ovl-rel", (_OVL, _REL_5), (
        _RATE,
        "Overall quality is about the sound alone: is it clean, natural and pleasant to hear? "
        "Fits its text is about the text above it, and about nothing else.",
        *_HOW,
    )),
    Kind("ogl-rel-aq", (_OGL, _REL_100, _AQ), (
        _RATE,
        "Move each slider to a number from 1 to 100. Overall takes everything together; Fits its text is "
        "about what is heard and in which order; Audio quality is about clarity, even of a wrong sound.",
        *_HOW,
    )),
    Kind("abx", (), (
        "You will hear three sounds: A, B and X. A and B differ, often by very little. X is one of these "
        "two, played once more. Say which one.",
        "Listen to all three, as often and in whatever order you like. If you can’t tell, guess: "
        "guesses are expected.",
        _HOW[0],
        _HOW[2],
    )),
)  # fmt: skip
SPEC: dict[KindName, Kind] = {kind.name: kind for kind in _SPEC}
