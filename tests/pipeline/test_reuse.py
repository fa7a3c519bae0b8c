"""Deep levels that rest, guidance in an interval of noise: how often each works, and that no more moves."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from studio.backends.base import Conditioning
from studio.backends.systems.tone import ToneBackend
from studio.core.errors import InvalidRequestError
from studio.core.messages import FieldError
from studio.core.request import GenerationRequest
from studio.pipeline.batch import render_clips
from studio.pipeline.cancel import CancelToken
from studio.pipeline.renderer import Renderer
from studio.pipeline.reuse import DeepReuse
from studio.pipeline.start import AsRing
from tests.pipeline.test_attention import LITE, MERGING, Unet, sound
from tests.service.service_fakes import request

STEPS = 7  # at timesteps 853, 711, 569, 427, 285, 143 and 1 of 1000


class Counting(Unet):
    """The tiny U-Net, which hears its prompts too: by as much as their vectors say."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[int, int, bool]] = []  # timestep, items, whether the middle worked
        self._worked = False
        self.unet.mid_block.resnets[0].register_forward_hook(lambda *_: setattr(self, "_worked", True))

    def predict_noise(
        self, latents: torch.Tensor, timesteps: torch.Tensor, start_frame: int, conditioning: Conditioning
    ) -> torch.Tensor:
        self._worked = False
        shift = conditioning.vector.mean(dim=-1).reshape(len(latents), -1)[:, :1, None, None]
        noise = super().predict_noise(latents + 0.1 * shift, timesteps, start_frame, conditioning)
        self.calls.append((int(timesteps.max()), len(latents), self._worked))
        return noise


def wanted(**values: Any) -> GenerationRequest:
    attention = values.pop("attention", {"kind": "dense"})
    sampler = {"kind": "clip", "steps": STEPS, **values}
    return request(duration_s=1.6, seed=3, sampler=sampler, attention=attention)


@pytest.mark.parametrize(
    ("values", "fresh", "items"),
    [
        ({}, "1111111", "2222222"),
        ({"reuse": "one_of_two"}, "1010101", "2222222"),
        ({"reuse": "two_of_three"}, "1001001", "2222222"),
        ({"guided_from": 0.2, "guided_to": 0.6}, "1111111", "1122211"),
        ({"reuse": "two_of_three", "guided_from": 0.2, "guided_to": 0.6}, "1010010", "1122211"),
        ({"reuse": "two_of_three", "method": "ddpm"}, "1001001", "2222222"),
    ],
)
@pytest.mark.parametrize("attention", [{"kind": "dense"}, LITE, MERGING], ids=lambda kind: kind["kind"])
def test_how_often_the_deep_levels_work_and_of_how_many_items(
    values: dict[str, Any], fresh: str, items: str, attention: dict[str, Any]
) -> None:
    backend = Counting()
    first = sound(wanted(**values, attention=attention), backend)
    assert "".join(str(int(worked)) for _, _, worked in backend.calls) == fresh
    assert "".join(str(count) for _, count, _ in backend.calls) == items
    np.testing.assert_array_equal(first, sound(wanted(**values, attention=attention), backend))
    if "0" in fresh or "1" in items:
        assert np.abs(first - sound(wanted(attention=attention), backend)).max() > 1e-6
    assert not any("forward" in vars(module) for module in backend.unet.modules())


def test_whole_steps_are_what_they_were_to_the_bit() -> None:
    plain = sound(wanted(), Counting())
    np.testing.assert_array_equal(sound(wanted(reuse="off", guided_from=0, guided_to=1), Counting()), plain)
    almost = sound(wanted(guided_from=0.0, guided_to=0.999), Counting())
    np.testing.assert_array_equal(almost, plain, "an interval that holds every step guides every step")


def test_beyond_the_interval_the_prompt_is_followed_as_at_scale_one() -> None:
    beyond = wanted(guided_from=0.9, guided_to=0.95)  # where no step is
    plain = wanted().model_copy(update={"guidance_scale": 1.0})
    np.testing.assert_allclose(sound(beyond, Counting()), sound(plain, Counting()), atol=1e-6)


@pytest.mark.parametrize("attention", [{"kind": "dense"}, LITE], ids=lambda kind: kind["kind"])
def test_side_by_side_they_are_as_one_by_one(attention: dict[str, Any]) -> None:
    ask = wanted(reuse="two_of_three", guided_from=0.2, guided_to=0.6, attention=attention)
    asked = [ask, ask.model_copy(update={"seed": 4, "prompt": "a bell"})]
    together = render_clips(asked, Counting())
    for one, made in zip(asked, together, strict=True):
        np.testing.assert_allclose(made, sound(one, Counting()), atol=1e-5)


def test_a_loop_s_window_turns_so_its_every_step_is_fresh() -> None:
    backend = Counting()
    list(Renderer()(wanted(reuse="two_of_three"), backend, CancelToken(), None, AsRing()))
    assert Counter(worked for _, _, worked in backend.calls) == {True: STEPS}


def test_a_run_that_begins_anew_or_of_another_size_is_fresh() -> None:
    unet = Counting().unet
    reuse = DeepReuse(3, unet)
    worked: list[bool] = []
    unet.mid_block.resnets[0].register_forward_hook(lambda *_: worked.append(True))

    def step(timestep: int, frames: int = 16, items: int = 1) -> bool:
        latents, at = torch.zeros(items, 8, frames, 16), torch.full((items,), timestep)
        worked.clear()
        with torch.no_grad(), reuse.step(latents, at):
            unet(latents, at, encoder_hidden_states=None)
        return bool(worked)

    assert [step(900), step(800), step(700), step(600), step(500)] == [True, False, False, True, False]
    assert [step(900), step(800)] == [True, False], "the noise is back: another run"
    assert [step(700, 32), step(600, 32), step(500, 32, 2)] == [True, False, True]
    with (
        pytest.raises(ValueError, match="one timestep"),
        reuse.step(torch.zeros(1, 8, 2, 16), torch.ones(1, 2)),
    ):
        pass


def test_what_has_no_deep_levels_says_so_before_the_first_step() -> None:
    with pytest.raises(InvalidRequestError, match="no deep levels to reuse"):
        sound(wanted(reuse="two_of_three"), ToneBackend())


def test_what_is_said_of_whole_steps_is_said_of_none() -> None:
    """Sets find takes again that were made before there was a choice."""
    assert wanted().own_settings["sampler"] == {"kind": "clip", "steps": STEPS, "method": "ddim"}
    sparing = wanted(reuse="one_of_two", guided_to=0.9).own_settings["sampler"]
    assert (sparing["reuse"], sparing["guided_to"]) == ("one_of_two", 0.9)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"guided_from": 0.5, "guided_to": 0.5}, "guides nowhere"),
        ({"guided_to": 1.5}, "Guidance ends above"),
        ({"guided_from": float("nan")}, "Guidance begins above"),
        ({"reuse": "always"}, "Coarse layers"),
    ],
)
def test_values_out_of_bounds_are_one_sentence(values: dict[str, Any], said: str) -> None:
    with pytest.raises(FieldError, match=said):
        wanted(**values)


def test_endless_takes_know_no_resting_layers() -> None:
    """The frames of their queue move on: what was kept of one would be another's."""
    with pytest.raises(FieldError):
        request(sampler={"kind": "endless", "reuse": "two_of_three"})
