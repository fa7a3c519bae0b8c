"""What a bridge will cost in time and memory: its windows, at the speed that the model was measured at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.core.edit import BridgeEdit
from studio.core.request import GenerationRequest
from studio.pipeline.cancel import CancelToken
from studio.pipeline.denoiser import build_denoiser
from studio.pipeline.edits.known import KnownTake
from studio.pipeline.edits.layout import Edge, Made, lay_out
from studio.pipeline.edits.make import bridge_plan, told_in_bridge
from studio.pipeline.edits.windows import KNOWN_FRAMES, windows
from studio.pipeline.estimate import Calibration, calibrate
from studio.pipeline.plan import Prompts

if TYPE_CHECKING:
    from studio.backends.base import Backend, Geometry
    from studio.samplers.bridge import Feeding

STEPS = 30  # of the plan that is tried: how many there are is no matter of its pace


@dataclass(frozen=True)
class BridgeSpeed:
    """How fast a model makes bridges here, and how it is fed what is known."""

    calibration: Calibration
    feeding: Feeding
    geometry: Geometry


def bridge_speed(request: GenerationRequest, backend: Backend) -> BridgeSpeed:
    """A step and a decode of short bridges of a take's settings, measured: a second or more."""
    told = told_in_bridge(Prompts(request.prompt), request, STEPS, 0, backend)
    calibration = calibrate(build_denoiser(told, backend, CancelToken()), backend, told.stereo.sampled)
    return BridgeSpeed(calibration, backend.capabilities.bridge, backend.geometry)


def bridge_cost(edit: BridgeEdit, takes: Sequence[KnownTake], speed: BridgeSpeed) -> tuple[float, float]:
    """Seconds, and MiB beyond the model, that an edit takes. Raises `InvalidRequestError` as `lay_out`."""
    plan = bridge_plan(edit, speed.feeding)
    calibration, rate = speed.calibration, speed.geometry.frame_rate
    time_s, memory_mb = 0.0, 0.0
    for part in lay_out(edit, takes, speed.geometry).parts:
        if not isinstance(part, Made):
            continue
        lengths = [frames / rate for frames in _windows(part, takes, speed.geometry)]
        time_s += sum(plan.forwards * calibration.step_s_at(length_s) for length_s in lengths)
        time_s += calibration.decode_s_at(part.frames / rate)
        decoded_mb = calibration.memory_mb(
            part.frames / rate, clips=0
        )  # all of it, window by window denoised
        memory_mb = max(memory_mb, decoded_mb, *map(calibration.memory_mb, lengths))
    return time_s, memory_mb


def _windows(part: Made, takes: Sequence[KnownTake], geometry: Geometry) -> Iterator[int]:
    """The frames of each window of a bridge."""

    def known(edge: Edge | None, after: int) -> int:
        if edge is None:
            return 0
        there = takes[edge.take].samples - edge.sample if after else edge.sample
        return min(KNOWN_FRAMES, there // geometry.hop_samples)

    left, right = known(part.left, 0), known(part.right, 1)
    return (one.frames for one in windows(part.frames, left, right, geometry.frame_multiple))
