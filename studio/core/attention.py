"""What the network's tokens attend to: settings of each kind of attention."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from studio.core.values import Frozen

# What bench and eval put beside each other; `by_method` says what each is.
SparseMethod = Literal["dense", "uniform", "balanced", "focus", "compensation", "tome", "tomesd"]
WITH_RATIO: tuple[SparseMethod, ...] = ("uniform", "balanced", "compensation")  # that draw r of the tokens
MERGED = 0.5  # share of the tokens that merging takes where nobody says


class DenseAttention(Frozen):
    """Every token attends to every other."""

    kind: Literal["dense"] = "dense"


def _block(name: str) -> str:
    if not re.fullmatch(r"mid|(up|down)[1-9]", name):
        raise ValueError("must be 'mid', or 'down' or 'up' with a level's number, as in down2")
    return name


Blocks = Annotated[tuple[Annotated[str, AfterValidator(_block)], ...], Field(max_length=20)]


def _share(value: object) -> object:
    """r as a number, or "auto"; a union of the two would be refused in a sentence that names but one."""
    if value == "auto":
        return value
    try:
        share = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        share = 0.0
    if not 0 < share <= 1:
        raise ValueError("must be 'auto', or a share of the tokens above 0 and up to 1")
    return share


class LiteFocusAttention(Frozen):
    """Same-frequency focus and cross-frequency compensation (LiteFocus).

    `ratio` is the paper's r; `blocks` are names as in `modules.blocks`, none for those that the paper takes.
    """

    kind: Literal["lite_focus"] = "lite_focus"
    ratio: Annotated[float | Literal["auto"], BeforeValidator(_share)] = "auto"
    sampling: Literal["uniform", "balanced"] = "balanced"
    focus: bool = True
    compensation: bool = True
    blocks: Blocks = ()

    @model_validator(mode="after")
    def _attends(self) -> LiteFocusAttention:
        if not self.focus and not self.compensation:
            raise ValueError("attends to nothing without focus and compensation: switch one on")
        return self


class TokenMergingAttention(Frozen):
    """Bipartite token merging (ToMe), LiteFocus's baseline.

    Tokens are matched anew by what each "attention" reads, or once a "block" by what comes into it and for
    its first attention alone: the latter is what its authors' tomesd does.
    """

    kind: Literal["token_merging"] = "token_merging"
    ratio: float = Field(MERGED, gt=0, lt=1)
    blocks: Blocks = ()
    matching: Literal["attention", "block"] = "attention"


Attention = Annotated[
    DenseAttention | LiteFocusAttention | TokenMergingAttention, Field(discriminator="kind")
]


def by_method(
    method: SparseMethod, ratio: float | Literal["auto"] = "auto", blocks: tuple[str, ...] = ()
) -> Attention:
    """The attention that a method's name stands for; `ratio` is the r of those that have one (`WITH_RATIO`).

    "uniform" is LiteFocus as in the paper, "balanced" as many tokens of each band, "focus" without the
    compensation (its Table 3), "compensation" without the focus (its Table 2); "tome" merges tokens before
    each attention, "tomesd" as its authors' code does.
    """
    if method == "dense":
        return DenseAttention()
    if method in ("tome", "tomesd"):
        return TokenMergingAttention(blocks=blocks, matching="attention" if method == "tome" else "block")
    return LiteFocusAttention(
        ratio=ratio,
        sampling="balanced" if method == "balanced" else "uniform",
        focus=method != "compensation",
        compensation=method != "focus",
        blocks=blocks,
    )
