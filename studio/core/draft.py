"""The acoustic draft that a take hears beside the text: settings of each kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from studio.core.text import Line
from studio.core.values import Frozen, Seed

POCKET_DRAFTS = "pocket/audiogen"  # what makes one
MADE_DRAFTS = ("audiogen", "none")  # what is chosen by its name; any other word is a file of one's own


class NoDraft(Frozen):
    """Text alone."""

    kind: Literal["none"] = "none"


class _Heard(Frozen):
    """What every draft has: the AudioGen whose tokens it is made of, and how it steers the diffusion.

    `acoustic_scale` is w_a beside the request's guidance scale w_t; None is the same for both (DC-LDM,
    eq. 8). `strength` is the share of the schedule that the take is denoised for, begun from the draft's own
    latents: 1 begins from noise alone.
    """

    model: str = Field(POCKET_DRAFTS, min_length=1, max_length=500)
    acoustic_scale: float | None = Field(None, ge=0, le=100)
    strength: float = Field(1.0, gt=0, le=1)


class AudioGenDraft(_Heard):
    """AudioGen's answer to the prompt conditions the diffusion (DC-LDM); no seed of its own: the take's."""

    kind: Literal["audiogen"] = "audiogen"
    seed: Seed = None
    temperature: float = Field(1.0, gt=0, le=10)
    top_k: int = Field(250, ge=0, le=100000)
    top_p: float = Field(0.0, ge=0, le=1)
    guidance_scale: float = Field(3.0, ge=0, le=100)


class RecordedDraft(_Heard):
    """A recording of the user's takes AudioGen's place; the file of this digest lies beside the takes."""

    kind: Literal["recorded"] = "recorded"
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    file: Annotated[Line, Field(max_length=300)] = ""


Draft = Annotated[NoDraft | AudioGenDraft | RecordedDraft, Field(discriminator="kind")]
