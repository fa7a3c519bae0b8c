"""A row of a set: one take to be made, and what it is known by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from studio.core.request import GenerationRequest, ModelChoice
from studio.core.values import MAX_SEED
from studio.service.batch.identity import own_seed, row_id

Fingerprint: TypeAlias = Callable[[ModelChoice], str]
"""What tells a model's weights from others of its name; empty where there are none."""


@dataclass(frozen=True)
class Row:
    """A take of a set. `id` is `identity.row_id`, 32 hex digits.

    `line` is the manifest's that it comes from, from 1; 0 where there is no manifest. `name` is what the take
    is called, after its prompt where it is empty.
    """

    id: str
    line: int
    request: GenerationRequest
    name: str = ""


def row_of(request: GenerationRequest, fingerprint: Fingerprint, *, line: int = 0, name: str = "") -> Row:
    """The row of a request. Raises what `fingerprint` does."""
    return Row(row_id(request, fingerprint(request.model)), line, request, name)


def variations(request: GenerationRequest, count: int, *, seeded: bool) -> Iterator[GenerationRequest]:
    """The request `count` times, each with a seed of its own: the next ones where the first was chosen, else
    those that follow from the request itself.
    """
    for number in range(count):
        seed = (request.seed + number) % (MAX_SEED + 1) if seeded else own_seed(request, number)
        yield request.model_copy(update={"seed": seed})
