"""What every value of a request is made of: frozen, bounded, exact."""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from studio.core.text import one_line

MAX_SEED = 2**63 - 1
EXACT_FLOAT = 2**53 - 1  # above it a floating-point number stands for several whole ones
FRAME_S = 0.04  # a latent frame of every system here: 25 a second
Passes = Literal["two", "one"]  # of the network in a step under guidance
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}(\.0*)?")


class Frozen(BaseModel):
    """Base of every value here: immutable, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def exact_seed(seed: Any) -> Any:
    """A seed as the whole number that is meant, whether it came as a number or as its digits; None is any.

    Where a program has made a floating-point number of a large one, as JavaScript does, its neighbours have
    become the same: it would be another sound.

    Raises:
        ValueError: it is no whole number, or not exact.
    """
    if isinstance(seed, str):
        digits = one_line(seed).replace("\N{MINUS SIGN}", "-")
        if digits and not _WHOLE.fullmatch(digits):
            raise ValueError(f"must be a whole number from 0 to {MAX_SEED:,}, or −1 for any")
        seed = int(digits.partition(".")[0]) if digits else None
    if isinstance(seed, float) and abs(seed) > EXACT_FLOAT:
        raise ValueError(f"is exact as a number up to {EXACT_FLOAT:,} only: give its digits as text")
    return None if seed == -1 else seed


def drawn_seed(seed: Any) -> Any:
    """`exact_seed`, or one that is drawn where any will do. Raises as it does."""
    wanted = exact_seed(seed)
    return secrets.randbelow(2**32) if wanted is None else wanted


Seed = Annotated[Annotated[int, Field(ge=0, le=MAX_SEED)] | None, BeforeValidator(exact_seed)]
