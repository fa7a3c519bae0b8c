"""What may change while a take plays: its prompt lane and what is said from now on, and its end."""

from __future__ import annotations

import threading
from typing import Any, TypeAlias

from studio.core.errors import InvalidRequestError
from studio.core.request import MAX_DURATION_S, MAX_LANE_POINTS, PromptPoint
from studio.core.speech import (
    MAX_SPEECH_CHARS,
    Said,
    Sentence,
    WordTimes,
    as_said,
    format_script,
    parse_script,
)

Points = tuple[PromptPoint, ...]
Asked: TypeAlias = "tuple[tuple[str, Points] | None, tuple[Sentence, ...] | None]"
FADE_OUT_S = 3.0
WORDLESS = "The take that plays says nothing, as its model can't: start a new take, or leave the words out."
TOO_MUCH = f"A take says {MAX_SPEECH_CHARS:,} characters at most: start a new one."


class TakeControl:
    """Shared by the page, which asks for changes, and the job's worker, which takes them up."""

    def __init__(self, opening: str, points: Points = (), *, script: str = "", watched: bool = False) -> None:
        """Of a take that begins with the prompt `opening`, has this lane, in any order, and says `script`.

        `watched`: a page looks on, and previews are worth their time.
        """
        self.watched = watched
        self._opening = opening
        self._points: Points = tuple(sorted(points, key=lambda point: point.at_s))
        self._wanted: tuple[str, Points] | None = None
        self._asked = opening, self._points
        self._asked_script = script
        self._script: tuple[Sentence, ...] | None = None
        self._said: tuple[Said, ...] = ()
        self._coming: tuple[Sentence, ...] | None = None  # of a script that was changed, after the first …
        self._said_before = 0  # … so many
        self._wordless = ""
        self._refusal = ""
        self._ending = False
        self._lock = threading.Lock()

    @property
    def points(self) -> Points:
        """The lane as it was played so far and is planned from here on."""
        return self._points

    @property
    def asked(self) -> tuple[str, Points]:
        """The prompt and the lane that were asked for last, whether they are taken up yet or not."""
        return self._asked

    def prompt_at(self, at_s: float) -> str:
        """The prompt in force at a time of the take, as far as is planned by now."""
        return [self._opening, *(point.prompt for point in self._points if point.at_s <= at_s)][-1]

    @property
    def ending(self) -> bool:
        """Whether the take is to fade out and end."""
        return self._ending

    def request_fade_out(self) -> None:
        """Ask the take to fade out and end within seconds; one of set clips ends where it was to end."""
        self._ending = True

    def refuse(self, reason: str) -> None:
        """Say why this take can't be steered."""
        self._refusal = reason

    def request_change(self, prompt: str, points: Points, script: str | None = None) -> None:
        """Ask for another scene from the next step on: `prompt`, and `points` of the take's own time; and for
        another `script` where there is one.

        Raises:
            InvalidRequestError: this take can't be steered, was too often, or says nothing.
        """
        with self._lock:
            if self._refusal:
                raise InvalidRequestError(self._refusal)
            if len(self._points) + len(points) >= MAX_LANE_POINTS:
                raise InvalidRequestError(
                    f"A take has at most {MAX_LANE_POINTS} changes of its prompt: start a new one."
                )
            if script is not None and script != self._asked_script:
                self._take_up(script)
            self._wanted = self._asked = prompt, points

    @property
    def asked_script(self) -> str:
        """What was asked to be said last, whether it is taken up yet or not."""
        return self._asked_script

    @property
    def said(self) -> tuple[Said, ...]:
        """What is said in the take, in order, as far as it is planned by now."""
        return self._said

    @property
    def script(self) -> tuple[Sentence, ...] | None:
        """The script as it was said so far, each sentence from its own time on, and is planned from here on;
        None while it is the one that the take was begun with.
        """
        said, coming = self._said, self._coming
        return None if coming is None else as_said(said, coming[len(said) - self._said_before :])

    def request_script(self, script: str) -> None:
        """Ask for another script: it goes on after what was said of the one before, if it begins the same.

        Raises:
            InvalidRequestError: this take can't be steered, says nothing, or has said too much.
        """
        with self._lock:
            if self._refusal:
                raise InvalidRequestError(self._refusal)
            self._take_up(script)

    def _take_up(self, script: str) -> None:
        if self._wordless:
            raise InvalidRequestError(self._wordless)
        sentences = parse_script(script)
        if len(format_script(as_said(self._said, sentences))) > MAX_SPEECH_CHARS:
            raise InvalidRequestError(TOO_MUCH)
        self._asked_script, self._script = script, sentences

    def say_nothing(self) -> None:
        """Let it be known that the take's model says nothing: words that are asked for are refused."""
        self._wordless = WORDLESS

    def change_script(self, coming: tuple[Sentence, ...]) -> None:
        """Note that these follow what was said, and not what the take was begun with."""
        self._coming, self._said_before = coming, len(self._said)

    def restore_said(self, said: tuple[Said, ...]) -> None:
        """Note what was said of a take that goes on."""
        self._said = said

    def take_script(self) -> tuple[Sentence, ...] | None:
        """The script that was asked for since this was asked last; None where none was."""
        with self._lock:
            script, self._script = self._script, None
            return script

    def tell_said(self, text: str, start_s: float, end_s: float, words_s: WordTimes = ()) -> None:
        """Note a sentence that was laid into the take, and how long after its beginning each of its words is
        said, where that is known.
        """
        self._said = (*self._said, Said.laid(text, start_s, end_s, words_s))

    def __getstate__(self) -> dict[str, Any]:
        """Without the lock, so that a take can be made in another process."""
        with self._lock:
            return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    @property
    def asked_now(self) -> Asked:
        """What was asked for and is not taken up yet: a scene, and a script."""
        return self._wanted, self._script

    def catch_up(self, played: TakeControl, handed: Asked) -> None:
        """Take over what a copy of this was played by elsewhere.

        What was asked for since the copy was made, when that was `handed`, stays asked for.
        """
        with self._lock:
            if self._points != played._points:
                self._points = played._points
            if self._said != played._said:  # who looks whether it changed looks for the same object
                self._said = played._said
            self._coming, self._said_before = played._coming, played._said_before
            self._wordless = self._wordless or played._wordless
            self._refusal = self._refusal or played._refusal
            if self._wanted is handed[0] and played._wanted is None:
                self._wanted = None
            if self._script is handed[1] and played._script is None:
                self._script = None

    def apply_pending(self, at_s: float) -> Points:
        """The lane, with what was asked for taken up from `at_s` on; the same object while nothing was."""
        with self._lock:
            if self._wanted is not None:
                self._points = changed(self._points, self._opening, *self._wanted, at_s)
                self._wanted = None
            return self._points


def changed(played: Points, opening: str, prompt: str, points: Points, at_s: float) -> Points:
    """A lane that was played until `at_s` and is another from there on.

    Args:
        played: the lane so far, in order of time, after `opening`.
        prompt: what the other lane begins with.
        points: the other lane, in order of time.
        at_s: seconds of the take. What the other lane has in force then comes in as a point of its own.
    """
    past = tuple(point for point in played if point.at_s < at_s)
    coming = tuple(point for point in points if point.at_s > at_s)
    now = ([prompt] + [point.prompt for point in points if point.at_s <= at_s])[-1]
    before = [opening, *(point.prompt for point in past)][-1]
    change = [PromptPoint(at_s=min(at_s, MAX_DURATION_S), prompt=now)] if now != before else []
    return (*past, *change, *coming)
