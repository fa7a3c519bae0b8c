"""What a table will cost before it is begun: a look at short clips of each way (`pipeline.estimate`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from studio.backends.base import Backend
from studio.core.request import GenerationRequest
from studio.core.sampling import EndlessSampler
from studio.evaluation.papers.clips import Clips
from studio.evaluation.papers.manifest import Example
from studio.evaluation.papers.rows import Row
from studio.modules.acoustic_branch import ACOUSTIC_WIDTH
from studio.pipeline.acoustic import EncodedAcoustics
from studio.pipeline.cancel import CancelToken
from studio.pipeline.denoiser import build_denoiser
from studio.pipeline.estimate import SHORT_S, Calibration, calibrate
from studio.pipeline.plan import ClipPlan, ConcatPlan, EndlessPlan, RenderPlan, resolve_plan
from studio.pipeline.speech import clip_speech

HEARD = 500  # frames of a draft of 10 s, as AudioGen's


class Costs:
    """Estimates of rows; models are loaded, and each way of making is looked at once."""

    def __init__(self, clips: Clips) -> None:
        self._clips = clips
        self._known: dict[tuple[object, ...], Calibration] = {}

    def of(self, row: Row, examples: Sequence[Example]) -> dict[str, Any]:
        """How many clips a row has, how many of them are made already, and the seconds that the others take,
        but for drafts, which no short look tells of (None where a row is drafts alone).
        """
        about = {
            "key": row.key,
            "label": row.label,
            "clips": len(examples),
            "made": 0,
            "seconds": row.seconds,
        }
        if row.why_not or row.makes == "recordings":
            return {**about, "clips": 0, "left_s": 0.0, **({"not_run": row.why_not} if row.why_not else {})}
        lacking = self._clips.lacking(row, examples)
        about["made"] = len(examples) - len(lacking)
        if row.makes == "drafts":
            return {**about, "left_s": None if lacking else 0.0}
        self._clips.report(f"{row.label}: what it will cost", 0, 1)
        left_s = self._clip_s(row, lacking[0]) * len(lacking) if lacking else 0.0
        return {**about, "left_s": round(left_s, 1)}

    def _clip_s(self, row: Row, example: Example) -> float:
        request = self._clips.request(row, example).model_copy(update={"duration_s": row.seconds})
        backend = self._clips.models.backend(row.model)
        strategy = "equal" if isinstance(request.sampler, EndlessSampler) else None
        plan = resolve_plan(request, backend, strategy)
        return _takes_s(plan, self._calibration(request, plan, backend), backend)

    def _calibration(self, request: GenerationRequest, plan: RenderPlan, backend: Backend) -> Calibration:
        alike = (backend.id, request.attention, request.draft.kind, plan.guidance.passes)
        if alike not in self._known:
            frames = backend.geometry.frames(request.duration_s or SHORT_S)
            speech = clip_speech(backend, plan.speech, frames)
            heard = None if plan.draft is None else EncodedAcoustics(torch.zeros(2, HEARD, ACOUSTIC_WIDTH))
            denoise = build_denoiser(plan, backend, CancelToken(), acoustics=heard, speech=speech)
            self._known[alike] = calibrate(denoise, backend)
        return self._known[alike]


def _takes_s(plan: RenderPlan, cost: Calibration, backend: Backend) -> float:
    """Seconds that a take takes, by what steps over the frames that they see cost, and decoding."""
    rate = backend.geometry.frame_rate
    whole_s = plan.total_samples / backend.geometry.sample_rate if plan.total_samples else 0.0
    decode_s = cost.decode_s / SHORT_S * whole_s
    match plan.sampler:
        case ClipPlan() as clip:
            return _steps_s(cost, clip.duration_s, clip.steps) + decode_s
        case ConcatPlan() as joined:
            return joined.count * _steps_s(cost, joined.clip_frames / rate, joined.steps) + decode_s
        case EndlessPlan() as endless:
            window = endless.window
            forwards = endless.warmup_steps + -(-round(whole_s * rate) // window.group_size)
            return _steps_s(cost, window.window_frames / rate, forwards) + decode_s


def _steps_s(cost: Calibration, duration_s: float, steps: int) -> float:
    """Steps alone: an estimate's time without its decoding."""
    whole = cost.estimate(duration_s, steps, 0.0).time_s
    return whole - cost.decode_s / SHORT_S * duration_s
