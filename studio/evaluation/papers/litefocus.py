"""LiteFocus' tables: dense, sparse and merged by length, and each half of LiteFocus alone (§4)."""

from __future__ import annotations

from collections.abc import Mapping

from studio.backends.registry import SystemSpec
from studio.core.attention import Attention, DenseAttention, by_method
from studio.core.paper import LITE_FOCUS
from studio.evaluation.papers.rows import Row
from studio.evaluation.papers.settings import Asked, clip

LENGTHS_S = {1: (10.0, 20.0, 40.0, 80.0), 2: (10.0, 20.0, 30.0, 40.0), 3: (10.0, 20.0, 30.0, 40.0, 80.0)}
RATIO = 0.1  # r, at every length (§4.1)
RATIOS = (1.0, 0.8, 0.6, 0.4, 0.2)
UNSAID = (
    "The paper times a clip on an A6000 with attention that was not fused; here it is whatever runs, by "
    "PyTorch's fused kernels, so its speed-ups are of another comparison.",
    "The paper's focus set is the published code's, which counts a token of both halves twice; here once.",
)


def compensation_alone(ratio: float) -> Attention:
    """Table 2: C without focus; at r = 1 that is every token."""
    if ratio == 1:
        return DenseAttention()
    return by_method("compensation", ratio)


def rows(number: int, models: Mapping[str, str], specs: Mapping[str, SystemSpec], asked: Asked) -> list[Row]:
    """The rows of a table.

    Args:
        number: 1, 2 or 3.
        models: the checkpoint of `audioldm2`, or of whatever takes its place.
        specs: its system.
        asked: otherwise than by the paper.
    """
    model, spec = models["audioldm2"], specs["audioldm2"]
    return [
        Row(f"{seconds:g}/{key}", f"{seconds:g} s, {label}", model, clip(spec, asked, seconds, attention))
        for seconds in asked.lengths(LENGTHS_S[number])
        for key, label, attention in _ways(number)
    ]


def _ways(number: int) -> list[tuple[str, str, Attention]]:
    if number == 1:
        return [
            ("dense", "original inference", DenseAttention()),
            ("lite", f"LiteFocus, r = {RATIO:g}", LITE_FOCUS.attention),
            ("tome", "token merging", by_method("tomesd")),
        ]
    if number == 2:
        return [(f"r={r:g}", f"compensation alone, r = {r:g}", compensation_alone(r)) for r in RATIOS]
    return [
        ("lite", f"LiteFocus, r = {RATIO:g}", LITE_FOCUS.attention),
        ("focus", "same-frequency focusing alone", by_method("focus", RATIO)),
    ]


def compared_with(number: int, key: str) -> str | None:
    """The row that a row's speed (Table 1) or differences (Table 3) are against, where it has one."""
    length, way = key.split("/")
    if number == 1:
        return f"{length}/dense"
    return f"{length}/lite" if number == 3 and way == "focus" else None
