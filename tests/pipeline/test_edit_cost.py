"""What an edit is said to take: as much as the model is asked for when it is made."""

from __future__ import annotations

import pytest

from studio.core.edit import parse_edit
from studio.core.errors import InvalidRequestError
from studio.core.request import parse_request
from studio.pipeline.edits.cost import BridgeSpeed, bridge_cost, bridge_speed
from studio.pipeline.estimate import Calibration
from studio.testing import FakeBackend
from tests.pipeline.edits_fakes import edited, take_of

# A second for each second of sound in a step, none for anything else; 1 MiB likewise, 2 for decoding.
EVEN = Calibration(step_s=(2.5, 10.0), step_mb=(2.5, 10.0), decode_s=0.0, decode_mb=5.0)


class Counting(FakeBackend):
    """Counts the frames that it is asked about, step by step."""

    frames = 0

    def predict_noise(self, latents, *rest):
        self.frames += latents.shape[2]
        return super().predict_noise(latents, *rest)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("repaint", {"start_s": 3, "end_s": 5}),
        ("repaint", {"start_s": 0, "end_s": 9.5, "strength": 0.5}),  # several windows, fewer steps
        ("extend", {"left_s": 2, "right_s": 8}),
        ("loop", {"start_s": 1, "end_s": 6}),
        ("splice", {"leave_s": 4, "enter_s": 2}),
    ],
)
def test_the_cost_counts_what_the_model_is_asked(kind, values):
    backend = Counting()
    plain = parse_request(prompt="rain", seed=1, guidance_scale=1)
    takes = [take_of(backend, seed=seed, request=plain) for seed in range(2 if kind == "splice" else 1)]
    edit = parse_edit(kind, steps=5, seed=1, **values)
    time_s, memory_mb = bridge_cost(edit, takes, BridgeSpeed(EVEN, "noised", backend.geometry))
    backend.frames = 0
    edited(edit, takes, backend)
    assert time_s == pytest.approx(backend.frames / backend.geometry.frame_rate)
    assert 2 < memory_mb <= 20


def test_what_cannot_be_made_costs_nothing_but_a_sentence():
    backend = FakeBackend()
    take = take_of(backend)
    with pytest.raises(InvalidRequestError, match="beyond the take's end"):
        bridge_cost(
            parse_edit("repaint", start_s=3, end_s=50), [take], BridgeSpeed(EVEN, "noised", backend.geometry)
        )
    kept = bridge_cost(
        parse_edit("repaint", start_s=3, end_s=5, strength=0),
        [take],
        BridgeSpeed(EVEN, "noised", backend.geometry),
    )
    assert kept == (0.0, 0.0)


def test_a_model_is_measured_as_its_bridges_are_made():
    backend = FakeBackend()
    speed = bridge_speed(parse_request(prompt="rain", seed=1), backend)
    assert (speed.feeding, speed.geometry) == (backend.capabilities.bridge, backend.geometry)
    time_s, _ = bridge_cost(parse_edit("extend", right_s=5), [take_of(backend)], speed)
    assert time_s > 0
