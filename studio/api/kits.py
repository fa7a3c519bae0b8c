"""What a caller says of a kit, brought together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studio.core.kit import KitPlan, KitPreset, parse_kit
from studio.core.preset import Preset
from studio.core.request import GenerationRequest


def plan_of(
    asked: str | Preset | GenerationRequest | KitPreset, plan: KitPlan | Mapping[str, Any] | None
) -> tuple[str | Preset | GenerationRequest, KitPlan]:
    """What its loops are asked for, and what it holds: a plan's values over those of a kit's preset.

    Raises:
        FieldError: a value is out of its bounds.
    """
    own = plan if isinstance(plan, Mapping) else {}
    if isinstance(asked, KitPreset):
        own, asked = {**asked.plan, **own}, asked.request
    return asked, plan if isinstance(plan, KitPlan) else parse_kit(**own)
