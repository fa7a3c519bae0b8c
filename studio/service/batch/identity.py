"""What a row is known by: the hash of what is asked for, of the weights, and of the format it is kept in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from studio.core.request import GenerationRequest

FORMAT = 1  # another one where the same request comes to make another file
_SEEDS = 2**32


def row_id(request: GenerationRequest, fingerprint: str) -> str:
    """32 hex digits. A device or number format of "auto" stays that, so that every machine finds the same.

    `fingerprint` tells the model's weights from others of its name (`backends.checkpoint.fingerprint`).
    """
    return digest([canonical(request), fingerprint, FORMAT])


def own_seed(request: GenerationRequest, number: int) -> int:
    """The seed of a row that has none given: by its request, whatever the seed in it, and its number among
    the variations.
    """
    plain = request.model_copy(update={"seed": 0})
    return int(digest([canonical(plain), number]), 16) % _SEEDS


def canonical(request: GenerationRequest) -> str:
    """A request as JSON that is the same however its settings came to be said."""
    return json.dumps(request.own_settings, sort_keys=True, separators=(",", ":"))


def digest(parts: Sequence[str | int]) -> str:
    """32 hex digits of a list's JSON."""
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()[:32]
