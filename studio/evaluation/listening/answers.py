"""The two files of a listening test that are read back: its maker's key, and what a rater sends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, StrictBool, StrictInt, ValidationError

from studio.core.errors import InvalidRequestError
from studio.core.text import one_line, read_text
from studio.core.values import Frozen
from studio.evaluation.listening.kinds import SPEC, Kind, KindName

VERSION = 1
KEY_MARK, ANSWERS_MARK = "listening-key", "listening-answers"
MAX_KEY_BYTES, MAX_ANSWERS_BYTES = 200_000_000, 4_000_000
MAX_TRIALS = 5000
_NO_ANSWERS = "no answers to a listening test"

Id = Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
Fingerprint = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Seconds = Annotated[float, Field(ge=0, le=1e7)]
Moment = Annotated[str, Field(max_length=40)]


class Sound(Frozen):
    """Which item, of which system, a file of the test is: places in the key's lists."""

    item: Annotated[StrictInt, Field(ge=0)]
    system: Annotated[StrictInt, Field(ge=0)]


class Item(Frozen):
    """The name that a sound has in every folder, its text, and the loudness its versions were brought to."""

    name: str
    text: str = ""
    lufs: float | None = None


class KeyTrial(Frozen):
    """What a rater hears: one sound, or A, B and X."""

    sounds: Annotated[tuple[Id, ...], Field(min_length=1, max_length=3)]
    repeat: StrictBool = False
    x_is_b: StrictBool = False
    catch: StrictBool = False


class Key(Frozen):
    """Which file of a test is of which system, and who hears what: for its maker alone.

    `orders` has each rater's trials, from rater 1 on; `reference` is the place of the reference among
    `systems`.
    """

    longwave: Literal["listening-key"]
    version: Literal[1]
    test: Fingerprint
    kind: KindName
    made: Moment
    seed: StrictInt
    systems: Annotated[tuple[str, ...], Field(min_length=1)]
    reference: int | None = None
    items: Annotated[tuple[Item, ...], Field(min_length=1)]
    sounds: dict[Id, Sound]
    orders: tuple[Annotated[tuple[KeyTrial, ...], Field(max_length=MAX_TRIALS)], ...]

    @property
    def spec(self) -> Kind:
        """What the test asks."""
        return SPEC[self.kind]

    def place(self, sound: str) -> tuple[int, int]:
        """Item and system of a file."""
        found = self.sounds[sound]
        return found.item, found.system


class Answer(Frozen):
    """What a rater said of a trial: a number on each scale, which one X is, or that it did not play.

    `heard_s` is how long its sounds were playing, `plays` how often they were started, `took_s` how long the
    trial was on the page.
    """

    trial: Annotated[StrictInt, Field(ge=0, lt=MAX_TRIALS)]
    sounds: Annotated[tuple[Id, ...], Field(min_length=1, max_length=3)]
    scores: Annotated[dict[str, StrictInt], Field(max_length=8)] = Field(default_factory=dict)
    choice: Literal["A", "B"] | None = None
    unplayable: StrictBool = False
    heard_s: Seconds = 0.0
    plays: Annotated[StrictInt, Field(ge=0)] = 0
    took_s: Seconds = 0.0
    at: Moment = ""


class Answers(Frozen):
    """What one rater sends back; `session` is of one beginning on one device."""

    longwave: Literal["listening-answers"]
    version: Literal[1]
    test: Fingerprint
    kind: KindName
    rater: Annotated[StrictInt, Field(ge=1)]
    session: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    listening_on: Annotated[str, Field(max_length=40)] = ""
    began: Moment
    finished: Moment | None = None
    answers: Annotated[tuple[Answer, ...], Field(max_length=MAX_TRIALS)]


_Read = TypeVar("_Read", Key, Answers)


def mark_of(path: Path) -> str:
    """Which of the two files it is, by what it says of itself; empty for anything else. Never raises."""
    try:
        data = _load(path, MAX_KEY_BYTES)
    except InvalidRequestError:
        return ""
    mark = data.get("longwave") if isinstance(data, dict) else None
    return mark if mark in (KEY_MARK, ANSWERS_MARK) else ""


def read_key(path: Path) -> Key:
    """The key of a test.

    Raises:
        InvalidRequestError: it can't be read, is none, or names sounds, items or systems that it does not
        have.
    """
    key = _parse(path, MAX_KEY_BYTES, Key, KEY_MARK, "no key of a listening test")
    places = all(
        sound.item < len(key.items) and sound.system < len(key.systems) for sound in key.sounds.values()
    )
    wanted = 1 if key.spec.scales else 3
    trials = all(
        len(trial.sounds) == wanted and key.sounds.keys() >= set(trial.sounds)
        for order in key.orders
        for trial in order
    )
    reference = key.reference is None or 0 <= key.reference < len(key.systems)
    if not (places and trials and reference):
        raise InvalidRequestError(
            f"{_name(path)} is damaged: use the key as `longwave listen make` wrote it."
        )
    return key


def read_answers(path: Path, key: Key) -> Answers:
    """What a rater sent, held against the key.

    Raises:
        InvalidRequestError: it can't be read, is none, is of another test, or answers what was not asked.
    """
    answers = _parse(path, MAX_ANSWERS_BYTES, Answers, ANSWERS_MARK, _NO_ANSWERS)
    name = _name(path)
    if answers.test != key.test or answers.kind != key.kind:
        raise InvalidRequestError(f"{name} belongs to another test than the key: score it with its own key.")
    if answers.rater > len(key.orders):
        raise InvalidRequestError(f"{name} is of rater {answers.rater}, but the test has {len(key.orders)}.")
    order = key.orders[answers.rater - 1]
    seen: set[int] = set()
    for answer in answers.answers:
        right = answer.trial < len(order) and order[answer.trial].sounds == answer.sounds
        if not right or answer.trial in seen:
            raise InvalidRequestError(
                f"{name} answers other sounds than rater {answers.rater} was given: "
                "ask for it again, unchanged."
            )
        seen.add(answer.trial)
        if not _answers_what_was_asked(answer, key.spec):
            raise InvalidRequestError(
                f"{name} has an answer that its page can't have given, to sound {answer.trial + 1}: "
                "ask for it again, unchanged."
            )
    return answers


def _answers_what_was_asked(answer: Answer, spec: Kind) -> bool:
    if answer.unplayable:
        return not answer.scores and answer.choice is None
    if not spec.scales:
        return answer.choice is not None and not answer.scores
    return (
        answer.choice is None
        and answer.scores.keys() == {scale.id for scale in spec.scales}
        and all(scale.low <= answer.scores[scale.id] <= scale.high for scale in spec.scales)
    )


def _parse(path: Path, max_bytes: int, model: type[_Read], mark: str, no: str) -> _Read:
    data = _load(path, max_bytes)
    name = _name(path)
    if not isinstance(data, dict) or data.get("longwave") != mark:
        raise InvalidRequestError(f"{name} is {no}: choose another file.")
    if data.get("version") != VERSION:
        raise InvalidRequestError(
            f"{name} was written by another version of Longwave: score it with that one."
        )
    try:
        return model.model_validate(data)
    except (ValidationError, RecursionError) as error:
        raise InvalidRequestError(f"{name} is damaged: ask for it again, unchanged.") from error


def _load(path: Path, max_bytes: int) -> Any:
    name = _name(path)
    try:
        return json.loads(read_text(path, max_bytes))
    except InvalidRequestError:
        raise
    except OSError as error:
        raise InvalidRequestError(f"Can't read {name}: check that the file is there.") from error
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"{name} is {_NO_ANSWERS}: its text is not JSON.") from error


def _name(path: Path) -> str:
    return one_line(path.name)
