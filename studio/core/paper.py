"""What the papers' experiments were made with: what `eval paper` takes where nobody says otherwise.

Where a paper is silent, the reading of docs/papers.md holds, and `source` says whose it is.
"""

from __future__ import annotations

from studio.core.attention import Attention, DenseAttention, LiteFocusAttention
from studio.core.sampling import ClipMethod, EndlessSampler
from studio.core.values import Frozen


class PaperSettings(Frozen):
    """The settings of one system in the paper that tells of it.

    Attributes:
        source: the paper, and where in it; of what it leaves open, who says it.
        guidance_scale: CFG; the scene's of a model that speaks, whose words have `speech_scale`.
        steps: of a clip by the unchanged system, with the `sampler`.
        duration_s: of the clips whose figures the tables give.
        lengths_s: all lengths that are put beside each other.
        count: clips, of AudioCaps' test set.
        left_out: the share of the set's pairs with the lowest CLAP score by the system itself, which is
            dropped before `count` are drawn by `subset_seed`.
        endless: the paper's own sampling of an endless take; None where it tries none.
        attention: the paper's own.
    """

    source: str
    guidance_scale: float
    speech_scale: float | None = None
    steps: int = 200
    sampler: ClipMethod = "ddim"
    duration_s: float = 10.0
    lengths_s: tuple[float, ...] = (10.0,)
    count: int
    left_out: float = 0.0
    subset_seed: int = 0
    endless: EndlessSampler | None = None
    attention: Attention = DenseAttention()


def infinite_audio(
    guidance_scale: float, strategy: str, *, speech_scale: float | None = None, steps: int = 200
) -> PaperSettings:
    """InfiniteAudio's: one frame a step; 67 steps and a buffer of 8 frames are its window of about 3 s."""
    endless = EndlessSampler.model_validate(
        {"strategy": strategy, "base_steps": 100, "skip_factor": 2, "group_size": 1, "buffer_frames": 8,
         "warmup_steps": 67}
    )  # fmt: skip
    return PaperSettings(
        source="InfiniteAudio, §2.2, §3.1 and Table 1; guidance and steps of clips are its systems' authors'",
        guidance_scale=guidance_scale,
        speech_scale=speech_scale,
        steps=steps,
        count=500,
        left_out=0.2,
        endless=endless,
    )


LITE_FOCUS = PaperSettings(
    source="LiteFocus, §4.1 and Tables 1 to 3; guidance is AudioLDM 2's authors'",
    guidance_scale=3.5,
    lengths_s=(10.0, 20.0, 30.0, 40.0, 80.0),
    count=4845,
    attention=LiteFocusAttention(ratio=0.1, sampling="uniform"),
)
DC_LDM = PaperSettings(
    source="DC-LDM, eq. 5 to 8, §3, §4 and Figure 2; the steps are TANGO's authors'",
    guidance_scale=4.0,
    sampler="ddpm",
    count=957,
)
TANGO = DC_LDM.model_copy(
    update={
        "source": "DC-LDM, eq. 5 to 7, §3 and Table 2; guidance and steps are TANGO's authors'",
        "guidance_scale": 3.0,
    }
)
