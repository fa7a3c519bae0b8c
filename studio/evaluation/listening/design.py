"""What a listening test is made of: its items and systems, their names, and who hears what when."""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from studio.core.errors import InvalidRequestError
from studio.evaluation.listening.answers import MAX_TRIALS, KeyTrial
from studio.evaluation.listening.kinds import SPEC, KindName
from studio.evaluation.listening.order import AbxTrial, Trial, comparisons, ratings, repeats_in
from studio.evaluation.listening.sounds import common_items
from studio.evaluation.listening.texts import texts_of

MAX_SYSTEMS, MAX_RATERS, MAX_TRIALS_IN_ALL = 10, 1000, 400_000
LUFS = -23.0
REPEATS = 5


@dataclass(frozen=True)
class Order:
    """What test is wanted.

    A folder is a system. `repeats` is how many sounds each rater hears twice, or, of ABX, how many
    comparisons are of two different items. `lufs` is the loudness of all sounds; None leaves them as they
    are. `count` items are drawn, or all are taken. Without a `seed` one is drawn.
    """

    folders: tuple[Path, ...]
    kind: KindName
    out: Path
    raters: int = 20
    captions: Path | None = None
    reference: Path | None = None
    repeats: int = REPEATS
    count: int | None = None
    lufs: float | None = LUFS
    seed: int | None = None
    title: str = "Listening test"


def key_beside(out: Path) -> Path:
    """Where the key of a test is written: beside its folder, never in it."""
    return out.with_name(f"{out.name}-key.json")


class Design:
    """A test before it is written: what is heard, under which names, in which orders.

    Raises:
        InvalidRequestError: the order can't be met; says why.
    """

    def __init__(self, order: Order) -> None:
        _check(order)
        self.order = order
        self.spec = SPEC[order.kind]
        self.seed = secrets.randbelow(2**31) if order.seed is None else order.seed
        self.notes: list[str] = []
        folders = [*order.folders, *([order.reference] if order.reference else [])]
        self.systems = _names(folders)
        self.reference = len(folders) - 1 if order.reference else None
        self.items, self.paths = self._items(folders)
        self.texts = self._texts()
        trials = self._trials()
        self.names = self._named()
        self.orders = [[self._key_trial(trial) for trial in of_rater] for of_rater in trials]

    def _items(self, folders: Sequence[Path]) -> tuple[list[str], list[list[Path]]]:
        names, paths, left_out = common_items(folders)
        if left_out:
            self.notes.append(
                f"{len(left_out)} sounds are not in every folder and are left out, {left_out[0]} for one."
            )
        if self.order.count is not None and self.order.count < len(names):
            names = sorted(random.Random(f"items {self.seed}").sample(names, self.order.count))
        return names, [paths[name] for name in names]

    def _texts(self) -> list[str]:
        texts = texts_of(dict(zip(self.items, self.paths, strict=True)), self.order.captions)
        if any(scale.of_text for scale in self.spec.scales) and not all(texts):
            missing = self.items[texts.index("")]
            raise InvalidRequestError(
                f"{self.order.kind} asks how well a sound fits its text, and “{missing}” has none: "
                "give --captions with a row for it."
            )
        return texts

    def _trials(self) -> Sequence[Sequence[Trial | AbxTrial]]:
        items, systems, raters = len(self.items), len(self.systems), range(self.order.raters)
        pairs = list(combinations(range(systems), 2))
        if self.reference is not None:
            pairs = [pair for pair in pairs if self.reference in pair]
        count = items * (systems if self.spec.scales else len(pairs))
        if (count + self.order.repeats) * len(raters) > MAX_TRIALS_IN_ALL or count > MAX_TRIALS // 2:
            raise InvalidRequestError(
                f"Each of {len(raters)} raters would hear {count} trials: take fewer sounds with --items."
            )
        if not self.spec.scales:
            alike = [self.texts.index(text) if text else item for item, text in enumerate(self.texts)]
            if len(set(alike)) < 2 and self.order.repeats:
                self.notes.append("With a single sound no comparison is there to tell who does not listen.")
            return [
                comparisons(items, pairs, rater, self.seed, self.order.repeats, alike) for rater in raters
            ]
        if repeats_in(count, self.order.repeats) < self.order.repeats:
            self.notes.append(f"So few sounds leave room for {count // 2} repeats.")
        return [ratings(items, systems, rater, self.seed, self.order.repeats) for rater in raters]

    def _named(self) -> dict[tuple[int, int, str], str]:
        """A name that says nothing for each file: of ABX two for each sound, so that X is not A's or B's."""
        draw, roles = random.Random(f"names {self.seed}"), ("",) if self.spec.scales else ("", "x")
        cells = [
            (item, system, role)
            for item in range(len(self.items))
            for system in range(len(self.systems))
            for role in roles
        ]
        names: set[str] = set()
        while len(names) < len(cells):
            names.add(f"{draw.getrandbits(48):012x}")
        return dict(zip(cells, draw.sample(sorted(names), len(cells)), strict=True))

    def _key_trial(self, trial: Trial | AbxTrial) -> KeyTrial:
        if isinstance(trial, AbxTrial):
            sounds = (self.names[*trial.a, ""], self.names[*trial.b, ""], self.names[*trial.x, "x"])
            return KeyTrial(sounds=sounds, x_is_b=trial.x_is_b, catch=trial.catch)
        return KeyTrial(sounds=(self.names[trial.item, trial.version, ""],), repeat=trial.repeat)

    def practice(self) -> list[tuple[str, ...]]:
        """Each system once, of one item; of ABX one comparison, of two items where there are two."""
        draw = random.Random(f"practice {self.seed}")
        item = draw.randrange(len(self.items))
        systems = draw.sample(range(len(self.systems)), len(self.systems))
        if self.spec.scales:
            return [(self.names[item, system, ""],) for system in systems]
        other = (item + 1) % len(self.items)
        a, b = (item, systems[0]), (other, systems[1])
        return [(self.names[*a, ""], self.names[*b, ""], self.names[*draw.choice((a, b)), "x"])]


def _check(order: Order) -> None:
    """Raises `InvalidRequestError` for what can't be met, before anything is read."""
    folders = [*order.folders, *([order.reference] if order.reference else [])]
    if not order.folders or len(order.folders) > MAX_SYSTEMS:
        raise InvalidRequestError(f"Give 1 to {MAX_SYSTEMS} folders, and a reference beside them.")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InvalidRequestError("A folder is given twice: each is a system of its own.")
    if order.kind == "abx" and len(folders) < 2:
        raise InvalidRequestError("ABX compares two folders: give another, or a --reference.")
    if not 1 <= order.raters <= MAX_RATERS:
        raise InvalidRequestError(f"--raters: from 1 to {MAX_RATERS}.")
    inside = [folder for folder in folders if order.out.resolve().is_relative_to(folder.resolve())]
    if inside:
        raise InvalidRequestError(f"--out {order.out} lies in {inside[0]}: choose a folder of its own.")
    if order.out.exists() and not (order.out.is_dir() and not any(order.out.iterdir())):
        raise InvalidRequestError(f"--out {order.out} is there already: choose another, or remove it.")
    if key_beside(order.out).exists():
        raise InvalidRequestError(
            f"{key_beside(order.out)} is there already, the key of an earlier test: keep it elsewhere."
        )


def _names(folders: Sequence[Path]) -> list[str]:
    """What the systems are called: by their folders, with as much of the path as tells them apart."""
    whole = [folder.resolve() for folder in folders]
    for parts in range(1, max(len(path.parts) for path in whole) + 1):
        names = ["/".join(path.parts[-parts:]) for path in whole]
        if len(set(names)) == len(names):
            break
    return names
