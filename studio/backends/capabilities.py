"""What systems differ in that others ask about; plain data, so that listing them loads no library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Capabilities:
    """What a system can do that not every `Backend` can.

    Attributes:
        text: how prompts reach the U-Net. "pooled" vectors of several prompts mix into one along the frames;
            "tokens" do not, so each prompt is predicted for by itself.
        drafts: it hears acoustic drafts, and its backend is a `base.DualBackend`.
        speaks: it says words, and its backend is a `base.SpeakingBackend`.
        bridge: how a bridge feeds it what is known on either side (`samplers.bridge`): "noised" to the level
            of the rest, or "clean" at the lowest timestep.
        extends: its sound can be had at 48 kHz, and its backend is a `base.ExtendableBackend`.
        folded: between which scales a loaded network can be told how far to follow the text, and needs one
            prediction for it (`base.Conditioning.scale`); None where guidance takes two.
    """

    text: Literal["pooled", "tokens"]
    drafts: bool = False
    speaks: bool = False
    bridge: Literal["clean", "noised"] = "noised"
    extends: bool = False
    folded: tuple[float, float] | None = None
