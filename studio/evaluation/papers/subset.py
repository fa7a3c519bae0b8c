"""Which captions a table is made of: drawn by a seed, the lowest scores left out (InfiniteAudio, §3.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from studio.core.errors import InvalidRequestError
from studio.core.files import disk_error, replace_file
from studio.evaluation.papers.manifest import Example


@dataclass(frozen=True)
class Chosen:
    """The examples of a table, in their set's order, and how many the scores left out."""

    examples: tuple[Example, ...]
    dropped: int = 0


def choose(
    examples: Sequence[Example],
    count: int,
    seed: int = 0,
    scores: Mapping[str, float] | None = None,
    left_out: float = 0.0,
) -> Chosen:
    """`count` examples drawn without replacement, all where there are no more.

    Args:
        scores: the CLAP score of each name; the lowest share `left_out` is left out before the draw, ties
            in the set's order. None: all are drawn from.
    """
    left = list(examples)
    out = 0
    if scores is not None:
        out = int(left_out * len(left))
        worst = sorted(range(len(left)), key=lambda i: scores[left[i].name])[:out]
        left = [example for i, example in enumerate(left) if i not in set(worst)]
    if count < len(left):
        places = list(range(len(left)))
        Random(seed).shuffle(places)  # so that a larger draw holds every smaller one
        left = [left[place] for place in sorted(places[:count])]
    return Chosen(tuple(left), out)


def keep_list(path: Path, chosen: Chosen, about: Mapping[str, object]) -> None:
    """Write the names that were chosen, and by what, as JSON.

    Raises:
        OutOfResourcesError: the disk is full.
        InvalidRequestError: the folder can't be written.
    """
    names = [{"name": each.name, "caption": each.caption} for each in chosen.examples]
    text = json.dumps({**about, "dropped": chosen.dropped, "examples": names}, ensure_ascii=False, indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode())
    except OSError as error:
        raise disk_error(error, path) from error


def read_list(path: Path, examples: Sequence[Example]) -> Chosen | None:
    """What `keep_list` wrote there, of the same set; None where there is nothing.

    Raises:
        InvalidRequestError: it is damaged, or names examples that the set has not.
    """
    if not path.is_file():
        return None
    by_name = {each.name: each for each in examples}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        names = [str(each["name"]) for each in value["examples"]]
        return Chosen(tuple(by_name[name] for name in names), int(value["dropped"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidRequestError(f"{path.name} is not a list of these captions: remove it.") from error
